//! The greeting probes: what a server of a known protocol says to whoever connects.
//!
//! | protocol | it speaks first   | we say         | it answers          | we part with        |
//! |----------|-------------------|----------------|---------------------|---------------------|
//! | SMTP     | `220`             | `EHLO`         | `250`               | `QUIT`              |
//! | POP3     | `+OK`             |                |                     | `QUIT`              |
//! | IMAP     | `* OK`            |                |                     | `LOGOUT`            |
//! | SSH      | `SSH-2.0-…`       |                |                     | the same, a goodbye |
//! | Redis    |                   | `PING`         | `+PONG`, `-NOAUTH`  | `QUIT`              |
//! | Postgres |                   | StartupMessage | `R`, `E` with 28…   | Terminate, or FIN   |
//! | MySQL    | HandshakeV10      | a login        | OK, ERR 1045        | COM_QUIT            |
//!
//! One PURE parser a protocol: bytes in; more, something to say, well or a failure out. No probe
//! needs an account: a server that refuses [`USER`] lives. None leaves a server with a client that
//! vanished: each protocol's own goodbye is said, and the server closes first.

mod failure;
mod heard;
mod imap;
mod mysql;
mod pop3;
mod postgres;
mod redis;
mod smtp;
mod ssh;

use std::borrow::Cow;
use std::net::SocketAddr;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::connect::{Budget, close_without_trace, connect_as_proxy, part};
use super::outcome::{Failure, Outcome, Phase, Success};
use crate::origin::Origin;
use crate::plan::{Protocol, ProxyVersion};
pub use failure::{Greeted, GreetingFailure, GreetingStep, RedisError, SqlState};
pub(super) use heard::heard;

/// What a parser makes of the bytes that came; `None`: more must come.
type Parsed = Result<Option<Next>, GreetingFailure>;

/// What is next.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Next {
    /// This is said; so many of the bytes are done with.
    Say(Cow<'static, [u8]>, usize),
    /// The server is well.
    Well(Greeted),
}

/// Probes once.
pub(super) async fn probe(
    target: SocketAddr,
    proxy: Option<ProxyVersion>,
    protocol: Protocol,
    origin: &Origin,
    budget: &Budget,
) -> Outcome {
    let mut stream = match connect_as_proxy(target, proxy, origin, budget).await {
        Ok(stream) => stream,
        Err(outcome) => return outcome,
    };
    let outcome = run(&mut stream, protocol, budget).await;
    let farewell = farewell(protocol, outcome.as_ref().ok());
    let told = match farewell {
        // The end of our stream is the one goodbye that leaves no line in such a server's log.
        [] if outcome.is_ok() => stream.shutdown().await.is_ok(),
        [] => false,
        words => stream.try_write(words).is_ok(),
    };
    if told {
        part(stream).await;
    } else {
        close_without_trace(stream);
    }
    match outcome {
        Ok(greeted) => Outcome::Pass(Success::Greeted(protocol, greeted)),
        Err(outcome) => outcome,
    }
}

async fn run(
    stream: &mut TcpStream,
    protocol: Protocol,
    budget: &Budget,
) -> Result<Greeted, Outcome> {
    let fail = |failure| Err(Outcome::Fail(Failure::Greeting(failure)));
    let mut step = GreetingStep::Greeting;
    let opening = opening(protocol);
    if !opening.is_empty() {
        step = GreetingStep::Answer;
        let phase = Phase::Greeting(protocol, step);
        budget.step(phase, stream.write_all(opening)).await?;
    }
    let mut received = Vec::new();
    let mut buffer = vec![0; READ_BYTES];
    let mut said = 0;
    loop {
        match next(protocol, step, &received) {
            Ok(Some(Next::Well(greeted))) => return Ok(greeted),
            Ok(Some(Next::Say(..))) if said == SAID_MAX => {
                return fail(GreetingFailure::Endless(protocol));
            }
            Ok(Some(Next::Say(words, done))) => {
                said += 1;
                step = GreetingStep::Answer;
                received.drain(..done);
                let phase = Phase::Greeting(protocol, step);
                budget.step(phase, stream.write_all(&words)).await?;
                continue;
            }
            Ok(None) if received.len() >= RECEIVED_BYTES_MAX => {
                return fail(GreetingFailure::Endless(protocol));
            }
            Ok(None) => {}
            Err(failure) => return fail(failure),
        }
        let phase = Phase::Greeting(protocol, step);
        let count = budget.step(phase, stream.read(&mut buffer)).await?;
        match buffer.get(..count) {
            None | Some([]) => return Err(Outcome::Fail(Failure::Closed(phase))),
            Some(bytes) => received.extend_from_slice(bytes),
        }
    }
}

fn next(protocol: Protocol, step: GreetingStep, received: &[u8]) -> Parsed {
    match protocol {
        Protocol::Smtp => smtp::next(step, received),
        Protocol::Pop3 => pop3::next(received),
        Protocol::Imap => imap::next(received),
        Protocol::Ssh => ssh::next(received),
        Protocol::Redis => redis::next(received),
        Protocol::Postgres => postgres::next(received),
        Protocol::Mysql => mysql::next(step, received),
    }
}

/// What is said to servers that do not speak first.
fn opening(protocol: Protocol) -> &'static [u8] {
    match protocol {
        Protocol::Redis => redis::OPENING,
        Protocol::Postgres => postgres::OPENING,
        Protocol::Smtp | Protocol::Pop3 | Protocol::Imap | Protocol::Ssh | Protocol::Mysql => b"",
    }
}

/// What is said at the end; nothing where a word would be taken for something else.
fn farewell(protocol: Protocol, greeted: Option<&Greeted>) -> &'static [u8] {
    let let_in = greeted == Some(&Greeted::LetIn);
    match protocol {
        Protocol::Smtp | Protocol::Pop3 | Protocol::Redis => b"QUIT\r\n",
        Protocol::Imap => b"a LOGOUT\r\n",
        Protocol::Ssh if greeted.is_some() => ssh::FAREWELL,
        Protocol::Postgres if let_in => postgres::FAREWELL,
        Protocol::Mysql if let_in => mysql::FAREWELL,
        Protocol::Ssh | Protocol::Postgres | Protocol::Mysql => b"",
    }
}

/// The first line, without its end, and its length with it; `None`: it is not whole.
fn line(received: &[u8]) -> Option<(&[u8], usize)> {
    let end = received.iter().position(|byte| *byte == b'\n')?;
    let line = received.get(..end)?;
    Some((line.strip_suffix(b"\r").unwrap_or(line), end + 1))
}

/// Whether a line begins with this word, which nothing but a space may follow.
fn begins(line: &[u8], word: &str) -> bool {
    let Some((start, rest)) = line.split_at_checked(word.len()) else {
        return false;
    };
    start.eq_ignore_ascii_case(word.as_bytes()) && matches!(rest.first(), None | Some(b' '))
}

/// One read; every greeting fits.
const READ_BYTES: usize = 1024;

/// How much is taken before a greeting or an answer is whole: more than any real one has, and
/// little enough that one which drips in and is looked at with each drop costs nothing.
const RECEIVED_BYTES_MAX: usize = 8 * 1024;

/// How often we speak in one probe: MySQL may ask for one more way to log in, or two.
const SAID_MAX: usize = 4;

#[cfg(test)]
mod tests;
