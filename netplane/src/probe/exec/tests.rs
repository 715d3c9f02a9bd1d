//! Real plugins, written in shell: what they may, what they mean, and that nothing of them stays.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use tempfile::TempDir;

use super::*;
use crate::health::HealthOverlay;
use crate::plan::{Advice, Health, ProbeKind, ProbePlan};
use crate::probe::outcome::Success;
use crate::probe::{ProbeSettings, Probing};

/// No condition in here may take longer.
const PATIENCE: Duration = Duration::from_secs(10);

/// A folder of plugins, and a check of a name of its own.
struct Bench {
    folder: TempDir,
    plugins: Arc<Plugins>,
    name: &'static str,
}

impl Bench {
    fn new(name: &'static str) -> Bench {
        let folder = tempfile::tempdir().expect("a folder");
        let open = fs::Permissions::from_mode(0o755);
        fs::set_permissions(folder.path(), open).expect("ours");
        let plugins = Plugins::new(Some(folder.path().to_path_buf()), ExecUser::NOBODY);
        Bench {
            folder,
            plugins: Arc::new(plugins),
            name,
        }
    }

    fn put(&self, script: &str, mode: u32) {
        let path = self.folder.path().join("check");
        fs::write(&path, script).expect("writes");
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).expect("ours");
    }

    fn order(&self, arguments: &[&str]) -> Order {
        Order {
            check: ProbeKey::Watch(self.name.into()),
            target: "192.0.2.7:2049".parse().expect("an address"),
            command: "check".into(),
            arguments: arguments
                .iter()
                .map(|argument| Arc::from(*argument))
                .collect(),
        }
    }

    async fn run(&self, script: &str) -> Outcome {
        self.put(&format!("#!/bin/sh\n{script}\n"), 0o755);
        self.within(PATIENCE).await
    }

    async fn within(&self, timeout: Duration) -> Outcome {
        probe(
            self.order(&["-w", "two words"]),
            &self.plugins,
            &Budget::begin(timeout),
        )
        .await
    }

    /// What a plugin that passes says.
    async fn says(&self, script: &str) -> String {
        let outcome = self.run(script).await;
        let Outcome::Pass(Success::Plugin(line)) = outcome else {
            panic!("{outcome}");
        };
        line.to_string()
    }

    /// Processes that this bench's plugins are or started, by what was put into their environment.
    fn alive(&self) -> usize {
        let mark = format!("FARMUX_NAME={}\0", self.name);
        let ours = |entry: fs::DirEntry| {
            let environment = fs::read(entry.path().join("environ")).unwrap_or_default();
            String::from_utf8_lossy(&environment).contains(&mark)
        };
        let processes = fs::read_dir("/proc").expect("Linux").flatten();
        processes
            .filter(|entry| entry.path().join("environ").exists())
            .map(ours)
            .filter(|ours| *ours)
            .count()
    }

    async fn until_nothing_is_left(&self) {
        let until = Instant::now() + PATIENCE;
        while self.alive() > 0 || zombies() > 0 || !self.plugins.lingering().is_empty() {
            assert!(
                Instant::now() < until,
                "{} alive, {} zombies",
                self.alive(),
                zombies()
            );
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        assert_eq!(self.plugins.slots.available_permits(), PLUGINS_AT_ONCE_MAX);
    }
}

/// Children of this process that nobody reaped.
fn zombies() -> usize {
    let own = std::process::id().to_string();
    let unreaped = |entry: &fs::DirEntry| {
        let stat = fs::read_to_string(entry.path().join("stat")).unwrap_or_default();
        let fields = stat
            .rsplit_once(") ")
            .map(|(_, rest)| rest.to_owned())
            .unwrap_or_default();
        let mut fields = fields.split(' ');
        (fields.next(), fields.next()) == (Some("Z"), Some(own.as_str()))
    };
    let processes = fs::read_dir("/proc").expect("Linux").flatten();
    processes.filter(unreaped).count()
}

