//! One connection to a server, within a deadline, from an address of our own.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use socket2::SockRef;
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::Instant;

use super::outcome::{Failure, LocalTrouble, Outcome, Phase};
use crate::origin::{NoOwnAddress, Origin};

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
    let source = origin
        .source_for(target)
        .map_err(|NoOwnAddress| Outcome::Inconclusive(LocalTrouble::NoOwnAddress))?;
    if let Some(source) = source {
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

/// Whether a connection to a port of this very machine met itself: TCP allows it (RFC 9293,
/// simultaneous open) where nobody listens and the port drawn is the port asked for.
fn is_own_echo(stream: &TcpStream) -> bool {
    matches!((stream.local_addr(), stream.peer_addr()), (Ok(local), Ok(peer)) if local == peer)
}
