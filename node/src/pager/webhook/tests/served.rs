//! Against servers that follow a script, in the clear and with TLS.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel as letters};
use std::time::Duration;

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::ServerConfig;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use super::*;
use crate::daemon::wall_clock;

/// What the server does with a request that it has read.
#[derive(Debug, Clone)]
enum Trick {
    /// Says this, and goes on.
    Say(String),
    /// Says this one byte at a time, and never ends.
    Drip(&'static str),
    /// Says nothing.
    Hang,
    /// Hangs up.
    Drop,
}

fn answer(status: &str, body: &str) -> Trick {
    let length = body.len();
    Trick::Say(format!(
        "HTTP/1.1 {status}\r\nContent-Length: {length}\r\n\r\n{body}"
    ))
}

/// Starts it; every request that it read comes out, head and body.
async fn serve(trick: Trick, tls: Option<TlsAcceptor>) -> (u16, Receiver<(String, Vec<u8>)>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let port = listener.local_addr().expect("bound").port();
    let (sender, requests) = letters();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let (trick, sender, tls) = (trick.clone(), sender.clone(), tls.clone());
            tokio::spawn(async move {
                match tls {
                    None => converse(stream, trick, sender).await,
                    Some(tls) => match tls.accept(stream).await {
                        Ok(stream) => converse(stream, trick, sender).await,
                        Err(_) => None,
                    },
                }
            });
        }
    });
    (port, requests)
}

type Sender = std::sync::mpsc::Sender<(String, Vec<u8>)>;

/// Ends with the client.
async fn converse<S>(mut stream: S, trick: Trick, sender: Sender) -> Option<()>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let mut bytes = Vec::new();
    loop {
        let end = loop {
            if let Some(end) = bytes.windows(4).position(|part| part == b"\r\n\r\n") {
                break end + 4;
            }
            if stream.read_buf(&mut bytes).await.ok()? == 0 {
                return None;
            }
        };
        let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
        let length = head.to_ascii_lowercase();
        let length = length.split_once("content-length: ");
        let length = length.and_then(|(_, rest)| rest.split("\r\n").next()?.parse().ok());
        let length: usize = length.unwrap_or(0);
        while bytes.len() < end + length {
            if stream.read_buf(&mut bytes).await.ok()? == 0 {
                return None;
            }
        }
        let body = bytes[end..end + length].to_vec();
        bytes.drain(..end + length);
        let _ = sender.send((head, body));
        match &trick {
            Trick::Say(text) => stream.write_all(text.as_bytes()).await.ok()?,
            Trick::Drip(text) => {
                for byte in text.bytes().chain(std::iter::repeat(b'.')) {
                    stream.write_all(&[byte]).await.ok()?;
                    stream.flush().await.ok()?;
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
            }
            Trick::Hang => {
                tokio::time::sleep(Duration::from_secs(60)).await;
                return None;
            }
            Trick::Drop => return None,
        }
    }
}

fn nothing() -> Trust {
    Trust::file(PathBuf::from("/nonexistent"))
}

async fn sent(channel: &WebhookChannel, trust: &Trust) -> Result<String, String> {
    let call = testing::call_of(testing::storm(1));
    send(&call, channel, &Origin::default(), trust, NOW).await
}

#[tokio::test]
async fn a_request_arrives_and_the_words_come_back() {
    let (port, requests) = serve(answer("202 Accepted", "queued as 4711\r\n"), None).await;
    let hook = channel(WebhookShape::Farmux, port);
    let said = sent(&hook, &nothing()).await;
    assert_eq!(said.as_deref(), Ok("202 Accepted queued as 4711"));
    let (head, body) = requests.recv().expect("a request");
    let lines: Vec<&str> = head.trim_end().split("\r\n").collect();
    assert_eq!(lines[0], "POST /hook?a=b HTTP/1.1");
    let mut names: Vec<String> = lines[1..]
        .iter()
        .map(|line| line.split(':').next().unwrap_or_default().to_lowercase())
        .collect();
    names.sort();
    assert_eq!(
        names,
        [
            "content-length",
            "content-type",
            "farmux-event-id",
            "farmux-signature",
            "farmux-timestamp",
            "host",
            "user-agent",
        ]
    );
    assert!(
        head.contains(&format!("host: 127.0.0.1:{port}\r\n")),
        "{head}"
    );
    assert!(head.contains("user-agent: farmux/"), "{head}");
    let secret = Secret::new("s3cr3t-key".to_owned());
    let signature = farmux::signature(&secret, "1700000000", &body);
    assert!(head.contains(&signature), "signed as it arrived");
}

