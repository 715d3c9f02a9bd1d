//! What administrators do, over the socket and over TLS: go back to an older configuration, and end
//! a certificate.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use farmux_node::api::{self, Api};
use farmux_node::daemon::{InitOrder, JoinOrder, Node, TokenOrder, wall_clock};
use farmux_node::fault::{Exit, Fault};
use farmux_node::settings::Settings;
use farmux_raft::peer::certificate::certificate_from_pem;
use farmux_raft::peer::issue::issue_admin;
use farmux_raft::peer::key::NodeKey;
use farmux_raft::peer::tls::admin_client_config;
use farmux_raft::state::NodeRole;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

mod common;
mod typed;

use common::node_toml;

/// A daemon with its faces.
struct Machine {
    node: Arc<Node>,
    admin: SocketAddr,
    socket: PathBuf,
    _api: Api,
}

impl Machine {
    async fn start(name: &str, folder: &Path) -> Machine {
        let settings = Settings::parse(&node_toml(name, folder, "")).expect("good settings");
        let (admin, socket) = (settings.admin, settings.socket.clone());
        let node = Arc::new(Node::new(settings));
        let api = api::serve(Arc::clone(&node)).await.expect("a free socket");
        Machine {
            node,
            admin,
            socket,
            _api: api,
        }
    }

    async fn founder(folder: &Path) -> Machine {
        let machine = Machine::start("lb1", folder).await;
        let init = InitOrder {
            name: "prod".parse().expect("a name"),
            vip: None,
        };
        machine.node.init(init).await.expect("init");
        machine
    }

    async fn join(&self, first: &Machine) {
        let role = NodeRole::Balancer;
        let ttl = Duration::from_secs(3600);
        let token = first.node.create_token(TokenOrder { role, ttl }).await;
        let token = token.expect("a leader makes tokens");
        let (progress, mut lines) = mpsc::channel(16);
        tokio::spawn(async move { while lines.recv().await.is_some() {} });
        let joined = self.node.join(JoinOrder { token, role }, progress).await;
        joined.expect("it joins");
    }

    /// Types a line on this machine.
    async fn types(&self, line: &str) -> Result<String, Fault> {
        type_line(&format!("{line} --socket {}", self.socket.display())).await
    }

    /// Types a line elsewhere, with a certificate.
    async fn hears(&self, line: &str, cert: &Path) -> Result<String, Fault> {
        let (admin, cert) = (self.admin, cert.display());
        type_line(&format!("{line} --connect {admin} --cert {cert}")).await
    }
}

async fn type_line(line: &str) -> Result<String, Fault> {
    let (said, ended) = typed::type_line(line).await;
    ended.map(|()| said)
}

/// A contact with a password, at a relay that is never asked.
fn contact(to: &str) -> String {
    format!(
        "[[contact]]\nname = \"ops\"\n[contact.mail]\nto = [\"{to}@example.com\"]\n\
         relay = \"smtps://farmux@192.0.2.9\"\npassword = \"hush-{to}\"\n"
    )
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_older_configuration_is_shown_without_secrets_and_comes_back_as_a_revision() {
    let folder = tempfile::tempdir().expect("a folder");
    let machine = Machine::founder(folder.path()).await;
    let file = folder.path().join("cluster.toml");
    for to in ["ada", "ben"] {
        std::fs::write(&file, contact(to)).expect("a file");
        let line = format!("farmux config apply {}", file.display());
        machine.types(&line).await.expect("it is valid");
    }
    for (line, to) in [
        ("farmux config show --revision 1", "ada"),
        ("farmux config show --revision r2", "ben"),
        ("farmux config show", "ben"),
        ("farmux config show --revision 1 -o json", "ada"),
    ] {
        let shown = machine.types(line).await.expect("it is kept");
        assert!(shown.contains(&format!("{to}@example.com")), "{shown}");
        assert!(!shown.contains("hush"), "{line} shows a password: {shown}");
    }

    let would = machine.types("farmux config rollback 1 --dry-run").await;
    let would = would.expect("it is kept");
    assert!(would.contains("nothing was changed: --dry-run"), "{would}");
    let back = machine.types("farmux config rollback r1").await;
    let back = back.expect("it is kept");
    assert!(back.contains("ada@example.com"), "the diff: {back}");
    assert!(back.ends_with("revision r3\n"), "{back}");
    assert!(!back.contains("hush"), "{back}");
    let history = machine.types("farmux config history").await;
    let history = history.expect("there is one");
    assert!(history.contains("rollback to r1"), "{history}");
    let again = machine.types("farmux config rollback 1").await;
    assert!(again.expect("it is kept").contains("nothing changes"));
    let stored = machine.node.member().expect("a member").state();
    let password = stored.config.contacts["ops"].mail().expect("mail").relays[0]
        .password
        .clone();
    let password = password.expect("the old one came back with the rest");
    assert_eq!(password.reveal(), "hush-ada");

    for line in [
        "farmux config rollback 9",
        "farmux config show --revision 0",
    ] {
        let fault = machine.types(line).await.expect_err("it never was");
        assert_eq!(
            (fault.code.as_str(), fault.exit),
            ("FMX-S038", Exit::Refused),
            "{fault}"
        );
        assert!(fault.what.contains("those from r1 to r3 are"), "{fault}");
    }
}

/// Two who exported the same revision and changed different things: the second would undo what the
/// first did. Who names the revision is told.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_of_a_revision_that_is_over_is_refused_where_it_is_named() {
    let folder = tempfile::tempdir().expect("a folder");
    let machine = Machine::founder(folder.path()).await;
    let file = folder.path().join("cluster.toml");
    let apply = |to: &str, more: &str| {
        std::fs::write(&file, contact(to)).expect("a file");
        format!("farmux config apply {}{more}", file.display())
    };
    let made = machine.types(&apply("ada", " --base 0")).await;
    assert!(made.expect("r0 is the newest").ends_with("revision r1\n"));
    for (to, base) in [
        ("ben", " --base 0"),
        ("ada", " --base r0"),
        ("ben", " --base 7"),
    ] {
        let fault = machine.types(&apply(to, base)).await;
        let fault = fault.expect_err("it is not the newest");
        assert_eq!(
            (fault.code.as_str(), fault.exit),
            ("FMX-S030", Exit::Refused)
        );
        assert!(fault.what.ends_with("the newest is r1"), "{fault}");
    }
    let made = machine.types(&apply("ben", " --base r1")).await;
    assert!(made.expect("r1 is the newest").ends_with("revision r2\n"));
    let made = machine.types(&apply("ada", "")).await;
    assert!(made.expect("no base is named").ends_with("revision r3\n"));
}

