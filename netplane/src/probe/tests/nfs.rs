//! The `nfs` probe against servers of remote procedures that answer by script.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use super::datagrams::{LOSSY, SILENT, until_heard};
use super::{PATIENCE, Server, TIMEOUT, refusing};
use crate::origin::Origin;
use crate::plan::NfsTransport;
use crate::probe::connect::Budget;
use crate::probe::nfs::{Question, probe};

/// What follows the transaction number of a call in the answer; `None`: no answer.
type Answers = fn(&[u32]) -> Option<Vec<u32>>;

async fn told(target: SocketAddr, transport: NfsTransport, portmapper: bool) -> String {
    told_within(PATIENCE, target, transport, portmapper).await
}

async fn told_within(
    limit: Duration,
    target: SocketAddr,
    transport: NfsTransport,
    portmapper: bool,
) -> String {
    let question = Question {
        transport,
        version: 3,
        portmapper,
    };
    let (origin, budget) = (Origin::default(), Budget::begin(limit));
    probe(target, question, &origin, &budget).await.to_string()
}

fn words(bytes: &[u8]) -> Vec<u32> {
    let word = |four: &[u8]| u32::from_be_bytes(four.try_into().expect("four"));
    bytes.chunks_exact(4).map(word).collect()
}

fn answer(call: &[u8], answers: Answers) -> Option<Vec<u8>> {
    let call = words(call);
    let xid = *call.first()?;
    let rest = answers(call.get(1..)?)?;
    let all = std::iter::once(xid).chain(rest);
    Some(all.flat_map(u32::to_be_bytes).collect())
}

fn tcp(answers: Answers) -> Server {
    Server::start(move |mut stream: TcpStream| {
        let mut mark = [0; 4];
        if stream.read_exact(&mut mark).is_err() {
            return;
        }
        let length = u32::from_be_bytes(mark) & 0x7fff_ffff;
        let mut call = vec![0; usize::try_from(length).expect("small")];
        if stream.read_exact(&mut call).is_err() {
            return;
        }
        let Some(answer) = answer(&call, answers) else {
            std::thread::park_timeout(PATIENCE);
            return;
        };
        // In two fragments, which is as good as one.
        let (first, second) = answer.split_at(answer.len() / 2);
        for (part, last) in [(first, 0), (second, 1 << 31)] {
            let length = u32::try_from(part.len()).expect("small");
            let _ = stream.write_all(&(last | length).to_be_bytes());
            let _ = stream.write_all(part);
        }
    })
}

/// A server for datagrams that lets the first `deaf` ones pass; how many came.
fn udp(answers: Answers, deaf: u32) -> (SocketAddr, Arc<AtomicU32>) {
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a free port");
    socket
        .set_read_timeout(Some(PATIENCE))
        .expect("a live socket");
    let address = socket.local_addr().expect("bound");
    let heard = Arc::new(AtomicU32::new(0));
    let count = Arc::clone(&heard);
    std::thread::spawn(move || {
        let mut buffer = [0; 1024];
        let stray: Vec<u8> = [7, 1, 0, 0, 0, 0]
            .into_iter()
            .flat_map(u32::to_be_bytes)
            .collect();
        while let Ok((length, from)) = socket.recv_from(&mut buffer) {
            let seen = count.fetch_add(1, Ordering::SeqCst);
            let call = buffer.get(..length).unwrap_or_default();
            if let Some(answer) = answer(call, answers).filter(|_| seen >= deaf) {
                // An answer to somebody else comes first.
                let _ = socket.send_to(&stray, from);
                let _ = socket.send_to(&answer, from);
            }
        }
    });
    (address, heard)
}

const WELL: Answers = |_| Some(vec![1, 0, 0, 0, 0]);

