//! Against Debian's python3-aiosmtpd, which parses what we wrote with other people's code.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};

use farmux_raft::state::Secret;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use serde_json::{Value, json};

use super::*;

/// The server; it ends with this.
pub(super) struct Sink {
    child: Child,
    lines: BufReader<ChildStdout>,
    pub(super) port: u16,
}

impl Sink {
    pub(super) fn start(mode: &str, folder: &Path) -> Sink {
        let mut child = Command::new("/usr/bin/python3")
            .args(["-c", include_str!("../sink.py"), mode])
            .arg(folder.join("relay.pem"))
            .arg(folder.join("relay.key"))
            .stdout(Stdio::piped())
            .spawn()
            .expect("python3 is installed");
        let lines = BufReader::new(child.stdout.take().expect("piped"));
        let mut sink = Sink {
            child,
            lines,
            port: 0,
        };
        let port = sink.next().as_u64().expect("python3-aiosmtpd is installed");
        sink.port = u16::try_from(port).expect("a port");
        sink
    }

    /// The next thing it tells; nothing once it has ended.
    pub(super) fn next(&mut self) -> Value {
        let mut line = String::new();
        self.lines.read_line(&mut line).expect("it writes text");
        serde_json::from_str(&line).unwrap_or(Value::Null)
    }

    /// Ends it; what it still had to tell.
    pub(super) fn end(mut self) -> Value {
        self.child.kill().expect("it runs");
        self.next()
    }
}

impl Drop for Sink {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A throw-away CA in `ca.pem`, and a relay's certificate for 127.0.0.1 from it.
fn certificates(folder: &Path) {
    let key = || KeyPair::generate().expect("random numbers");
    let ca_key = key();
    let mut params = CertificateParams::new(vec![]).expect("no names");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let ca = params.self_signed(&ca_key).expect("a certificate");
    let issuer = Issuer::new(params, ca_key);
    let relay_key = key();
    let relay = CertificateParams::new(vec!["127.0.0.1".to_owned()])
        .expect("an address")
        .signed_by(&relay_key, &issuer)
        .expect("a certificate");
    let write = |name: &str, text: String| {
        std::fs::write(folder.join(name), text).expect("a fresh folder");
    };
    write("ca.pem", ca.pem());
    write("relay.pem", relay.pem());
    write("relay.key", relay_key.serialize_pem());
}

pub(super) fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a temporary folder");
    certificates(folder.path());
    folder
}

fn login(security: RelaySecurity, password: &str) -> impl FnOnce(&mut Relay) {
    let password = Secret::new(password.to_owned());
    move |relay| {
        relay.security = security;
        relay.user = Some("pager".to_owned());
        relay.password = Some(password);
    }
}

#[tokio::test]
async fn a_page_arrives_exactly_as_written() {
    let folder = folder();
    let mut sink = Sink::start("plain", folder.path());
    let to = ["ops@example.com", "boss@example.org"];
    let errand = errand(&to, sink.port, |_| {});
    let expected = mail(&errand);
    let receipt = deliver(errand, None).await;
    assert_eq!(receipt.outcome(), DeliveryOutcome::Delivered);
    assert_eq!(
        receipt.words(),
        "250 2.0.0 taken as 4711",
        "the relay's own words"
    );
    assert_eq!(
        sink.next(),
        json!({
            "mail_from": "farmux@prod",
            "rcpt_to": to,
            "fields": [
                "Auto-Submitted", "Content-Transfer-Encoding", "Content-Type", "Date", "From",
                "In-Reply-To", "MIME-Version", "Message-ID", "References", "Subject", "To",
            ],
            "subject": expected.subject,
            "to": "ops@example.com, boss@example.org",
            "message_id": expected.message_id,
            "body": expected.body,
            "tls": false,
            "user": null,
        })
    );
}

#[tokio::test]
async fn a_lone_dot_ends_no_letter() {
    let folder = folder();
    let mut sink = Sink::start("plain", folder.path());
    let errand = errand(&["ops@example.com"], sink.port, |_| {});
    let body = "above\n.\nbelow\n".to_owned();
    let letter = Mail {
        body: body.clone(),
        ..mail(&errand)
    }
    .encode();
    let letter = letter.expect("a good mail");
    let Some(Channel::Mail(channel)) = errand.channels.first() else {
        panic!("no mail");
    };
    let (relay, trust) = (&channel.relays[0], Trust::system());
    let deadline = Instant::now() + LIMIT;
    let handed = relay::hand_over(relay, &letter, &errand.origin, &trust, deadline).await;
    assert!(handed.is_ok(), "{handed:?}");
    assert_eq!(sink.next()["body"], body);
}

#[tokio::test]
async fn tls_and_login_in_both_forms() {
    let folder = folder();
    let ca = || Some(folder.path().join("ca.pem"));
    for (mode, security) in [
        ("starttls", RelaySecurity::Starttls),
        ("tls", RelaySecurity::Tls),
    ] {
        let mut sink = Sink::start(mode, folder.path());
        let to = ["ops@example.com"];
        let receipt = deliver(errand(&to, sink.port, login(security, "secret")), ca()).await;
        assert_eq!(receipt.outcome(), DeliveryOutcome::Delivered, "{mode}");
        let told = sink.next();
        assert_eq!(
            (&told["tls"], &told["user"]),
            (&json!(true), &json!("pager")),
            "{mode}"
        );

        let wrong = deliver(errand(&to, sink.port, login(security, "wrong")), ca()).await;
        assert!(
            failure(&wrong).starts_with("login: 535"),
            "{mode}: {wrong:?}"
        );
        assert!(
            !wrong.words().contains("wrong"),
            "a password shows up nowhere: {wrong:?}"
        );
        assert_eq!(sink.end(), Value::Null, "{mode}: nothing more was taken");
    }
}

#[tokio::test]
async fn a_relay_that_proves_nothing_gets_neither_mail_nor_password() {
    let (folder, other) = (folder(), folder());
    let to = ["ops@example.com"];
    for (mode, security) in [
        ("starttls", RelaySecurity::Starttls),
        ("tls", RelaySecurity::Tls),
    ] {
        let sink = Sink::start(mode, folder.path());
        let foreign = Some(other.path().join("ca.pem"));
        let receipt = deliver(errand(&to, sink.port, login(security, "secret")), foreign).await;
        assert!(
            failure(&receipt).contains("certificate"),
            "{mode}: {receipt:?}"
        );
        // Without a bundle Mozilla's roots count, of which it has none either.
        let receipt = deliver(errand(&to, sink.port, login(security, "secret")), None).await;
        assert!(
            failure(&receipt).contains("certificate"),
            "{mode}: {receipt:?}"
        );
        assert_eq!(sink.end(), Value::Null, "{mode}: nothing was taken");
    }
    let sink = Sink::start("plain", folder.path());
    let ca = || Some(folder.path().join("ca.pem"));
    let bare = deliver(
        errand(&to, sink.port, login(RelaySecurity::Starttls, "secret")),
        ca(),
    )
    .await;
    assert_eq!(failure(&bare), "STARTTLS: the relay does not offer it");
    let clear = deliver(
        errand(&to, sink.port, login(RelaySecurity::None, "secret")),
        ca(),
    )
    .await;
    assert_eq!(failure(&clear), "a password is not sent without TLS");
    assert_eq!(sink.end(), Value::Null, "nothing was taken");
}