/// Each is a failure within its time, in the server's words where it said any.
#[tokio::test]
async fn every_way_to_fail_is_told_in_words() {
    let moved =
        "HTTP/1.1 302 Found\r\nLocation: http://169.254.169.254/\r\nContent-Length: 0\r\n\r\n";
    let rows: [(Trick, &str); 8] = [
        (
            answer("500 Oops", "database is away"),
            "500 Internal Server Error database is away",
        ),
        (answer("404 Gone", ""), "404 Not Found"),
        (
            Trick::Say(moved.to_owned()),
            "302 Found: redirects are not followed",
        ),
        (Trick::Hang, "no answer within 5 s"),
        (
            Trick::Drip("HTTP/1.1 200 OK\r\nX: "),
            "no answer within 5 s",
        ),
        (Trick::Drop, "the server closed the connection"),
        (
            Trick::Say("220 mail.example.com ESMTP\r\n\r\n".to_owned()),
            "the answer is no HTTP",
        ),
        (
            Trick::Say(format!("HTTP/1.1 200 OK\r\nX: {}", "a".repeat(200_000))),
            "the answer is no HTTP",
        ),
    ];
    let mut tasks = tokio::task::JoinSet::new();
    for (trick, wanted) in rows {
        tasks.spawn(async move {
            let (port, _requests) = serve(trick.clone(), None).await;
            let begun = Instant::now();
            let hook = channel(WebhookShape::Farmux, port);
            let why = sent(&hook, &nothing()).await.expect_err("no success");
            assert!(why.starts_with(wanted), "{trick:?}: {why}");
            assert!(begun.elapsed() < Duration::from_secs(7), "{trick:?}");
            assert!(why.chars().count() <= 200, "{why}");
        });
    }
    tasks.join_all().await;
}

/// The status says that they have it; how long they go on talking changes nothing.
#[tokio::test]
async fn an_endless_or_dripping_body_is_read_up_to_its_bound() {
    let huge = answer("200 OK", &"z".repeat(1_000_000));
    let drip = Trick::Drip("HTTP/1.1 200 OK\r\nContent-Length: 900000\r\n\r\n");
    for trick in [huge, drip] {
        let (port, _requests) = serve(trick, None).await;
        let hook = channel(WebhookShape::Farmux, port);
        let said = sent(&hook, &nothing()).await.expect("taken");
        assert!(said.starts_with("200 OK "), "{said}");
        assert!(said.chars().count() <= 200, "{said}");
    }
}

#[tokio::test]
async fn our_own_machine_is_not_reached_unless_allowed() {
    let (port, requests) = serve(answer("200 OK", ""), None).await;
    let guarded = WebhookChannel {
        allow_local: false,
        ..channel(WebhookShape::Farmux, port)
    };
    for host in [
        "127.0.0.1",
        "localhost",
        "::1",
        "::ffff:127.0.0.1",
        "0.0.0.0",
    ] {
        let mut hook = guarded.clone();
        hook.url.host = host.to_owned();
        let why = sent(&hook, &nothing()).await.expect_err("refused");
        assert!(
            why.contains("refused, unless allow_local is set"),
            "{host}: {why}"
        );
    }
    let vip = Origin {
        own: vec![],
        never: [[10, 0, 0, 100].into()].into(),
    };
    let mut hook = guarded;
    hook.url.host = "10.0.0.100".to_owned();
    let call = testing::call_of(testing::storm(1));
    let why = send(&call, &hook, &vip, &nothing(), NOW).await;
    assert!(why.is_err_and(|why| why.contains("a VIP of this cluster")));
    assert!(requests.try_recv().is_err(), "nobody was asked");
}

#[tokio::test]
async fn pagerduty_events_go_one_after_another_over_one_connection() {
    let (port, requests) = serve(answer("202 Accepted", "{\"status\":\"success\"}"), None).await;
    let hook = channel(WebhookShape::Pagerduty, port);
    let call = testing::call_of(testing::storm(120));
    let said = send(&call, &hook, &Origin::default(), &nothing(), NOW).await;
    assert_eq!(said.as_deref(), Ok("202 Accepted {\"status\":\"success\"}"));
    assert_eq!(requests.try_iter().count(), 101);
}

