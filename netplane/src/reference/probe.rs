//! One question, asked twice in a row: does anybody have this address?

use std::io;
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use tokio::net::UdpSocket;
use tokio::time::{Instant, timeout_at};

use crate::arp::{self, FRAME_BYTES};
use crate::sys::{Netlink, NetlinkError, PacketSocket};

/// In whose name it is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sender {
    /// In nobody's: a probe, which changes nobody's table.
    Nobody,
    /// In this machine's, by its own address in the network of whom it asks.
    ThisMachine,
}

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
    /// It is down, or sees no carrier.
    #[error("interface {0}: it is down, or sees no carrier")]
    NoCarrier(String),
    /// It has no address in the network of whom it is to ask.
    #[error("interface {interface}: no address in the network of {address}")]
    NoAddress {
        /// Which.
        interface: String,
        /// Who was to be asked.
        address: Ipv4Addr,
    },
    /// Not allowed (`CAP_NET_RAW`), or the interface went down meanwhile.
    #[error("cannot ask by ARP: {0}")]
    System(#[from] io::Error),
}

/// Who says that `address` is its own, apart from this machine: asked by ARP, twice.
///
/// **Errors**: [`ProbeError`]; nothing is known.
pub async fn who_has(
    interface: &str,
    address: IpAddr,
    sender: Sender,
) -> Result<Option<[u8; 6]>, ProbeError> {
    let IpAddr::V4(v4) = address else {
        return Err(ProbeError::NoIpv4(address));
    };
    let wrong = |why: String| ProbeError::Interface {
        interface: interface.to_owned(),
        why,
    };
    let netlink = Netlink::open()?;
    let found = netlink.link(interface).await;
    let link = found.map_err(|error: NetlinkError| wrong(error.to_string()))?;
    let mac = link
        .mac
        .ok_or_else(|| wrong("it is no Ethernet".to_owned()))?;
    if !link.carrier {
        return Err(ProbeError::NoCarrier(interface.to_owned()));
    }
    let (name, gap) = match sender {
        Sender::Nobody => (Ipv4Addr::UNSPECIFIED, PROBE_GAP),
        Sender::ThisMachine => (own(&netlink, interface, link.index, v4).await?, PATIENCE),
    };
    let socket = UdpSocket::from_std(PacketSocket::arp(link.index)?.into())?;
    let question = arp::question(mac, name, v4);
    for _ in 0..QUESTIONS {
        socket.send(&question).await?;
        let end = Instant::now() + gap;
        let mut heard = [0; FRAME_BYTES];
        while let Ok(length) = timeout_at(end, socket.recv(&mut heard)).await {
            let owner = arp::owner(heard.get(..length?).unwrap_or_default(), v4);
            if let Some(owner) = owner.filter(|owner| *owner != mac) {
                return Ok(Some(owner));
            }
        }
    }
    Ok(None)
}

/// This machine's own address in the network of `other`.
async fn own(
    netlink: &Netlink,
    interface: &str,
    index: u32,
    other: Ipv4Addr,
) -> Result<Ipv4Addr, ProbeError> {
    let subnets = netlink.subnets(index).await.unwrap_or_default();
    let own = subnets.iter().find_map(|subnet| match subnet.address {
        IpAddr::V4(own) if subnet.contains(other.into()) => Some(own),
        IpAddr::V4(_) | IpAddr::V6(_) => None,
    });
    own.ok_or_else(|| ProbeError::NoAddress {
        interface: interface.to_owned(),
        address: other,
    })
}

/// **Source**: `vip-protocol.md`, section 5.
const QUESTIONS: u32 = 2;
/// Between two probes, and after the second: a takeover waits for it.
const PROBE_GAP: Duration = Duration::from_millis(30);
/// The same where only a person waits: a router that is busy answers late.
const PATIENCE: Duration = Duration::from_millis(500);
