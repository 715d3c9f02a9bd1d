//! One connection to a server, within a deadline, from an address of our own; or one socket for
//! datagrams.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use socket2::SockRef;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream, UdpSocket};
use tokio::time::Instant;

use super::answer::BODY_BYTES_MAX;
use super::outcome::{Failure, LocalTrouble, Outcome, Phase};
use crate::origin::{NoOwnAddress, Origin};
use crate::plan::ProxyVersion;
use crate::proxy::write;

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

    /// All of it, as it was in the beginning.
    pub(super) fn timeout(&self) -> Duration {
        self.timeout
    }

    /// What is left of it.
    pub(super) fn left(&self) -> Duration {
        self.deadline.saturating_duration_since(Instant::now())
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
    if let Some(source) = source(target, origin)? {
        socket
            .bind(SocketAddr::new(source, 0))
            .map_err(|error| ours(&error))?;
    }
    let stream = budget
        .step(Phase::Connecting, socket.connect(target))
        .await?;
    if is_own_echo(&stream, target) {
        return Err(Outcome::Fail(Failure::Refused));
    }
    Ok(stream)
}

/// Connects to a server, and says first what a proxy says of a connection of its own, where the
/// server demands a header.
///
/// **Errors**: how the probe ends without such a connection.
pub(super) async fn connect_as_proxy(
    target: SocketAddr,
    proxy: Option<ProxyVersion>,
    origin: &Origin,
    budget: &Budget,
) -> Result<TcpStream, Outcome> {
    let mut stream = connect(target, origin, budget).await?;
    if let Some(version) = proxy {
        let header = write::own(version);
        let written = stream.write_all(&header);
        budget.step(Phase::Asking, written).await?;
    }
    Ok(stream)
}

/// A socket for datagrams to and from one server alone.
///
/// **Errors**: how the probe ends without one.
pub(super) async fn connect_udp(target: SocketAddr, origin: &Origin) -> Result<UdpSocket, Outcome> {
    let any: IpAddr = match target {
        SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    };
    let from = SocketAddr::new(source(target, origin)?.unwrap_or(any), 0);
    let connected = async {
        let socket = UdpSocket::bind(from).await?;
        socket.connect(target).await?;
        io::Result::Ok(socket)
    };
    let connected = connected.await;
    connected.map_err(|error| Outcome::from_io(&error, Phase::Connecting))
}

/// Where a probe must leave from, where the kernel's own choice would be wrong.
///
/// **Errors**: how the probe ends where there is no such address.
pub(super) fn source(target: SocketAddr, origin: &Origin) -> Result<Option<IpAddr>, Outcome> {
    let nowhere = |NoOwnAddress| Outcome::Inconclusive(LocalTrouble::NoOwnAddress);
    origin.source_for(target).map_err(nowhere)
}

/// Makes the close that follows an abortive one: the sockets of thousands of probes would
/// otherwise wait out `TIME_WAIT` for a minute each and use up ports.
pub(super) fn close_without_trace(stream: TcpStream) {
    // A socket that is dead already needs no such care, so a failure here changes nothing.
    let _ = SockRef::from(&stream).set_linger(Some(Duration::ZERO));
    drop(stream);
}

/// Lets the server close first, as it was asked to: then `TIME_WAIT` is its own and no log of it
/// speaks of a reset. One that does not within [`DRAIN_TIME_MAX`] is reset.
pub(super) async fn part(mut stream: TcpStream) {
    let drained = tokio::time::timeout(DRAIN_TIME_MAX, drain(&mut stream)).await;
    if !matches!(drained, Ok(Ok(()))) {
        close_without_trace(stream);
    }
}

/// Reads the rest away, up to as much as a whole body may have.
async fn drain(stream: &mut TcpStream) -> io::Result<()> {
    let mut buffer = vec![0; READ_BYTES];
    let mut left = BODY_BYTES_MAX;
    while left > 0 {
        match stream.read(&mut buffer).await? {
            0 => return Ok(()),
            count => left = left.saturating_sub(count),
        }
    }
    Err(io::ErrorKind::FileTooLarge.into())
}

/// Whether a connection to a port of this very machine met itself: TCP allows it (RFC 9293,
/// simultaneous open) where nobody listens and the port drawn is the port asked for.
fn is_own_echo(stream: &TcpStream, target: SocketAddr) -> bool {
    stream.local_addr().is_ok_and(|local| local == target)
}

/// One read of what nobody wants to know.
const READ_BYTES: usize = 4096;

/// How long a server may take to close after its answer: much longer than a healthy one needs in
/// a local network, and too short to matter beside the smallest interval (100 ms).
const DRAIN_TIME_MAX: Duration = Duration::from_millis(50);
