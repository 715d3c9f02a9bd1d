//! Hundreds of small servers on one host, each at an address of its own, that break on order.
//!
//! ```text
//!   br0 ──┬── lb1, lb2, lb3       know a way to 10.1.0.0/16: ask for each address by ARP
//!         └── street 10.0.0.60    10.1.0.1 http, 10.1.0.2 ftp, .3 smtp, .4 dns, .5 tcp, .6 http, …
//!                  ▲ control socket: kill, hang, spoil, taint, unplug, flap, heal
//!                  └─ answered when it is so
//! ```
//!
//! One process serves all of them (`src/bin/neighbourhood.rs`).

pub mod kind;
pub mod order;
mod server;
pub mod street;
mod taint;
mod talk;

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::Ipv4Addr;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use super::network::Host;
use super::node::beside;
use super::process::Process;
use super::{Lab, wait};
use order::{Act, Done, Order};

/// The host on which they stand.
const STREET: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 60);

/// An address of the LAN that no host has.
const NOBODY: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 253);

/// Thousands of listeners are opened one after the other.
const STARTS_WITHIN: Duration = Duration::from_secs(20);

/// An order to all of them takes milliseconds; `ip` a little longer.
const OBEYS_WITHIN: Duration = Duration::from_secs(20);

/// The servers, running.
#[derive(Debug)]
pub struct Neighbourhood {
    process: Process,
    socket: PathBuf,
    count: u16,
    // Dropped last: who probes still needs the room.
    _neighbours: Neighbours,
}

impl Neighbourhood {
    /// Plugs in a host with houses `0..count` and waits until all of them serve.
    ///
    /// **Errors**: the binary is missing, or it does not listen in time.
    pub fn start(lab: &Lab, count: u16) -> Result<Neighbourhood> {
        let neighbours = Neighbours::make_room()?;
        let host = lab.host("street", STREET)?;
        host.batch(&street::address_lines("add", 0..count))?;
        let socket = lab.folder().join("street.sock");
        let mut command = host.command(beside("neighbourhood")?);
        command.arg(count.to_string()).arg(&socket);
        let process = host.spawn("street", command)?;
        let ready = wait::until_true("the street serves", STARTS_WITHIN, || {
            socket.exists() || !process.is_running()
        });
        ready.with_context(|| process.log())?;
        ensure!(process.is_running(), "the street ended: {}", process.log());
        Ok(Neighbourhood {
            process,
            socket,
            count,
            _neighbours: neighbours,
        })
    }

    /// Shows a host the way to all of them.
    ///
    /// **Errors**: the host is gone.
    pub fn show_the_way(&self, host: &Host) -> Result<()> {
        host.batch(&format!("route replace {} dev eth0\n", kind::NETWORK))
    }

    /// Sends whatever a host has for them to a router that is not there, as a broken network does.
    ///
    /// **Errors**: the host is gone.
    pub fn mislead(&self, host: &Host) -> Result<()> {
        host.batch(&format!("route replace {} via {NOBODY}\n", kind::NETWORK))
    }

    /// How many there are.
    pub fn count(&self) -> u16 {
        self.count
    }

    /// The process that they all are.
    pub fn process(&self) -> &Process {
        &self.process
    }

    /// Has something done to houses, and waits until it is so.
    ///
    /// **Errors**: there is no such house, or the process is gone.
    pub fn order(&self, act: Act, houses: &[u16]) -> Result<Done> {
        let stream = UnixStream::connect(&self.socket).context("reach the street")?;
        stream.set_read_timeout(Some(OBEYS_WITHIN))?;
        let houses = houses.to_vec();
        let mut stream = BufReader::new(stream);
        writeln!(stream.get_mut(), "{}", Order { act, houses })?;
        let mut answer = String::new();
        stream
            .read_line(&mut answer)
            .context("the street's answer")?;
        answer.parse::<Done>().with_context(|| format!("{act:?}"))
    }
}

/// Room for all of them in the kernel's neighbour table, which is one for all namespaces.
///
/// Each node may come to know each house, and the street each node: 500 houses and three nodes are
/// more than the 1024 entries that a machine has by default. The old limits come back on drop.
#[derive(Debug)]
struct Neighbours(Vec<(PathBuf, String)>);

/// `arp(7)`, from the hard limit down, so that none is ever below the next.
const LIMITS: [(&str, &str); 3] = [
    ("gc_thresh3", "65536"),
    ("gc_thresh2", "49152"),
    ("gc_thresh1", "32768"),
];

impl Neighbours {
    fn make_room() -> Result<Neighbours> {
        let mut before = Vec::new();
        for (name, room) in LIMITS {
            let path = Path::new("/proc/sys/net/ipv4/neigh/default").join(name);
            let old = fs::read_to_string(&path).with_context(|| path.display().to_string())?;
            fs::write(&path, room).with_context(|| path.display().to_string())?;
            before.push((path, old));
        }
        Ok(Neighbours(before))
    }
}

impl Drop for Neighbours {
    fn drop(&mut self) {
        for (path, old) in self.0.iter().rev() {
            // The machine's own business from here on.
            let _ = fs::write(path, old);
        }
    }
}
