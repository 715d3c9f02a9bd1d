//! The `http` probe: one request, one answer, one connection.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::answer::{Answer, BODY_BYTES_MAX, Expected};
use super::connect::{Budget, close_without_trace, connect};
use super::outcome::{Outcome, Phase};
use crate::origin::Origin;

/// Probes once.
pub(super) async fn probe(
    target: SocketAddr,
    path: &str,
    host: &str,
    expected: Expected,
    origin: &Origin,
    budget: &Budget,
) -> Outcome {
    let mut stream = match connect(target, origin, budget).await {
        Ok(stream) => stream,
        Err(outcome) => return outcome,
    };
    let outcome = match ask(&mut stream, path, host, expected, budget).await {
        Ok(outcome) | Err(outcome) => outcome,
    };
    finish(stream, &outcome).await;
    outcome
}

async fn ask(
    stream: &mut TcpStream,
    path: &str,
    host: &str,
    expected: Expected,
    budget: &Budget,
) -> Result<Outcome, Outcome> {
    let request = format!(
        "GET {path} HTTP/1.1\r\nHost: {host}\r\nUser-Agent: farmux/{} (probe)\r\n\
         Accept: */*\r\nAccept-Encoding: identity\r\nConnection: close\r\n\r\n",
        env!("CARGO_PKG_VERSION")
    );
    // A server may answer and close before it has read the request; what it said still counts.
    let sent = budget
        .step(Phase::Asking, stream.write_all(request.as_bytes()))
        .await;
    let mut answer = Answer::new(expected);
    let mut buffer = vec![0; READ_BYTES];
    let mut phase = Phase::Waiting;
    loop {
        let read = budget.step(phase, stream.read(&mut buffer)).await;
        let count = match read {
            Ok(count) => count,
            Err(outcome) => return Err(sent.err().unwrap_or(outcome)),
        };
        let judged = match buffer.get(..count) {
            None | Some([]) => Some(answer.end()),
            Some(bytes) => answer.feed(bytes),
        };
        if let Some(judged) = judged {
            return Ok(judged.map_or_else(Outcome::Fail, Outcome::Pass));
        }
        phase = Phase::Reading;
    }
}

/// Lets the server close first, as it was asked to: then `TIME_WAIT` is its own and no log of it
/// speaks of a reset. One that does not within [`DRAIN_TIME_MAX`] is reset.
async fn finish(mut stream: TcpStream, outcome: &Outcome) {
    let closed = matches!(outcome, Outcome::Pass(_)) && {
        let drained = tokio::time::timeout(DRAIN_TIME_MAX, drain(&mut stream)).await;
        matches!(drained, Ok(Ok(())))
    };
    if !closed {
        close_without_trace(stream);
    }
}

/// Reads the rest of an answer away, up to as much as a whole body may have.
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

/// One read; most health pages fit.
const READ_BYTES: usize = 4096;

/// How long a server may take to close after its answer: much longer than a healthy one needs in
/// a local network, and too short to matter beside the smallest interval (100 ms).
const DRAIN_TIME_MAX: Duration = Duration::from_millis(50);
