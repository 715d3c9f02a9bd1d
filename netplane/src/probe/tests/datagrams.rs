//! The `dns`, `udp` and `icmp` probes against servers that answer by script, late, wrongly or not
//! at all.

use std::io::{Read as _, Write as _};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use super::{PATIENCE, Server, TIMEOUT, refusing, until};
use crate::origin::Origin;
use crate::plan::DnsRecord;
use crate::probe::connect::Budget;
use crate::probe::dns::Wanted;
use crate::probe::{dns, icmp, udp};

/// What a server answers to the datagram of this number, from 0; each is sent as one.
type Answers = fn(&[u8], u32) -> Vec<Vec<u8>>;

/// For a probe that sends again: half a second and more apart, so that the answer comes between.
pub(super) const LOSSY: Duration = Duration::from_secs(4);

/// What a probe of that time says when nothing comes.
pub(super) const SILENT: &str = "timeout after 4 s while waiting for the answer";

/// A server for datagrams; how many came.
fn datagrams(answers: Answers) -> (SocketAddr, Arc<AtomicU32>) {
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a free port");
    datagrams_on(socket, answers)
}

fn datagrams_on(socket: UdpSocket, answers: Answers) -> (SocketAddr, Arc<AtomicU32>) {
    let read_timeout = socket.set_read_timeout(Some(PATIENCE));
    read_timeout.expect("a live socket");
    let address = socket.local_addr().expect("bound");
    let heard = Arc::new(AtomicU32::new(0));
    let count = Arc::clone(&heard);
    std::thread::spawn(move || {
        let mut buffer = [0; 1024];
        while let Ok((length, from)) = socket.recv_from(&mut buffer) {
            let number = count.fetch_add(1, Ordering::SeqCst);
            for answer in answers(buffer.get(..length).unwrap_or_default(), number) {
                let _ = socket.send_to(&answer, from);
            }
        }
    });
    (address, heard)
}

/// Waits until so many came; who counts them may be late.
pub(super) fn until_heard(heard: &AtomicU32, datagrams: u32) {
    let all = || (heard.load(Ordering::SeqCst) == datagrams).then_some(());
    until(all, || format!("{heard:?}, not {datagrams}"));
}

async fn udp_says(limit: Duration, target: SocketAddr, expect: &[u8]) -> String {
    let (origin, budget) = (Origin::default(), Budget::begin(limit));
    let outcome = udp::probe(target, b"ping", expect, &origin, &budget).await;
    outcome.to_string()
}

#[tokio::test]
async fn a_datagram_is_answered() {
    let echo: Answers = |datagram, _| vec![datagram.to_vec()];
    let (address, heard) = datagrams(echo);
    assert_eq!(udp_says(PATIENCE, address, b"").await, "answered");
    assert_eq!(udp_says(PATIENCE, address, b"pi").await, "answered");
    assert_eq!(udp_says(PATIENCE, address, b"ping").await, "answered");
    assert_eq!(heard.load(Ordering::SeqCst), 3, "nothing is sent twice");
    let wrong = "the answer does not begin as expected";
    assert_eq!(udp_says(TIMEOUT, address, b"pong").await, wrong);
    assert_eq!(udp_says(TIMEOUT, address, b"pings").await, wrong);

    // Something else comes first; or an empty datagram, which is an answer as well.
    let (address, _) = datagrams(|_, _| vec![b"news".to_vec(), b"pong".to_vec()]);
    assert_eq!(udp_says(PATIENCE, address, b"pong").await, "answered");
    let (address, _) = datagrams(|_, _| vec![vec![]]);
    assert_eq!(udp_says(PATIENCE, address, b"").await, "answered");
}

#[tokio::test]
async fn silence_is_a_failure_after_two_sendings() {
    let (address, heard) = datagrams(|_, _| vec![]);
    assert_eq!(udp_says(LOSSY, address, b"").await, SILENT);
    until_heard(&heard, 2);

    let (address, heard) = datagrams(|_, number| match number {
        0 => vec![],
        _ => vec![b"pong".to_vec()],
    });
    assert_eq!(udp_says(LOSSY, address, b"pong").await, "answered");
    assert_eq!(heard.load(Ordering::SeqCst), 2, "the first one was lost");
}

#[tokio::test]
async fn a_port_that_nobody_listens_at_refuses_at_once() {
    let begun = Instant::now();
    let refused = "connection refused";
    assert_eq!(udp_says(PATIENCE, refusing(), b"").await, refused);
    assert_eq!(dns_says(PATIENCE, refusing(), None).await, refused);
    assert!(begun.elapsed() < PATIENCE / 4, "nothing is sent twice");
}

async fn dns_says(limit: Duration, target: SocketAddr, value: Option<&str>) -> String {
    let wanted = Wanted {
        name: "www.example",
        record: DnsRecord::A,
        value,
    };
    let (origin, budget) = (Origin::default(), Budget::begin(limit));
    dns::probe(target, wanted, &origin, &budget)
        .await
        .to_string()
}

/// The question answered with these flags, and 192.0.2.`each` for its name.
fn resolved(question: &[u8], flags: u8, each: &[u8]) -> Vec<u8> {
    let mut answer = question.to_vec();
    answer[2] = 0x80 | flags;
    answer[7] = u8::try_from(each.len()).expect("few");
    for last in each {
        answer.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 9, 0, 4, 192, 0, 2, *last]);
    }
    answer
}

