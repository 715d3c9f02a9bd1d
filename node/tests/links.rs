//! Links in messages, over real TLS: a guest without a certificate sees them and nothing else.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use farmux_node::api::{self, Api};
use farmux_node::daemon::{InitOrder, Node, wall_clock};
use farmux_node::pager::Ticket;
use farmux_node::settings::Settings;
use farmux_raft::id::NodeId;
use farmux_raft::state::{
    Author, Command, Config, Contact, MailChannel, Relay, RelaySecurity, State,
};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, SignatureScheme};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

mod common;

use common::node_toml;

/// A cluster of one, whose contact `ops` is behind a relay that nobody reaches.
struct Machine {
    node: Arc<Node>,
    admin: SocketAddr,
    _api: Api,
}

impl Machine {
    async fn start(folder: &Path) -> Machine {
        let settings = Settings::parse(&node_toml("lb1", folder, "")).expect("good settings");
        let admin = settings.admin;
        let node = Arc::new(Node::new(settings));
        let api = api::serve(Arc::clone(&node)).await.expect("a free socket");
        let init = InitOrder {
            name: "prod".parse().expect("a name"),
            vip: None,
        };
        node.init(init).await.expect("init");
        let mut config = Config::default();
        let ops = "ops".parse().expect("a name");
        config.contacts.insert(ops, contact());
        let machine = Machine {
            node,
            admin,
            _api: api,
        };
        machine
            .change(Command::Configure {
                author: Author("ada".to_owned()),
                base: machine.state().revision,
                config: Box::new(config),
                note: String::new(),
            })
            .await;
        machine
    }

    fn state(&self) -> Arc<State> {
        self.node.member().expect("a member").state()
    }

    async fn change(&self, command: Command) {
        let member = self.node.member().expect("a member");
        member.change(command).await.expect("it is taken");
    }

    /// The token of the first message.
    async fn token(&self) -> String {
        let reason = "<script>alert(1)</script>".to_owned();
        self.change(Command::ReportNode {
            node: NodeId(1),
            reachable: false,
            reason,
        })
        .await;
        let state = self.state();
        let page = state.pages.iter().next().expect("it was paged");
        let (contact, delivery) = page.deliveries.iter().next().expect("to ops");
        let ticket = Ticket {
            page: page.id,
            bundle: delivery.bundle,
            contact: contact.clone(),
        };
        ticket.token(&state).expect("a cluster")
    }

    /// What a guest is answered: the whole of it.
    async fn asks(&self, method: &str, path: &str) -> String {
        self.announces(method, path, 0).await
    }

    /// The same of a guest who announces a body of `length` bytes and sends none of it: only who
    /// does not wait for it answers.
    async fn announces(&self, method: &str, path: &str, length: usize) -> String {
        let config = ClientConfig::builder()
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(Anybody))
            .with_no_client_auth();
        let connector = TlsConnector::from(Arc::new(config));
        let asking = async {
            let tcp = TcpStream::connect(self.admin).await.expect("it listens");
            let name = ServerName::try_from("node.farmux").expect("a name");
            let mut stream = connector.connect(name, tcp).await.expect("guests come in");
            let request = format!(
                "{method} {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\
                 content-length: {length}\r\n\r\n"
            );
            stream
                .write_all(request.as_bytes())
                .await
                .expect("it reads");
            let mut answer = Vec::new();
            let _ = stream.read_to_end(&mut answer).await;
            String::from_utf8(answer).expect("we write text")
        };
        let answer = tokio::time::timeout(Duration::from_secs(10), asking).await;
        answer.expect("it answers in time")
    }
}

fn contact() -> Contact {
    Contact::by_mail(MailChannel {
        to: vec!["ops@example.com".to_owned()],
        from: None,
        relays: vec![Relay {
            host: "192.0.2.9".to_owned(),
            port: 25,
            security: RelaySecurity::None,
            user: None,
            password: None,
        }],
    })
}

/// A browser whose user clicked the warning away.
#[derive(Debug)]
struct Anybody;

impl ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        let provider = rustls::crypto::ring::default_provider();
        provider
            .signature_verification_algorithms
            .supported_schemes()
    }
}

fn status(answer: &str) -> &str {
    answer.get(9..12).unwrap_or("none")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_link_shows_on_get_acknowledges_on_post_and_once_only() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let folder = tempfile::tempdir().expect("a folder");
    let machine = Machine::start(folder.path()).await;
    let path = format!("/ack/{}", machine.token().await);
    let taken = || {
        let state = machine.state();
        let page = state.pages.iter().next().expect("it was paged");
        page.acknowledged.clone().map(|taken| taken.by)
    };

    // Mail scanners look at every link, and some of them often.
    for _ in 0..3 {
        let seen = machine.asks("GET", &path).await;
        assert_eq!(status(&seen), "200", "{seen}");
        assert!(
            seen.contains("<button>") && seen.contains("node lb1"),
            "{seen}"
        );
        assert!(
            seen.contains("&lt;script&gt;") && !seen.contains("<script"),
            "{seen}"
        );
        assert!(
            seen.contains("content-security-policy: default-src 'none'"),
            "{seen}"
        );
    }
    assert_eq!(taken(), None, "looking changes nothing");

    let first = machine.asks("POST", &path).await;
    assert_eq!(status(&first), "200", "{first}");
    assert!(first.contains("it is yours"), "{first}");
    assert_eq!(taken().as_deref(), Some("ops by link"));
    let at = wall_clock();

    let again = machine.asks("POST", &path).await;
    assert!(again.contains("Acknowledged by ops by link"), "{again}");
    assert!(!again.contains("<button>"), "{again}");
    let state = machine.state();
    let page = state.pages.iter().next().expect("it was paged");
    let first = page.acknowledged.as_ref().expect("it is").at;
    assert!(first <= at, "the second time changed nothing");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_guest_sees_links_and_nothing_else() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let folder = tempfile::tempdir().expect("a folder");
    let machine = Machine::start(folder.path()).await;
    let token = machine.token().await;
    for (method, path) in [
        ("GET", "/"),
        ("GET", "/v1/status"),
        ("GET", "/v1/pages"),
        ("POST", "/v1/pages/ack"),
        ("GET", "/v1/config"),
        ("GET", "/healthz"),
        ("GET", "/metrics"),
        ("GET", "/ack"),
        ("GET", "/ack/"),
        ("GET", "/ack/../v1/status"),
        ("GET", "/ack/x/../../v1/status"),
        ("GET", "//v1/status"),
        ("PUT", &format!("/ack/{token}")),
        ("DELETE", &format!("/ack/{token}")),
    ] {
        let answer = machine.asks(method, path).await;
        assert_eq!(status(&answer), "403", "{method} {path}: {answer}");
        assert!(!answer.contains("lb1"), "{method} {path}: {answer}");
    }
    // What is nearly a token says no more than what is none.
    let mut wrong = token.clone();
    let last = wrong.pop().expect("it is long");
    wrong.push(if last == 'A' { 'Q' } else { 'A' });
    for path in [
        "/ack/x".to_owned(),
        format!("/ack/{wrong}"),
        format!("/ack/{}", "A".repeat(9_000)),
    ] {
        for method in ["GET", "POST"] {
            let answer = machine.asks(method, &path).await;
            assert_eq!(status(&answer), "404", "{method} {path}: {answer}");
            assert!(
                !answer.contains(&path[5..]) || path == "/ack/x",
                "no reflection: {answer}"
            );
        }
    }
    let answer = machine
        .announces("POST", &format!("/ack/{wrong}"), 100_000)
        .await;
    assert_eq!(status(&answer), "404", "its body is not read: {answer}");
}
