//! Probes against real sockets: servers that refuse, hang, drip, reset, lie and talk without end.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read as _, Write as _};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use socket2::SockRef;

use super::answer::Expected;
use super::connect::Budget;
use super::outcome::{Failure, Outcome, Phase, Success};
use super::{Probing, Verdict, http, tcp};
use crate::health::HealthOverlay;
use crate::origin::Origin;
use crate::plan::{Health, ProbeKey, ProbeKind, ProbePlan};

/// Long enough for a busy machine, short enough to wait for.
const TIMEOUT: Duration = Duration::from_millis(400);

/// No condition in here may take longer.
const PATIENCE: Duration = Duration::from_secs(10);

/// A server that treats every connection the same way, until it is dropped.
struct Server {
    address: SocketAddr,
    stop: Arc<AtomicBool>,
}

impl Server {
    fn start(treat: impl Fn(TcpStream) + Send + Sync + 'static) -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        Self::on(listener, treat)
    }

    fn on(listener: TcpListener, treat: impl Fn(TcpStream) + Send + Sync + 'static) -> Server {
        let address = listener.local_addr().expect("bound");
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let treat = Arc::new(treat);
        std::thread::spawn(move || {
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
        Server { address, stop }
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

async fn ask(address: SocketAddr, text: Option<&str>) -> Outcome {
    let expected = Expected {
        status: 200,
        text: text.map(Arc::from),
    };
    let (origin, budget) = (Origin::default(), Budget::begin(TIMEOUT));
    http::probe(address, "/health", "shop.test", expected, &origin, &budget).await
}

fn timeout(during: Phase) -> Outcome {
    Outcome::Fail(Failure::Timeout {
        after: TIMEOUT,
        during,
    })
}

/// A port where nobody listens.
fn refusing() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("bound")
}

#[tokio::test]
async fn tcp_connects_or_says_why_not() {
    let origin = Origin::default();
    let server = Server::start(drop);
    let up = tcp::probe(server.address, &origin, &Budget::begin(TIMEOUT)).await;
    assert_eq!(up, Outcome::Pass(Success::Connected));
    let refused = tcp::probe(refusing(), &origin, &Budget::begin(TIMEOUT)).await;
    assert_eq!(refused, Outcome::Fail(Failure::Refused));
    assert_eq!(refused.to_string(), "connection refused");
}

/// A listener whose backlog is full answers no SYN: the way a hung server looks.
#[tokio::test]
async fn tcp_gives_up_on_one_that_hangs() {
    let socket =
        socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).expect("a socket");
    let any: SocketAddr = "127.0.0.1:0".parse().expect("an address");
    socket.bind(&any.into()).expect("a free port");
    socket.listen(0).expect("a fresh socket");
    let address = socket
        .local_addr()
        .expect("bound")
        .as_socket()
        .expect("IPv4");
    let _fillers: Vec<_> = (0..4)
        .map(|_| TcpStream::connect_timeout(&address, Duration::from_millis(100)))
        .collect();
    let hung = tcp::probe(address, &Origin::default(), &Budget::begin(TIMEOUT)).await;
    assert_eq!(hung, timeout(Phase::Connecting));
    assert_eq!(hung.to_string(), "timeout after 400 ms while connecting");
}

#[tokio::test]
async fn http_judges_every_kind_of_answer() {
    let pass = Outcome::Pass;
    let fail = Outcome::Fail;
    let huge = {
        let mut answer = b"HTTP/1.1 200 OK\r\nContent-Length: 50000000\r\n\r\n".to_vec();
        answer.resize(5_000_000, b'x');
        answer
    };
    let rows: Vec<(Vec<u8>, Option<&str>, Outcome)> = vec![
        (
            b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n".into(),
            None,
            pass(Success::Status(200)),
        ),
        (
            b"HTTP/1.0 200 OK\r\n\r\nall well".into(),
            Some("well"),
            pass(Success::Text(200)),
        ),
        (
            b"HTTP/1.0 200 OK\r\n\r\nall bad".into(),
            Some("well"),
            fail(Failure::TextMissing),
        ),
        (
            b"HTTP/1.1 500 Oh\r\n\r\n".into(),
            None,
            fail(Failure::Status {
                got: 500,
                expected: 200,
            }),
        ),
        (b"".into(), None, fail(Failure::ClosedSilently)),
        (
            b"HTTP/1.1 200 OK\r\nA:".into(),
            None,
            fail(Failure::ClosedEarly),
        ),
        (b"220 smtp here\r\n".into(), None, fail(Failure::NotHttp)),
        (huge.clone(), None, pass(Success::Status(200))),
        (huge, Some("well"), fail(Failure::TextMissing)),
    ];
    for (answer, text, wanted) in rows {
        let start = String::from_utf8_lossy(answer.get(..answer.len().min(40)).unwrap_or_default())
            .into_owned();
        let server = Server::says(answer);
        assert_eq!(
            ask(server.address, text).await,
            wanted,
            "{start:?} {text:?}"
        );
    }
    assert_eq!(
        fail(Failure::Status {
            got: 500,
            expected: 200
        })
        .to_string(),
        "status 500, expected 200"
    );
}

#[tokio::test]
async fn http_says_how_far_it_came() {
    let silent = Server::start(|mut stream| {
        read_request(&mut stream);
        std::thread::park_timeout(PATIENCE);
        drop(stream);
    });
    assert_eq!(ask(silent.address, None).await, timeout(Phase::Waiting));

    let dripping = Server::start(|mut stream| {
        for byte in b"HTTP/1.1 200 OK\r\n"
            .iter()
            .chain(std::iter::repeat(&b'x'))
        {
            if stream.write_all(&[*byte]).is_err() {
                return;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    });
    assert_eq!(ask(dripping.address, None).await, timeout(Phase::Reading));

    let resetting = Server::start(|mut stream| {
        read_request(&mut stream);
        reset(stream);
    });
    let outcome = ask(resetting.address, None).await;
    assert_eq!(outcome, Outcome::Fail(Failure::Reset(Phase::Waiting)));
    assert_eq!(
        outcome.to_string(),
        "connection reset while waiting for the answer"
    );

    let refused = ask(refusing(), None).await;
    assert_eq!(refused, Outcome::Fail(Failure::Refused));
}

#[tokio::test]
async fn the_request_is_what_a_server_expects() {
    let (sender, requests) = std::sync::mpsc::channel();
    let server = Server::start(move |mut stream| {
        let request = read_request(&mut stream);
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n");
        let _ = sender.send(request);
    });
    assert_eq!(
        ask(server.address, None).await,
        Outcome::Pass(Success::Status(200))
    );
    let request = requests.recv_timeout(PATIENCE).expect("one request");
    assert!(
        request.starts_with("GET /health HTTP/1.1\r\nHost: shop.test\r\n"),
        "{request}"
    );
    assert!(request.contains("\r\nConnection: close\r\n"), "{request}");
}

/// Where the kernel would take a VIP, the probe binds to an own address.
#[tokio::test]
async fn no_probe_leaves_from_a_vip() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let target = listener.local_addr().expect("bound");
    let own: IpAddr = "127.0.0.2".parse().expect("an address");
    let origin = Origin {
        own: vec![own],
        never: BTreeSet::from([target.ip()]),
    };
    let outcome = tcp::probe(target, &origin, &Budget::begin(TIMEOUT)).await;
    assert_eq!(outcome, Outcome::Pass(Success::Connected));
    let (_, peer) = listener.accept().expect("one connection waits");
    assert_eq!(peer.ip(), own);
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
        interval: Duration::from_millis(100),
        timeout: Duration::from_millis(100),
        fall: 2,
        rise: 2,
        remembered,
        asked: 0,
    }
}

fn next(verdicts: &mut tokio::sync::mpsc::Receiver<Verdict>) -> Verdict {
    let until = Instant::now() + PATIENCE;
    loop {
        match verdicts.try_recv() {
            Ok(verdict) => return verdict,
            Err(_) => assert!(Instant::now() < until, "no verdict in time"),
        }
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// Down, back, and each verdict is in the overlay before anybody else hears of it.
#[test]
fn a_server_goes_down_and_comes_back() {
    let overlay = Arc::new(HealthOverlay::new());
    let (probing, mut verdicts) = Probing::start(Arc::clone(&overlay), vec![]).expect("a thread");
    let server = Server::start(drop);
    let address = server.address;
    let seen = || overlay.load().get("shop", "web", "s1");
    probing.apply(
        BTreeMap::from([(key("s1"), plan(address, Health::Unknown))]),
        BTreeSet::new(),
    );
    let first = next(&mut verdicts);
    assert_eq!(
        (first.health, first.reason.as_str()),
        (Health::Up, "connected")
    );
    assert_eq!(seen(), Some(Health::Up));

    drop(server);
    let down = next(&mut verdicts);
    assert_eq!(
        (down.health, down.reason.as_str()),
        (Health::Down, "connection refused")
    );
    assert_eq!(seen(), Some(Health::Down));

    let listener = TcpListener::bind(address).expect("the port is free again");
    let _again = Server::on(listener, drop);
    assert_eq!(next(&mut verdicts).health, Health::Up);
    let result = probing.results().remove(&key("s1")).expect("probed");
    assert_eq!(result.outcome, Outcome::Pass(Success::Connected));

    probing.apply(BTreeMap::new(), BTreeSet::new());
    let until = Instant::now() + PATIENCE;
    while seen().is_some() || !probing.results().is_empty() {
        assert!(
            Instant::now() < until,
            "a check that is gone leaves something behind"
        );
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// What the log remembers is no news; only what differs from it is told.
#[test]
fn probing_goes_on_from_what_the_log_remembers() {
    let overlay = Arc::new(HealthOverlay::new());
    let (probing, mut verdicts) = Probing::start(Arc::clone(&overlay), vec![]).expect("a thread");
    let server = Server::start(drop);
    let probes = BTreeMap::from([
        (key("as-remembered"), plan(server.address, Health::Up)),
        (key("died-meanwhile"), plan(refusing(), Health::Up)),
        (key("still-down"), plan(refusing(), Health::Down)),
    ]);
    probing.apply(probes, BTreeSet::new());
    let told = next(&mut verdicts);
    assert_eq!(
        (told.key, told.health),
        (key("died-meanwhile"), Health::Down)
    );
    let until = Instant::now() + PATIENCE;
    while probing.counts().started < 30 {
        assert!(Instant::now() < until, "too few probes");
        std::thread::sleep(Duration::from_millis(5));
    }
    assert!(
        verdicts.try_recv().is_err(),
        "the others are as the log has them"
    );
    assert_eq!(
        overlay.load().get("shop", "web", "still-down"),
        Some(Health::Down)
    );
    assert_eq!(
        overlay.load().get("shop", "web", "as-remembered"),
        Some(Health::Up)
    );
}

/// Nobody reads the verdicts: probing goes on, and the newest of each check is what comes out.
#[test]
fn an_unread_channel_blocks_nothing() {
    let overlay = Arc::new(HealthOverlay::new());
    let (probing, mut verdicts) = Probing::start(Arc::clone(&overlay), vec![]).expect("a thread");
    let target = refusing();
    let names: Vec<String> = (0..600).map(|n| format!("s{n}")).collect();
    let probes = names
        .iter()
        .map(|name| (key(name), plan(target, Health::Up)))
        .collect();
    probing.apply(probes, BTreeSet::new());
    let until = Instant::now() + PATIENCE;
    while probing.counts().verdicts < 600 {
        assert!(
            Instant::now() < until,
            "only {} verdicts",
            probing.counts().verdicts
        );
        std::thread::sleep(Duration::from_millis(5));
    }
    let mut told = BTreeSet::new();
    while told.len() < 600 {
        let verdict = next(&mut verdicts);
        assert_eq!(verdict.health, Health::Down);
        assert!(told.insert(verdict.key), "told twice");
    }
}

/// 200 checks, a tenth of which hang: the others are probed on time.
#[test]
fn a_hanging_target_holds_nobody_up() {
    let overlay = Arc::new(HealthOverlay::new());
    let (probing, _verdicts) = Probing::start(Arc::clone(&overlay), vec![]).expect("a thread");
    let silent = Server::start(|stream| {
        std::thread::park_timeout(PATIENCE);
        drop(stream);
    });
    let quick = Server::says("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    let http = |target| ProbePlan {
        kind: ProbeKind::Http {
            path: "/".into(),
            host: "h".into(),
            status: 200,
            text: None,
        },
        interval: Duration::from_secs(1),
        timeout: Duration::from_secs(1),
        ..plan(target, Health::Up)
    };
    let probes = (0..200)
        .map(|n| {
            (
                key(&format!("s{n}")),
                http(if n < 20 {
                    silent.address
                } else {
                    quick.address
                }),
            )
        })
        .collect();
    probing.apply(probes, BTreeSet::new());
    let until = Instant::now() + PATIENCE;
    while probing.counts().passed < 3 * 180 {
        assert!(Instant::now() < until, "{:?}", probing.counts());
        std::thread::sleep(Duration::from_millis(10));
    }
    let counts = probing.counts();
    let mean = counts.lag_sum / u32::try_from(counts.started).expect("few");
    assert!(
        mean < Duration::from_millis(50),
        "late by {mean:?} in the mean"
    );
    assert!(counts.failed > 0, "the silent ones were asked, too");
}

/// The size of a large site, for a minute's measurement by hand: `--run-ignored only`.
#[test]
#[ignore = "takes a minute and measures this machine"]
fn five_thousand_checks_start_on_time() {
    let overlay = Arc::new(HealthOverlay::new());
    let (probing, _verdicts) = Probing::start(Arc::clone(&overlay), vec![]).expect("a thread");
    let quick = Server::start(drop);
    let check = ProbePlan {
        interval: Duration::from_secs(5),
        timeout: Duration::from_secs(5),
        ..plan(quick.address, Health::Up)
    };
    let probes = (0..5_000)
        .map(|n| (key(&format!("s{n}")), check.clone()))
        .collect();
    probing.apply(probes, BTreeSet::new());
    std::thread::sleep(Duration::from_secs(20));
    let counts = probing.counts();
    let mean = counts.lag_sum / u32::try_from(counts.started.max(1)).expect("few");
    assert!(counts.started > 18_000, "{counts:?}");
    assert!(
        mean < Duration::from_millis(20),
        "late by {mean:?} in the mean: {counts:?}"
    );
    assert_eq!(counts.failed, 0, "{counts:?}");
}