#[tokio::test]
async fn exit_status_and_first_line_are_what_counts() {
    let bench = Bench::new("conventions");
    for (script, wanted) in [
        (
            "echo 'DISK OK | /=3GB'; echo more",
            "plugin says ok: \"DISK OK\"",
        ),
        ("exit 0", "plugin says ok"),
        ("echo slow; exit 1", "plugin warns: \"slow\""),
        (
            "echo \"97% full\"; exit 2",
            "plugin says critical: \"97% full\"",
        ),
        (
            "echo 'no such option'; exit 3",
            "this node could not probe: plugin says unknown: \"no such option\"",
        ),
        (
            "nonsense 2>/dev/null",
            "this node could not probe: the plugin ended with status 127",
        ),
        (
            "kill -SEGV $$",
            "this node could not probe: the plugin was ended by signal 11",
        ),
        ("yes | head -c 1000000", "plugin says ok: \"y\""),
        ("echo hidden >&2", "plugin says ok"),
        (
            "cat; echo read to its end",
            "plugin says ok: \"read to its end\"",
        ),
    ] {
        assert_eq!(bench.run(script).await.to_string(), wanted, "{script}");
    }
    bench.until_nothing_is_left().await;
}

/// It knows what the check is about, and nothing else that is ours.
#[tokio::test]
async fn a_plugin_has_none_of_our_rights() {
    let bench = Bench::new("rights");
    let _socket = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    for (script, wanted) in [
        ("echo $(id -u) $(id -g) $(id -G)", "65534 65534 65534"),
        (
            "grep -c 'Cap\\(Prm\\|Eff\\|Amb\\):.0000000000000000' /proc/self/status",
            "3",
        ),
        ("ls -l /proc/$$/fd | grep -c socket: || true", "0"),
        (
            "echo $(env -u PATH | grep -v ^PWD= | sort)",
            "FARMUX_ADDRESS=192.0.2.7 FARMUX_NAME=rights FARMUX_PORT=2049",
        ),
        ("pwd", "/"),
        ("echo $#:$1:$2", "2:-w:two words"),
        ("test $(ps -o pgid= $$) = $$ && echo leads", "leads"),
    ] {
        assert_eq!(
            bench.says(script).await,
            format!(": \"{wanted}\""),
            "{script}"
        );
    }
}

/// Killed at its timeout, with all that it started; so is what a plugin leaves behind.
#[tokio::test]
async fn nothing_of_a_plugin_stays() {
    let bench = Bench::new("stays");
    bench.put(
        "#!/bin/sh\ntrap '' TERM HUP INT\nsleep 60 &\nsleep 61\n",
        0o755,
    );
    let begun = Instant::now();
    let outcome = bench.within(Duration::from_millis(300)).await;
    assert_eq!(
        outcome.to_string(),
        "timeout after 300 ms while its plugin ran"
    );
    assert!(begun.elapsed() < PATIENCE);
    bench.until_nothing_is_left().await;

    // The background process holds the plugin's output open.
    let outcome = bench.run("sleep 60 &\necho fine").await;
    assert_eq!(outcome.to_string(), "plugin says ok: \"fine\"");
    bench.until_nothing_is_left().await;

    // Given up in the middle: the plan changed, or somebody asked.
    bench.put("#!/bin/sh\nsleep 60\n", 0o755);
    let given_up = tokio::time::timeout(Duration::from_millis(300), bench.within(PATIENCE)).await;
    assert!(given_up.is_err());
    bench.until_nothing_is_left().await;
}

