//! What a node does in a drill, asked over the peer channel as a conductor asks: a real daemon that
//! measures, pretends, restores, is stopped and is killed, and comes back by itself.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use farmux_node::daemon::{JoinOrder, Member, Node};
use farmux_node::settings::Settings;
use farmux_raft::id::{NodeId, UnixMillis};
use farmux_raft::peer::{PeerReply, PeerRequest};
use farmux_raft::state::drill::{DrillKind, DrillOrder, RunId};
use farmux_raft::state::{Applied, Author, Command as Order, NodeRole};
use serde_json::{Value, json};
use tokio::sync::mpsc;

mod common;

use common::node_toml;

/// Far more than a busy machine needs for two elections.
const PATIENCE: Duration = Duration::from_secs(60);

/// The daemon `lb1`, a process of its own, and the witness `w1` of its cluster in this one.
struct Scene {
    folder: tempfile::TempDir,
    daemon: Child,
    asker: Arc<Member>,
}

fn farmux(socket: &Path, words: &[&str]) -> Option<Value> {
    let mut command = Command::new(env!("CARGO_BIN_EXE_farmux"));
    let ran = command
        .args(["-o", "json", "--socket"])
        .arg(socket)
        .args(words)
        .output();
    let ran = ran.expect("it was built");
    serde_json::from_slice(&ran.stdout)
        .ok()
        .filter(|_| ran.status.success())
}

