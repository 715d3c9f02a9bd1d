//! The farmux node of the bench: one machine without a VIP, that watches.

use std::fs;
use std::time::Duration;

use anyhow::{Context, Result};
use farmux_netplane::probe::Lag;
use farmux_tests::lab::network::Host;
use farmux_tests::lab::node::Node;
use farmux_tests::lab::{Lab, node_address};

use crate::target;

/// What the daemon did and used, up to now.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Reading {
    /// Probes started.
    pub(crate) probes: u64,
    /// How late.
    pub(crate) lag: Lag,
    /// CPU time of all its threads.
    pub(crate) cpu: Duration,
}

/// A cluster of one node, without a VIP.
///
/// **Errors**: it does not start.
pub(crate) fn form(lab: &Lab) -> Result<Node> {
    let node = Node::start(lab, "lb1", node_address(1))?;
    node.ask(&["cluster", "init", "--name", "bench"])?;
    Ok(node)
}

/// A configuration of `count` watches, the last `hanging` of which hang.
pub(crate) fn watches(count: usize, hanging: usize) -> String {
    let mut toml = String::new();
    for number in 0..count {
        let at = target(number, count - hanging);
        toml.push_str(&format!(
            "[[watch]]\nname = \"w{number}\"\naddress = \"{}\"\nport = {}\n\
             check = {{ kind = \"tcp\", interval = \"1s\" }}\n",
            at.ip(),
            at.port()
        ));
    }
    toml
}

/// Reads what it says of itself and what the kernel says of it.
///
/// **Errors**: it does not answer.
pub(crate) fn read(node: &Node) -> Result<Reading> {
    let text = node.metrics()?;
    let number = |name: &str| -> Result<f64> {
        let line = text.lines().find_map(|line| line.strip_prefix(name));
        let value = line.with_context(|| format!("no {name} in the metrics"))?;
        value.trim().parse().with_context(|| value.to_owned())
    };
    let mut lag = Lag::default();
    let mut before = 0;
    for (place, count) in lag.counts.iter_mut().enumerate() {
        let bound = match Lag::STEPS_MS.get(place) {
            Some(step) => format!("{:?}", Duration::from_millis(*step).as_secs_f64()),
            None => "+Inf".to_owned(),
        };
        let all = whole(number(&format!(
            "farmux_probe_lag_seconds_bucket{{le=\"{bound}\"}}"
        ))?);
        *count = all - before;
        before = all;
    }
    lag.sum = Duration::from_secs_f64(number("farmux_probe_lag_seconds_sum")?);
    Ok(Reading {
        probes: whole(number("farmux_probes_started_total")?),
        lag,
        cpu: cpu(node)?,
    })
}

/// What was started between two readings, by how late.
pub(crate) fn between(before: &Lag, after: &Lag) -> Lag {
    let mut lag = *after;
    for (count, old) in lag.counts.iter_mut().zip(before.counts) {
        *count -= old;
    }
    lag.sum = lag.sum.saturating_sub(before.sum);
    lag
}

/// Counters are whole numbers, far below 2^53.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a counter is a small whole number"
)]
fn whole(value: f64) -> u64 {
    value as u64
}

/// User and system time of the whole process (`proc(5)`, stat: fields 14 and 15, 10 ms each).
fn cpu(node: &Node) -> Result<Duration> {
    let path = format!("/proc/{}/stat", node.process()?.id());
    let text = fs::read_to_string(&path).with_context(|| path.clone())?;
    let (_, after_name) = text.rsplit_once(") ").with_context(|| path.clone())?;
    let ticks = after_name.split_whitespace().skip(11).take(2);
    let ticks: u64 = ticks.filter_map(|field| field.parse::<u64>().ok()).sum();
    Ok(Duration::from_millis(ticks * 10))
}

/// Descriptors that are open in it.
///
/// **Errors**: it has ended.
pub(crate) fn descriptors(node: &Node) -> Result<usize> {
    let path = format!("/proc/{}/fd", node.process()?.id());
    Ok(fs::read_dir(&path).context(path)?.count())
}

/// Connections of a host that wait out `TIME_WAIT`.
///
/// **Errors**: the host is gone.
pub(crate) fn time_waits(host: &Host) -> Result<u64> {
    let text = farmux_tests::lab::process::run(host.command("cat").arg("/proc/net/sockstat"))?;
    let line = text.lines().find(|line| line.starts_with("TCP:"));
    let mut words = line.into_iter().flat_map(str::split_whitespace);
    let found = words.find(|word| *word == "tw").and_then(|_| words.next());
    found
        .and_then(|count| count.parse().ok())
        .context("no tw in sockstat")
}