#[tokio::test]
async fn a_null_call_is_answered() {
    let server = tcp(|call| {
        assert_eq!(call, [0, 2, 100_003, 3, 0, 0, 0, 0, 0]);
        WELL(call)
    });
    let well = "NFS version 3 answers";
    assert_eq!(told(server.address, NfsTransport::Tcp, false).await, well);
    let (address, heard) = udp(WELL, 0);
    assert_eq!(told(address, NfsTransport::Udp, false).await, well);
    assert_eq!(heard.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn every_refusal_is_named() {
    let rows: [(Answers, &str); 7] = [
        (
            |_| Some(vec![1, 0, 0, 0, 1]),
            "program unavailable: NFS does not answer there",
        ),
        (
            |_| Some(vec![1, 0, 0, 0, 2, 4, 4]),
            "version mismatch: NFS has versions 4 to 4",
        ),
        (|_| Some(vec![1, 0, 0, 0, 3]), "procedure unavailable"),
        (
            |_| Some(vec![1, 0, 0, 0, 4]),
            "the server could not read the call",
        ),
        (
            |_| Some(vec![1, 0, 0, 0, 5]),
            "the server reports a system error",
        ),
        (
            |_| Some(vec![1, 1, 0, 3, 4]),
            "RPC version mismatch: the server speaks 3 to 4",
        ),
        (|_| Some(vec![1, 1, 1, 5]), "authentication error 5"),
    ];
    for (answers, wanted) in rows {
        let server = tcp(answers);
        assert_eq!(told(server.address, NfsTransport::Tcp, false).await, wanted);
        let (address, _) = udp(answers, 0);
        assert_eq!(told(address, NfsTransport::Udp, false).await, wanted);
    }
    let silent = tcp(|_| None);
    let got = told_within(TIMEOUT, silent.address, NfsTransport::Tcp, false).await;
    assert_eq!(got, "timeout after 400 ms while waiting for the answer");
}

#[tokio::test]
async fn what_is_no_rpc_is_none() {
    let web = Server::says("HTTP/1.1 400 Bad Request\r\n\r\n");
    let got = told_within(TIMEOUT, web.address, NfsTransport::Tcp, false).await;
    assert_eq!(got, "timeout after 400 ms while waiting for the answer");
    let web = Server::start(|mut stream| {
        let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n");
        std::thread::park_timeout(PATIENCE);
    });
    let got = told(web.address, NfsTransport::Tcp, false).await;
    assert_eq!(got, "answer of more than 1024 bytes");
    let closing = Server::start(|mut stream| {
        let _ = stream.read(&mut [0; 64]);
    });
    let got = told(closing.address, NfsTransport::Tcp, false).await;
    assert_eq!(got, "connection closed while waiting for the answer");
    for transport in [NfsTransport::Tcp, NfsTransport::Udp] {
        assert_eq!(
            told(refusing(), transport, false).await,
            "connection refused"
        );
    }
}

/// Datagrams get lost: the call is sent again, at most four times.
#[tokio::test]
async fn a_lost_datagram_is_sent_again() {
    let (address, heard) = udp(WELL, 2);
    let got = told_within(LOSSY, address, NfsTransport::Udp, false).await;
    assert_eq!(got, "NFS version 3 answers");
    assert_eq!(heard.load(Ordering::SeqCst), 3);
    let (address, heard) = udp(WELL, 99);
    let got = told_within(LOSSY, address, NfsTransport::Udp, false).await;
    assert_eq!(got, SILENT);
    until_heard(&heard, 4);
}

/// One port for both: the portmapper says its own, and calls of NFS get what the script says.
fn mapped(nfs: fn() -> Option<u16>) -> impl Fn(&[u32]) -> Option<Vec<u32>> {
    move |call| {
        let port = u32::from(nfs()?);
        match call.get(2..5)? {
            [100_000, 2, 3] => {
                let asked = call.get(9..)?;
                assert!(matches!(asked, [100_003, 3, 6 | 17, 0]), "{asked:?}");
                Some(vec![1, 0, 0, 0, 0, port])
            }
            _ => Some(vec![1, 0, 0, 0, 0]),
        }
    }
}

#[tokio::test]
async fn the_portmapper_is_asked_first() {
    let none: Answers = |call| mapped(|| Some(0))(call);
    for (transport, wanted) in [
        (
            NfsTransport::Tcp,
            "NFS version 3 over TCP is not registered at the portmapper",
        ),
        (
            NfsTransport::Udp,
            "NFS version 3 over UDP is not registered at the portmapper",
        ),
    ] {
        let (_server, address) = serve(transport, none);
        assert_eq!(told(address, transport, true).await, wanted);
    }

    // Port 1 of this machine: nobody listens there.
    let dead: Answers = |call| mapped(|| Some(1))(call);
    for transport in [NfsTransport::Tcp, NfsTransport::Udp] {
        let (_server, address) = serve(transport, dead);
        let got = told(address, transport, true).await;
        assert_eq!(got, "NFS at port 1: connection refused");
    }

    let unavailable: Answers = |_| Some(vec![1, 0, 0, 0, 1]);
    let (_server, address) = serve(NfsTransport::Tcp, unavailable);
    let got = told(address, NfsTransport::Tcp, true).await;
    assert_eq!(
        got,
        "program unavailable: the portmapper does not answer there"
    );
    let got = told(refusing(), NfsTransport::Tcp, true).await;
    assert_eq!(got, "connection refused");
}

fn serve(transport: NfsTransport, answers: Answers) -> (Option<Server>, SocketAddr) {
    match transport {
        NfsTransport::Tcp => {
            let server = tcp(answers);
            let address = server.address;
            (Some(server), address)
        }
        NfsTransport::Udp => (None, udp(answers, 0).0),
    }
}

/// The port that the portmapper names is the one that is called.
#[tokio::test]
async fn the_named_port_is_called() {
    let nfs = Server::start(|mut stream| {
        let mut call = [0; 44];
        if stream.read_exact(&mut call).is_ok() {
            let answer = answer(call.get(4..).unwrap_or_default(), WELL).unwrap_or_default();
            let _ = stream.write_all(&(1 << 31 | 24_u32).to_be_bytes());
            let _ = stream.write_all(&answer);
        }
    });
    let port = nfs.address.port();
    let portmapper = Server::start(move |mut stream| {
        let mut call = [0; 60];
        if stream.read_exact(&mut call).is_ok() {
            let xid = call.get(4..8).unwrap_or_default();
            let _ = stream.write_all(&(1 << 31 | 28_u32).to_be_bytes());
            let _ = stream.write_all(xid);
            for word in [1, 0, 0, 0, 0, u32::from(port)] {
                let _ = stream.write_all(&word.to_be_bytes());
            }
        }
    });
    let got = told(portmapper.address, NfsTransport::Tcp, true).await;
    assert_eq!(got, "NFS version 3 answers");
    drop(nfs);
    let got = told(portmapper.address, NfsTransport::Tcp, true).await;
    assert_eq!(got, format!("NFS at port {port}: connection refused"));
}
