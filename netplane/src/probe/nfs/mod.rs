//! The `nfs` probe: calls the null procedure of an NFS server, never through a mount.
//!
//! ```text
//!   [ portmapper: GETPORT (100003, version, transport) ── port ] ── NFS: procedure 0 ── well
//! ```
//!
//! A mount of a dead server hangs in the kernel; a call over a socket of our own ends in time.

mod heard;
mod rpc;

use std::hash::{BuildHasher as _, RandomState};
use std::net::SocketAddr;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpStream, UdpSocket};

use super::connect::{Budget, close_without_trace, connect, connect_udp};
use super::outcome::{Failure, Outcome, Phase, Place, Success};
use crate::origin::Origin;
use crate::plan::NfsTransport;
use rpc::{ANSWER_BYTES_MAX, Call, NFS, PORTMAPPER, Record};

pub(super) use heard::heard;
pub use rpc::RpcFailure;

/// What is asked.
#[derive(Debug, Clone, Copy)]
pub(super) struct Question {
    /// What carries the calls.
    pub(super) transport: NfsTransport,
    /// The version of NFS.
    pub(super) version: u32,
    /// Whether the target is the portmapper.
    pub(super) portmapper: bool,
}

/// Probes once.
pub(super) async fn probe(
    target: SocketAddr,
    question: Question,
    origin: &Origin,
    budget: &Budget,
) -> Outcome {
    match ask(target, question, origin, budget).await {
        Ok(()) => Outcome::Pass(Success::Answered(question.version)),
        Err(outcome) => outcome,
    }
}

async fn ask(
    target: SocketAddr,
    question: Question,
    origin: &Origin,
    budget: &Budget,
) -> Result<(), Outcome> {
    let Question {
        transport,
        version,
        portmapper,
    } = question;
    let caller = Caller {
        transport,
        origin,
        budget,
    };
    let null = call(NFS, version, NULL);
    if !portmapper {
        return caller.call(target, null, &[]).await.map(drop);
    }
    let protocol = match transport {
        NfsTransport::Tcp => IPPROTO_TCP,
        NfsTransport::Udp => IPPROTO_UDP,
    };
    let get_port = call(PORTMAPPER, PORTMAPPER_VERSION, GETPORT);
    let mapping = [NFS, version, protocol, 0];
    let results = caller.call(target, get_port, &mapping).await?;
    let port = rpc::port(&results).map_err(fail)?;
    let port = port.ok_or_else(|| fail(RpcFailure::NotRegistered { version, transport }))?;
    let called = caller
        .call(SocketAddr::new(target.ip(), port), null, &[])
        .await;
    called
        .map(drop)
        .map_err(|outcome| outcome.beside(Place::NfsPort(port)))
}

/// How calls are made.
struct Caller<'a> {
    transport: NfsTransport,
    origin: &'a Origin,
    budget: &'a Budget,
}

impl Caller<'_> {
    /// One call; its results.
    async fn call(
        &self,
        target: SocketAddr,
        call: Call,
        arguments: &[u32],
    ) -> Result<Vec<u8>, Outcome> {
        let message = call.message(arguments);
        match self.transport {
            NfsTransport::Tcp => {
                let mut stream = connect(target, self.origin, self.budget).await?;
                let results = self.over_tcp(&mut stream, call, &message).await;
                close_without_trace(stream);
                results
            }
            NfsTransport::Udp => {
                let socket = connect_udp(target, self.origin).await?;
                self.over_udp(&socket, call, &message).await
            }
        }
    }

    async fn over_tcp(
        &self,
        stream: &mut TcpStream,
        call: Call,
        message: &[u8],
    ) -> Result<Vec<u8>, Outcome> {
        let message = rpc::record(message);
        self.budget
            .step(Phase::Asking, stream.write_all(&message))
            .await?;
        let mut record = Record::default();
        let mut buffer = vec![0; ANSWER_BYTES_MAX];
        loop {
            let read = stream.read(&mut buffer);
            let count = self.budget.step(Phase::Waiting, read).await?;
            let bytes = match buffer.get(..count) {
                None | Some([]) => return Err(Outcome::Fail(Failure::Closed(Phase::Waiting))),
                Some(bytes) => bytes,
            };
            if let Some(answer) = record.feed(bytes).map_err(fail)? {
                // On a connection of its own the only call has the only answer.
                let results = call.results(&answer).map_err(fail)?;
                return results
                    .map(<[u8]>::to_vec)
                    .ok_or_else(|| fail(RpcFailure::NotRpc));
            }
        }
    }

    /// Sends the call again and again, with the same number, until its answer comes.
    async fn over_udp(
        &self,
        socket: &UdpSocket,
        call: Call,
        message: &[u8],
    ) -> Result<Vec<u8>, Outcome> {
        let mut buffer = vec![0; ANSWER_BYTES_MAX + 1];
        let mut send = tokio::time::interval(self.budget.timeout() / SENDS_MAX);
        let mut sends = 0;
        loop {
            let received = tokio::select! {
                _ = send.tick(), if sends < SENDS_MAX => {
                    sends += 1;
                    self.budget.step(Phase::Asking, socket.send(message)).await?;
                    continue;
                }
                received = self.budget.step(Phase::Waiting, socket.recv(&mut buffer)) => received?,
            };
            let answer = buffer.get(..received).unwrap_or_default();
            if answer.len() > ANSWER_BYTES_MAX {
                return Err(fail(RpcFailure::TooLong));
            }
            if let Some(results) = call.results(answer).map_err(fail)? {
                return Ok(results.to_vec());
            }
        }
    }
}

fn call(program: u32, version: u32, procedure: u32) -> Call {
    // Random, so that a late answer to another probe is told from ours.
    let random = RandomState::new().hash_one(());
    let xid = u32::try_from(random >> 32).unwrap_or_default();
    Call {
        xid,
        program,
        version,
        procedure,
    }
}

fn fail(failure: RpcFailure) -> Outcome {
    Outcome::Fail(Failure::Rpc(failure))
}

/// The procedure that every program has and that does nothing. **Source**: RFC 5531, 12.
const NULL: u32 = 0;

/// The portmapper's version that speaks of ports, and its procedure. **Source**: RFC 1833, 3.2.
const PORTMAPPER_VERSION: u32 = 2;
const GETPORT: u32 = 3;
const IPPROTO_TCP: u32 = 6;
const IPPROTO_UDP: u32 = 17;

/// How often a datagram is sent, evenly over the budget: three in a row get lost only where the
/// network is not well either.
const SENDS_MAX: u32 = 4;