/// A node that stops leaves no plugin behind.
#[test]
fn the_end_of_probing_ends_its_plugins() {
    let bench = Bench::new("end");
    bench.put("#!/bin/sh\nsleep 60 &\nsleep 61\n", 0o755);
    let settings = ProbeSettings {
        exec_dir: Some(bench.folder.path().to_path_buf()),
        ..ProbeSettings::plain(vec![])
    };
    let overlay = Arc::new(HealthOverlay::new());
    let (probing, _verdicts) = Probing::start(overlay, settings).expect("a thread");
    let order = bench.order(&[]);
    let plan = ProbePlan {
        target: order.target,
        kind: ProbeKind::Exec {
            command: order.command,
            arguments: order.arguments,
        },
        proxy: None,
        interval: PATIENCE,
        timeout: PATIENCE,
        fall: 1,
        rise: 1,
        remembered: Health::Unknown,
        advised: Advice::None,
        asked: 0,
    };
    probing.apply([(order.check, plan)].into(), BTreeSet::new());
    let until = Instant::now() + PATIENCE;
    while bench.alive() < 3 {
        assert!(Instant::now() < until, "{:?}", probing.results());
        std::thread::sleep(Duration::from_millis(5));
    }
    drop(probing);
    while bench.alive() > 0 {
        assert!(Instant::now() < until, "{} alive", bench.alive());
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[tokio::test]
async fn what_cannot_run_says_why() {
    let bench = Bench::new("refused");
    let text = |outcome: Outcome| outcome.to_string();
    let not = "this node could not probe: ";
    assert_eq!(
        text(bench.within(PATIENCE).await),
        format!("{not}no such file in exec_dir")
    );
    bench.put("#!/bin/sh\n", 0o775);
    assert_eq!(
        text(bench.within(PATIENCE).await),
        format!("{not}others than root may write to the command")
    );
    bench.put("#!/bin/sh\n", 0o644);
    assert_eq!(
        text(bench.within(PATIENCE).await),
        format!("{not}the plugin could not be started: permission denied")
    );
    bench.put("#!/no/such/shell\n", 0o755);
    assert_eq!(
        text(bench.within(PATIENCE).await),
        format!("{not}the plugin could not be started: entity not found")
    );
    let off = Arc::new(Plugins::new(None, ExecUser::NOBODY));
    let outcome = probe(bench.order(&[]), &off, &Budget::begin(PATIENCE)).await;
    assert_eq!(
        text(outcome),
        format!("{not}exec checks are off here: node.toml names no exec_dir")
    );
}

#[tokio::test]
async fn there_is_a_bound_to_what_runs() {
    let bench = Bench::new("bound");
    let all = u32::try_from(PLUGINS_AT_ONCE_MAX).expect("small");
    let taken = Arc::clone(&bench.plugins.slots)
        .acquire_many_owned(all)
        .await;
    bench.put("#!/bin/sh\n", 0o755);
    let outcome = bench.within(Duration::from_millis(50)).await;
    assert_eq!(outcome, trouble(PluginTrouble::Busy));
    drop(taken);
    assert_eq!(bench.within(PATIENCE).await.to_string(), "plugin says ok");
}

/// A process that waits for a dead disk outlives its kill: the check is down, and no second one is
/// started beside it.
#[tokio::test]
async fn one_that_cannot_be_killed_is_not_joined_by_others() {
    let bench = Bench::new("stuck");
    bench.put("#!/bin/sh\n", 0o755);
    let check = bench.order(&[]).check;
    let long_ago = Instant::now()
        .checked_sub(GONE_WITHIN * 2)
        .expect("the machine is older");
    let stranger = (ProbeKey::Watch("other".into()), long_ago);
    bench.plugins.lingering().insert(1, stranger);
    bench
        .plugins
        .lingering()
        .insert(2, (check.clone(), Instant::now()));
    assert_eq!(bench.within(PATIENCE).await.to_string(), "plugin says ok");
    bench.plugins.lingering().insert(3, (check, long_ago));
    assert_eq!(
        bench.within(PATIENCE).await,
        Outcome::Fail(Failure::PluginStuck)
    );
}

#[test]
fn plugins_never_run_as_root() {
    assert_eq!(ExecUser::new(0, 100), None);
    assert_eq!(ExecUser::new(100, 0), None);
    assert_eq!(ExecUser::new(65_534, 65_534), Some(ExecUser::NOBODY));
}
