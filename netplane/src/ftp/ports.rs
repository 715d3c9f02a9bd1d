//! Sockets for data connections: a random port of the VIP to listen on, port 20 to dial from.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use ring::rand::{SecureRandom, SystemRandom};
use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::{TcpListener, TcpSocket, TcpStream};

use super::refusal::FtpRefusal;
use crate::plan::PortRange;

/// So many ports are tried at random: with nine of ten taken, one session of eight hundred is
/// refused, and it may ask again.
const TRIES: usize = 64;
/// The client alone is expected; a few strangers must not keep it out before they are turned away.
const BACKLOG: i32 = 16;
/// Where data connections come from (RFC 959 section 3.2: one below the control port).
const DATA_PORT: u16 = 20;

/// Listens on a port that nobody can guess and nobody else listens on.
///
/// **Errors**: none was free, or there are no descriptors left.
pub(crate) fn listen(vip: IpAddr, range: PortRange) -> Result<TcpListener, FtpRefusal> {
    for _ in 0..TRIES {
        let port = random_port(range).ok_or(FtpRefusal::NoFreePort)?;
        match bind_and_listen(SocketAddr::new(vip, port)) {
            Ok(listener) => return Ok(listener),
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => {}
            Err(error) => {
                tracing::warn!(%vip, port, %error, "cannot listen for FTP data");
                return Err(FtpRefusal::NoFreePort);
            }
        }
    }
    Err(FtpRefusal::NoFreePort)
}

fn random_port(range: PortRange) -> Option<u16> {
    let mut bytes = [0; 4];
    SystemRandom::new().fill(&mut bytes).ok()?;
    let ports = u32::from(range.last.saturating_sub(range.first)) + 1;
    // Of 2^32 numbers and at most 2^16 ports: the bias is below one in 2^16.
    let offset = u16::try_from(u32::from_be_bytes(bytes) % ports).ok()?;
    range.first.checked_add(offset)
}

fn bind_and_listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = bound(address)?;
    socket.listen(BACKLOG)?;
    TcpListener::from_std(socket.into())
}

/// A socket with an address that need not be on this machine; connections that are over, and
/// others that only go out, do not keep it from being bound again.
fn bound(address: SocketAddr) -> io::Result<Socket> {
    let domain = Domain::for_address(address);
    let socket = Socket::new(domain, Type::STREAM, Some(Protocol::TCP))?;
    socket.set_nonblocking(true)?;
    socket.set_reuse_address(true)?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
        socket.set_freebind_v6(true)?;
    } else {
        socket.set_freebind_v4(true)?;
    }
    socket.bind(&address.into())?;
    Ok(socket)
}

/// Connects to a client from the VIP's port 20.
///
/// **Errors**: this process may not use that port, or the client cannot be reached in time.
pub(crate) async fn dial(
    vip: IpAddr,
    client: SocketAddr,
    within: Duration,
) -> Result<TcpStream, FtpRefusal> {
    let socket = bound(SocketAddr::new(vip, DATA_PORT)).map_err(|error| {
        if error.kind() == io::ErrorKind::PermissionDenied {
            FtpRefusal::PortTwenty
        } else {
            FtpRefusal::ClientUnreachable
        }
    })?;
    let connect = TcpSocket::from_std_stream(socket.into()).connect(client);
    match tokio::time::timeout(within, connect).await {
        Ok(Ok(stream)) => Ok(stream),
        Ok(Err(_)) | Err(_) => Err(FtpRefusal::ClientUnreachable),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::Ipv4Addr;

    #[tokio::test]
    async fn a_port_is_never_shared_and_a_range_can_be_used_up() {
        let vip = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 77));
        let range = PortRange {
            first: 40_000,
            last: 40_003,
        };
        let mut ports = Vec::new();
        let mut held = Vec::new();
        for _ in 0..4 {
            let listener = listen(vip, range).expect("64 tries find one of four");
            let address = listener.local_addr().expect("it has an address");
            assert_eq!(address.ip(), vip);
            ports.push(address.port());
            held.push(listener);
        }
        ports.sort_unstable();
        assert_eq!(ports, [40_000, 40_001, 40_002, 40_003]);
        assert_eq!(listen(vip, range).err(), Some(FtpRefusal::NoFreePort));
    }

    #[tokio::test]
    async fn an_address_that_is_not_here_can_be_listened_on() {
        let range = PortRange {
            first: 40_000,
            last: 40_999,
        };
        for vip in ["192.0.2.77", "2001:db8::77"] {
            let vip = vip.parse().expect("an address");
            assert!(listen(vip, range).is_ok(), "{vip}");
        }
    }
}
