//! The simulator: nodes made of the production's own code in a world that one seed makes.
//!
//! ```text
//!   dice ─> plan (how many nodes, which policy, how bad)
//!    │
//!    ├─> mishap: pauses, kills, power cuts, cuts, disks      operate: joins, removals, writes
//!    │          │                                                    │
//!    │          ▼                                                    ▼
//!    └──────> world: true time, events ── datagrams, answers, flushes, timers ──┐
//!               ▲  │                                                            ▼
//!               │  └─> site: clock, disk │ process: store ─ consensus ─ state ─ lease engine,
//!               │              probe: prober, reporter, pager   (executor: its tasks)
//!               └─ outputs, questions, deadlines ◀──────────────────────────────┘
//!                        │
//!                        ▼
//!     judges: leases (who owns), lan (who must yield), judge (leaders, votes, states, writes),
//!             pages (who was told what)
//! ```
//!
//! What is simulated is what production code gets from outside: time and tasks
//! (`farmux_raft::clockwork`), the network (`Transport`, bytes of the lease engine), the disk
//! (`farmux_store::Media`), the LAN (`Outlook`), and what is probed and called (`outside`). Nothing
//! else runs: no thread, no socket, no file, and no time but the world's. So two rounds of a seed
//! are equal, and each ends in a hash of all that happened.
//!
//! A round forms a cluster, lets things go wrong for ten seconds, mends everything, and wants the
//! cluster to serve and write again within a bound, and to have told a human of all that changed.
//! With a [`Quirk`] a safeguard is left out, to see that the judges miss it.

mod dice;
mod disk;
mod executor;
mod judge;
mod lan;
mod leases;
mod mishap;
mod operate;
mod outside;
mod pages;
mod plan;
mod probe;
mod quirk;
mod rpc;
mod site;
mod trace;
mod wire;
mod world;

pub use quirk::Quirk;
pub use world::Verdict;

use std::collections::BTreeMap;
use std::time::Duration;

use farmux_raft::consensus::Role;

use dice::nanos;
use judge::Known;
use world::{Event, World};

/// What became of one round.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// Its seed.
    pub seed: u64,
    /// How it ended, if too early.
    pub verdict: Option<Verdict>,
    /// How much time went by in it.
    pub simulated: Duration,
    /// What went wrong, by name.
    pub faults: BTreeMap<&'static str, u64>,
    /// Changes that were acknowledged.
    pub acknowledged: u64,
    /// How often somebody came to own the VIP.
    pub gains: u64,
    /// How often somebody went on without a majority.
    pub holds: u64,
    /// Mails about servers and watches that arrived.
    pub mails: u64,
    /// Those of them that a node sent by its own word.
    pub by_own_word: u64,
    /// A hash of all that happened.
    pub hash: u64,
    /// All that is worth reading, where it was wanted.
    pub trace: Vec<String>,
}

/// Plays the round of a seed.
pub fn round(seed: u64, quirk: Option<Quirk>, keep_trace: bool) -> Report {
    let mut world = World::new(seed, quirk, keep_trace);
    play(&mut world);
    let (hash, trace) = world.trace.finish();
    Report {
        seed,
        verdict: world.verdict,
        simulated: Duration::from_nanos(world.now),
        faults: world.faults,
        acknowledged: world.judge.acknowledged,
        gains: world.gains,
        holds: world.lan.holds,
        mails: world.pages.mails,
        by_own_word: world.pages.by_own_word,
        hash,
        trace,
    }
}

fn play(world: &mut World) {
    let plan = world.plan;
    world.trace.note(0, format_args!("{plan:?}"));
    world.form();
    let formed = world.run(nanos(FORMED_WITHIN), |world| world.desk.formed);
    if !formed {
        return world.stuck("the cluster did not form".to_owned());
    }
    world.after(Duration::ZERO, Event::Client);
    world.begin_storm();
    world.run(world.now + nanos(plan.storm), |_| false);
    world.end_storm();
    world
        .trace
        .note(world.now, format_args!("everything is mended"));
    let end = world.now + nanos(WELL_WITHIN);
    world.run(world.now + nanos(Duration::from_secs(2)), |_| false);
    while world.now < end && world.verdict.is_none() {
        if is_well(world) {
            if world.must_tell() {
                check_all(world);
            }
            return;
        }
        world.run(world.now + nanos(Duration::from_millis(250)), |_| false);
    }
    let standings = standings(world);
    world.stuck(format!(
        "{WELL_WITHIN:?} after everything was mended: {standings}"
    ));
}

/// Whether everybody serves and writes again.
fn is_well(world: &mut World) -> bool {
    let owners = world.sites.iter().filter(|site| site.owns && !site.alone);
    let held = world.sites.iter().any(|site| site.owns && site.alone);
    if owners.count() != 1 || held {
        return false;
    }
    // One that everybody must show: asked of a node that changes each time.
    let members: Vec<usize> = (0..world.sites.len())
        .filter(|node| is_member(world, *node))
        .collect();
    if members.is_empty() {
        return false;
    }
    let asked = members[world.dice.below(members.len())];
    let Some(consensus) = world.sites[asked].consensus() else {
        return false;
    };
    let number = world.change_something(asked, consensus);
    let done = |world: &World| {
        let known = world.judge.tokens.get(&number);
        let clear = known.is_some_and(|known| *known != Known::Open);
        clear && members.iter().all(|node| is_abreast(world, *node))
    };
    world.run(world.now + nanos(Duration::from_secs(4)), done)
}

/// Whether it votes or learns in the membership of the newest leader. Whoever was about to join
/// under an older one may still believe in an entry that the others never agreed on.
fn is_member(world: &World, node: usize) -> bool {
    let led = |site: &&site::Site| {
        let standing = site.process.as_ref().and_then(|p| p.standing.as_ref());
        standing.map(|s| (s.role == Role::Leader, s.term))
    };
    let newest = world.sites.iter().max_by_key(led);
    let newest = newest.map(site::Site::membership);
    let id = world.sites[node].id;
    newest.is_some_and(|members| members.is_voter(id) || members.learners.contains(&id))
}

/// Whether its state shows all that was acknowledged.
fn is_abreast(world: &World, node: usize) -> bool {
    let site = &world.sites[node];
    let state = site.state();
    state.is_some_and(|state| world.judge.complete(site.id, &state).is_ok())
}

/// What must be true of everybody in the end.
fn check_all(world: &mut World) {
    for node in 0..world.sites.len() {
        let site = &world.sites[node];
        if site.removed_at.is_some() && site.owns_until > world.now {
            let id = site.id;
            return world.wrong(format!("{id} owns in the end, though it was removed"));
        }
    }
    let well = world.now;
    world.trace.note(well, format_args!("all is well"));
}

fn standings(world: &World) -> String {
    let one = |site: &site::Site| {
        let standing = site.process.as_ref().and_then(|p| p.standing.as_ref());
        let words = standing.map_or("down".to_owned(), |s| {
            format!("{:?} term {} applied {:?}", s.role, s.term, s.applied_index)
        });
        let state = site.state();
        let lost = state.and_then(|state| world.judge.complete(site.id, &state).err());
        let owns = if site.owns { ", owns" } else { "" };
        format!("{}: {words}{owns} {}", site.id, lost.unwrap_or_default())
    };
    let all: Vec<String> = world.sites.iter().map(one).collect();
    all.join("; ")
}

/// Five nodes, of which four join one after the other, each a good two seconds.
const FORMED_WITHIN: Duration = Duration::from_secs(60);
/// Elections, and whoever was far behind: the promise is seconds.
const WELL_WITHIN: Duration = Duration::from_secs(30);
