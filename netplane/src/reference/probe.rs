//! One question, asked once: does anybody have this address?

use std::io;
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use tokio::net::UdpSocket;
use tokio::time::{Instant, timeout_at};

use super::frame::{self, FRAME_BYTES};
use crate::sys::{Netlink, NetlinkError, PacketSocket};

/// Whether somebody could be asked.
#[derive(Debug, thiserror::Error)]
pub enum ProbeError {
    /// IPv6 knows other questions.
    #[error("{0} is no IPv4 address")]
    NoIpv4(IpAddr),
    /// The interface is not there, or no Ethernet.
    #[error("interface {interface}: {why}")]
    Interface {
        /// Which.
        interface: String,
        /// In what way.
        why: String,
    },
    /// Not allowed (`CAP_NET_RAW`), or the interface is down.
    #[error("cannot ask by ARP: {0}")]
    System(#[from] io::Error),
}

/// Who says that `address` is its own, apart from this machine: asked by two ARP probes, 30 ms
/// apart.
///
/// **Errors**: [`ProbeError`]; nothing is known.
pub async fn who_has(interface: &str, address: IpAddr) -> Result<Option<[u8; 6]>, ProbeError> {
    let IpAddr::V4(v4) = address else {
        return Err(ProbeError::NoIpv4(address));
    };
    let wrong = |why: String| ProbeError::Interface {
        interface: interface.to_owned(),
        why,
    };
    let found = Netlink::open()?.link(interface).await;
    let link = found.map_err(|error: NetlinkError| wrong(error.to_string()))?;
    let mac = link
        .mac
        .ok_or_else(|| wrong("it is no Ethernet".to_owned()))?;
    if !link.carrier {
        return Err(wrong("it is down, or sees no carrier".to_owned()));
    }
    let socket = UdpSocket::from_std(PacketSocket::arp(link.index)?.into())?;
    let question = frame::question(mac, Ipv4Addr::UNSPECIFIED, v4);
    for _ in 0..PROBES {
        socket.send(&question).await?;
        let end = Instant::now() + GAP;
        let mut heard = [0; FRAME_BYTES];
        while let Ok(length) = timeout_at(end, socket.recv(&mut heard)).await {
            let owner = frame::owner(heard.get(..length?).unwrap_or_default(), v4);
            if let Some(owner) = owner.filter(|owner| *owner != mac) {
                return Ok(Some(owner));
            }
        }
    }
    Ok(None)
}

/// **Source**: `vip-protocol.md`, section 5.
const PROBES: u32 = 2;
/// Between the probes, and after the second.
const GAP: Duration = Duration::from_millis(30);
