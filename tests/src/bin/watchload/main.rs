//! What it costs to watch 5,000 servers once a second: `tests/bench.sh watch`.
//!
//! ```text
//!   host lb1 ── farmux, a node without a VIP ──┐
//!            ── bare, connects and no more ────┼──▶ 10.77.x.y:80   one listener, in a process of
//!               (in turns)                     └──▶ 10.77.x.y:81   its own; 81 hangs
//! ```
//!
//! All of it on one machine: a probe costs what the kernel takes for both ends of a connection,
//! whoever probes, and the ratio says what is farmux's own.

#![expect(clippy::print_stdout, reason = "a bench prints its rows")]

mod answer;
mod bare;
mod daemon;
mod told;

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use farmux_netplane::probe::Lag;
use farmux_tests::lab::Lab;
use farmux_tests::lab::node::Node;
use farmux_tests::lab::process::run;
use farmux_tests::lab::wait;

/// As many as are promised.
const WATCHES: usize = 5_000;
/// One in a hundred.
const HANGING: usize = WATCHES / 100;
/// Where targets answer.
const PORT: u16 = 80;
/// Where they do not.
const HANGING_PORT: u16 = 81;
/// Enough for a median.
const ROUNDS: usize = 3;
/// How long each of them is looked at.
const SECONDS: u64 = 10;
/// First probes, first verdicts and their report to the log; hanging ones fall within.
const SETTLES_WITHIN: Duration = Duration::from_secs(8);

/// The promises.
const RATIO_GOAL: f64 = 1.3;
const LAG_GOAL: Duration = Duration::from_millis(100);
const MEMORY_GOAL_MB: f64 = 150.0;

fn main() -> Result<()> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match words[..] {
        ["answer"] => answer::run(),
        ["bare", hanging, seconds] => {
            let span = Duration::from_secs(seconds.parse().context("SECONDS")?);
            let made = bare::run(WATCHES, hanging.parse().context("HANGING")?, span)?;
            println!("{} {} {}", made.probes, made.passed, made.cpu.as_nanos());
            Ok(())
        }
        ["told"] => verdict(told::bench(told::FAILURES)?),
        ["told", failures] => verdict(told::bench(failures.parse().context("FAILURES")?)?),
        [] => bench(Duration::from_secs(SECONDS)),
        [seconds] => bench(Duration::from_secs(seconds.parse().context("SECONDS")?)),
        _ => bail!("usage: watchload [SECONDS] | told [FAILURES]"),
    }
}

/// The n-th target: the first `well` answer, the others hang.
fn target(number: usize, well: usize) -> SocketAddr {
    let port = if number < well { PORT } else { HANGING_PORT };
    let byte = |value: usize| u8::try_from(value % 250 + 1).unwrap_or(1);
    SocketAddr::from((
        Ipv4Addr::new(10, 77, byte(number / 250), byte(number)),
        port,
    ))
}

fn bench(span: Duration) -> Result<()> {
    let lab = Lab::new()?;
    let mut node = daemon::form(&lab)?;
    // Every address of the network is this host's own.
    let local = ["route", "add", "local", "10.77.0.0/16", "dev", "lo"];
    run(node.host().command("ip").args(local))?;
    // Also where this machine is busy, a connection shall not wait for whoever accepts it.
    let queue = format!("echo {} >/proc/sys/net/core/somaxconn", answer::BACKLOG);
    run(node.host().command("sh").args(["-c", &queue]))?;
    let mut answering = node.host().command(std::env::current_exe()?);
    answering.arg("answer");
    let _answering = node.host().spawn("answer", answering)?;

    let mut good = true;
    for (name, hanging) in [("watch", 0), ("watch-hanging", HANGING)] {
        if !node.is_running() {
            node.run()?;
            wait::until_true("it leads", SETTLES_WITHIN, || {
                let status = node.status().ok().and_then(|status| status.cluster);
                status.is_some_and(|cluster| cluster.leader.is_some())
            })?;
        }
        node.apply(&daemon::watches(WATCHES, hanging))?;
        node.stop()?;
        good &= rows(name, &mut node, hanging, span)?;
    }
    verdict(good)
}

