//! A receiver of webhooks: HTTP/1.1, one request a connection, with the faults of real ones.

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

/// How the receiver behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Manner {
    /// It answers 200.
    Well,
    /// It refuses connections.
    Dead,
    /// It takes the request and never answers.
    Hang,
    /// It answers with this status.
    Status(u16),
    /// It answers 302, to `/elsewhere` of its own.
    Redirect,
    /// It answers 200, with a megabyte of body.
    Huge,
    /// It answers 200 after so long.
    Slow(Duration),
}

/// Where a request can be held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// Its head came, and nothing of its body was read.
    Head,
    /// All of it came and is recorded, and there is no answer.
    Taken,
}

/// A request that came whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// When its last byte came. **Units**: wall-clock milliseconds.
    pub at_ms: u64,
    /// The same by a clock that does not jump.
    pub at: Instant,
    /// From where it was sent: a node's address.
    pub peer: SocketAddr,
    /// `POST`, most likely.
    pub method: String,
    /// With its query.
    pub path: String,
    /// The header fields, names in lower case, in the order in which they came.
    pub fields: Vec<(String, String)>,
    /// The body as it came.
    pub body: Vec<u8>,
    /// Whether an answer was written.
    pub answered: bool,
}

impl Request {
    /// The value of a field, by its lower-case name.
    pub fn field(&self, name: &str) -> Option<&str> {
        let mut fields = self.fields.iter();
        let found = fields.find(|(have, _)| have == name);
        found.map(|(_, value)| value.as_str())
    }
}

type Book = Desk<Manner, Stage, Request>;

impl super::receiver::Manner for Manner {
    fn is_dead(self) -> bool {
        self == Manner::Dead
    }
}

/// The receiver, running.
pub type Webhook = Receiver<Manner, Stage, Request>;

impl Webhook {
    /// Listens at an address of a host, or of this machine.
    ///
    /// **Errors**: it does not listen in time: the address is not there, or taken.
    pub fn start(host: Option<&Host>, at: SocketAddr) -> Result<Webhook> {
        Receiver::listen(host, at, Manner::Well, converse)
    }

    /// Every request so far, in the order in which they came.
    pub fn requests(&self) -> Vec<Request> {
        self.book().clone()
    }
}

async fn converse(desk: Arc<Book>, stream: TcpStream) -> io::Result<()> {
    let peer = stream.peer_addr()?;
    let mut stream = BufReader::new(stream);
    let Some((method, path, fields)) = head(&mut stream).await? else {
        return Ok(());
    };
    desk.pass(Stage::Head).await;
    let length = fields.iter().find(|(name, _)| name == "content-length");
    let length: usize = length
        .and_then(|(_, value)| value.parse().ok())
        .unwrap_or(0);
    let mut body = vec![0; length.min(BODY_BYTES_MAX)];
    stream.read_exact(&mut body).await?;
    let number = {
        let mut book = desk.book();
        book.push(Request {
            at_ms: now_ms(),
            at: Instant::now(),
            peer,
            method,
            path,
            fields,
            body,
            answered: false,
        });
        book.len() - 1
    };
    desk.pass(Stage::Taken).await;
    let answer = match desk.manner() {
        Manner::Dead => return Ok(()),
        Manner::Hang => {
            // Until the sender has had enough.
            stream.read_to_end(&mut Vec::new()).await?;
            return Ok(());
        }
        Manner::Slow(pause) => {
            tokio::time::sleep(pause).await;
            answer(200, "", "taken\n")
        }
        Manner::Well => answer(200, "", "taken\n"),
        Manner::Status(status) => answer(status, "", "not taken\n"),
        Manner::Redirect => answer(302, "Location: /elsewhere\r\n", ""),
        Manner::Huge => answer(200, "", &"x".repeat(HUGE_BYTES)),
    };
    if hung_up(stream.get_ref()) {
        return Ok(());
    }
    stream.get_mut().write_all(answer.as_bytes()).await?;
    if let Some(request) = desk.book().get_mut(number) {
        request.answered = true;
    }
    stream.get_mut().shutdown().await
}

/// Whether the sender is gone, or was killed: an answer would be heard by nobody.
fn hung_up(stream: &TcpStream) -> bool {
    match stream.try_read(&mut [0]) {
        Ok(bytes) => bytes == 0,
        Err(error) => error.kind() != io::ErrorKind::WouldBlock,
    }
}

type Head = (String, String, Vec<(String, String)>);

