//! One server of a neighbourhood: its listeners, and whether it is killed, hung or spoiled.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

use super::kind::Kind;
use super::talk::{Mood, resolve, talk};

/// A server that listens, or was killed.
#[derive(Debug)]
pub(super) struct Server {
    kind: Kind,
    at: SocketAddr,
    mood: watch::Sender<Mood>,
    work: Option<JoinHandle<()>>,
}

impl Server {
    /// One that does not listen yet.
    pub(super) fn new(kind: Kind, at: SocketAddr) -> Server {
        Server {
            kind,
            at,
            mood: watch::Sender::new(Mood::Well),
            work: None,
        }
    }

    /// How it answers from now on; connections that it has go on as they were.
    pub(super) fn feel(&self, mood: Mood) {
        self.mood.send_replace(mood);
    }

    /// Listens, if it does not.
    ///
    /// **Errors**: its place is taken, or not on this machine.
    pub(super) async fn open(&mut self) -> io::Result<()> {
        if self.work.is_some() {
            return Ok(());
        }
        let listener = TcpListener::bind(self.at).await?;
        let datagrams = match self.kind {
            Kind::Dns => Some(UdpSocket::bind(self.at).await?),
            Kind::Http | Kind::Ftp | Kind::Smtp | Kind::Tcp => None,
        };
        let (kind, mood) = (self.kind, self.mood.subscribe());
        self.work = Some(tokio::spawn(serve(kind, listener, datagrams, mood)));
        Ok(())
    }

    /// Closes everything; returns when new connections are refused.
    pub(super) async fn close(&mut self) {
        if let Some(work) = self.work.take() {
            work.abort();
            // It ends by being aborted.
            let _ = work.await;
        }
    }
}

async fn serve(
    kind: Kind,
    listener: TcpListener,
    datagrams: Option<UdpSocket>,
    mood: watch::Receiver<Mood>,
) {
    let mut talks = JoinSet::new();
    let mut question = [0; DATAGRAM_BYTES_MAX];
    loop {
        tokio::select! {
            came = listener.accept() => match came {
                Ok((stream, _)) => {
                    talks.spawn(bounded(kind, *mood.borrow(), stream));
                }
                // Out of descriptors, or a client that went away again.
                Err(_) => tokio::time::sleep(BREATH).await,
            },
            asked = ask(datagrams.as_ref(), &mut question) => {
                let mood = *mood.borrow();
                if let (Some(socket), Ok((length, from))) = (&datagrams, asked)
                    && mood != Mood::Hung
                    && let Some(answer) = resolve(&question[..length], mood == Mood::Well)
                {
                    // Whoever asked may be gone.
                    let _ = socket.send_to(&answer, from).await;
                }
            }
            Some(_) = talks.join_next() => {}
        }
    }
}

async fn ask(
    datagrams: Option<&UdpSocket>,
    question: &mut [u8],
) -> io::Result<(usize, SocketAddr)> {
    match datagrams {
        Some(socket) => socket.recv_from(question).await,
        None => std::future::pending().await,
    }
}

async fn bounded(kind: Kind, mood: Mood, stream: TcpStream) {
    // Who hangs up early, or says nothing, is no news.
    let _ = tokio::time::timeout(TALK_TIME_MAX, talk(kind, mood, stream)).await;
}

/// RFC 1035, 2.3.4.
const DATAGRAM_BYTES_MAX: usize = 512;

/// No check and no client of the lab needs as long.
const TALK_TIME_MAX: Duration = Duration::from_secs(30);

/// After a connection that could not be taken, so that the loop does not spin.
const BREATH: Duration = Duration::from_millis(10);

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;

    /// A free port of this machine.
    fn free() -> SocketAddr {
        let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
        listener.local_addr().expect("bound")
    }

    async fn said_within(limit: Duration, at: SocketAddr, request: &str) -> io::Result<String> {
        let mut stream = TcpStream::connect(at).await?;
        stream.write_all(request.as_bytes()).await?;
        let mut answer = String::new();
        let read = stream.read_to_string(&mut answer);
        tokio::time::timeout(limit, read)
            .await
            .map_err(|_| io::Error::from(io::ErrorKind::TimedOut))??;
        Ok(answer)
    }

    async fn said(at: SocketAddr, request: &str) -> io::Result<String> {
        said_within(Duration::from_secs(10), at, request).await
    }

    const GET: &str = "GET /status HTTP/1.1\r\nHost: a\r\n\r\n";

    #[tokio::test]
    async fn a_server_is_well_spoiled_hung_killed_and_well_again() {
        let at = free();
        let mut server = Server::new(Kind::Http, at);
        server.open().await.expect("a free port");
        let answer = said(at, GET).await.expect("an answer");
        assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
        server.feel(Mood::Spoiled);
        let answer = said(at, GET).await.expect("an answer");
        assert!(answer.starts_with("HTTP/1.1 500 "), "{answer}");
        server.feel(Mood::Hung);
        let brief = Duration::from_millis(300);
        let hung = said_within(brief, at, GET).await.expect_err("no answer");
        assert_eq!(hung.kind(), io::ErrorKind::TimedOut);
        server.close().await;
        let refused = said(at, GET).await.expect_err("nobody listens");
        assert_eq!(refused.kind(), io::ErrorKind::ConnectionRefused);
        server.feel(Mood::Well);
        server.open().await.expect("its own port");
        assert!(said(at, GET).await.is_ok());
    }

    #[tokio::test]
    async fn smtp_and_ftp_go_through_a_session() {
        let sessions = [
            (
                Kind::Smtp,
                "EHLO a\r\nMAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nDATA\r\nhello\r\n.\r\nQUIT\r\n",
                "220 250- 250 250 250 354 250 221",
            ),
            (
                Kind::Ftp,
                "USER a\r\nPASS b\r\nTYPE A\r\nSYST\r\nLIST\r\nQUIT\r\n",
                "220 331 230 200 502 425 221",
            ),
        ];
        for (kind, request, wanted) in sessions {
            let at = free();
            let mut server = Server::new(kind, at);
            server.open().await.expect("a free port");
            let answer = said(at, request).await.expect("an answer");
            let codes: Vec<&str> = answer
                .lines()
                .map(|line| line.split(' ').next().unwrap_or_default())
                .map(|word| word.get(..4).unwrap_or(word))
                .collect();
            assert_eq!(codes.join(" "), wanted, "{answer}");
        }
    }

    #[tokio::test]
    async fn dns_answers_over_udp() {
        let at = free();
        let mut server = Server::new(Kind::Dns, at);
        server.open().await.expect("a free port");
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))
            .await
            .expect("a port");
        let question = b"\x00\x07\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x01a\x00\x00\x01\x00\x01";
        socket.send_to(question, at).await.expect("sent");
        let mut answer = [0; DATAGRAM_BYTES_MAX];
        let (length, _) = socket.recv_from(&mut answer).await.expect("an answer");
        assert!(answer[..length].ends_with(&[192, 0, 2, 7]));
    }
}
