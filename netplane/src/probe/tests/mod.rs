//! Probes against real sockets: servers that refuse, hang, drip, reset, lie and talk without end.

mod asked;
mod datagrams;
mod ftp;
mod greeting;
mod http;
mod https;
mod nfs;
mod opinions;
mod page;
mod pretending;
mod proxy;
mod runner;

#[path = "../../../tests/wire/reserved.rs"]
mod reserved;

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use socket2::SockRef;

use super::Verdict;
use super::outcome::{Failure, Outcome, Phase};
use crate::plan::{Advice, Health, ProbeKey, ProbeKind, ProbePlan};

/// For probes that run out of it: long enough for what comes before, short enough to wait for.
const TIMEOUT: Duration = Duration::from_millis(400);

/// No condition in here may take longer, nor a probe that ends in another way.
const PATIENCE: Duration = Duration::from_secs(10);

/// A server that treats every connection the same way, until it is dropped.
struct Server {
    address: SocketAddr,
    stop: Arc<AtomicBool>,
    accepting: Option<JoinHandle<()>>,
}

impl Server {
    /// On a port that nobody else is given when it is dropped.
    fn start(treat: impl Fn(TcpStream) + Send + Sync + 'static) -> Server {
        let listener = TcpListener::bind(refusing()).expect("a port of our own");
        Self::on(listener, treat)
    }

    fn on(listener: TcpListener, treat: impl Fn(TcpStream) + Send + Sync + 'static) -> Server {
        let address = listener.local_addr().expect("bound");
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let treat = Arc::new(treat);
        let accepting = std::thread::spawn(move || {
            for stream in listener.incoming() {
                if stopped.load(Ordering::SeqCst) {
                    return;
                }
                let (Ok(stream), treat) = (stream, Arc::clone(&treat)) else {
                    return;
                };
                std::thread::spawn(move || treat(stream));
            }
        });
        Server {
            address,
            stop,
            accepting: Some(accepting),
        }
    }

    /// Reads a request, then says this and closes.
    fn says(answer: impl Into<Vec<u8>>) -> Server {
        let answer = answer.into();
        Server::start(move |mut stream| {
            read_request(&mut stream);
            // The probe may have seen enough and be gone: then there is nobody to tell.
            let _ = stream.write_all(&answer);
        })
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
        // Wakes the accept; nobody listens any more when it fails.
        let _ = TcpStream::connect(self.address);
        // Whoever comes after this is refused.
        if let Some(accepting) = self.accepting.take() {
            let _ = accepting.join();
        }
    }
}

fn read_request(stream: &mut TcpStream) -> String {
    let mut seen = Vec::new();
    let mut buffer = [0; 1024];
    while !seen.windows(4).any(|end| end == b"\r\n\r\n") {
        match stream.read(&mut buffer) {
            Ok(0) | Err(_) => break,
            Ok(count) => seen.extend(buffer.iter().take(count)),
        }
    }
    String::from_utf8_lossy(&seen).into_owned()
}

fn reset(stream: TcpStream) {
    SockRef::from(&stream)
        .set_linger(Some(Duration::ZERO))
        .expect("a live socket");
}

fn timeout(during: Phase) -> Outcome {
    Outcome::Fail(Failure::Timeout {
        after: TIMEOUT,
        during,
    })
}

/// A port where nobody listens.
fn refusing() -> SocketAddr {
    reserved::reserve(Ipv4Addr::LOCALHOST.into())
}

fn key(server: &str) -> ProbeKey {
    ProbeKey::Server {
        farm: "shop".into(),
        server: server.into(),
        service: "web".into(),
    }
}

fn plan(target: SocketAddr, remembered: Health) -> ProbePlan {
    ProbePlan {
        target,
        kind: ProbeKind::Tcp,
        proxy: None,
        interval: Duration::from_millis(100),
        // Whoever is well answers within it, also on a busy machine.
        timeout: Duration::from_secs(1),
        fall: 2,
        rise: 2,
        remembered,
        advised: Advice::None,
        asked: 0,
    }
}

fn next(verdicts: &mut tokio::sync::mpsc::Receiver<Verdict>) -> Verdict {
    until(
        || verdicts.try_recv().ok(),
        || "no verdict in time".to_owned(),
    )
}

/// Looks until there is something to see; `why` says what was there instead.
fn until<T>(mut seen: impl FnMut() -> Option<T>, why: impl Fn() -> String) -> T {
    let end = Instant::now() + PATIENCE;
    loop {
        if let Some(seen) = seen() {
            return seen;
        }
        assert!(Instant::now() < end, "{}", why());
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// A listener whose backlog is full answers no SYN: the way a hung server looks.
struct Silent {
    address: SocketAddr,
    _listener: socket2::Socket,
    _fillers: Vec<std::io::Result<TcpStream>>,
}

impl Silent {
    fn start() -> Silent {
        let listener = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None)
            .expect("a socket");
        let any: SocketAddr = "127.0.0.1:0".parse().expect("an address");
        listener.bind(&any.into()).expect("a free port");
        listener.listen(0).expect("a fresh socket");
        let address = listener.local_addr().expect("bound");
        let address = address.as_socket().expect("IPv4");
        let fill = |_| TcpStream::connect_timeout(&address, Duration::from_millis(100));
        let fillers = (0..4).map(fill).collect();
        Silent {
            address,
            _listener: listener,
            _fillers: fillers,
        }
    }
}