/// A throw-away CA, and a server's certificate from it for these names, good until then.
fn authority(names: &[&str], until: (i32, u8, u8)) -> (String, TlsAcceptor) {
    let key = || KeyPair::generate().expect("random numbers");
    let ca_key = key();
    let mut params = CertificateParams::new(vec![]).expect("no names");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let ca = params.self_signed(&ca_key).expect("a certificate");
    let issuer = Issuer::new(params, ca_key);
    let server_key = key();
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    let mut params = CertificateParams::new(names).expect("names");
    params.not_after = rcgen::date_time_ymd(until.0, until.1, until.2);
    let server = params
        .signed_by(&server_key, &issuer)
        .expect("a certificate");
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(server_key.serialize_der()));
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("ring has them")
        .with_no_client_auth()
        .with_single_cert(vec![server.der().clone()], key)
        .expect("a good key");
    (ca.pem(), TlsAcceptor::from(Arc::new(config)))
}

#[tokio::test]
async fn https_is_verified() {
    type Row = (
        &'static [&'static str],
        (i32, u8, u8),
        bool,
        Option<&'static str>,
    );
    let rows: [Row; 4] = [
        (&["127.0.0.1"], (2096, 1, 1), true, None),
        (
            &["127.0.0.2", "example.com"],
            (2096, 1, 1),
            true,
            Some("not valid for"),
        ),
        (&["127.0.0.1"], (2001, 1, 1), true, Some("expired")),
        (
            &["127.0.0.1"],
            (2096, 1, 1),
            false,
            Some("invalid peer certificate"),
        ),
    ];
    for (names, until, trusted, wanted) in rows {
        let (ca, tls) = authority(names, until);
        let (foreign, _) = authority(names, until);
        let folder = tempfile::tempdir().expect("a temporary folder");
        let file = folder.path().join("ca.pem");
        std::fs::write(&file, if trusted { ca } else { foreign }).expect("a fresh folder");
        let (port, requests) = serve(answer("200 OK", "fine"), Some(tls)).await;
        let mut hook = channel(WebhookShape::Farmux, port);
        hook.url.tls = true;
        let said = sent(&hook, &Trust::file(file)).await;
        match wanted {
            None => assert_eq!(said.as_deref(), Ok("200 OK fine")),
            Some(words) => {
                let why = said.expect_err("not proven");
                let at = "TLS with 127.0.0.1: ";
                assert!(why.starts_with(at) && why.contains(words), "{why}");
                assert!(requests.try_recv().is_err(), "nothing was said");
            }
        }
        // Without a bundle Mozilla's roots count, which know none of it.
        let why = sent(&hook, &nothing()).await;
        assert!(why.is_err(), "{why:?}");
    }
}

/// Python's own server, which reads what we wrote with other people's code.
#[tokio::test]
async fn pythons_own_server_takes_it_and_verifies_the_signature() {
    use std::io::BufRead as _;
    let mut child = std::process::Command::new("/usr/bin/python3")
        .args(["-c", include_str!("receiver.py"), "s3cr3t-key"])
        .stdout(std::process::Stdio::piped())
        .spawn()
        .expect("python3 is installed");
    let mut lines = std::io::BufReader::new(child.stdout.take().expect("piped")).lines();
    let port = lines.next().expect("a line").expect("text");
    let hook = channel(WebhookShape::Farmux, port.parse().expect("a port"));
    let good = testing::call_of(testing::storm(3));
    let said = send(&good, &hook, &Origin::default(), &nothing(), wall_clock()).await;
    let late = send(&good, &hook, &Origin::default(), &nothing(), NOW).await;
    let forged = WebhookChannel {
        secret: Some(Secret::new("another".to_owned())),
        ..hook.clone()
    };
    let forged = sent(&forged, &nothing()).await;
    let _ = child.kill();
    let _ = child.wait();
    assert_eq!(said.as_deref(), Ok("200 OK 4 pages"));
    assert!(late.is_err_and(|why| why.starts_with("403")), "replayed");
    assert!(forged.is_err_and(|why| why.starts_with("403")), "forged");
}
