//! Thousands of clients that are slow on purpose, and what becomes of the others:
//! `tests/bench.sh slow`.
//!
//! ```text
//!   host slow   ── slowhttptest, 4,000 connections ──┐
//!   host client ── normal: kept connections, new ones ┴─▶ VIP farmux (a node) ──▶ s1 nginx
//!                                                      └─▶ HAProxy ─────────────▶    the same
//! ```
//!
//! HAProxy comes second, with the same server and the same clients.
//!
//! The normal clients ask at a steady pace, so that their waiting times say how soon they are
//! served, and not how fast this machine is.
//!
//! Attackers have thousands of machines; slowhttptest is one process. It sends a drop for all its
//! clients in one instant every few seconds, which thousands of machines would not, and spends the
//! rest of its time going through them. So everything runs on one processor, where slowhttptest is
//! in the idle class: it sends the next drop as soon as whatever the last one set off is done, and
//! its own work is in nobody's way.

#![expect(clippy::print_stdout, reason = "a bench prints its rows")]

mod normal;

use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use farmux_tests::lab::cluster::{Cluster, shop};
use farmux_tests::lab::haproxy::HaProxy;
use farmux_tests::lab::nginx::Nginx;
use farmux_tests::lab::process::{Process, run};
use farmux_tests::lab::{Host, server_address};
use normal::Waits;
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

/// As many as the issue names.
const CLIENTS: usize = 4_000;
/// How long normal clients are looked at, each time.
const SPAN: Duration = Duration::from_secs(15);
/// Before that: pools fill, and memory that is used once is used again.
const WARM_UP: Duration = Duration::from_secs(2);
/// Until all slow clients are connected.
const CONNECTED_WITHIN: Duration = Duration::from_secs(12);
/// By when memory has to be back.
const BACK_WITHIN: Duration = Duration::from_secs(60);
/// A host of its own for the slow clients: their work is not on the others' way.
const SLOW: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 201);
/// HAProxy's.
const PEER: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 202);

/// The promises: waiting times at most double, and memory comes back.
const WAITS_GOAL: f64 = 2.0;
const MEMORY_GOAL: f64 = 1.1;

/// How a client is slow, as slowhttptest calls it.
#[derive(Debug, Clone, Copy)]
enum Way {
    /// A head that never ends, a field every few seconds.
    Headers,
    /// A body that drips in.
    Body,
    /// An answer that is read a few bytes at a time.
    Read,
}

impl Way {
    fn of(word: &str) -> Option<Way> {
        match word {
            "headers" => Some(Way::Headers),
            "body" => Some(Way::Body),
            "read" => Some(Way::Read),
            _ => None,
        }
    }

    fn word(self) -> &'static str {
        match self {
            Way::Headers => "slow-headers",
            Way::Body => "slow-body",
            Way::Read => "slow-read",
        }
    }

    fn options(self) -> &'static [&'static str] {
        match self {
            Way::Headers => &["-H", "-i", "4"],
            Way::Body => &["-B", "-i", "4", "-s", "8192", "-t", "POST"],
            Way::Read => &["-X", "-w", "1", "-y", "8", "-n", "4", "-z", "8", "-k", "1"],
        }
    }
}

fn main() -> Result<()> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let way = words
        .first()
        .map_or(Some(Way::Headers), |word| Way::of(word));
    let clients = words.get(1).map_or(Ok(CLIENTS), |word| word.parse());
    let (Some(way), Ok(clients), ..=2) = (way, clients, words.len()) else {
        bail!("usage: slow [headers|body|read [CLIENTS]]");
    };
    on_one_processor()?;
    let cluster = Cluster::form(1)?;
    let server = Nginx::start(&cluster.lab, 1)?;
    // Large enough that no socket buffer takes it whole from a client that does not read.
    std::fs::write(server.folder().join("large"), vec![b'x'; 4 << 20])?;
    cluster.nodes[0].apply(&shop(&[1]))?;
    cluster.owner()?;
    cluster.wait_for_service()?;
    let haproxy = HaProxy::start(&cluster.lab, PEER, server_address(1))?;
    let slow = cluster.lab.host("slow", SLOW)?;
    let stage = Stage {
        client: &cluster.client,
        slow: &slow,
        way,
        clients,
    };
    let farmux = Balancer {
        name: "farmux",
        front: cluster.front(),
        host: cluster.nodes[0].host(),
        process: cluster.nodes[0].process()?,
    };
    let peer = Balancer {
        name: "haproxy",
        front: haproxy.front(),
        host: haproxy.host(),
        process: haproxy.process(),
    };
    let good = bench(&stage, &farmux)?;
    bench(&stage, &peer)?;
    println!("goals {}", if good { "hold" } else { "MISSED" });
    Ok(())
}

/// Who is slow, and how, and who is not.
struct Stage<'a> {
    client: &'a Host,
    slow: &'a Host,
    way: Way,
    clients: usize,
}

/// Who answers.
struct Balancer<'a> {
    name: &'static str,
    front: SocketAddr,
    host: &'a Host,
    process: &'a Process,
}

