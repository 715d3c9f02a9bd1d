//! The `http` and `https` probes: one request, one answer, one connection.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};

use super::answer::{Answer, Expected};
use super::connect::{Budget, close_without_trace, connect_as_proxy, part};
use super::outcome::{Outcome, Phase, Success};
use super::tls::{self, Clients};
use crate::origin::Origin;
use crate::plan::{ProbeTls, ProxyVersion};

/// What is asked, and what is expected.
#[derive(Debug)]
pub(super) struct Errand<'a> {
    /// The request target.
    pub(super) path: &'a str,
    /// The `Host` field.
    pub(super) host: &'a str,
    /// What the answer must be like.
    pub(super) expected: Expected,
}

/// Probes once; with TLS, within that.
pub(super) async fn probe(
    target: SocketAddr,
    proxy: Option<ProxyVersion>,
    errand: Errand<'_>,
    tls: Option<(&ProbeTls, &Arc<Clients>)>,
    origin: &Origin,
    budget: &Budget,
) -> Outcome {
    let mut stream = match connect_as_proxy(target, proxy, origin, budget).await {
        Ok(stream) => stream,
        Err(outcome) => return outcome,
    };
    let outcome = match tls {
        None => ask(&mut stream, errand, budget).await,
        Some((wanted, clients)) => {
            let opened = tls::handshake(stream, target, wanted, clients, budget).await;
            let (mut within, certificate) = match opened {
                Ok(opened) => opened,
                Err(outcome) => return outcome,
            };
            let outcome = ask(&mut within, errand, budget).await;
            stream = tls::end(within);
            outcome.map(|outcome| secure(outcome, certificate))
        }
    };
    let outcome = match outcome {
        Ok(outcome) | Err(outcome) => outcome,
    };
    if matches!(outcome, Outcome::Pass(_)) {
        part(stream).await;
    } else {
        close_without_trace(stream);
    }
    outcome
}

fn secure(outcome: Outcome, certificate: tls::CertificateDays) -> Outcome {
    match outcome {
        Outcome::Pass(within) => Outcome::Pass(Success::Secure {
            within: Box::new(within),
            certificate,
        }),
        Outcome::Fail(_) | Outcome::Inconclusive(_) => outcome,
    }
}

async fn ask(
    stream: &mut (impl AsyncRead + AsyncWrite + Unpin),
    errand: Errand<'_>,
    budget: &Budget,
) -> Result<Outcome, Outcome> {
    let Errand {
        path,
        host,
        expected,
    } = errand;
    let request = format!(
        "GET {path} HTTP/1.1\r\nHost: {host}\r\nUser-Agent: farmux/{} (probe)\r\n\
         Accept: */*\r\nAccept-Encoding: identity\r\nConnection: close\r\n\r\n",
        env!("CARGO_PKG_VERSION")
    );
    // A server may answer and close before it has read the request; what it said still counts.
    let send = async {
        stream.write_all(request.as_bytes()).await?;
        stream.flush().await
    };
    let sent = budget.step(Phase::Asking, send).await;
    let mut answer = Answer::new(expected);
    let mut buffer = vec![0; READ_BYTES];
    let mut phase = Phase::Waiting;
    loop {
        let read = budget.step(phase, read(stream, &mut buffer)).await;
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

/// Many servers end TLS without saying so; the end of an answer is judged by HTTP itself.
async fn read(stream: &mut (impl AsyncRead + Unpin), buffer: &mut [u8]) -> io::Result<usize> {
    match stream.read(buffer).await {
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(0),
        read => read,
    }
}

/// One read; most health pages fit.
const READ_BYTES: usize = 4096;
