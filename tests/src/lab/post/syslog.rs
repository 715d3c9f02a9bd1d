//! A syslog server: takes datagrams (RFC 5426) and records them.

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::Result;
use tokio::net::UdpSocket;
use tokio::sync::watch;

use super::desk::{Thread, now_ms};
use crate::lab::network::Host;
use crate::lab::wait;

/// How long it may take until it listens.
const STARTS_WITHIN: Duration = Duration::from_secs(5);

/// What one datagram held.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// When it came. **Units**: wall-clock milliseconds.
    pub at_ms: u64,
    /// From where.
    pub peer: SocketAddr,
    /// Its bytes, as far as they are UTF-8.
    pub text: String,
}

/// The server, running.
#[derive(Debug)]
pub struct Syslog {
    lines: Arc<Mutex<Vec<Line>>>,
    _thread: Thread,
}

impl Syslog {
    /// Listens at an address of a host, or of this machine.
    ///
    /// **Errors**: it does not listen in time: the address is not there, or taken.
    pub fn start(host: Option<&Host>, at: SocketAddr) -> Result<Syslog> {
        let lines = Arc::new(Mutex::new(Vec::new()));
        let ready = Arc::new(watch::Sender::new(false));
        let thread = Thread::start(host, take(at, Arc::clone(&lines), Arc::clone(&ready)));
        wait::until_true("syslog listens", STARTS_WITHIN, || *ready.borrow())?;
        Ok(Syslog {
            lines,
            _thread: thread,
        })
    }

    /// Every datagram so far.
    pub fn lines(&self) -> Vec<Line> {
        let lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        lines.clone()
    }
}

async fn take(
    at: SocketAddr,
    lines: Arc<Mutex<Vec<Line>>>,
    ready: Arc<watch::Sender<bool>>,
) -> io::Result<()> {
    let socket = UdpSocket::bind(at).await?;
    ready.send_replace(true);
    let mut bytes = vec![0; DATAGRAM_BYTES_MAX];
    loop {
        let Ok((length, peer)) = socket.recv_from(&mut bytes).await else {
            continue;
        };
        let text = String::from_utf8_lossy(&bytes[..length]).into_owned();
        let at_ms = now_ms();
        let line = Line { at_ms, peer, text };
        lines
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(line);
    }
}

/// The longest that UDP carries.
const DATAGRAM_BYTES_MAX: usize = 65_536;

#[cfg(test)]
mod tests {
    use super::super::desk::free_place;
    use super::*;

    #[test]
    fn datagrams_are_recorded() {
        let at = free_place().expect("a port");
        let syslog = Syslog::start(None, at).expect("it listens");
        let socket = std::net::UdpSocket::bind(("127.0.0.1", 0)).expect("a port");
        socket
            .send_to(b"<26>1 - lb1 farmux - - - down", at)
            .expect("sent");
        let came = || !syslog.lines().is_empty();
        wait::until_true("it came", STARTS_WITHIN, came).expect("it came");
        assert_eq!(syslog.lines()[0].text, "<26>1 - lb1 farmux - - - down");
    }
}
