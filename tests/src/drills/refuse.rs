//! What drills must not do: pass in spite of their bound, go on in spite of a lock or Ctrl-C, last
//! for ever where their guard is killed.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use farmux_node::api::types::{DrillPhase, DrillVerdict};

use super::drill::Drill;
use super::kills::{SPARE, hit, timer};
use super::play::OVER_WITHIN;
use super::site::{Site, daemons, is_severed, kill_guard};
use crate::lab::{Host, wait};

/// **Source**: issue 7: `lock` stops a running one within 1 s.
pub const STOPS_WITHIN: Duration = Duration::from_secs(1);

/// A mail comes within seconds; a busy machine gets more.
const PAGED_WITHIN: Duration = Duration::from_secs(30);

/// One of them; the time is how soon a drill must stop.
pub type Guard = fn(&Site, Duration) -> Result<()>;

/// All of them, by name.
pub const GUARDS: [(&str, Guard); 7] = [
    ("bound", bound),
    ("lock", lock),
    ("lock-isolated", |site, limit| {
        lock_unheard(site, limit, "node-isolate", is_healed)
    }),
    ("lock-crashed", |site, limit| {
        lock_unheard(site, limit, "owner-crash", goes_on)
    }),
    ("lock-paused", |site, limit| {
        lock_unheard(site, limit, "owner-pause", goes_on)
    }),
    ("guard-killed", guard_killed),
    ("interrupt", interrupt),
];

/// A drill that may cost 1 ms fails: it exits with 7, says why, and is paged.
///
/// **Errors**: it is not so.
pub fn bound(site: &Site, _: Duration) -> Result<()> {
    let drill = Drill::start(site.any()?, "owner-crash", &["--bound", "1"])?;
    let ended = drill.end(OVER_WITHIN)?;
    ended.exits(7)?;
    let run = ended.run.context("a verdict")?;
    ensure!(run.verdict == DrillVerdict::Fail, "{run:?}");
    ensure!(!run.reasons.is_empty(), "{run:?}");
    site.mail.wait_for("drill owner-crash", PAGED_WITHIN)?;
    site.wait_until_well()
}

/// Locked in the middle, a drill stops in time, its failure with it, and none begins before
/// it is unlocked.
///
/// **Errors**: it is not so.
pub fn lock(site: &Site, limit: Duration) -> Result<()> {
    let node = site.any()?;
    let mut drill = Drill::start(node, "server-slow", &["--target", "shop/s1"])?;
    drill.until(&[DrillPhase::Measuring], OVER_WITHIN)?;
    let locked = Instant::now();
    node.ask(&["drill", "lock", "-m", "the auditors are here"])?;
    drill.until(&[DrillPhase::Undoing, DrillPhase::Verifying], OVER_WITHIN)?;
    let stopped = locked.elapsed();
    let ended = drill.end(OVER_WITHIN)?;
    ended.exits(1)?;
    let (code, why) = node.refused(&["drill", "run", "vip-move", "--yes"])?;
    ensure!(
        code == 1 && why.contains("the auditors are here"),
        "{code}: {why}"
    );
    node.ask(&["drill", "unlock"])?;
    ensure!(stopped <= limit, "it stopped {stopped:?} after the lock");
    site.wait_until_well()
}

/// The same of a failure that silences its node, which hears no word of the lock; `is_over`:
/// whether nothing of it is left there.
///
/// **Errors**: it is not so.
pub fn lock_unheard(
    site: &Site,
    limit: Duration,
    kind: &str,
    is_over: fn(&Host) -> bool,
) -> Result<()> {
    let hit = hit(site, kind, &[])?;
    let (node, host) = (site.other_than(&[&hit])?, site.node(&hit)?.host());
    let mut drill = Drill::start(node, kind, &[])?;
    drill.until(&[DrillPhase::Measuring], OVER_WITHIN)?;
    ensure!(!is_over(host), "it is measured, and nothing is broken");
    let locked = Instant::now();
    node.ask(&["drill", "lock", "-m", "the auditors are here"])?;
    wait::until_true("the failure is over", OVER_WITHIN, || is_over(host))?;
    let stopped = locked.elapsed();
    drill.end(OVER_WITHIN)?;
    node.ask(&["drill", "unlock"])?;
    ensure!(stopped <= limit, "it was over {stopped:?} after the lock");
    site.wait_until_well()
}

fn is_healed(host: &Host) -> bool {
    is_severed(host).is_ok_and(|severed| !severed)
}

fn goes_on(host: &Host) -> bool {
    let states = daemons(host).unwrap_or_default();
    states.iter().any(|(_, state)| *state != 'T')
}

/// Ctrl-C on the very node that is cut off, where nobody can take it, ends the drill as soon as
/// somebody can: it proves nothing then.
///
/// **Errors**: it is not so.
pub fn interrupt(site: &Site, _: Duration) -> Result<()> {
    let kind = "node-isolate";
    let hit = hit(site, kind, &[])?;
    let host = site.node(&hit)?.host();
    let drill = Drill::start(site.node(&hit)?, kind, &[])?;
    wait::until_true("it is cut off", OVER_WITHIN, || {
        is_severed(host).unwrap_or(false)
    })?;
    drill.interrupt()?;
    let ended = drill.end(OVER_WITHIN)?;
    ended.exits(1)?;
    let run = ended.run.context("a verdict")?;
    ensure!(run.verdict == DrillVerdict::Aborted, "{run:?}");
    site.wait_until_well()
}

/// A daemon that is stopped goes on by the kernel's timer where its guard is killed, too.
///
/// **Errors**: it is not so.
pub fn guard_killed(site: &Site, _: Duration) -> Result<()> {
    let kind = "owner-pause";
    let hit = hit(site, kind, &[])?;
    let (node, host) = (site.other_than(&[&hit])?, site.node(&hit)?.host());
    let timer = timer(site, kind)?;
    let mut drill = Drill::start(node, kind, &[])?;
    drill.until(&[DrillPhase::Measuring], OVER_WITHIN)?;
    ensure!(kill_guard(host)?, "there is no guard");
    ensure!(!goes_on(host), "it was the guard that stopped it");
    wait::until_true("the daemon goes on", timer + SPARE, || goes_on(host))?;
    drill.end(OVER_WITHIN)?;
    site.wait_until_well()
}
