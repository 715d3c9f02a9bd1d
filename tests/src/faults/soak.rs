//! Load for an hour or longer, with a random fault each minute: what nodes use may not grow.
//!
//! ```text
//!   load ────────────────────────────────────────────────────────────▶ answered, failed
//!   minute: a row of the matrix, played ─ rest ─ sample: memory and descriptors of each node
//! ```

use std::fs;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use super::matrix;
use super::rows::{ROWS, Row};
use super::scene::Scene;
use crate::chance::Chance;
use crate::gap::Watch;
use crate::lab::node::Node;

/// A fault this often.
const MINUTE: Duration = Duration::from_secs(60);
/// Each of them connects two hundred times a second, beside the one that judges.
const LOADERS: usize = 3;
/// Takes longer than a minute.
const TOO_LONG: &str = "away";

/// What the nodes used at the end of a minute.
#[derive(Debug, Clone, Copy)]
pub struct Sample {
    /// Resident memory of all nodes, in KiB.
    pub memory: u64,
    /// Open descriptors of all nodes.
    pub descriptors: u64,
}

/// What came of it.
#[derive(Debug, Clone)]
pub struct Soaked {
    samples: Vec<Sample>,
    wrong: usize,
    answered: usize,
    failed: usize,
}

/// Plays so many minutes, drawn from `seed`; `tell` hears of each.
///
/// **Errors**: a fault could not be played, or the cluster did not recover.
pub fn soak(
    minutes: usize,
    seed: u64,
    silence_max: Duration,
    mut tell: impl FnMut(&str),
) -> Result<Soaked> {
    let mut chance = Chance::new(seed);
    let rows: Vec<&Row> = ROWS.iter().filter(|row| row.name != TOO_LONG).collect();
    let (mut scene, mut bell) = matrix::set()?;
    let client = scene.cluster.client.clone();
    let load = (0..LOADERS).map(|_| Watch::start(&client, scene.cluster.front()));
    let load: Vec<Watch> = load.collect();
    let mut soaked = Soaked {
        samples: Vec::new(),
        wrong: 0,
        answered: 0,
        failed: 0,
    };
    for minute in 1..=minutes {
        let begun = Instant::now();
        let row = chance.pick(&rows);
        let outcome = matrix::play(&mut scene, &mut bell, row)
            .with_context(|| format!("minute {minute}, {}", row.name))?;
        let complaints = outcome.complaints(silence_max);
        soaked.wrong += usize::from(!complaints.is_empty());
        scene.pass(MINUTE.saturating_sub(begun.elapsed()));
        let sample = sample(&scene)?;
        soaked.samples.push(sample);
        tell(&format!(
            "{minute}/{minutes} {} memory_kib={} descriptors={} {}",
            outcome.line(),
            sample.memory,
            sample.descriptors,
            complaints.join("; ")
        ));
    }
    for one in load {
        let seen = one.stop()?;
        soaked.answered += seen.answered;
        soaked.failed += seen.failed;
    }
    Ok(soaked)
}

fn sample(scene: &Scene) -> Result<Sample> {
    let mut all = Sample {
        memory: 0,
        descriptors: 0,
    };
    for node in &scene.cluster.nodes {
        let (memory, descriptors) = used(node)?;
        all.memory += memory;
        all.descriptors += descriptors;
    }
    Ok(all)
}

/// Memory in KiB, and descriptors.
fn used(node: &Node) -> Result<(u64, u64)> {
    let process = format!("/proc/{}", node.process()?.id());
    let status = fs::read_to_string(format!("{process}/status"))?;
    let memory = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let memory = memory.and_then(|line| line.split_ascii_whitespace().next());
    let memory = memory.context("its memory")?.parse()?;
    let open = fs::read_dir(format!("{process}/fd"))?.count();
    Ok((memory, u64::try_from(open)?))
}

impl Soaked {
    /// Minutes that were not as promised.
    pub fn wrong(&self) -> usize {
        self.wrong
    }

    /// By how much memory grew, as a part of what it was, and how many descriptors were added:
    /// medians of the second fifth and of the last, as the first warms up.
    pub fn growth(&self) -> (f64, i64) {
        let of = |share: usize, what: fn(&Sample) -> u64| {
            let count = self.samples.len();
            let part = self.samples.get(count * share / 5..count * (share + 1) / 5);
            let mut part: Vec<u64> = part.unwrap_or_default().iter().map(what).collect();
            part.sort_unstable();
            part.get(part.len() / 2).copied().unwrap_or_default()
        };
        let as_float = |number: u64| u32::try_from(number).map_or(f64::INFINITY, f64::from);
        let (before, after) = (of(1, |s| s.memory), of(4, |s| s.memory));
        let memory = as_float(after) / as_float(before.max(1)) - 1.0;
        let (before, after) = (of(1, |s| s.descriptors), of(4, |s| s.descriptors));
        (memory, after.cast_signed() - before.cast_signed())
    }

    /// The last line.
    pub fn line(&self) -> String {
        let (memory, descriptors) = self.growth();
        format!(
            "minutes={} wrong={} answered={} failed={} memory_growth={:.1}% \
             descriptors={descriptors}",
            self.samples.len(),
            self.wrong,
            self.answered,
            self.failed,
            100.0 * memory,
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn growth_is_between_the_second_fifth_and_the_last() {
        let used = |memory, descriptors| Sample {
            memory,
            descriptors,
        };
        let samples = [50, 100, 100, 100, 110].map(|memory| used(memory, 2 * memory));
        let soaked = Soaked {
            samples: samples.to_vec(),
            wrong: 0,
            answered: 0,
            failed: 0,
        };
        let (memory, descriptors) = soaked.growth();
        assert!((memory - 0.1).abs() < 1e-9, "{memory}");
        assert_eq!(descriptors, 20);
    }
}