#[tokio::test]
async fn a_name_is_looked_up() {
    let (address, heard) = datagrams(|question, _| vec![resolved(question, 0, &[1, 2])]);
    let says = async |value| dns_says(PATIENCE, address, value).await;
    assert_eq!(says(None).await, "2 A records");
    assert_eq!(says(Some("192.0.2.2")).await, "2 A records");
    let other = "none of 2 A records is the expected one";
    assert_eq!(says(Some("192.0.2.3")).await, other);
    assert_eq!(heard.load(Ordering::SeqCst), 3, "nothing is sent twice");
}

#[tokio::test]
async fn lost_datagrams_are_sent_again_and_strangers_passed_over() {
    let (address, heard) = datagrams(|question, number| match number {
        0 | 1 => vec![],
        _ => {
            let mut stranger = resolved(question, 0, &[9]);
            stranger[0] ^= 1;
            let mut other_name = resolved(question, 0, &[9]);
            other_name[13] = b'v';
            vec![stranger, other_name, resolved(question, 0, &[1])]
        }
    });
    let says = dns_says(LOSSY, address, Some("192.0.2.1")).await;
    assert_eq!(says, "1 A record");
    assert_eq!(heard.load(Ordering::SeqCst), 3);

    let (address, heard) = datagrams(|_, _| vec![]);
    assert_eq!(dns_says(LOSSY, address, None).await, SILENT);
    until_heard(&heard, 4);
}

/// A server for datagrams and connections at one port; over a connection `answer` is said in two
/// pieces.
fn both(answer: fn(&[u8]) -> Vec<u8>) -> (SocketAddr, Server) {
    // A port that was just used for connections may be free for datagrams alone.
    let pairs = std::iter::repeat_with(|| {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        UdpSocket::bind(listener.local_addr()?).map(|socket| (listener, socket))
    });
    let pair = pairs.take(100).flatten().next();
    let (listener, socket) = pair.expect("a port that is free for both");
    let (address, _) = datagrams_on(socket, |question, _| vec![resolved(question, 2, &[])]);
    let server = Server::on(listener, move |mut stream| {
        let mut length = [0; 2];
        let _ = stream.read_exact(&mut length);
        let mut question = vec![0; usize::from(u16::from_be_bytes(length))];
        let _ = stream.read_exact(&mut question);
        let answer = answer(&question);
        let (first, second) = answer.split_at(answer.len() / 2);
        let _ = stream.write_all(first);
        std::thread::sleep(Duration::from_millis(5));
        let _ = stream.write_all(second);
    });
    (address, server)
}

#[tokio::test]
async fn what_is_cut_off_comes_over_a_connection() {
    fn with_length(answer: Vec<u8>) -> Vec<u8> {
        let length = u16::try_from(answer.len()).expect("short").to_be_bytes();
        [&length[..], &answer].concat()
    }
    let many: fn(&[u8]) -> Vec<u8> = |question| {
        let each: Vec<u8> = (0..200).collect();
        with_length(resolved(question, 0, &each))
    };
    let (address, _server) = both(many);
    assert_eq!(
        dns_says(PATIENCE, address, Some("192.0.2.199")).await,
        "200 A records"
    );
    type Row = (fn(&[u8]) -> Vec<u8>, &'static str);
    let rows: [Row; 5] = [
        (
            |question| with_length(resolved(question, 2, &[])),
            "the answer is not DNS",
        ),
        (|_| vec![0x40, 1, 0], "the answer is longer than 16 KiB"),
        (|_| vec![], "connection closed while waiting for the answer"),
        (
            |_| vec![0, 9, 1, 2],
            "connection closed while reading the answer",
        ),
        (|_| b"HTTP".to_vec(), "the answer is longer than 16 KiB"),
    ];
    for (answer, wanted) in rows {
        let (address, _server) = both(answer);
        assert_eq!(dns_says(PATIENCE, address, None).await, wanted);
    }
}

/// Needs `CAP_NET_RAW`, or a group in `net.ipv4.ping_group_range`, as the daemon does.
#[tokio::test]
async fn this_machine_echoes() {
    for target in [
        IpAddr::from(Ipv4Addr::LOCALHOST),
        Ipv6Addr::LOCALHOST.into(),
    ] {
        let (origin, budget) = (Origin::default(), Budget::begin(PATIENCE));
        let outcome = icmp::probe(target, &origin, &budget).await;
        assert_eq!(outcome.to_string(), "echo answered", "{target}");
    }
}

/// Many at once: none takes another's answer for its own, and none hangs.
#[tokio::test]
async fn five_hundred_echoes_at_once() {
    let origin = Origin::default();
    let probes = (0..500_u32).map(|number| {
        let [_, _, third, fourth] = number.to_be_bytes();
        let target = IpAddr::from([127, 0, third, fourth.max(1)]);
        let origin = &origin;
        async move { icmp::probe(target, origin, &Budget::begin(PATIENCE)).await }
    });
    for outcome in futures_util::future::join_all(probes).await {
        assert_eq!(outcome.to_string(), "echo answered");
    }
}