fn verdict(good: bool) -> Result<()> {
    println!("goals {}", if good { "hold" } else { "MISSED" });
    Ok(())
}

/// One round of the daemon.
struct Round {
    us_per_probe: f64,
    rate: f64,
    megabytes: f64,
    descriptors: usize,
    time_waits: u64,
    lag: Lag,
}

/// Measures in turns, and prints; whether the promises hold.
fn rows(name: &str, node: &mut Node, hanging: usize, span: Duration) -> Result<bool> {
    let (mut bares, mut rounds) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        bares.push(bare_round(node, hanging, span)?);
        rounds.push(round(node, span)?);
    }
    let bare = median(bares);
    let of = |value: fn(&Round) -> f64| median(rounds.iter().map(value).collect());
    let (own, rate) = (of(|round| round.us_per_probe), of(|round| round.rate));
    let ratio = own / bare;
    println!(
        "{name}-cpu farmux_us={own:.1} bare_us={bare:.1} ratio={ratio:.2} probes_per_s={rate:.0} \
         watches={WATCHES} hanging={hanging} rounds={ROUNDS} goal_ratio<={RATIO_GOAL}"
    );
    let mut lag = Lag::default();
    for round in &rounds {
        for (count, more) in lag.counts.iter_mut().zip(round.lag.counts) {
            *count += more;
        }
        lag.sum += round.lag.sum;
    }
    let within = |part, whole| match lag.within(part, whole) {
        Some(step) => format!("<={}", step.as_millis()),
        None => ">1000".to_owned(),
    };
    println!(
        "{name}-lag p50_ms{} p99_ms{} max_ms{} probes={} goal_p99_ms<={}",
        within(1, 2),
        within(99, 100),
        within(1, 1),
        lag.count(),
        LAG_GOAL.as_millis()
    );
    let megabytes = of(|round| round.megabytes);
    println!("{name}-memory rss_mb={megabytes:.1} goal_mb<={MEMORY_GOAL_MB:.0}");
    let descriptors = rounds.iter().map(|round| round.descriptors).max();
    let descriptors = descriptors.unwrap_or_default();
    let time_waits = rounds.iter().map(|round| round.time_waits).max();
    let time_waits = time_waits.unwrap_or_default();
    println!("{name}-sockets time_wait={time_waits} descriptors={descriptors}");
    let punctual = lag.within(99, 100).is_some_and(|step| step <= LAG_GOAL);
    Ok(ratio <= RATIO_GOAL && punctual && megabytes <= MEMORY_GOAL_MB)
}

/// Microseconds of CPU time a probe of the bare prober.
fn bare_round(node: &Node, hanging: usize, span: Duration) -> Result<f64> {
    let mut command = node.host().command(std::env::current_exe()?);
    command.args(["bare", &hanging.to_string(), &span.as_secs().to_string()]);
    let said = run(&mut command)?;
    let numbers: Vec<f64> = said
        .split_whitespace()
        .filter_map(|word| word.parse().ok())
        .collect();
    let [probes, passed, cpu_ns] = numbers[..] else {
        bail!("bare said {said:?}");
    };
    if passed < probes * (WATCHES - hanging) as f64 / WATCHES as f64 * 0.98 {
        println!("note: of {probes} bare probes {passed} passed");
    }
    Ok(cpu_ns / 1000.0 / probes)
}

/// A fresh daemon, which goes on from its log.
fn round(node: &mut Node, span: Duration) -> Result<Round> {
    node.run()?;
    std::thread::sleep(SETTLES_WITHIN);
    let before = daemon::read(node)?;
    std::thread::sleep(span);
    let after = daemon::read(node)?;
    let probes = (after.probes - before.probes) as f64;
    let cpu = after.cpu.saturating_sub(before.cpu);
    let round = Round {
        us_per_probe: cpu.as_secs_f64() * 1e6 / probes,
        rate: probes / span.as_secs_f64(),
        megabytes: node.process()?.resident_bytes()? as f64 / 1e6,
        descriptors: daemon::descriptors(node)?,
        time_waits: daemon::time_waits(node.host())?,
        lag: daemon::between(&before.lag, &after.lag),
    };
    node.stop()?;
    Ok(round)
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or_default()
}
