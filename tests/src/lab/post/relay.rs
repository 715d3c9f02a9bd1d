//! A mail relay that fails in every way in which relays do, and records every mail as it came.
//!
//! ```text
//!   EHLO ─ MAIL ─ RCPT ─ DATA ─┬─ 354 ─ bytes ─┬─ . ─┬─ taken ─┬─ 250 ─┬─ QUIT
//!                  │ refuse    │ hold          │ cut │         │ hold  │ cut: answered never
//!                  │           │ refuse        │     │ refuse          └─ heard
//! ```
//!
//! A mail is *taken* when its last line came and it is not refused; whether the sender was told is
//! another matter, and recorded as well.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Result;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;

use super::desk::{Desk, now_ms};
use super::receiver::Receiver;
use crate::lab::network::Host;

/// How the relay behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Manner {
    /// As it should.
    Well,
    /// It refuses connections; those that it had end.
    Dead,
    /// It takes so long before each reply.
    Slow(Duration),
    /// It says no with this code.
    Refuse {
        /// To what.
        to: Command,
        /// 400 to 599.
        code: u16,
    },
    /// It hangs up in the middle of a mail.
    CutInData,
    /// It takes the mail, and hangs up before it says so.
    CutBeforeReply,
}

/// What a relay says no to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Command {
    /// The connection itself.
    Greeting,
    /// A recipient.
    Rcpt,
    /// The wish to send a mail.
    Data,
    /// The mail, after its last line.
    Mail,
}

/// Where a conversation can be held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// The sender said DATA, and has no reply.
    Data,
    /// The mail is taken, and the sender does not know.
    Taken,
}

/// What the sender of a mail knows of its being taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reply {
    /// Nothing: it must send again.
    Never,
    /// The 250 is on its way.
    Sent,
    /// It said something after the 250, so it read it.
    Heard,
}

/// A mail that was taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Taken {
    /// When its last line came. **Units**: wall-clock milliseconds.
    pub at_ms: u64,
    /// The same by a clock that does not jump.
    pub at: Instant,
    /// From where it was sent: a node's address.
    pub peer: SocketAddr,
    /// `MAIL FROM`, with angle brackets.
    pub from: String,
    /// `RCPT TO` of each recipient that was accepted, with angle brackets.
    pub to: Vec<String>,
    /// The bytes between DATA and the last line, dots undone.
    pub raw: Vec<u8>,
    /// What the sender knows.
    pub reply: Reply,
}

type Book = Desk<Manner, Stage, Taken>;

impl super::receiver::Manner for Manner {
    fn is_dead(self) -> bool {
        self == Manner::Dead
    }
}

/// The relay, running.
pub type Relay = Receiver<Manner, Stage, Taken>;

impl Relay {
    /// Listens at an address of a host, or of this machine.
    ///
    /// **Errors**: it does not listen in time: the address is not there, or taken.
    pub fn start(host: Option<&Host>, at: SocketAddr) -> Result<Relay> {
        Receiver::listen(host, at, Manner::Well, converse)
    }

    /// Every mail that was taken so far, in the order in which they came.
    pub fn taken(&self) -> Vec<Taken> {
        self.book().clone()
    }

    /// Those after the first `known`.
    pub fn taken_after(&self, known: usize) -> Vec<Taken> {
        self.book().iter().skip(known).cloned().collect()
    }

    /// What the sender of each knows by now.
    pub fn replies(&self) -> Vec<Reply> {
        self.book().iter().map(|taken| taken.reply).collect()
    }

    /// How many were taken so far.
    pub fn count(&self) -> usize {
        self.book().len()
    }
}

/// One conversation.
struct Talk {
    desk: Arc<Book>,
    line: BufReader<TcpStream>,
    from: String,
    to: Vec<String>,
}

/// Whether a conversation goes on.
#[derive(PartialEq, Eq)]
enum Then {
    GoOn,
    HangUp,
}

async fn converse(desk: Arc<Book>, stream: TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut talk = Talk {
        desk,
        line: BufReader::new(stream),
        from: String::new(),
        to: Vec::new(),
    };
    if let Some(code) = talk.refusal(Command::Greeting) {
        return talk.say(&format!("{code} Not now")).await;
    }
    talk.say("220 relay.test ESMTP").await?;
    while let Some(line) = talk.heard().await? {
        if talk.answer(&line).await? == Then::HangUp {
            break;
        }
    }
    Ok(())
}

