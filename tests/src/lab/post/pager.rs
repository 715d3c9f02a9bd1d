//! A paging terminal that speaks SNPP, level 1: PAGE, MESS, SEND, RESET, QUIT.
//!
//! **Source**: RFC 1861, 4.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::Result;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;

use super::desk::{Desk, now_ms};
use super::receiver::Receiver;
use crate::lab::network::Host;

/// How the terminal behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Manner {
    /// As it should.
    Well,
    /// It refuses connections.
    Dead,
    /// It takes connections and says nothing.
    Hang,
    /// It says 550 to every SEND.
    Refuse,
}

/// Where a conversation can be held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// SEND was said and recorded, and there is no reply.
    Sent,
}

/// A page that was taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Paged {
    /// When. **Units**: wall-clock milliseconds.
    pub at_ms: u64,
    /// The pager's number.
    pub number: String,
    /// What it shows.
    pub message: String,
}

type Book = Desk<Manner, Stage, Paged>;

impl super::receiver::Manner for Manner {
    fn is_dead(self) -> bool {
        self == Manner::Dead
    }
}

/// The terminal, running.
pub type Pager = Receiver<Manner, Stage, Paged>;

impl Pager {
    /// Listens at an address of a host, or of this machine.
    ///
    /// **Errors**: it does not listen in time: the address is not there, or taken.
    pub fn start(host: Option<&Host>, at: SocketAddr) -> Result<Pager> {
        Receiver::listen(host, at, Manner::Well, converse)
    }

    /// Every page so far, in the order in which they came.
    pub fn pages(&self) -> Vec<Paged> {
        self.book().clone()
    }
}

async fn converse(desk: Arc<Book>, stream: TcpStream) -> io::Result<()> {
    let mut stream = BufReader::new(stream);
    if desk.manner() == Manner::Hang {
        stream.read_to_end(&mut Vec::new()).await?;
        return Ok(());
    }
    say(&mut stream, "220 SNPP Gateway Ready").await?;
    let (mut number, mut message) = (None, None);
    loop {
        let mut text = Vec::new();
        let mut limited = (&mut stream).take(LINE_BYTES_MAX);
        limited.read_until(b'\n', &mut text).await?;
        let Some(text) = text.strip_suffix(b"\n") else {
            return Ok(());
        };
        let text = String::from_utf8_lossy(text).trim_end().to_owned();
        let (verb, rest) = text.split_once(' ').unwrap_or((&text, ""));
        let reply = match verb.to_ascii_uppercase().as_str() {
            "PAGE" if !rest.is_empty() => {
                number = Some(rest.to_owned());
                "250 Pager ID Accepted"
            }
            "MESS" if message.is_none() && !rest.is_empty() => {
                message = Some(rest.to_owned());
                "250 Message OK"
            }
            "MESS" => "503 ERROR, Message Already Entered",
            "RESE" | "RESET" => {
                (number, message) = (None, None);
                "250 RESET OK"
            }
            "SEND" if desk.manner() == Manner::Refuse => "550 Not now",
            "SEND" => match (number.take(), message.take()) {
                (Some(number), Some(message)) => {
                    let at_ms = now_ms();
                    desk.book().push(Paged {
                        at_ms,
                        number,
                        message,
                    });
                    desk.pass(Stage::Sent).await;
                    "250 Message Sent Successfully"
                }
                _ => "503 Error, Pager ID or Message Incomplete",
            },
            "QUIT" => return say(&mut stream, "221 OK, Goodbye").await,
            _ => "500 Command Not Implemented, Try Again",
        };
        say(&mut stream, reply).await?;
    }
}

async fn say(stream: &mut BufReader<TcpStream>, reply: &str) -> io::Result<()> {
    let reply = format!("{reply}\r\n");
    stream.get_mut().write_all(reply.as_bytes()).await
}

/// No line of ours is longer.
const LINE_BYTES_MAX: u64 = 4_096;

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};
    use std::net::TcpStream;

    use super::super::desk::free_place;
    use super::*;

    fn said(pager: &Pager, text: &str) -> String {
        let mut stream = TcpStream::connect(pager.place()).expect("it listens");
        stream.write_all(text.as_bytes()).expect("it reads");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("it answers");
        let codes: Vec<&str> = answer.lines().filter_map(|line| line.get(..3)).collect();
        codes.join(" ")
    }

    #[test]
    fn pages_are_taken_and_recorded() {
        let pager = Pager::start(None, free_place().expect("a port")).expect("it listens");
        let page = "PAGE 5551212\r\nMESS http-000 DOWN: refused\r\nSEND\r\nQUIT\r\n";
        assert_eq!(said(&pager, page), "220 250 250 250 221");
        assert_eq!(
            said(&pager, "PAGE 1\r\nSEND\r\nQUIT\r\n"),
            "220 250 503 221"
        );
        let again = "PAGE 1\r\nRESE\r\nMESS a\r\nMESS b\r\nSTAT\r\nQUIT\r\n";
        assert_eq!(said(&pager, again), "220 250 250 250 503 500 221");
        pager.be(Manner::Refuse).expect("it is so");
        assert_eq!(said(&pager, page), "220 250 250 550 221");
        let pages = pager.pages();
        assert_eq!(pages.len(), 1);
        assert_eq!(pages[0].number, "5551212");
        assert_eq!(pages[0].message, "http-000 DOWN: refused");
    }
}
