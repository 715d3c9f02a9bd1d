//! The `ftp` probe: logs in and has something sent, as a client would.
//!
//! ```text
//!   connect ─ 220 ─ USER ─ PASS ─ TYPE ─ PASV ─ connect ─ LIST or RETR ─ data ─ 226 ─ QUIT
//!              dialog (PURE) says what is next     └ to the probed address, whatever a 227 says
//! ```
//!
//! One budget of time for all of it; how it fails names the step.

mod dialog;
mod heard;

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::connect::{Budget, close_without_trace, connect, connect_as_proxy, part};
use super::outcome::{Failure, Outcome, Phase, Place, Success};
use crate::ftp::refusal::FtpRefusal;
use crate::ftp::reply::{self, Reply};
use crate::origin::Origin;
use crate::plan::ProxyVersion;
use dialog::Next;

pub use dialog::{FtpFailure, FtpStep};
pub(super) use heard::heard;

/// What a probe says of itself, and what it wants; none of it holds a line's end.
#[derive(Debug, Clone, Copy)]
pub(super) struct Errand<'a> {
    /// Who it is.
    pub(super) user: &'a str,
    /// Its password.
    pub(super) password: &'a str,
    /// The file to fetch; else the folder is listed.
    pub(super) fetch: Option<&'a str>,
}

/// Probes once. A PROXY header begins the control connection alone.
pub(super) async fn probe(
    target: SocketAddr,
    proxy: Option<ProxyVersion>,
    errand: Errand<'_>,
    origin: &Origin,
    budget: &Budget,
) -> Outcome {
    let control = match connect_as_proxy(target, proxy, origin, budget).await {
        Ok(control) => control,
        Err(outcome) => return outcome,
    };
    let mut session = Session {
        control,
        received: Vec::new(),
        buffer: vec![0; READ_BYTES],
        errand,
        origin,
        budget,
    };
    let outcome = session.run(target).await;
    // Whatever went wrong, a server that still listens is told that this session is over.
    if session.control.try_write(b"QUIT\r\n").is_ok() {
        part(session.control).await;
    } else {
        close_without_trace(session.control);
    }
    match outcome {
        Ok(bytes) if errand.fetch.is_some() => Outcome::Pass(Success::Fetched { bytes }),
        Ok(bytes) => Outcome::Pass(Success::Listed { bytes }),
        Err(outcome) => outcome,
    }
}

/// A control connection in the course of its dialogue.
struct Session<'a> {
    control: TcpStream,
    /// What came and was not taken yet.
    received: Vec<u8>,
    buffer: Vec<u8>,
    errand: Errand<'a>,
    origin: &'a Origin,
    budget: &'a Budget,
}

impl Session<'_> {
    /// From the greeting to the end of the transfer; how many bytes were sent.
    async fn run(&mut self, target: SocketAddr) -> Result<usize, Outcome> {
        let mut step = FtpStep::Greeting;
        let mut data = None;
        for _ in 0..REPLIES_MAX {
            let reply = self.reply(step).await?;
            let next = dialog::next(step, target.is_ipv4(), &reply).map_err(fail)?;
            step = match next {
                Next::Wait => continue,
                Next::Go(next) => next,
                Next::Open(port) => {
                    let to = SocketAddr::new(target.ip(), port);
                    let opened = connect(to, self.origin, self.budget).await;
                    data = Some(opened.map_err(beside)?);
                    match self.errand.fetch {
                        Some(_) => FtpStep::Retrieve,
                        None => FtpStep::List,
                    }
                }
                Next::Transfer | Next::Done => {
                    let Some(data) = data.take() else {
                        return Err(fail(FtpFailure::NotFtp));
                    };
                    return self.finish(data, next).await;
                }
            };
            self.say(step).await?;
        }
        Err(fail(FtpFailure::ReplyTooLong))
    }

    /// Reads the data, and the reply that follows them where there is one to come.
    async fn finish(&mut self, mut data: TcpStream, next: Next) -> Result<usize, Outcome> {
        let mut bytes = 0;
        while bytes < DATA_BYTES_MAX {
            let read = data.read(&mut self.buffer);
            let count = self
                .budget
                .step(Phase::Reading, read)
                .await
                .map_err(beside)?;
            bytes += count;
            if count == 0 {
                // Some servers, proftpd among them, wait for this before they reply.
                drop(data);
                if next == Next::Transfer {
                    let reply = self.reply(FtpStep::End).await?;
                    dialog::next(FtpStep::End, true, &reply).map_err(fail)?;
                }
                return Ok(bytes);
            }
        }
        // Enough was seen. The server will call the transfer broken off, which is our doing.
        close_without_trace(data);
        Ok(bytes)
    }

    async fn say(&mut self, step: FtpStep) -> Result<(), Outcome> {
        let Errand {
            user,
            password,
            fetch,
        } = self.errand;
        let line = match step {
            FtpStep::Greeting | FtpStep::End => return Ok(()),
            FtpStep::User => format!("USER {user}\r\n"),
            FtpStep::Password => format!("PASS {password}\r\n"),
            // Only what is fetched must come byte by byte; some servers list in ASCII only.
            FtpStep::Type if fetch.is_some() => "TYPE I\r\n".to_owned(),
            FtpStep::Type => "TYPE A\r\n".to_owned(),
            FtpStep::Passive => "PASV\r\n".to_owned(),
            FtpStep::ExtendedPassive => "EPSV\r\n".to_owned(),
            FtpStep::List => "LIST\r\n".to_owned(),
            FtpStep::Retrieve => format!("RETR {}\r\n", fetch.unwrap_or_default()),
        };
        let write = self.control.write_all(line.as_bytes());
        self.budget.step(Phase::Ftp(step), write).await
    }

    async fn reply(&mut self, step: FtpStep) -> Result<Reply, Outcome> {
        let during = Phase::Ftp(step);
        loop {
            match reply::take(&self.received) {
                Ok(Some(reply)) => {
                    self.received.drain(..reply.length);
                    return Ok(reply);
                }
                Ok(None) if self.received.len() < REPLY_BYTES_MAX => {}
                Ok(None) | Err(FtpRefusal::ReplyTooLong) => {
                    return Err(fail(FtpFailure::ReplyTooLong));
                }
                Err(_) => return Err(fail(FtpFailure::NotFtp)),
            }
            let read = self.control.read(&mut self.buffer);
            let count = self.budget.step(during, read).await?;
            match self.buffer.get(..count) {
                None | Some([]) => return Err(Outcome::Fail(Failure::Closed(during))),
                Some(bytes) => self.received.extend_from_slice(bytes),
            }
        }
    }
}

fn fail(failure: FtpFailure) -> Outcome {
    Outcome::Fail(Failure::Ftp(failure))
}

fn beside(outcome: Outcome) -> Outcome {
    outcome.beside(Place::DataConnection)
}

/// One read; replies and most listings fit.
const READ_BYTES: usize = 4096;

/// How much of a listing or a file is read: enough to see that data flow, and as much as an HTTP
/// body has; a probe shall not load a server.
const DATA_BYTES_MAX: usize = 64 * 1024;

/// How much of one reply is taken: enough for every greeting, and little enough that one which
/// drips in and is looked at with each drop costs nothing.
const REPLY_BYTES_MAX: usize = 16 * 1024;

/// Replies of one session: seven are usual; the others are for servers that say 120 first.
const REPLIES_MAX: usize = 16;