/// The head of a request; `None`: it is none.
async fn head(stream: &mut BufReader<TcpStream>) -> io::Result<Option<Head>> {
    let Some(first) = line(stream).await? else {
        return Ok(None);
    };
    let mut words = first.split(' ').map(str::to_owned);
    let (Some(method), Some(path)) = (words.next(), words.next()) else {
        return Ok(None);
    };
    let mut fields = Vec::new();
    for _ in 0..FIELDS_MAX {
        let Some(line) = line(stream).await? else {
            return Ok(None);
        };
        match line.split_once(':') {
            Some((name, value)) => {
                fields.push((name.to_ascii_lowercase(), value.trim().to_owned()));
            }
            None if line.is_empty() => return Ok(Some((method, path, fields))),
            None => return Ok(None),
        }
    }
    Ok(None)
}

async fn line(stream: &mut BufReader<TcpStream>) -> io::Result<Option<String>> {
    let mut text = Vec::new();
    let mut limited = stream.take(LINE_BYTES_MAX);
    limited.read_until(b'\n', &mut text).await?;
    match text.strip_suffix(b"\n") {
        Some(text) => Ok(Some(String::from_utf8_lossy(text).trim_end().to_owned())),
        None => Ok(None),
    }
}

fn answer(status: u16, fields: &str, body: &str) -> String {
    let length = body.len();
    let last = "Connection: close\r\n\r\n";
    format!("HTTP/1.1 {status} So be it\r\n{fields}Content-Length: {length}\r\n{last}{body}")
}

/// No head of ours is longer.
const LINE_BYTES_MAX: u64 = 16 * 1024;
const FIELDS_MAX: usize = 100;

/// A page that is longer is cut, and seen to be.
const BODY_BYTES_MAX: usize = 4 * 1024 * 1024;

/// More than a sender should care to read.
const HUGE_BYTES: usize = 1024 * 1024;

#[cfg(test)]
mod tests {
    use super::super::desk::free_place;
    use super::*;
    use crate::lab::http::{Connection, PATIENCE};

    const POST: &[u8] = b"POST /hook?a=1 HTTP/1.1\r\nHost: h\r\nX-Sign: abc\r\n\
                          Content-Length: 2\r\n\r\n{}";

    /// Patient where an answer is hoped for.
    fn status(webhook: &Webhook, hoped: Option<u16>) -> Option<u16> {
        let limit = hoped.map_or(Duration::from_millis(500), |_| PATIENCE);
        let mut connection = Connection::open_within(webhook.place(), limit).ok()?;
        connection.send(POST).ok()?;
        connection.receive().ok().map(|answer| answer.status)
    }

    #[test]
    fn every_manner_as_a_sender_sees_it() {
        let webhook = Webhook::start(None, free_place().expect("a port")).expect("it listens");
        for (manner, wanted) in [
            (Manner::Well, Some(200)),
            (Manner::Dead, None),
            (Manner::Status(500), Some(500)),
            (Manner::Redirect, Some(302)),
            (Manner::Huge, Some(200)),
            (Manner::Slow(Duration::from_millis(5)), Some(200)),
            (Manner::Hang, None),
        ] {
            webhook.be(manner).expect("it is so");
            assert_eq!(status(&webhook, wanted), wanted, "{manner:?}");
        }
        let requests = webhook.requests();
        assert_eq!(requests.len(), 6, "all but the dead one took it");
        assert!(
            requests
                .iter()
                .rev()
                .skip(1)
                .all(|request| request.answered)
        );
        let first = &requests[0];
        assert_eq!(
            (first.method.as_str(), first.path.as_str()),
            ("POST", "/hook?a=1")
        );
        assert_eq!(
            (first.field("x-sign"), &first.body[..]),
            (Some("abc"), &b"{}"[..])
        );
    }

    #[test]
    fn a_request_is_held_after_its_head_and_before_its_answer() {
        let webhook = Webhook::start(None, free_place().expect("a port")).expect("it listens");
        for (stage, taken) in [(Stage::Head, 0), (Stage::Taken, 2)] {
            webhook.hold(stage);
            std::thread::scope(|scope| {
                let sent = scope.spawn(|| {
                    let mut connection = Connection::open(webhook.place()).expect("it listens");
                    connection.send(POST).expect("it reads");
                    connection.receive().expect("an answer").status
                });
                webhook
                    .wait_held(Duration::from_secs(10))
                    .expect("it comes there");
                assert_eq!(webhook.requests().len(), taken, "{stage:?}");
                webhook.go_on();
                assert_eq!(sent.join().expect("no panic"), 200);
            });
        }
    }
}
