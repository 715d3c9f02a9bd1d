//! Probes of servers that want a PROXY header first, through the whole runner.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::Duration;

use super::ftp::{Script, play};
use super::{PATIENCE, Server, key, plan, read_request, until};
use crate::health::HealthOverlay;
use crate::plan::{Health, Hidden, ProbeKind, ProbePlan, Protocol, ProxyVersion};
use crate::probe::{ProbeSettings, Probing};

/// What the specification says, written by hand; sections 2.1 and 2.2.
const LINE: &[u8] = b"PROXY UNKNOWN\r\n";
const BYTES: &[u8] = b"\x0d\x0a\x0d\x0a\x00\x0d\x0a\x51\x55\x49\x54\x0a\x20\x00\x00\x00";

/// A server that serves, as `serve` does, only who begins with exactly this.
fn demanding(
    header: &'static [u8],
    serve: impl Fn(TcpStream) + Send + Sync + 'static,
) -> (Server, std::sync::mpsc::Receiver<Vec<u8>>) {
    let (sender, begins) = std::sync::mpsc::channel();
    let server = Server::start(move |mut stream| {
        let mut begin = vec![0; header.len()];
        if stream.read_exact(&mut begin).is_ok() {
            let fits = begin == header;
            let _ = sender.send(begin);
            if fits {
                serve(stream);
            }
        }
    });
    (server, begins)
}

/// How one probe of this plan ends, in words.
fn found(plan: ProbePlan) -> String {
    let settings = ProbeSettings::plain(vec![]);
    let overlay = Arc::new(HealthOverlay::new());
    let (probing, _verdicts) = Probing::start(overlay, settings).expect("a thread");
    probing.apply(BTreeMap::from([(key("s1"), plan)]), BTreeSet::new());
    let result = until(
        || probing.results().remove(&key("s1")),
        || "no probe ended".to_owned(),
    );
    result.outcome.to_string()
}

#[test]
fn every_kind_begins_with_the_header() {
    let get = ProbeKind::Http {
        obey: false,
        tls: None,
        path: "/".into(),
        host: "h".into(),
        status: 200,
        text: None,
    };
    let log_in = ProbeKind::Ftp {
        user: "probe".into(),
        password: Hidden("s3cret".into()),
        fetch: None,
    };
    for (version, header) in [(ProxyVersion::V1, LINE), (ProxyVersion::V2, BYTES)] {
        for (kind, wanted) in [
            (ProbeKind::Tcp, "connected"),
            (get.clone(), "status 200"),
            (log_in.clone(), "logged in, 0 bytes listed"),
            (ProbeKind::Greeting(Protocol::Pop3), "POP3 greets"),
        ] {
            let served = kind.clone();
            let (server, begins) = demanding(header, move |mut stream| match served {
                ProbeKind::Http { .. } => {
                    assert!(read_request(&mut stream).starts_with("GET / HTTP/1.1\r\n"));
                    let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
                }
                ProbeKind::Ftp { .. } => {
                    // The probe may be gone when it has what it wants.
                    let _ = play(&Script::default(), &stream, drop);
                }
                ProbeKind::Greeting(_) => {
                    let _ = stream.write_all(b"+OK\r\n");
                }
                ProbeKind::Tcp
                | ProbeKind::Nfs { .. }
                | ProbeKind::Exec { .. }
                | ProbeKind::Dns { .. }
                | ProbeKind::Icmp
                | ProbeKind::Udp { .. } => {}
            });
            let told = found(ProbePlan {
                kind,
                proxy: Some(version),
                interval: Duration::from_secs(60),
                timeout: PATIENCE,
                ..plan(server.address, Health::Unknown)
            });
            assert_eq!(told, wanted, "{version:?}");
            let begin = begins.recv_timeout(PATIENCE).expect("it was connected to");
            assert_eq!(begin, header, "{version:?} {wanted}");
        }
    }
}
