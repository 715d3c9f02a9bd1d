//! A drill from the command line to its record: daemons of one cluster plan, agree, inject and
//! verify; whoever typed it may go away meanwhile.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

mod common;

use common::node_toml;

/// Far more than a busy machine needs for a drill of twenty seconds.
const PATIENCE: Duration = Duration::from_secs(120);

/// Two balancers and a witness, each a process of its own; `lb1` is asked.
struct Scene {
    folder: tempfile::TempDir,
    daemons: Vec<Child>,
}

impl Drop for Scene {
    fn drop(&mut self) {
        for daemon in &mut self.daemons {
            let _ = daemon.kill();
            let _ = daemon.wait();
        }
    }
}

async fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let end = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < end, "never came true: {what}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

fn command(socket: &Path, words: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_farmux"));
    command.args(["-o", "json", "--socket"]).arg(socket);
    command.args(words).stdin(Stdio::null());
    command
}

fn farmux(socket: &Path, words: &[&str]) -> Output {
    command(socket, words).output().expect("it was built")
}

fn answer(socket: &Path, words: &[&str]) -> Option<Value> {
    let ran = farmux(socket, words);
    let answered = serde_json::from_slice(&ran.stdout).ok();
    answered.filter(|_| ran.status.success())
}

impl Scene {
    async fn new() -> Scene {
        let mut scene = Scene {
            folder: tempfile::tempdir().expect("a folder"),
            daemons: Vec::new(),
        };
        scene.start("lb1");
        let socket = scene.socket();
        let init = ["cluster", "init", "--name", "prod"];
        until("a cluster", || answer(&socket, &init)).await;
        // One balancer alone would be told so: nothing is drilled where something is missing.
        for (name, witness) in [("lb2", None), ("w1", Some("--witness"))] {
            scene.start(name);
            let create = ["cluster", "token", "create"].into_iter().chain(witness);
            let create: Vec<&str> = create.collect();
            let token = until("a token", || answer(&socket, &create)).await;
            let token = token["token"].as_str().expect("a text").to_owned();
            let join = ["cluster", "join", token.as_str()]
                .into_iter()
                .chain(witness);
            let join: Vec<&str> = join.collect();
            let other = scene.folder.path().join(format!("{name}.sock"));
            let joined = || farmux(&other, &join).status.success().then_some(());
            until("a member more", joined).await;
        }
        scene
    }

    fn start(&mut self, name: &str) {
        let config = self.folder.path().join(format!("{name}.toml"));
        let text = node_toml(name, self.folder.path(), "");
        std::fs::write(&config, text).expect("a file");
        let mut daemon = Command::new(env!("CARGO_BIN_EXE_farmux"));
        daemon.args(["run", "--config"]).arg(&config);
        daemon.env_remove("NOTIFY_SOCKET").stdin(Stdio::null());
        self.daemons.push(daemon.spawn().expect("it was built"));
    }

    fn socket(&self) -> PathBuf {
        self.folder.path().join("lb1.sock")
    }

    /// Runs `restore` once all are well; its number, and whoever follows it. A node that was late
    /// has it refused, and it is run again.
    async fn begin(&self) -> (u64, Child) {
        let mut follower: Option<Child> = None;
        let run = until("it runs", || {
            let follows = |one: &mut Child| matches!(one.try_wait(), Ok(None));
            if !follower.as_mut().is_some_and(follows) {
                let mut run = command(&self.socket(), &RUN);
                let run = run.stdout(Stdio::piped()).stderr(Stdio::piped());
                follower = Some(run.spawn().expect("it was built"));
            }
            let list = answer(&self.socket(), &["drill", "list"])?;
            list["data"]["running"]["run"].as_u64()
        })
        .await;
        (run, follower.expect("it was started"))
    }

    /// What a run came to, once it is over.
    async fn record(&self, run: u64) -> Value {
        until("a record", || {
            let history = answer(&self.socket(), &["drill", "history"])?;
            let mut runs = history["data"].as_array()?.iter();
            runs.find(|one| one["run"] == run).cloned()
        })
        .await
    }
}

/// As an operator types it.
const RUN: [&str; 4] = ["drill", "run", "restore", "--yes"];

/// How often a run may be spoiled by a machine that is too busy.
const TRIES: usize = 4;

/// Whether a node or the leader was late, which ends a run and says nothing of it.
fn was_spoiled(record: &Value) -> bool {
    let why = record["reasons"][0].as_str().unwrap_or_default();
    let spoils = ["refused: ", "nothing was injected: ", "the leader that "];
    spoils.iter().any(|words| why.starts_with(words))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_drill_is_run_from_the_command_line_to_its_record() {
    let scene = Scene::new().await;
    let socket = scene.socket();
    let plan = ["drill", "plan", "restore"];
    let plan = until("a healthy cluster", || answer(&socket, &plan)).await;
    assert_eq!(plan["target"], "lb1");

    // By one that was late it is refused before anybody is asked.
    until("nobody said yes", || {
        let refused = farmux(&socket, &["drill", "run", "restore"]);
        (refused.status.code() == Some(2)).then_some(())
    })
    .await;
    let locked = answer(&socket, &["drill", "lock", "-m", "sale"]);
    assert_eq!(locked.expect("it is locked")["changed"], true);
    until("it is refused while it is locked", || {
        let refused = farmux(&socket, &RUN);
        assert_eq!(refused.status.code(), Some(1), "{refused:?}");
        let said = String::from_utf8_lossy(&refused.stderr);
        said.contains("FMX-270").then_some(())
    })
    .await;
    answer(&socket, &["drill", "unlock"]).expect("it is unlocked");

    let (mut running, mut record, mut said) = (0, Value::Null, String::new());
    for _ in 0..TRIES {
        // Whoever follows it is killed, and it goes on.
        let (run, mut follower) = scene.begin().await;
        let another = farmux(&socket, &RUN);
        said = String::from_utf8_lossy(&another.stderr).into_owned();
        follower.kill().expect("it is ours");
        follower.wait().expect("it was killed");
        (running, record) = (run, scene.record(run).await);
        if said.contains("FMX-271") && !was_spoiled(&record) {
            break;
        }
    }
    assert!(said.contains("FMX-271"), "{said}");
    assert_eq!(record["verdict"], "pass", "{record}");
    assert_eq!(record["by"], "root via socket");

    let report = farmux(
        &socket,
        &["drill", "report", &running.to_string(), "-o", "html"],
    );
    assert!(report.status.success(), "{report:?}");
    let html = String::from_utf8_lossy(&report.stdout);
    assert!(html.contains("PASS") && html.contains("<svg"), "{html}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_is_aborted_and_its_follower_hears_of_it() {
    let scene = Scene::new().await;
    let mut record = Value::Null;
    for _ in 0..TRIES {
        let (run, follower) = scene.begin().await;
        // Ctrl-C.
        let pid = follower.id().to_string();
        let sent = Command::new("kill").args(["-INT", &pid]).status();
        assert!(sent.is_ok_and(|sent| sent.success()));
        let ended = follower.wait_with_output().expect("it ends");
        assert_eq!(ended.status.code(), Some(1), "{ended:?}");
        record = scene.record(run).await;
        if !was_spoiled(&record) {
            break;
        }
    }
    assert_eq!(record["verdict"], "aborted", "{record}");
    assert_eq!(record["reasons"][0], "aborted by root via socket");
}
