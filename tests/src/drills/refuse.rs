//! What drills must not do: pass in spite of their bound, go on in spite of a lock, begin where it
//! is not safe.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use farmux_node::api::types::{DrillPhase, DrillVerdict};

use super::drill::Drill;
use super::play::OVER_WITHIN;
use super::site::Site;
use crate::lab::{VIP, wait};

/// **Source**: issue 7: `lock` stops a running one within 1 s.
const STOPS_WITHIN: Duration = Duration::from_secs(1);

/// A mail comes within seconds; a busy machine gets more.
const PAGED_WITHIN: Duration = Duration::from_secs(30);

/// All of them, by name.
pub fn all(site: &Site) -> Vec<(&'static str, Result<()>)> {
    vec![
        ("bound", bound(site)),
        ("lock", lock(site)),
        ("quorum-loss-of-three", majority(site)),
    ]
}

/// A drill that may cost 1 ms fails: it exits with 7, says why, and is paged.
///
/// **Errors**: it is not so.
pub fn bound(site: &Site) -> Result<()> {
    let drill = Drill::start(site.cluster.any()?, "owner-crash", &["--bound", "1"])?;
    let ended = drill.end(OVER_WITHIN)?;
    ensure!(
        ended.exit == Some(7),
        "exit {:?}: {}",
        ended.exit,
        ended.said
    );
    let run = ended.run.context("a verdict")?;
    ensure!(run.verdict == DrillVerdict::Fail, "{run:?}");
    ensure!(!run.reasons.is_empty(), "{run:?}");
    site.mail.wait_for("drill owner-crash", PAGED_WITHIN)?;
    site.wait_until_well()
}

/// Locked in the middle, a drill stops within a second, its failure with it, and none begins before
/// it is unlocked. A node that is severed or stopped hears no order: its own timer ends that.
///
/// **Errors**: it is not so.
pub fn lock(site: &Site) -> Result<()> {
    let node = site.cluster.any()?;
    let mut drill = Drill::start(node, "server-slow", &["--target", "shop/s1"])?;
    drill.until(&[DrillPhase::Measuring], OVER_WITHIN)?;
    let locked = Instant::now();
    node.ask(&["drill", "lock", "-m", "the auditors are here"])?;
    drill.until(&[DrillPhase::Undoing, DrillPhase::Verifying], OVER_WITHIN)?;
    let stopped = locked.elapsed();
    let ended = drill.end(OVER_WITHIN)?;
    ensure!(
        ended.exit == Some(1),
        "exit {:?}: {}",
        ended.exit,
        ended.said
    );
    let (code, why) = node.refused(&["drill", "run", "vip-move", "--yes"])?;
    ensure!(
        code == 1 && why.contains("the auditors are here"),
        "{code}: {why}"
    );
    node.ask(&["drill", "unlock"])?;
    ensure!(
        stopped <= STOPS_WITHIN,
        "it stopped {stopped:?} after the lock"
    );
    site.wait_until_well()
}

/// Where the other nodes keep a majority, nobody loses it: the drill is another one.
///
/// **Errors**: it is not so.
pub fn majority(site: &Site) -> Result<()> {
    let node = site.cluster.any()?;
    let (code, why) = node.refused(&["drill", "run", "quorum-loss", "--yes", "--force", "prod"])?;
    ensure!(code == 1 && why.contains("node-isolate"), "{code}: {why}");
    wait::throughout("nobody was cut off", STOPS_WITHIN, || {
        let nodes = site.cluster.nodes.iter();
        nodes.filter(|node| node.host().holds(VIP)).count() == 1
    })
}
