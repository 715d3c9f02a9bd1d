//! A connection to somebody else's machine: looked up once, judged, and made from an own address.
//!
//! ```text
//!   name --look up--> addresses --judge each--> those allowed --connect, from our own--> TcpStream
//! ```
//!
//! What was judged is what is connected to: a name server that answers differently a moment later
//! has no say.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use farmux_netplane::origin::Origin;
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::{Instant, timeout_at};

use super::names;

/// Where a connection may lead.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reach {
    /// Wherever the operator says: relays, paging servers and collectors are often on the machine
    /// itself.
    Anywhere,
    /// Neither to this machine, nor to its link, nor to our own VIPs: a URL may name what only we
    /// can reach, such as a cloud's metadata.
    Outside,
}

/// Why no connection came about, in words for people.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum DialError {
    /// The name leads nowhere.
    #[error("looking up {host}: {why}")]
    LookUp {
        /// The name.
        host: String,
        /// The resolver's words.
        why: String,
    },
    /// It leads where it may not.
    #[error("{host} is {address}, {class}: refused, unless allow_local is set")]
    Refused {
        /// The name.
        host: String,
        /// The first of its addresses.
        address: IpAddr,
        /// What kind of address that is.
        class: &'static str,
    },
    /// Nobody answers there.
    #[error("connecting to {address}: {why}")]
    Connect {
        /// The last that was tried.
        address: SocketAddr,
        /// The system's words.
        why: String,
    },
}

/// Looks a name up and drops what it may not lead to; never empty.
pub(super) async fn look_up(
    host: &str,
    port: u16,
    reach: Reach,
    origin: &Origin,
    deadline: Instant,
) -> Result<Vec<SocketAddr>, DialError> {
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let wrong = |why: String| DialError::LookUp {
        host: host.to_owned(),
        why,
    };
    let found = timeout_at(deadline, names::look_up(host, port)).await;
    let found = found.map_err(|_elapsed| wrong("no answer in time".to_owned()))?;
    let found = found.map_err(wrong)?;
    let mut refused = None;
    let mut allowed = Vec::new();
    for address in found {
        match forbidden(address.ip(), reach, origin) {
            None => allowed.push(address),
            Some(class) => refused = refused.or(Some((address.ip(), class))),
        }
    }
    match (allowed.is_empty(), refused) {
        (false, _) => Ok(allowed),
        (true, Some((address, class))) => Err(DialError::Refused {
            host: host.to_owned(),
            address,
            class,
        }),
        (true, None) => Err(wrong("no address".to_owned())),
    }
}

/// Connects to the first address that answers; each has its share of the time that is left.
pub(super) async fn connect(
    addresses: &[SocketAddr],
    origin: &Origin,
    deadline: Instant,
) -> Result<(TcpStream, SocketAddr), DialError> {
    let mut last = None;
    for (place, &address) in addresses.iter().enumerate() {
        let others = u32::try_from(addresses.len() - place).unwrap_or(u32::MAX);
        let left = deadline.saturating_duration_since(Instant::now());
        let until = Instant::now() + left / others.max(1);
        let opened = match timeout_at(until, open(address, origin)).await {
            Ok(opened) => opened,
            Err(_elapsed) => Err("no answer in time".to_owned()),
        };
        match opened {
            Ok(stream) => return Ok((stream, address)),
            Err(why) => last = Some(DialError::Connect { address, why }),
        }
    }
    Err(last.unwrap_or(DialError::LookUp {
        host: String::new(),
        why: "no address".to_owned(),
    }))
}

async fn open(address: SocketAddr, origin: &Origin) -> Result<TcpStream, String> {
    let source = origin
        .source_for(address)
        .map_err(|error| error.to_string())?;
    let connect = async {
        let socket = if address.is_ipv4() {
            TcpSocket::new_v4()
        } else {
            TcpSocket::new_v6()
        }?;
        if let Some(source) = source {
            socket.bind(SocketAddr::new(source, 0))?;
        }
        socket.connect(address).await
    };
    connect.await.map_err(|error: std::io::Error| words(&error))
}

