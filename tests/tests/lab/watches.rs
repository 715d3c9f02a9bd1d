//! The faces of watching, in a cluster without any VIP: five hundred watched servers, brought in as
//! a sheet, changed by label, and followed when some of them go.

use std::fs;
use std::net::{Ipv4Addr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use farmux_node::api::types::{Overall, RevisionReport, WatchDetail, WatchReport};
use farmux_raft::state::Health;
use farmux_tests::lab::cluster::{AGREES_WITHIN, Cluster};
use farmux_tests::lab::network::Host;
use farmux_tests::lab::node::{Node, binary};
use farmux_tests::lab::process::Process;
use farmux_tests::lab::{CLIENT, Lab, node_address, wait};

/// One machine with a hundred addresses, and five ports that take connections at each of them.
struct Watched {
    host: Host,
    stopped: Arc<AtomicBool>,
    listening: Vec<JoinHandle<()>>,
}

const PORTS: [u16; 5] = [8_001, 8_002, 8_003, 8_004, 8_005];

fn address(number: u8) -> Ipv4Addr {
    Ipv4Addr::new(10, 0, 0, 100 + number)
}

impl Watched {
    fn start(lab: &Lab) -> Result<Watched> {
        let host = lab.host("many", address(0))?;
        for number in 1..100 {
            host.also(address(number))?;
        }
        let stopped = Arc::new(AtomicBool::new(false));
        let mut listening = Vec::new();
        for port in PORTS {
            let listener = host.within(|| TcpListener::bind((Ipv4Addr::UNSPECIFIED, port)))?;
            let stopped = Arc::clone(&stopped);
            listening.push(std::thread::spawn(move || {
                while !stopped.load(Ordering::Relaxed) {
                    drop(listener.accept());
                }
            }));
        }
        Ok(Watched {
            host,
            stopped,
            listening,
        })
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        self.stopped.store(true, Ordering::Relaxed);
        for port in PORTS {
            let to = (Ipv4Addr::LOCALHOST, port);
            let wake = || drop(std::net::TcpStream::connect(to));
            self.host.within(wake);
        }
        for thread in self.listening.drain(..) {
            let _ = thread.join();
        }
    }
}

/// Three nodes, and no VIP.
fn without_vip() -> Result<Cluster> {
    let lab = Lab::new()?;
    let client = lab.host("client", CLIENT)?;
    let mut cluster = Cluster {
        nodes: Vec::new(),
        disks: vec![],
        client,
        lab,
    };
    for number in 1..=3 {
        let node = Node::start(&cluster.lab, &format!("lb{number}"), node_address(number))?;
        if number == 1 {
            node.ask(&["cluster", "init", "--name", "prod"])?;
        } else {
            let token = cluster.nodes[0].token(&[])?;
            node.ask(&["cluster", "join", &token])?;
        }
        cluster.nodes.push(node);
    }
    cluster.wait_for_voters(3)?;
    Ok(cluster)
}

/// Five hundred lines, those in `bad` with an address that is none.
fn sheet(bad: impl Fn(usize) -> bool) -> String {
    let mut csv = "name,address,port,group,labels,depends_on\n".to_owned();
    for number in 0..500_usize {
        let machine = u8::try_from(number / 5).expect("a hundred");
        let at = match bad(number) {
            true => "nowhere".to_owned(),
            false => address(machine).to_string(),
        };
        let port = PORTS[number % 5];
        csv += &format!("w{number},{at},{port},many,rack=r{},\n", machine % 4);
    }
    csv
}

const GROUP: &str = r#"
[[group]]
name = "many"
labels = { site = "lab" }
check = { kind = "tcp", interval = "1s", timeout = "500ms", fall = 2 }
"#;

fn follow(node: &Node, name: &str) -> Result<Process> {
    let mut command = node.host().command(binary()?);
    command.arg("--socket").arg(node.socket());
    command.args(["events", "-f", "-o", "json"]);
    node.host().spawn(name, command)
}

fn file(cluster: &Cluster, name: &str, text: &str) -> Result<String> {
    let path = cluster.lab.folder().join(name);
    fs::write(&path, text)?;
    Ok(path.display().to_string())
}

fn revisions(node: &Node) -> Result<usize> {
    let all: Vec<RevisionReport> = node.report(&["config", "history"])?;
    Ok(all.len())
}

#[test]
fn five_hundred_are_imported_changed_listed_and_followed() -> Result<()> {
    let cluster = without_vip()?;
    let watched = Watched::start(&cluster.lab)?;
    let node = &cluster.nodes[0];
    node.apply(GROUP)?;
    let before = revisions(node)?;

    let bad = file(&cluster, "bad.csv", &sheet(|number| number % 13 == 5))?;
    for options in [
        &["watch", "import", &bad, "--dry-run"][..],
        &["watch", "import", &bad],
    ] {
        let (code, said) = node.refused(options)?;
        ensure!(code == 1 && said.contains("FMX-340"), "{code}: {said}");
        for number in (0..500).filter(|number| number % 13 == 5) {
            let line = format!("line {}: watch[w{number}].address", number + 2);
            ensure!(said.contains(&line), "{line} is missing in\n{said}");
        }
        ensure!(
            said.matches("line ").count() == 39,
            "and nothing else: {said}"
        );
    }
    ensure!(revisions(node)? == before, "nothing was changed");

    let good = file(&cluster, "good.csv", &sheet(|_| false))?;
    let said = node.ask(&["watch", "import", &good, "-m", "all of them"])?;
    ensure!(said.contains("500 watches: revision"), "{said}");
    ensure!(revisions(node)? == before + 1, "one import is one revision");
    let again = node.ask(&["watch", "import", &good])?;
    ensure!(again.contains("nothing changes"), "{again}");

    change_by_label(&cluster)?;
    wait::until_true("all are up", AGREES_WITHIN, || {
        let status = node.status().ok();
        let cluster = status.and_then(|status| status.cluster);
        cluster.is_some_and(|cluster| cluster.watches.up == 500)
    })?;
    // A node whose report is late for once is not well.
    wait::until_true("all is well", AGREES_WITHIN, || {
        node.status().is_ok_and(|now| now.overall == Overall::Ok)
    })?;
    let status = node.ask(&["status"])?;
    ensure!(status.contains("watches   500: 500 up\n"), "{status}");
    ensure!(!status.contains("VIP"), "{status}");
    five_go_and_come_back(&cluster, &watched)
}

fn change_by_label(cluster: &Cluster) -> Result<()> {
    let node = &cluster.nodes[0];
    let set = [
        "watch",
        "set",
        "--label",
        "rack=r1",
        "--put-label",
        "tier=gold",
        "--fall",
        "3",
    ];
    let said = node.ask(&set)?;
    ensure!(said.contains("125 watches: revision"), "{said}");
    let gold: Vec<WatchReport> = node.report(&["watch", "list", "--label", "tier=gold"])?;
    ensure!(gold.len() == 125 && gold.iter().all(|watch| watch.labels["site"] == "lab"));
    let sheet = node.ask(&["watch", "export"])?;
    let sheet = file(cluster, "export.csv", &sheet)?;
    let replace = ["watch", "import", &sheet, "--replace", "--all", "-y"];
    let said = node.ask(&replace)?;
    ensure!(
        said.contains("nothing changes"),
        "an export says it all: {said}"
    );

    Ok(())
}

/// An address goes, and with it five of them; what is shown of that, and told.
fn five_go_and_come_back(cluster: &Cluster, watched: &Watched) -> Result<()> {
    let node = &cluster.nodes[0];
    // Those who follow hear of it, whichever node they ask.
    let here = follow(node, "events-1")?;
    let there = follow(&cluster.nodes[2], "events-3")?;
    watched.host.no_longer(address(7))?;
    wait::until_true("five are down", AGREES_WITHIN, || {
        let down: Result<Vec<WatchReport>> = node.report(&["watch", "list", "--down"]);
        down.is_ok_and(|down| {
            let mut names: Vec<&str> = down.iter().map(|watch| watch.name.as_str()).collect();
            names.sort_unstable();
            names == ["w35", "w36", "w37", "w38", "w39"]
        })
    })?;
    for follower in [&here, &there] {
        wait::until_true("the event is told", AGREES_WITHIN, || {
            let log = follower.log();
            let told = log
                .lines()
                .filter(|line| line.contains("\"subject\":\"w35\""));
            told.into_iter()
                .any(|line| line.contains("\"text\":\"down"))
        })?;
    }
    let shown = node.ask(&["watch", "list"])?;
    let first = shown.lines().nth(1).context("a line for each")?;
    ensure!(first.starts_with("w3"), "the worst first: {first}");
    ensure!(shown.contains("500: 495 up"), "{shown}");

    for node in &cluster.nodes {
        // The results are the leader's, which may be late for once.
        let detail = wait::until("what was found", AGREES_WITHIN, || {
            let detail: WatchDetail = node.report(&["watch", "show", "w35"]).ok()?;
            (detail.results.len() > 1).then_some(detail)
        })?;
        ensure!(detail.watch.health == Health::Down, "{detail:?}");
        ensure!(detail.results.len() <= 20, "{detail:?}");
        ensure!(detail.results[0].found != "well", "{detail:?}");
        ensure!(
            detail.results.iter().any(|one| one.found == "well"),
            "{detail:?}"
        );
        ensure!(
            detail.uptime[0].downs == 1 && detail.uptime[0].up_ms > 0,
            "{detail:?}"
        );
    }
    wait::until_true("it is told in words", AGREES_WITHIN, || {
        let text = node.ask(&["watch", "show", "w35"]);
        text.is_ok_and(|text| text.contains(", once; not watched "))
    })?;
    watched.host.also(address(7))?;
    wait::until_true("all are up again", AGREES_WITHIN, || {
        let down: Result<Vec<WatchReport>> = node.report(&["watch", "list", "--down"]);
        down.is_ok_and(|down| down.is_empty())
    })
}

/// Whoever follows goes on by the number it had, when the daemon it asks has gone and come back.
#[test]
fn whoever_follows_outlives_the_daemon() -> Result<()> {
    let mut cluster = without_vip()?;
    let follower = follow(&cluster.nodes[0], "events-1")?;
    let add = |name: &str, last: u8, node: &Node| {
        let at = Ipv4Addr::new(10, 0, 0, last).to_string();
        let args = [
            "watch", "add", name, &at, "--check", "tcp", "--port", "9", "-m", name,
        ];
        node.ask(&args)
    };
    let told = |word: &str| {
        let log = follower.log();
        log.lines().filter(|line| line.contains(word)).count()
    };
    add("one", 61, &cluster.nodes[0])?;
    wait::until_true("the first is told", AGREES_WITHIN, || told(": one: ") == 1)?;
    cluster.nodes[0].kill();
    cluster.leader()?;
    add("two", 62, &cluster.nodes[1])?;
    cluster.nodes[0].run()?;
    add("three", 63, &cluster.nodes[1])?;
    wait::until_true("both others are told", AGREES_WITHIN, || {
        told(": two: ") == 1 && told(": three: ") == 1
    })?;
    ensure!(
        told(": one: ") == 1,
        "and nothing twice: {}",
        follower.log()
    );

    let (code, said) = cluster.nodes[1].refused(&["watch", "remove", "four"])?;
    ensure!(
        code == 1 && said.contains("there is no such watch"),
        "{said}"
    );
    cluster.nodes[1].ask(&["watch", "set", "two", "--depends-on", "one"])?;
    let (_, said) = cluster.nodes[1].refused(&["watch", "remove", "one"])?;
    ensure!(
        said.contains("it stays while others depend on it: two"),
        "{said}"
    );
    cluster.nodes[1].ask(&["watch", "remove", "--all", "-y"])?;
    let none = cluster.nodes[1].ask(&["watch", "list"])?;
    ensure!(none.contains("no watches"), "{none}");
    wait::throughout("it goes on", Duration::from_secs(1), || {
        follower.is_running()
    })
}
