//! One connection to a server, within a deadline, from an address of our own.

use std::collections::BTreeSet;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::time::Duration;

use socket2::SockRef;
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::Instant;

use super::outcome::{Failure, LocalTrouble, Outcome, Phase};

/// Where a probe may leave from.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Origin {
    /// This node's own addresses.
    pub(super) own: Vec<IpAddr>,
    /// VIPs: they move, and with them would go the answer.
    pub(super) never: BTreeSet<IpAddr>,
}

/// The time that one probe has.
#[derive(Debug, Clone, Copy)]
pub(super) struct Budget {
    timeout: Duration,
    deadline: Instant,
}

impl Budget {
    /// Begins now.
    pub(super) fn begin(timeout: Duration) -> Budget {
        Budget {
            timeout,
            deadline: Instant::now() + timeout,
        }
    }

    /// Waits for one step, and no longer than the budget lasts.
    pub(super) async fn step<T>(
        &self,
        phase: Phase,
        step: impl Future<Output = io::Result<T>>,
    ) -> Result<T, Outcome> {
        match tokio::time::timeout_at(self.deadline, step).await {
            Ok(Ok(done)) => Ok(done),
            Ok(Err(error)) => Err(Outcome::from_io(&error, phase)),
            Err(_elapsed) => Err(Outcome::Fail(Failure::Timeout {
                after: self.timeout,
                during: phase,
            })),
        }
    }
}

/// Connects to a server.
///
/// **Errors**: how the probe ends without a connection.
pub(super) async fn connect(
    target: SocketAddr,
    origin: &Origin,
    budget: &Budget,
) -> Result<TcpStream, Outcome> {
    let ours = |error: &io::Error| Outcome::from_io(error, Phase::Connecting);
    let socket = if target.is_ipv4() {
        TcpSocket::new_v4()
    } else {
        TcpSocket::new_v6()
    }
    .map_err(|error| ours(&error))?;
    if let Some(source) = origin.source_for(target)? {
        socket
            .bind(SocketAddr::new(source, 0))
            .map_err(|error| ours(&error))?;
    }
    let stream = budget
        .step(Phase::Connecting, socket.connect(target))
        .await?;
    if is_own_echo(&stream) {
        return Err(Outcome::Fail(Failure::Refused));
    }
    Ok(stream)
}

/// Makes the close that follows an abortive one: the sockets of thousands of probes would
/// otherwise wait out `TIME_WAIT` for a minute each and use up ports.
pub(super) fn close_without_trace(stream: TcpStream) {
    // A socket that is dead already needs no such care, so a failure here changes nothing.
    let _ = SockRef::from(&stream).set_linger(Some(Duration::ZERO));
    drop(stream);
}

impl Origin {
    /// The address to bind to; `None` where the kernel's own choice is no VIP.
    fn source_for(&self, target: SocketAddr) -> Result<Option<IpAddr>, Outcome> {
        if self.never.is_empty() || !self.kernels_choice(target).is_some_and(|ip| self.vip(ip)) {
            return Ok(None);
        }
        let fits = |ip: &&IpAddr| ip.is_ipv4() == target.is_ipv4() && !self.vip(**ip);
        match self.own.iter().find(fits) {
            Some(ip) => Ok(Some(*ip)),
            None => Err(Outcome::Inconclusive(LocalTrouble::NoOwnAddress)),
        }
    }

    fn vip(&self, ip: IpAddr) -> bool {
        self.never.contains(&ip)
    }

    /// Asks the routing table by connecting a datagram socket, which sends nothing.
    fn kernels_choice(&self, target: SocketAddr) -> Option<IpAddr> {
        let any: IpAddr = match target {
            SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
            SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
        };
        let socket = UdpSocket::bind((any, 0)).ok()?;
        socket.connect(target).ok()?;
        Some(socket.local_addr().ok()?.ip())
    }
}

/// Whether a connection to a port of this very machine met itself: TCP allows it (RFC 9293,
/// simultaneous open) where nobody listens and the port drawn is the port asked for.
fn is_own_echo(stream: &TcpStream) -> bool {
    matches!((stream.local_addr(), stream.peer_addr()), (Ok(local), Ok(peer)) if local == peer)
}