async fn until<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let end = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = look().await {
            return found;
        }
        assert!(Instant::now() < end, "never came true: {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

impl Scene {
    async fn new() -> Scene {
        let folder = tempfile::tempdir().expect("a folder is to be had");
        let config = folder.path().join("lb1.toml");
        std::fs::write(&config, node_toml("lb1", folder.path(), "")).expect("a file");
        let mut command = Command::new(env!("CARGO_BIN_EXE_farmux"));
        command.args(["run", "--config"]).arg(&config);
        // Whoever runs the tests may be supervised; this daemon is not.
        command
            .env_remove("NOTIFY_SOCKET")
            .env_remove("INVOCATION_ID");
        let daemon = command.stdin(Stdio::null()).spawn().expect("it was built");
        let socket = folder.path().join("lb1.sock");
        let init = ["cluster", "init", "--name", "prod"];
        until("a cluster is made", async || farmux(&socket, &init)).await;
        let token = ["cluster", "token", "create", "--witness"];
        let token = farmux(&socket, &token).expect("it leads");
        let token = token["token"].as_str().expect("a text").to_owned();
        let text = node_toml("w1", folder.path(), "");
        let node = Arc::new(Node::new(Settings::parse(&text).expect("good settings")));
        let (progress, mut lines) = mpsc::channel(16);
        tokio::spawn(async move { while lines.recv().await.is_some() {} });
        let role = NodeRole::Witness;
        let joined = node.join(JoinOrder { token, role }, progress).await;
        joined.expect("it joins");
        let asker = node.member().expect("it is a member");
        Scene {
            folder,
            daemon,
            asker,
        }
    }

    fn socket(&self) -> PathBuf {
        self.folder.path().join("lb1.sock")
    }

    /// Has the log begin the next run, which nobody conducts: the one after it may begin at once.
    async fn begin(&self, run: u64) {
        let order = DrillOrder {
            kind: DrillKind::Restore,
            target: None,
            outside: false,
            typed: None,
            bounds: None,
            by: "a test".to_owned(),
            scheduled: None,
            until: UnixMillis(0),
        };
        until("a run begins", async || {
            let order = Order::BeginDrill(Box::new(order.clone()));
            let begun = self.asker.change(order).await.ok()?;
            (begun == Applied::Drill(RunId(run))).then_some(())
        })
        .await;
    }

    /// Says a word to the daemon; nothing: it does not answer.
    async fn say(&self, word: &Value) -> Option<Value> {
        let bytes = serde_json::to_vec(word).expect("JSON");
        let within = Duration::from_millis(500);
        let asked = self
            .asker
            .peers()
            .ask(NodeId(1), &PeerRequest::Drill(bytes), within)
            .await;
        match asked {
            Ok(PeerReply::Drilled(bytes)) => serde_json::from_slice(&bytes).ok(),
            Ok(other) => panic!("{other:?}"),
            Err(_) => None,
        }
    }

    async fn until_said(&self, word: &Value, wanted: &Value) {
        let mut last = None;
        let found = tokio::time::timeout(PATIENCE, async {
            loop {
                last = self.say(word).await;
                if last.as_ref() == Some(wanted) {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        });
        assert!(found.await.is_ok(), "{word}: {last:?}, not {wanted}");
    }
}

impl Drop for Scene {
    fn drop(&mut self) {
        let _ = self.daemon.kill();
        let _ = self.daemon.wait();
        // One that its guard started is nobody's child here; its settings are its name.
        let config = self.folder.path().join("lb1.toml");
        let processes = std::fs::read_dir("/proc").expect("it is Linux").flatten();
        for process in processes {
            let line = std::fs::read(process.path().join("cmdline")).unwrap_or_default();
            let line = String::from_utf8_lossy(&line).into_owned();
            if line.contains(&*config.to_string_lossy()) {
                let number = process.file_name();
                let _ = Command::new("kill").arg("-KILL").arg(number).status();
            }
        }
    }
}

fn inject(run: u64, injection: &Value, timer_ms: u64) -> Value {
    json!({"inject": {"run": run, "injection": injection, "timer_ms": timer_ms}})
}

fn undo(run: u64) -> Value {
    json!({"undo": {"run": run}})
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_daemon_pretends_restores_measures_and_remembers_what_was_undone() {
    let scene = Scene::new().await;
    scene.begin(1).await;
    let fill = inject(1, &json!({"fill-disk": {"node": "lb1"}}), 60_000);
    scene.until_said(&fill, &json!("injected")).await;
    let full = || {
        let status = farmux(&scene.socket(), &["status"]).expect("it answers");
        status.to_string().contains("disk")
    };
    until("it says that its disk is full", async || {
        full().then_some(())
    })
    .await;
    scene.until_said(&undo(1), &json!("undone")).await;
    let again = scene.say(&fill).await.expect("it answers");
    assert!(again["failed"]["why"].as_str().is_some(), "{again}");

    scene.begin(2).await;
    let restore = inject(2, &json!({"restore": {"node": "lb1"}}), 0);
    scene.until_said(&restore, &json!("injected")).await;
    let left = std::fs::read_dir(scene.folder.path().join("lb1/drills"));
    let left = left.map_or(0, |entries| entries.count());
    assert_eq!(left, 0, "the scratch folder is gone");
    scene.until_said(&undo(2), &json!("undone")).await;

    scene.begin(3).await;
    let wrong = inject(3, &json!({"restore": {"node": "lb9"}}), 60_000);
    until("it is for another node", async || {
        let said = scene.say(&wrong).await?;
        said["failed"]["why"]
            .as_str()?
            .contains("lb9")
            .then_some(())
    })
    .await;
    let older = scene
        .say(&inject(2, &json!({"page": {"contacts": []}}), 0))
        .await;
    assert!(older.expect("it answers")["failed"].is_object());

    let down = json!({"server-down": {"farm": "shop", "server": "s1"}});
    let (unheard, down) = (inject(5, &down, 60_000), inject(4, &down, 60_000));
    scene.begin(4).await;
    assert_eq!(
        scene.say(&unheard).await,
        Some(json!("injecting")),
        "it may come"
    );
    scene.until_said(&down, &json!("injected")).await;
    let lock = Order::LockDrills {
        author: Author("a test".to_owned()),
        why: "enough".to_owned(),
    };
    scene.asker.change(lock).await.expect("it is decided");
    // Nobody said undo.
    until("it has ended by itself", async || {
        let said = scene.say(&down).await?;
        said["failed"]["why"].is_string().then_some(())
    })
    .await;

    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("tcp://{}", listener.local_addr().expect("it has one"));
    let measure = json!({"measure": {"run": 4, "url": url, "for_ms": 60_000}});
    until("it measures", async || {
        let said = scene.say(&measure).await?;
        (said["reading"]["requests"].as_u64()? > 3).then_some(())
    })
    .await;
    assert_eq!(
        scene.say(&json!({"look": {"run": 3}})).await,
        Some(json!("unknown"))
    );
    until("it is closed", async || {
        let said = scene.say(&json!({"close": {"run": 4}})).await?;
        (said["measured"]["numbers"]["failed"].as_u64()? == 0).then_some(())
    })
    .await;
    assert_eq!(
        scene.say(&json!({"progress": {"run": 4}})).await,
        Some(json!("unknown"))
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_daemon_is_stopped_and_goes_on_and_is_killed_and_comes_back() {
    let mut scene = Scene::new().await;
    scene.begin(1).await;
    let pause = inject(1, &json!({"pause": {"node": "lb1"}}), 3_000);
    let begun = Instant::now();
    assert_eq!(scene.say(&pause).await, Some(json!("injecting")));
    until("it is silent", async || {
        scene.say(&pause).await.is_none().then_some(())
    })
    .await;
    scene.until_said(&undo(1), &json!("undone")).await;
    assert!(begun.elapsed() >= Duration::from_secs(3), "before its time");
    assert!(
        scene.daemon.try_wait().expect("our child").is_none(),
        "the same process"
    );

    scene.begin(2).await;
    let crash = inject(2, &json!({"crash": {"node": "lb1"}}), 2_000);
    assert_eq!(scene.say(&crash).await, Some(json!("injecting")));
    let begun = Instant::now();
    let ended = tokio::task::block_in_place(|| scene.daemon.wait());
    assert!(!ended.expect("our child").success());
    until("it answers again", async || {
        farmux(&scene.socket(), &["status"]).map(drop)
    })
    .await;
    assert!(
        begun.elapsed() >= Duration::from_millis(1_900),
        "before its time"
    );
    scene.until_said(&undo(2), &json!("undone")).await;
}

const ALONE: &str = "FARMUX_DRILLS_TEST_ALONE";

/// What is dropped here would be dropped for everybody, so that the test runs itself once more in
/// a network of its own. Needs root and nftables.
#[test]
fn a_node_hears_nobody_and_then_everybody_again_by_itself() {
    if std::env::var_os(ALONE).is_some() {
        let up = Command::new("ip")
            .args(["link", "set", "lo", "up"])
            .status();
        assert!(up.expect("ip runs").success());
        let runtime = tokio::runtime::Runtime::new().expect("a runtime");
        return runtime.block_on(is_isolated());
    }
    let name = "a_node_hears_nobody_and_then_everybody_again_by_itself";
    let mut command = Command::new("unshare");
    command
        .arg("--net")
        .arg(std::env::current_exe().expect("this test"));
    command
        .args(["--exact", name, "--nocapture"])
        .env(ALONE, "1");
    assert!(command.status().expect("it runs").success());
}

async fn is_isolated() {
    let scene = Scene::new().await;
    let mark = scene.folder.path().join("lb1/drills/severed");
    for (run, by_order) in [(1, false), (2, true)] {
        scene.begin(run).await;
        let timer_ms = if by_order { 600_000 } else { 3_000 };
        let isolate = inject(run, &json!({"isolate": {"node": "lb1"}}), timer_ms);
        let begun = Instant::now();
        assert_eq!(scene.say(&isolate).await, Some(json!("injecting")));
        until("it is silent", async || {
            scene.say(&isolate).await.is_none().then_some(())
        })
        .await;
        assert!(mark.exists(), "the next process would clear it");
        if by_order {
            // Nobody tells that to a node that hears nobody: the table goes as it goes at its start.
            let killed = nft(&["delete", "table", "inet", "farmux_drill"]);
            assert!(killed.status.success());
        }
        scene.until_said(&undo(run), &json!("undone")).await;
        assert!(by_order || begun.elapsed() >= Duration::from_secs(3));
        assert!(!mark.exists());
        let left = String::from_utf8_lossy(&nft(&["list", "tables"]).stdout).into_owned();
        assert!(!left.contains("farmux_drill"), "{left}");
    }
}

fn nft(words: &[&str]) -> std::process::Output {
    Command::new("nft").args(words).output().expect("nft runs")
}