/// An error of a connection in the words that people know.
pub(super) fn words(error: &std::io::Error) -> String {
    use std::io::ErrorKind;
    let known = [
        (ErrorKind::ConnectionRefused, "connection refused"),
        (ErrorKind::ConnectionReset, "connection reset"),
        (ErrorKind::TimedOut, "no answer"),
        (ErrorKind::UnexpectedEof, "connection closed"),
    ];
    let found = known.iter().find(|(kind, _)| *kind == error.kind());
    found.map_or_else(|| error.to_string(), |(_, words)| (*words).to_owned())
}

/// PURE. What forbids an address; nothing where it may be connected to.
fn forbidden(ip: IpAddr, reach: Reach, origin: &Origin) -> Option<&'static str> {
    match reach {
        Reach::Anywhere => None,
        Reach::Outside => {
            let plain = plain(ip);
            let is_vip = origin.never.contains(&ip) || origin.never.contains(&plain);
            match plain {
                _ if is_vip => Some("a VIP of this cluster"),
                IpAddr::V4(v4) => forbidden_v4(v4),
                IpAddr::V6(v6) => forbidden_v6(v6),
            }
        }
    }
}

fn forbidden_v4(ip: Ipv4Addr) -> Option<&'static str> {
    let [first, ..] = ip.octets();
    match ip {
        _ if first == 0 => Some("unspecified"),
        _ if ip.is_loopback() => Some("loopback"),
        _ if ip.is_link_local() => Some("link-local"),
        _ if ip.is_multicast() => Some("multicast"),
        _ if ip.is_broadcast() => Some("broadcast"),
        _ if METADATA_V4.contains(&ip) => Some("a cloud's metadata"),
        _ => None,
    }
}

fn forbidden_v6(ip: Ipv6Addr) -> Option<&'static str> {
    match ip {
        _ if ip.is_unspecified() => Some("unspecified"),
        _ if ip.is_loopback() => Some("loopback"),
        _ if ip.is_unicast_link_local() => Some("link-local"),
        _ if ip.is_multicast() => Some("multicast"),
        _ if ip == METADATA_V6 => Some("a cloud's metadata"),
        _ => None,
    }
}

/// The IPv4 address that an IPv6 one stands for, in each way in which one can.
///
/// **Source**: RFC 4291, 2.5.5 (compatible and mapped); RFC 6052, 2.1 (NAT64); RFC 3056, 2 (6to4).
fn plain(ip: IpAddr) -> IpAddr {
    let IpAddr::V6(v6) = ip else {
        return ip;
    };
    let v4 = |high: u16, low: u16| {
        let [a, b] = high.to_be_bytes();
        let [c, d] = low.to_be_bytes();
        IpAddr::V4(Ipv4Addr::new(a, b, c, d))
    };
    match v6.segments() {
        // `::` and `::1` are themselves.
        [0, 0, 0, 0, 0, 0, 0, 0 | 1] => ip,
        [0, 0, 0, 0, 0, 0 | 0xffff, high, low] => v4(high, low),
        [0x64, 0xff9b, 0, 0, 0, 0, high, low] => v4(high, low),
        [0x2002, high, low, ..] => v4(high, low),
        _ => ip,
    }
}

/// Metadata services outside the link-local range: Alibaba Cloud, Azure's wire server.
const METADATA_V4: [Ipv4Addr; 2] = [
    Ipv4Addr::new(100, 100, 100, 200),
    Ipv4Addr::new(168, 63, 129, 16),
];

/// Amazon's metadata service.
const METADATA_V6: Ipv6Addr = Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254);

/// How long a connection may take at all, where nobody says less: a SYN is repeated after 1 and 3
/// seconds, so that two may be lost.
pub(super) const CONNECT_TIME_MAX: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests;
