//! The `dns` probe: asks a name server for a record, by datagram; where the answer does not fit
//! into one, by connection.
//!
//! ```text
//!   datagram, sent again ... --answer--> well, or typed failure
//!       \--truncated--> connection --answer--> the same
//! ```
//!
//! The codec is our own: a probe needs one question and eight types of record. hickory-proto, the
//! library of the field, brings some 40 crates (IDNA tables, URLs, randomness) for that.

mod message;

use std::io;
use std::net::SocketAddr;

use ring::rand::{SecureRandom as _, SystemRandom};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpStream, UdpSocket};
use tokio::time::Instant;

use super::connect::{Budget, close_without_trace, connect, connect_udp};
use super::outcome::{Failure, Outcome, Phase, Success};
use crate::origin::Origin;
use crate::plan::DnsRecord;
use message::{Question, Reply};

pub use message::DnsFailure;

/// What is asked, and what must be among the answers.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wanted<'a> {
    pub(super) name: &'a str,
    pub(super) record: DnsRecord,
    pub(super) value: Option<&'a str>,
}

/// Probes once.
pub(super) async fn probe(
    target: SocketAddr,
    wanted: Wanted<'_>,
    origin: &Origin,
    budget: &Budget,
) -> Outcome {
    match ask(target, wanted, origin, budget).await {
        Ok(count) => Outcome::Pass(Success::Resolved {
            record: wanted.record,
            count,
        }),
        Err(outcome) => outcome,
    }
}

/// What a probe makes of one message, without a socket: for those who prove the codec from outside
/// of this crate.
pub(super) fn heard(record: DnsRecord, message: &[u8]) -> Outcome {
    let value = (record == DnsRecord::A).then_some("10.0.0.1");
    let question = Question::new(0x6661, "www.example.com", record).expect("it is a name");
    match question.read(message, value) {
        Ok(Reply::Records(count)) => Outcome::Pass(Success::Resolved { record, count }),
        Ok(Reply::NotOurs) => Outcome::Fail(Failure::Closed(Phase::Waiting)),
        Ok(Reply::Truncated) => Outcome::Fail(Failure::Closed(Phase::Asking)),
        Err(failure) => fail(failure),
    }
}

async fn ask(
    target: SocketAddr,
    wanted: Wanted<'_>,
    origin: &Origin,
    budget: &Budget,
) -> Result<usize, Outcome> {
    let mut id = [0; 2];
    let filled = SystemRandom::new().fill(&mut id);
    filled.map_err(|_| Outcome::from_io(&io::ErrorKind::Other.into(), Phase::Asking))?;
    let question = Question::new(u16::from_be_bytes(id), wanted.name, wanted.record);
    let question = question.map_err(fail)?;
    let socket = connect_udp(target, origin).await?;
    if let Some(count) = by_datagram(&socket, &question, wanted.value, budget).await? {
        return Ok(count);
    }
    let mut stream = connect(target, origin, budget).await?;
    let answered = by_connection(&mut stream, &question, wanted.value, budget).await;
    close_without_trace(stream);
    answered
}

/// How many records there are; `None`: they do not fit into a datagram.
async fn by_datagram(
    socket: &UdpSocket,
    question: &Question,
    value: Option<&str>,
    budget: &Budget,
) -> Result<Option<usize>, Outcome> {
    let message = question.message();
    let mut buffer = [0; DATAGRAM_BYTES_MAX];
    let mut again = Instant::now();
    let mut sends = 0;
    loop {
        let received = tokio::select! {
            () = tokio::time::sleep_until(again), if sends < SENDS_MAX => {
                sends += 1;
                again += budget.left() / 4;
                budget.step(Phase::Asking, socket.send(&message)).await?;
                continue;
            }
            received = budget.step(Phase::Waiting, socket.recv(&mut buffer)) => received?,
        };
        let answer = buffer.get(..received).unwrap_or_default();
        match question.read(answer, value).map_err(fail)? {
            // Whoever guesses at answers shall not decide either; the right one may still come.
            Reply::NotOurs => {}
            Reply::Truncated => return Ok(None),
            Reply::Records(count) => return Ok(Some(count)),
        }
    }
}

/// **Source**: RFC 1035, 4.2.2.
async fn by_connection(
    stream: &mut TcpStream,
    question: &Question,
    value: Option<&str>,
    budget: &Budget,
) -> Result<usize, Outcome> {
    let message = question.message();
    let length = u16::try_from(message.len()).unwrap_or(u16::MAX);
    let asked = [&length.to_be_bytes()[..], &message].concat();
    budget.step(Phase::Asking, stream.write_all(&asked)).await?;
    let mut length = [0; 2];
    exactly(stream, &mut length, Phase::Waiting, budget).await?;
    let length = usize::from(u16::from_be_bytes(length));
    if length > ANSWER_BYTES_MAX {
        return Err(fail(DnsFailure::TooLong));
    }
    let mut answer = vec![0; length];
    exactly(stream, &mut answer, Phase::Reading, budget).await?;
    match question.read(&answer, value).map_err(fail)? {
        Reply::Records(count) => Ok(count),
        // On a connection of its own the only question has the only answer, and a whole one.
        Reply::NotOurs | Reply::Truncated => Err(fail(DnsFailure::Malformed)),
    }
}

async fn exactly(
    stream: &mut TcpStream,
    into: &mut [u8],
    phase: Phase,
    budget: &Budget,
) -> Result<(), Outcome> {
    let read = async {
        match stream.read_exact(into).await {
            Ok(_) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
            Err(error) => Err(error),
        }
    };
    match budget.step(phase, read).await? {
        true => Ok(()),
        false => Err(Outcome::Fail(Failure::Closed(phase))),
    }
}

fn fail(failure: DnsFailure) -> Outcome {
    Outcome::Fail(Failure::Dns(failure))
}

/// How often a question is sent: after each quarter of the time that is left, so that one lost
/// datagram, or two in a row, are nothing yet.
const SENDS_MAX: u32 = 4;

/// Without EDNS, which we do not speak, answers have 512 bytes; who sends more is still read.
const DATAGRAM_BYTES_MAX: usize = 4096;

/// Longest answer over a connection: hundreds of records, and 5,000 probes stay below 80 MiB.
const ANSWER_BYTES_MAX: usize = 16 * 1024;
