//! Places of a test's own: nobody else is given them as long as its process lives.

use std::io;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::sync::{Mutex, PoisonError};

use socket2::{Domain, Socket, Type};

/// What holds the places.
static HELD: Mutex<Vec<(Socket, UdpSocket)>> = Mutex::new(Vec::new());

/// A place of this address where nobody listens. Connections and datagrams are refused, until the
/// test itself listens there for connections, with `SO_REUSEADDR` at least: a port that was merely
/// let go again is somebody else's a moment later.
pub(crate) fn reserve(ip: IpAddr) -> SocketAddr {
    let mut found = std::iter::repeat_with(|| hold(ip)).take(TRIES).flatten();
    let (at, tcp, udp) = found.next().expect("a port is to be had");
    let mut held = HELD.lock().unwrap_or_else(PoisonError::into_inner);
    held.push((tcp, udp));
    at
}

/// Fails where somebody has the port for datagrams.
fn hold(ip: IpAddr) -> io::Result<(SocketAddr, Socket, UdpSocket)> {
    let any = SocketAddr::new(ip, 0);
    let tcp = Socket::new(Domain::for_address(any), Type::STREAM, None)?;
    // With both of them others can listen beside it; yet no free port that is asked for is this.
    tcp.set_reuse_address(true)?;
    tcp.set_reuse_port(true)?;
    tcp.bind(&any.into())?;
    let at = tcp.local_addr()?.as_socket();
    let at = at.ok_or(io::ErrorKind::Unsupported)?;
    let udp = UdpSocket::bind(at)?;
    // Whoever is connected hears one peer only; all others are told that nobody is there.
    udp.connect(at)?;
    Ok((at, tcp, udp))
}

/// A port is rarely free for connections and not for datagrams.
const TRIES: usize = 100;
