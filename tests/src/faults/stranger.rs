//! A machine that is none of ours and says that the VIP is its own.

use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use farmux_netplane::arp::{Claim, Form};
use farmux_netplane::sys::PacketSocket;

use super::judge::Mac;
use super::tap::parse_mac;
use crate::lab::process::run;
use crate::lab::{Host, VIP};

/// 100 a second.
const CLAIM_EVERY: Duration = Duration::from_millis(10);

/// Claims the VIP for so long, by ARP requests and replies in turns.
///
/// **Errors**: it has no interface, or may not send.
pub fn claim(stranger: &Host, span: Duration) -> Result<()> {
    let (index, mac) = card(stranger)?;
    let socket = stranger.within(|| PacketSocket::arp(index))?;
    let claim = |form| Claim {
        form,
        mac,
        address: VIP,
    };
    let frames = [claim(Form::Request).frame(), claim(Form::Reply).frame()];
    let end = Instant::now() + span;
    for frame in frames.iter().cycle().take_while(|_| Instant::now() < end) {
        socket.send(frame)?;
        sleep(CLAIM_EVERY);
    }
    Ok(())
}

/// Index and address of a host's interface.
///
/// **Errors**: it has none.
pub fn card(host: &Host) -> Result<(u32, Mac)> {
    let shown = run(host
        .command("ip")
        .args(["-o", "link", "show", "dev", "eth0"]))?;
    let index = shown.split(':').next().context("an index")?.trim();
    let mac = shown.split("link/ether ").nth(1).context("a MAC")?;
    let mac = mac.split(' ').next().unwrap_or_default();
    Ok((index.parse()?, parse_mac(mac)?))
}