/// A TLS connection to the admin port with a certificate of this name, which the cluster signed.
async fn connection(machine: &Machine, name: &str) -> TlsStream<TcpStream> {
    let state = machine.node.member().expect("a member").state();
    let key = NodeKey::generate();
    let name = name.parse().expect("a name");
    let issued = issue_admin(&state, &name, &key.request(), wall_clock()).expect("it is signed");
    let pem = |text: &str| certificate_from_pem(text).expect("a certificate");
    let config = admin_client_config(&pem(&issued.ca), pem(&issued.leaf), &key);
    let connector = TlsConnector::from(config.expect("good parts"));
    let tcp = TcpStream::connect(machine.admin).await.expect("it listens");
    let host = ServerName::try_from("node.farmux").expect("a name");
    connector
        .connect(host, tcp)
        .await
        .expect("our CA signed it")
}

/// Asks on an open connection and returns the status of the answer, which is read to its end.
async fn ask(stream: &mut TlsStream<TcpStream>) -> u16 {
    let request = b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n";
    stream.write_all(request).await.expect("it reads");
    let mut answer = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&answer).to_ascii_lowercase();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head.split_once("content-length: ").expect("a length").1;
            let length = length.split("\r\n").next().expect("a line");
            if body.len() >= length.parse().expect("a number") {
                return head[9..12].parse().expect("a status");
            }
        }
        let mut more = [0; 4096];
        let read = stream.read(&mut more).await.expect("it answers");
        assert_ne!(read, 0, "it closed without an answer");
        answer.extend(&more[..read]);
    }
}

/// Asks again and again until the answer has this status: the log is on its way.
async fn until(stream: &mut TlsStream<TcpStream>, status: u16) {
    let asking = async { while ask(stream).await != status {} };
    let answered = tokio::time::timeout(Duration::from_secs(10), asking).await;
    assert!(answered.is_ok(), "never answered with {status}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_revoked_administrator_is_let_in_by_no_node_from_then_on() {
    let folder = tempfile::tempdir().expect("a folder");
    let first = Machine::founder(folder.path()).await;
    let second = Machine::start("lb2", folder.path()).await;
    second.join(&first).await;
    let cert = folder.path().join("anna.pem");
    let create = format!("farmux admin-cert create anna --out {}", cert.display());
    first.types(&create).await.expect("it is made");

    // Nobody told the cluster of eve, though her certificate is of its CA.
    let mut eve = connection(&first, "eve").await;
    assert_eq!(ask(&mut eve).await, 403);
    let (mut here, mut there) = (
        connection(&first, "anna").await,
        connection(&second, "anna").await,
    );
    assert_eq!(ask(&mut here).await, 200);
    until(&mut there, 200).await;
    let listed = first.hears("farmux admin-cert list", &cert).await;
    let listed = listed.expect("anna is let in");
    assert!(
        listed.contains("anna") && listed.contains("good"),
        "{listed}"
    );

    let revoked = second.types("farmux admin-cert revoke anna").await;
    assert!(revoked.expect("she is known").contains("worthless now"));
    // Also on the connections that were open.
    until(&mut here, 403).await;
    until(&mut there, 403).await;
    for machine in [&first, &second] {
        let fault = machine.hears("farmux status", &cert).await;
        let fault = fault.expect_err("she was revoked");
        assert_eq!(fault.code, "FMX-306", "{fault}");
        assert!(fault.why.contains("revoked"), "{fault}");
    }

    let listed = first.types("farmux admin-cert list").await;
    assert!(listed.expect("root is let in").contains("revoked"));
    let other = folder.path().join("other.pem");
    let create = format!("farmux admin-cert create anna --out {}", other.display());
    let fault = first.types(&create).await.expect_err("it would undo it");
    assert_eq!(fault.code, "FMX-S062", "{fault}");
    let fault = first.types("farmux admin-cert revoke bob").await;
    assert_eq!(fault.expect_err("who is that?").code, "FMX-S061");
}
