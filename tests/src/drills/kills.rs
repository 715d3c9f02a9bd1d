//! A drill in the middle of which somebody dies: what it did ends by itself, within its timer.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use farmux_node::api::types::{DrillList, DrillPhase, DrillPlan, DrillRun};

use super::drill::Drill;
use super::play::OVER_WITHIN;
use super::rows::{Hits, Row};
use super::site::{Site, daemons, is_severed, kill_daemon};
use crate::lab::{Host, VIP, wait};

/// Beyond the timer: its grain, a start of the daemon, and a look.
pub(super) const SPARE: Duration = Duration::from_secs(10);

/// Who dies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Victim {
    /// The operator's command line.
    Operator,
    /// The leader's daemon.
    Leader,
    /// The daemon on the node that is hit.
    Target,
}

impl Victim {
    /// All of them.
    pub const ALL: [Victim; 3] = [Victim::Operator, Victim::Leader, Victim::Target];
}

/// How long what was injected lasted, from the injection on; at most.
#[derive(Debug)]
pub struct Undone {
    after: Duration,
    timer: Duration,
    run: DrillRun,
}

impl Undone {
    /// What is not as promised.
    pub fn complaint(&self) -> Option<String> {
        let late = self.after > self.timer + SPARE;
        late.then(|| {
            format!(
                "undone after {:?}, with a timer of {:?}",
                self.after, self.timer
            )
        })
    }

    /// A row of the table.
    pub fn line(&self) -> String {
        format!(
            "undone_after_ms={} timer_ms={} recorded={:?} because={:?}",
            self.after.as_millis(),
            self.timer.as_millis(),
            self.run.verdict,
            self.run.reasons.join("; "),
        )
    }
}

/// Kills somebody as soon as the failure is there, and sees it end; leaves all well.
///
/// **Errors**: it did not end, no verdict was recorded, or the site did not recover.
pub fn play(site: &mut Site, row: &Row, victim: Victim) -> Result<Undone> {
    let timer = timer(site, row.kind)?;
    let hit = whom(site, row)?;
    let leader = site.leader()?;
    let from = site.other_than(&[&hit, &leader])?;
    let mut drill = Drill::start(from, row.kind, row.words)?;
    until_broken(site, row, &hit, &mut drill)?;
    let begun = Instant::now();
    let run = drill.run().context("the number of the run")?;
    let dead = match victim {
        Victim::Operator => {
            drill.kill()?;
            None
        }
        // Where the owner crashed, the one who leads may be another by now.
        Victim::Leader => Some(site.leader().unwrap_or(leader)),
        Victim::Target => Some(hit.clone()),
    };
    if let Some(dead) = &dead {
        kill_daemon(site.node(dead)?.host())?;
    }
    let host = site.node(&hit)?.host().clone();
    wait::until_true("what was injected is over", timer + 2 * SPARE, || {
        is_undone(site, row, &host, dead.as_deref() == Some(hit.as_str()))
    })?;
    let after = begun.elapsed();
    drop(drill);
    site.revive()?;
    if row.kind == "page-test" {
        // It would wait for somebody who takes its page; whoever died may have recorded it.
        let _ = site.any()?.ask(&["drill", "abort"]);
    }
    let run = recorded(site, run)?;
    site.wait_until_well()?;
    Ok(Undone { after, timer, run })
}

/// Who is hit, as the site stands.
fn whom(site: &Site, row: &Row) -> Result<String> {
    match row.hits {
        Hits::Node | Hits::Majority => hit(site, row.kind, row.words),
        // What is pretended is pretended by all; one of them stands for the others.
        Hits::Owner | Hits::None => site.owner(),
    }
}

/// Waits until the failure is there, and shows.
fn until_broken(site: &Site, row: &Row, hit: &str, drill: &mut Drill) -> Result<()> {
    if row.hits == Hits::Majority {
        drill.until(&[DrillPhase::Steady], OVER_WITHIN)?;
        let host = site.node(hit)?.host();
        return wait::until_true("its packets are dropped", OVER_WITHIN, || {
            is_severed(host).is_ok_and(|severed| severed)
        });
    }
    // What is restored is there as soon as it is compared: nothing is looked at for a while.
    let there: &[DrillPhase] = match row.kind == "restore" {
        true => &[DrillPhase::Injecting, DrillPhase::Verifying],
        false => &[DrillPhase::Measuring],
    };
    drill.until(there, OVER_WITHIN)?;
    let Some((words, well)) = row.pretended else {
        return Ok(());
    };
    wait::until_true("what is pretended shows", OVER_WITHIN, || {
        let nodes = site.cluster.nodes.iter();
        let mut said = nodes.filter_map(|node| node.ask(words).ok());
        said.any(|said| !well(&said))
    })
}

/// The node that a plan names.
pub(super) fn hit(site: &Site, kind: &str, words: &[&str]) -> Result<String> {
    let node = site.any()?;
    let plan: DrillPlan = node.report(&[&["drill", "plan", kind], words].concat())?;
    Ok(plan.nodes.first().map_or(plan.target, ToString::to_string))
}

pub(super) fn timer(site: &Site, kind: &str) -> Result<Duration> {
    let list: DrillList = site.any()?.report(&["drill", "list"])?;
    let mut drills = list.drills.iter();
    let drill = drills.find(|drill| drill.kind.word() == kind);
    Ok(Duration::from_millis(
        drill.context("a drill")?.undo.timer_ms,
    ))
}

/// Whether nothing is dropped in its kernel, and its daemon is neither stopped nor gone, unless it
/// was we who killed it.
fn is_undone(site: &Site, row: &Row, host: &Host, killed: bool) -> bool {
    if let Some((words, well)) = row.pretended {
        // What is pretended shows in what the nodes say; whoever died says nothing.
        let said = site
            .cluster
            .nodes
            .iter()
            .filter_map(|node| node.ask(words).ok());
        let said: Vec<String> = said.collect();
        return !said.is_empty() && said.iter().all(|said| well(said));
    }
    let states = daemons(host).unwrap_or_default();
    let runs = states.iter().any(|(_, state)| *state != 'T');
    // A guard starts what it took away; whom we killed beside it stays dead.
    let awaited = !killed || matches!(row.kind, "owner-crash" | "owner-pause");
    is_severed(host).is_ok_and(|severed| !severed) && (runs || !awaited)
}

/// The record of the run, once somebody has written it.
fn recorded(site: &Site, run: u64) -> Result<DrillRun> {
    let record = wait::until("the run is recorded", OVER_WITHIN, || {
        let past: Vec<DrillRun> = site.any().ok()?.report(&["drill", "history"]).ok()?;
        past.into_iter().find(|one| one.run == run)
    })?;
    ensure!(
        site.cluster
            .nodes
            .iter()
            .filter(|node| node.host().holds(VIP))
            .count()
            <= 1
    );
    Ok(record)
}
