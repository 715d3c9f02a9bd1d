//! All that was agreed on is saved from a living node, and a machine that had nothing goes on with
//! it.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use farmux_node::api::{self, Api};
use farmux_node::daemon::{InitOrder, JoinOrder, Node, TokenOrder};
use farmux_node::fault::Fault;
use farmux_node::settings::Settings;
use farmux_raft::state::NodeRole;
use tokio::sync::mpsc;

mod common;
mod typed;

use common::node_toml;

/// A machine with its `node.toml`.
struct Machine {
    folder: PathBuf,
    config: PathBuf,
    settings: Settings,
}

/// Its daemon, with its faces.
struct Daemon {
    node: Arc<Node>,
    socket: PathBuf,
    _api: Api,
}

impl Machine {
    fn new(name: &str, folder: &Path) -> Machine {
        Machine::with(name, folder, "")
    }

    /// One with what else shall stand in its `node.toml`.
    fn with(name: &str, folder: &Path, more: &str) -> Machine {
        let text = node_toml(name, folder, more);
        let config = folder.join(format!("{name}.toml"));
        std::fs::write(&config, &text).expect("a file");
        Machine {
            folder: folder.to_owned(),
            config,
            settings: Settings::parse(&text).expect("good settings"),
        }
    }

    async fn start(&self) -> Daemon {
        let node = Arc::new(Node::new(self.settings.clone()));
        let api = api::serve(Arc::clone(&node)).await.expect("a free socket");
        node.resume().await.expect("it starts");
        Daemon {
            node,
            socket: self.settings.socket.clone(),
            _api: api,
        }
    }

    /// Restores on this machine, with a passphrase out of a file.
    async fn restore(&self, file: &Path, passphrase: &Path) -> Result<String, Fault> {
        let line = format!(
            "farmux snapshot restore {} --config {} --passphrase-file {} --yes prod",
            file.display(),
            self.config.display(),
            passphrase.display()
        );
        type_line(&line).await
    }

    fn entries(&self) -> Vec<String> {
        let Ok(entries) = std::fs::read_dir(&self.settings.data) else {
            return Vec::new();
        };
        let name = |entry: std::io::Result<std::fs::DirEntry>| {
            entry
                .expect("it is read")
                .file_name()
                .to_string_lossy()
                .into_owned()
        };
        entries.map(name).collect()
    }
}

impl Daemon {
    async fn types(&self, line: &str) -> Result<String, Fault> {
        type_line(&format!("{line} --socket {}", self.socket.display())).await
    }

    /// A second node with a vote.
    async fn welcomes(&self, machine: &Machine) -> Daemon {
        let role = NodeRole::Balancer;
        let order = TokenOrder {
            role,
            ttl: Duration::from_secs(3600),
        };
        let token = self.node.create_token(order).await.expect("it leads");
        let second = machine.start().await;
        let (progress, mut lines) = mpsc::channel(16);
        tokio::spawn(async move { while lines.recv().await.is_some() {} });
        let order = JoinOrder { token, role };
        second.node.join(order, progress).await.expect("it joins");
        let mut membership = self.node.member().expect("one").consensus().membership();
        let both = membership.wait_for(|now| now.voters().len() == 2);
        let both = tokio::time::timeout(PATIENCE, both).await;
        assert!(both.is_ok_and(|both| both.is_ok()), "it votes");
        second
    }

    async fn end(self) {
        self.node.member().expect("a member").stop().await;
    }
}

async fn type_line(line: &str) -> Result<String, Fault> {
    let (said, ended) = typed::type_line(line).await;
    ended.map(|()| said)
}

const CONTACT: &str = "[[contact]]\nname = \"ops\"\n[contact.mail]\nto = [\"ada@example.com\"]\n\
                       relay = \"smtps://farmux@192.0.2.9\"\npassword = \"hush-ada\"\n\
                       [[watch]]\nname = \"w1\"\naddress = \"192.0.2.7\"\n\
                       port = 80\ncheck = { kind = \"tcp\" }\n";

/// Far more than a busy machine needs for an election.
const PATIENCE: Duration = Duration::from_secs(20);

async fn founder(machine: &Machine) -> Daemon {
    let daemon = machine.start().await;
    let init = InitOrder {
        name: "prod".parse().expect("a name"),
        vip: None,
    };
    daemon.node.init(init).await.expect("init");
    let file = machine.folder.join("cluster.toml");
    std::fs::write(&file, CONTACT).expect("a file");
    let apply = format!("farmux config apply {}", file.display());
    daemon.types(&apply).await.expect("it is valid");
    daemon
}

