//! From a failure to the relay's `250`, with 5,000 watched: `watchload told [FAILURES]`.
//!
//! ```text
//!   lb1, lb2, lb3 ── three nodes; the leader probes ──▶ host targets: 10.77.x.y:80, one listener
//!        └── mail ──▶ host mail: the relay                 ▲ one by one gone, for good
//! ```
//!
//! Each failure is one address that from then on refuses, as a server whose process ended does, or
//! is silent, as a machine without power; the clock starts before that. Silence costs a timeout
//! (1 s here, as long as the interval) more, before any prober can tell. The second opinion of
//! another node is part of the way. Each page is a message of its own here (`storm = "0s"`):
//! gathering would hide the way.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use anyhow::Result;
use farmux_node::api::types::WatchReport;
use farmux_raft::state::Health;
use farmux_tests::lab::cluster::Cluster;
use farmux_tests::lab::network::Host;
use farmux_tests::lab::node::Node;
use farmux_tests::lab::post::relay::{Relay, Taken};
use farmux_tests::lab::process::run;
use farmux_tests::lab::{RELAY, wait};

use crate::{WATCHES, answer, daemon, target};

/// Enough for a p99 that is not the worst of all.
pub(crate) const FAILURES: usize = 300;
/// How a target fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Failure {
    /// The kernel resets every connection.
    Refused,
    /// Nothing comes back.
    Silent,
}

impl Failure {
    /// The name of the set of addresses that fail so, and of the row.
    fn word(self) -> &'static str {
        match self {
            Failure::Refused => "refused",
            Failure::Silent => "silent",
        }
    }

    /// Fall times interval, and a second; where nothing comes back, the timeout of the last probe.
    fn goal(self) -> Duration {
        match self {
            Failure::Refused => Duration::from_secs(4),
            Failure::Silent => Duration::from_secs(5),
        }
    }
}

/// Sets of addresses, and what becomes of connections to them.
const RULES: &str = "table ip told {
  set refused { type ipv4_addr; }
  set silent { type ipv4_addr; }
  chain input {
    type filter hook input priority 0;
    ip daddr @refused reject with tcp reset
    ip daddr @silent drop
  }
}";
/// No multiple or part of the interval: failures fall into every phase of it.
const PAUSE: Duration = Duration::from_millis(237);
/// Where the targets are.
const TARGETS: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 60);
/// Five thousand first verdicts, reported to the log of three nodes.
const UP_WITHIN: Duration = Duration::from_secs(60);
/// A page that is later than this is counted as missed.
const TOLD_WITHIN: Duration = Duration::from_secs(30);

/// Measures, and prints a row of each kind of failure; whether the promises hold.
///
/// **Errors**: a step of it failed.
pub(crate) fn bench(failures: usize) -> Result<bool> {
    let cluster = Cluster::form_watching(3)?;
    let targets = cluster.lab.host("targets", TARGETS)?;
    let _answering = stand(&targets)?;
    for node in &cluster.nodes {
        let way = ["route", "replace", "10.77.0.0/16", "via"];
        run(node.host().command("ip").args(way).arg(TARGETS.to_string()))?;
    }
    let mail = cluster.lab.host("mail", RELAY)?;
    let relay = Relay::start(Some(&mail), (RELAY, 25).into())?;
    let node = cluster.any()?;
    node.apply(&format!(
        "[paging]\nstorm = \"0s\"\n[[contact]]\nname = \"ops\"\n\
         mail = {{ to = [\"ops@example.com\"], relay = \"smtp://{RELAY}:25\" }}\n{}",
        daemon::watches(WATCHES, 0)
    ))?;
    wait::until_true("every watch is up", UP_WITHIN, || all_up(node))?;

    let mut good = true;
    for (offset, kind) in [Failure::Refused, Failure::Silent].into_iter().enumerate() {
        let known = relay.count();
        let mut failed = Vec::new();
        for number in 0..failures {
            let place = number * (WATCHES / failures.max(1)) + offset;
            failed.push((place, Instant::now()));
            fail(&targets, kind, target(place, WATCHES))?;
            let due = failed.len();
            let told = || relay.count() - known <= due;
            wait::throughout("no more pages than failures", PAUSE, told)?;
        }
        // What is not there by then is counted below.
        let told = || relay.count() >= known + failures;
        let _ = wait::until_true("every page", TOLD_WITHIN, told);
        good &= row(kind, &failed, &relay.taken_after(known));
    }
    Ok(good)
}

/// Takes connections at every address of the network.
fn stand(targets: &Host) -> Result<farmux_tests::lab::process::Process> {
    let local = ["route", "add", "local", "10.77.0.0/16", "dev", "lo"];
    run(targets.command("ip").args(local))?;
    let queue = format!("echo {} >/proc/sys/net/core/somaxconn", answer::BACKLOG);
    run(targets.command("sh").args(["-c", &queue]))?;
    run(targets.command("nft").arg(RULES))?;
    let mut answering = targets.command(std::env::current_exe()?);
    answering.arg("answer");
    targets.spawn("answer", answering)
}

fn all_up(node: &Node) -> bool {
    let listed: Vec<WatchReport> = node.report(&["watch", "list"]).unwrap_or_default();
    let up = listed.iter().filter(|watch| watch.health == Health::Up);
    up.count() == WATCHES
}

fn fail(targets: &Host, kind: Failure, target: SocketAddr) -> Result<()> {
    let element = format!("add element ip told {} {{ {} }}", kind.word(), target.ip());
    run(targets.command("nft").arg(element))?;
    Ok(())
}

/// Prints how long each page took.
#[expect(clippy::print_stdout, reason = "a bench prints its rows")]
fn row(kind: Failure, failed: &[(usize, Instant)], taken: &[Taken]) -> bool {
    let took = |(place, at): &(usize, Instant)| {
        let name = format!("w{place}:");
        let mail = taken.iter().find(|mail| is_down(mail, &name))?;
        Some(mail.at.saturating_duration_since(*at))
    };
    let mut took: Vec<Duration> = failed.iter().filter_map(took).collect();
    took.sort();
    let missed = failed.len() - took.len();
    let at = |part: usize| {
        let place = (took.len() * part).div_ceil(100).saturating_sub(1);
        took.get(place).copied().unwrap_or_default()
    };
    println!(
        "watch-told-{} p50_ms={} p99_ms={} max_ms={} failures={} missed={missed} watches={WATCHES} \
         goal_p99_ms<={}",
        kind.word(),
        at(50).as_millis(),
        at(99).as_millis(),
        at(100).as_millis(),
        failed.len(),
        kind.goal().as_millis()
    );
    missed == 0 && at(99) <= kind.goal()
}

/// Whether a mail's subject says that this one is down.
fn is_down(mail: &Taken, name: &str) -> bool {
    let text = String::from_utf8_lossy(&mail.raw);
    let subject = text.lines().find(|line| line.starts_with("Subject: "));
    subject.is_some_and(|line| {
        line.contains("[DOWN]") && line.split_whitespace().any(|word| word == name)
    })
}