/// Lets this process, and all that it starts, run on one processor only.
fn on_one_processor() -> Result<()> {
    let may = sched_getaffinity(None)?;
    let one = (0..CpuSet::MAX_CPU).find(|cpu| may.is_set(*cpu));
    let mut only = CpuSet::new();
    only.set(one.context("a processor to run on")?);
    sched_setaffinity(None, &only).context("run on one processor")
}

/// Measures one balancer; whether the goals hold for it.
fn bench(stage: &Stage<'_>, balancer: &Balancer<'_>) -> Result<bool> {
    let &Balancer { front, process, .. } = balancer;
    let waits = |span| normal::waits(stage.client, front, span);
    waits(WARM_UP)?;
    let rest = waits(SPAN)?;
    let memory_before = process.resident_bytes()?;
    let mut attack = attack(stage, front)?;
    let most = until_connected(balancer, &attack, stage.clients)?;
    let attacked = waits(SPAN)?;
    let (held, memory_during) = (connections(balancer)?, process.resident_bytes()?);
    attack.kill();
    stage.slow.crash();
    let ended = Instant::now();
    let memory_after = until_back(process, memory_before)?;

    let name = format!("{}-{}", balancer.name, stage.way.word());
    let mut good = true;
    good &= row(&format!("{name}-kept"), &rest.kept, &attacked.kept)?;
    good &= row(&format!("{name}-new"), &rest.new, &attacked.new)?;
    let mb = |bytes: u64| bytes as f64 / 1e6;
    let ratio = memory_after as f64 / memory_before as f64;
    println!(
        "{name}-memory before_mb={:.1} during_mb={:.1} after_mb={:.1} after_s={} ratio={ratio:.2} \
         goal<={MEMORY_GOAL}",
        mb(memory_before),
        mb(memory_during),
        mb(memory_after),
        ended.elapsed().as_secs(),
    );
    let asked = stage.clients;
    println!("{name}-clients asked={asked} connected={most} held={held}");
    good &= ratio <= MEMORY_GOAL;
    // With fewer it would be another test.
    good &= most * 100 >= asked * 95;
    Ok(good)
}

fn row(name: &str, rest: &Waits, attacked: &Waits) -> Result<bool> {
    ensure!(rest.failed == 0, "failed before it began: {:?}", rest.why);
    let ms = |waits: &Waits, percent| waits.within(percent).as_secs_f64() * 1e3;
    let ratio = ms(attacked, 99) / ms(rest, 99);
    println!(
        "{name} rest_p50_ms={:.2} rest_p99_ms={:.2} p50_ms={:.2} p99_ms={:.2} ratio={ratio:.2} \
         requests={} failed={} goal<={WAITS_GOAL}",
        ms(rest, 50),
        ms(rest, 99),
        ms(attacked, 50),
        ms(attacked, 99),
        attacked.took.len(),
        attacked.failed,
    );
    if let Some(why) = &attacked.why {
        println!("note: the first that failed: {why}");
    }
    Ok(ratio <= WAITS_GOAL && attacked.failed == 0)
}

/// Starts slowhttptest; it ends with its process.
fn attack(stage: &Stage<'_>, front: SocketAddr) -> Result<Process> {
    let &Stage {
        slow: from,
        way,
        clients,
        ..
    } = stage;
    let path = match way {
        Way::Read => "large",
        // An answer before the body is there would end it.
        Way::Body => "upload",
        Way::Headers => "",
    };
    let mut command = from.command("sh");
    // Each client is a descriptor of its own.
    let files = clients * 2 + 1_000;
    let run = format!("ulimit -n {files} && exec chrt --idle 0 slowhttptest \"$@\"");
    command.args(["-c", &run, "slowhttptest", "-l", "45", "-p", "5"]);
    command.args(["-c", &clients.to_string(), "-r", "1000"]);
    command.args(way.options());
    command.args(["-u", &format!("http://{front}/{path}")]);
    from.spawn("slowhttptest", command)
}

/// Waits until nearly all are connected, or no more come; how many that were.
fn until_connected(to: &Balancer<'_>, attack: &Process, clients: usize) -> Result<usize> {
    let (begun, mut most) = (Instant::now(), 0);
    while most < clients * 95 / 100 && begun.elapsed() < CONNECTED_WITHIN {
        ensure!(attack.is_running(), "slowhttptest ended: {}", attack.log());
        std::thread::sleep(Duration::from_millis(250));
        most = most.max(connections(to)?);
    }
    ensure!(
        most > 0,
        "slowhttptest connects to nothing: {}",
        attack.log()
    );
    Ok(most)
}

/// Connections of clients.
fn connections(to: &Balancer<'_>) -> Result<usize> {
    let mut command = to.host.command("ss");
    let front = to.front.to_string();
    command.args(["-Htn", "state", "established", "src", &front]);
    Ok(run(&mut command)
        .context("ss, of iproute2")?
        .lines()
        .count())
}

/// Waits until memory is back, and says what it is then, or when the time is over.
fn until_back(daemon: &Process, before: u64) -> Result<u64> {
    let begun = Instant::now();
    loop {
        let now = daemon.resident_bytes()?;
        if now as f64 <= before as f64 * MEMORY_GOAL || begun.elapsed() >= BACK_WITHIN {
            return Ok(now);
        }
        std::thread::sleep(Duration::from_secs(1));
    }
}