fn secret(folder: &Path, name: &str, text: &str) -> PathBuf {
    let file = folder.join(name);
    std::fs::write(&file, format!("{text}\n")).expect("a file");
    file
}

/// Restores as soon as the old node's port is closed: it closes with its last task.
async fn restore_when_alone(machine: &Machine, file: &Path, passphrase: &Path) -> String {
    let end = tokio::time::Instant::now() + PATIENCE;
    loop {
        match machine.restore(file, passphrase).await {
            Ok(said) => return said,
            Err(fault) if fault.code == "FMX-130" && tokio::time::Instant::now() < end => {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
            Err(fault) => panic!("{fault}"),
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_machine_that_had_nothing_goes_on_with_what_was_saved() {
    let folder = tempfile::tempdir().expect("a folder");
    let (old, new) = (
        Machine::new("lb1", folder.path()),
        Machine::new("lb9", folder.path()),
    );
    let daemon = founder(&old).await;
    let pass = secret(folder.path(), "pass", "correct horse battery");
    let file = folder.path().join("prod.farmux");
    let save = format!(
        "farmux snapshot save {} --passphrase-file {}",
        file.display(),
        pass.display()
    );
    let said = daemon.types(&save).await.expect("it is saved");
    assert!(said.starts_with("saved cluster prod at r1"), "{said}");
    let shown = type_line(&format!("farmux snapshot inspect {}", file.display())).await;
    let shown = shown.expect("no passphrase is needed");
    assert!(shown.contains("1 watches, 1 contacts"), "{shown}");
    assert!(shown.contains("newest    yes\n"), "{shown}");
    assert!(
        !shown.contains("hush") && !shown.contains("ada@"),
        "{shown}"
    );
    let bytes = std::fs::read(&file).expect("it is there");
    assert!(!bytes.windows(8).any(|part| part == b"hush-ada"));

    // The cluster lives: another one of the same name would fight with it.
    let fault = new.restore(&file, &pass).await.expect_err("lb1 answers");
    assert_eq!(fault.code, "FMX-130", "{fault}");
    assert!(
        fault
            .why
            .contains(&format!("lb1 answers at {}", old.settings.peer[0])),
        "{fault}"
    );
    // A machine with a life of its own, daemon running or not.
    let fault = old.restore(&file, &pass).await.expect_err("it runs");
    assert_eq!(fault.code, "FMX-129", "{fault}");
    let exported = daemon.types("farmux config export").await.expect("it is");
    let id = daemon.node.member().expect("a member").state();
    let id = id.cluster.clone().expect("there is one");
    daemon.end().await;
    let fault = old
        .restore(&file, &pass)
        .await
        .expect_err("it is not empty");
    assert_eq!(fault.code, "FMX-129", "{fault}");

    let said = restore_when_alone(&new, &file, &pass).await;
    assert!(said.contains("cluster prod is restored at r1"), "{said}");
    let again = new.start().await;
    let member = again.node.member().expect("it is a member now");
    let mut standing = member.consensus().standing();
    let leads = standing.wait_for(|now| now.leader == Some(now.me));
    let leads = tokio::time::timeout(PATIENCE, leads).await;
    assert!(leads.is_ok_and(|leads| leads.is_ok()), "it elects itself");
    let same = again.types("farmux config export").await.expect("it is");
    assert_eq!(same, exported);
    let state = member.state();
    let password = state.config.contacts["ops"].mail().expect("mail").relays[0]
        .password
        .clone();
    assert_eq!(password.expect("it came back").reveal(), "hush-ada");
    let cluster = state.cluster.clone().expect("there is one");
    assert_eq!(cluster.id, id.id);
    assert!(cluster.epoch > id.epoch, "the old nodes cannot mix");
    assert_eq!(member.identity().borrow().epoch(), cluster.epoch);
    // It goes on deciding.
    std::fs::write(folder.path().join("empty.toml"), "").expect("a file");
    let apply = format!("farmux config apply {}/empty.toml", folder.path().display());
    let said = again.types(&apply).await.expect("it decides");
    assert!(said.ends_with("revision r2\n"), "{said}");
    again.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_does_not_open_changes_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    let (old, new) = (
        Machine::new("lb1", folder.path()),
        Machine::new("lb9", folder.path()),
    );
    let daemon = founder(&old).await;
    let pass = secret(folder.path(), "pass", "correct horse battery");
    let wrong = secret(folder.path(), "wrong", "correct horse batterz");
    let short = secret(folder.path(), "short", "horse");
    let file = folder.path().join("prod.farmux");
    let save = |pass: &Path| {
        let (file, pass) = (file.display(), pass.display());
        format!("farmux snapshot save {file} --passphrase-file {pass}")
    };
    let fault = daemon.types(&save(&short)).await.expect_err("too short");
    assert_eq!(fault.code, "FMX-128", "{fault}");
    let fault = daemon
        .types(&format!("farmux snapshot save {}", file.display()))
        .await
        .expect_err("nobody to ask");
    assert_eq!(fault.code, "FMX-128", "{fault}");
    assert!(!file.exists());
    daemon.types(&save(&pass)).await.expect("it is saved");
    daemon.end().await;

    let bytes = std::fs::read(&file).expect("it is there");
    let cut = folder.path().join("cut");
    std::fs::write(&cut, &bytes[..bytes.len() - 9]).expect("a file");
    let flipped = folder.path().join("flipped");
    let mut other = bytes.clone();
    let middle = other.len() / 2;
    other[middle] ^= 4;
    std::fs::write(&flipped, other).expect("a file");
    let newer = folder.path().join("newer");
    let mut other = bytes;
    other[9] = 2;
    std::fs::write(&newer, other).expect("a file");
    for (file, pass, code) in [
        (&file, &wrong, "FMX-127"),
        (&cut, &pass, "FMX-125"),
        (&flipped, &pass, "FMX-125"),
        (&newer, &pass, "FMX-126"),
    ] {
        let fault = new.restore(file, pass).await.expect_err("it is no use");
        assert_eq!(fault.code, code, "{fault}");
        assert!(fault.why.contains(&file.display().to_string()), "{fault}");
        assert!(new.entries().is_empty(), "{:?}", new.entries());
    }
}

/// A node of the old cluster that its peers do not reach may still have the VIP.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_vip_that_may_be_somebody_elses_is_not_restored() {
    let folder = tempfile::tempdir().expect("a folder");
    let lan = "[networks]\nlan = \"moon0\"\n";
    let (old, new) = (
        Machine::with("lb1", folder.path(), lan),
        Machine::with("lb9", folder.path(), lan),
    );
    let daemon = founder(&old).await;
    let config = folder.path().join("vip.toml");
    let vip = "[[vip]]\nname = \"front\"\naddress = \"192.0.2.100\"\nnetwork = \"lan\"\n";
    std::fs::write(&config, vip).expect("a file");
    let apply = format!("farmux config apply {}", config.display());
    daemon.types(&apply).await.expect("it is valid");
    let pass = secret(folder.path(), "pass", "correct horse battery");
    let file = folder.path().join("prod.farmux");
    let (at, by) = (file.display(), pass.display());
    let save = format!("farmux snapshot save {at} --passphrase-file {by}");
    daemon.types(&save).await.expect("it is saved");
    daemon.end().await;
    let end = tokio::time::Instant::now() + PATIENCE;
    let fault = loop {
        let fault = new.restore(&file, &pass).await.expect_err("nobody can ask");
        if fault.code != "FMX-130" || tokio::time::Instant::now() >= end {
            break fault;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    };
    assert_eq!(fault.code, "FMX-233", "{fault}");
    assert!(fault.why.contains("VIP front"), "{fault}");
    assert!(new.entries().is_empty(), "{:?}", new.entries());
}

/// Saved all the same, for it may be all that is left; but it says what it may lack.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_no_majority_confirmed_says_so() {
    let folder = tempfile::tempdir().expect("a folder");
    let (one, two) = (
        Machine::new("lb1", folder.path()),
        Machine::new("lb2", folder.path()),
    );
    let first = founder(&one).await;
    let second = first.welcomes(&two).await;
    let pass = secret(folder.path(), "pass", "correct horse battery");
    let file = folder.path().join("prod.farmux");
    let (at, by) = (file.display(), pass.display());
    let save = format!("farmux snapshot save {at} --passphrase-file {by}");
    let said = second.types(&save).await.expect("a follower asks");
    assert!(!said.contains("may be missing"), "{said}");
    second.end().await;

    let said = first.types(&save).await.expect("it is saved all the same");
    assert!(said.starts_with("saved cluster prod at r1"), "{said}");
    assert!(
        said.contains("what was decided last may be missing"),
        "{said}"
    );
    let shown = type_line(&format!("farmux snapshot inspect {at}")).await;
    let shown = shown.expect("no passphrase is needed");
    assert!(
        shown.contains("newest    no majority confirmed it"),
        "{shown}"
    );
    first.end().await;
}
