//! The `http` probe: one request, one answer, one connection.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::answer::{Answer, Expected};
use super::connect::{Budget, close_without_trace, connect_as_proxy, part};
use super::outcome::{Outcome, Phase};
use crate::origin::Origin;
use crate::plan::ProxyVersion;

/// Probes once.
pub(super) async fn probe(
    target: SocketAddr,
    proxy: Option<ProxyVersion>,
    path: &str,
    host: &str,
    expected: Expected,
    origin: &Origin,
    budget: &Budget,
) -> Outcome {
    let mut stream = match connect_as_proxy(target, proxy, origin, budget).await {
        Ok(stream) => stream,
        Err(outcome) => return outcome,
    };
    let outcome = match ask(&mut stream, path, host, expected, budget).await {
        Ok(outcome) | Err(outcome) => outcome,
    };
    if matches!(outcome, Outcome::Pass(_)) {
        part(stream).await;
    } else {
        close_without_trace(stream);
    }
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

/// One read; most health pages fit.
const READ_BYTES: usize = 4096;