impl Talk {
    async fn answer(&mut self, line: &str) -> io::Result<Then> {
        let verb = line.split([' ', ':']).next().unwrap_or_default();
        let mailbox = || line.split_once(':').map(|(_, rest)| rest.trim().to_owned());
        match verb.to_ascii_uppercase().as_str() {
            "EHLO" => self.say("250-relay.test\r\n250 8BITMIME").await?,
            "MAIL" => {
                self.from = mailbox().unwrap_or_default();
                self.to.clear();
                self.say("250 Sender noted").await?;
            }
            "RCPT" => match self.refusal(Command::Rcpt) {
                Some(code) => self.say(&format!("{code} Not for this one")).await?,
                None => {
                    self.to.extend(mailbox());
                    self.say("250 Recipient noted").await?;
                }
            },
            "DATA" => return self.data().await,
            "QUIT" => {
                self.say("221 Good-bye").await?;
                return Ok(Then::HangUp);
            }
            "HELO" | "NOOP" => self.say("250 Fine").await?,
            "RSET" => {
                self.to.clear();
                self.say("250 Forgotten").await?;
            }
            _ => self.say("502 Not here").await?,
        }
        Ok(Then::GoOn)
    }

    async fn data(&mut self) -> io::Result<Then> {
        self.desk.pass(Stage::Data).await;
        if let Some(code) = self.refusal(Command::Data) {
            self.say(&format!("{code} Not now")).await?;
            return Ok(Then::GoOn);
        }
        if self.to.is_empty() {
            self.say("554 For whom?").await?;
            return Ok(Then::GoOn);
        }
        self.say("354 Go on").await?;
        let Some(raw) = self.mail().await? else {
            return Ok(Then::HangUp);
        };
        if let Some(code) = self.refusal(Command::Mail) {
            self.say(&format!("{code} Not this one")).await?;
            return Ok(Then::GoOn);
        }
        let number = self.record(raw)?;
        self.desk.pass(Stage::Taken).await;
        if self.desk.manner() == Manner::CutBeforeReply {
            return Ok(Then::HangUp);
        }
        self.say("250 Taken").await?;
        self.note(number, Reply::Sent);
        // Whatever comes next, comes from somebody who read the 250.
        let waiting = !self.line.fill_buf().await?.is_empty();
        if waiting {
            self.note(number, Reply::Heard);
        }
        Ok(Then::GoOn)
    }

    /// The lines up to the last; `None`: cut off, by either side.
    async fn mail(&mut self) -> io::Result<Option<Vec<u8>>> {
        let mut raw = Vec::new();
        loop {
            if self.desk.manner() == Manner::CutInData && raw.len() >= CUT_AFTER_BYTES {
                return Ok(None);
            }
            let mut line = Vec::new();
            let mut limited = (&mut self.line).take(LINE_BYTES_MAX);
            limited.read_until(b'\n', &mut line).await?;
            if !line.ends_with(b"\n") || raw.len() + line.len() > MAIL_BYTES_MAX {
                return Ok(None);
            }
            if line == b".\r\n" {
                return Ok(Some(raw));
            }
            // RFC 5321, 4.5.2: a dot before a dot goes.
            raw.extend(line.strip_prefix(b".").unwrap_or(&line));
        }
    }

    fn record(&mut self, raw: Vec<u8>) -> io::Result<usize> {
        let peer = self.line.get_ref().peer_addr()?;
        let mut book = self.desk.book();
        book.push(Taken {
            at_ms: now_ms(),
            at: Instant::now(),
            peer,
            from: self.from.clone(),
            to: self.to.clone(),
            raw,
            reply: Reply::Never,
        });
        Ok(book.len() - 1)
    }

    fn note(&self, number: usize, reply: Reply) {
        if let Some(taken) = self.desk.book().get_mut(number) {
            taken.reply = reply;
        }
    }

    fn refusal(&self, command: Command) -> Option<u16> {
        match self.desk.manner() {
            Manner::Refuse { to, code } if to == command => Some(code),
            Manner::Well
            | Manner::Dead
            | Manner::Slow(_)
            | Manner::Refuse { .. }
            | Manner::CutInData
            | Manner::CutBeforeReply => None,
        }
    }

    async fn say(&mut self, reply: &str) -> io::Result<()> {
        if let Manner::Slow(pause) = self.desk.manner() {
            tokio::time::sleep(pause).await;
        }
        let reply = format!("{reply}\r\n");
        self.line.get_mut().write_all(reply.as_bytes()).await
    }

    async fn heard(&mut self) -> io::Result<Option<String>> {
        let mut text = Vec::new();
        let mut limited = (&mut self.line).take(LINE_BYTES_MAX);
        limited.read_until(b'\n', &mut text).await?;
        match text.strip_suffix(b"\n") {
            Some(text) => Ok(Some(String::from_utf8_lossy(text).trim_end().to_owned())),
            None => Ok(None),
        }
    }
}

/// The head of a page has more than that: the cut comes in its midst.
const CUT_AFTER_BYTES: usize = 100;

/// A page that injects whole megabytes is still to be seen as it came.
const LINE_BYTES_MAX: u64 = 4 * 1024 * 1024;

/// No mail of ours is as long.
const MAIL_BYTES_MAX: usize = 8 * 1024 * 1024;

#[cfg(test)]
mod tests;
