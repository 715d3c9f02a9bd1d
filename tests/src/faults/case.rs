//! The faults, one function each: what is broken, for how long, and what may come of it.

use std::time::Duration;

use anyhow::Result;

use super::cut::Cut;
use super::scene::Scene;
use super::stranger;
use crate::lab::GATEWAY;
use crate::lab::process::run;

/// What owners do without a majority.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Policy {
    /// They let go.
    Release,
    /// They go on until somebody claims.
    Hold,
}

impl Policy {
    /// As the configuration writes it.
    pub fn word(self) -> &'static str {
        match self {
            Policy::Release => "release",
            Policy::Hold => "hold",
        }
    }
}

/// A fault, and what may come of it.
#[derive(Debug, Clone, Copy)]
pub struct Case {
    /// As the rows name it.
    pub name: &'static str,
    /// Under which settings it is tried.
    pub policies: &'static [Policy],
    /// How often the VIP moves in it, at least and at most.
    pub moves: (usize, usize),
    /// How often fences may close in it, where that is promised.
    pub closures_max: Option<u64>,
    /// Breaks, waits, and mends.
    pub play: fn(&mut Scene) -> Result<()>,
}

const BOTH: &[Policy] = &[Policy::Release, Policy::Hold];
const HOLD: &[Policy] = &[Policy::Hold];

/// All of them.
pub const CASES: &[Case] = &[
    row("owner-killed", BOTH, (1, 1), owner_killed),
    row("owner-killed-with-supervisor", BOTH, (1, 1), owner_gone),
    row("owner-paused-10s", BOTH, (1, 1), owner_paused),
    row("disk-hangs", BOTH, (0, 0), disk_hangs),
    row("runtime-stuck", BOTH, (1, 1), runtime_stuck),
    row("owner-not-heard", BOTH, (1, 1), owner_not_heard),
    row("owner-hears-nothing", BOTH, (1, 1), owner_hears_nothing),
    row("owner-and-standby-cut", BOTH, (0, 1), owner_and_standby_cut),
    row("lease-udp-cut", BOTH, (1, 1), lease_cut),
    row("raft-tcp-cut", BOTH, (0, 0), log_cut),
    row("lan-cut-in-two", BOTH, (1, 1), lan_cut),
    row("link-flaps", BOTH, (1, 2), link_flaps),
    row("gateway-away", BOTH, (0, 0), gateway_away),
    row(
        "standby-rebooted-while-held",
        HOLD,
        (0, 0),
        standby_rebooted,
    ),
    row("foreign-claims", BOTH, (0, 0), foreign_claims),
];

const fn row(
    name: &'static str,
    policies: &'static [Policy],
    moves: (usize, usize),
    play: fn(&mut Scene) -> Result<()>,
) -> Case {
    Case {
        name,
        policies,
        moves,
        closures_max: None,
        play,
    }
}

/// Every node is as it should be, and only the way between them, or the machine, is not.
pub const CALM: &[Case] = &[calm("loss", loss), calm("load", load)];

const fn calm(name: &'static str, play: fn(&mut Scene) -> Result<()>) -> Case {
    Case {
        closures_max: Some(0),
        ..row(name, HOLD, (0, 0), play)
    }
}

/// Long enough for a lease to run out, another to be taken, and the old owner to do harm.
const BROKEN: Duration = Duration::from_secs(3);
/// Longer than any lease, lifetime of an address, and election.
const PAUSED: Duration = Duration::from_secs(10);
/// Half a period of a cable that comes and goes once a second.
const FLAP: Duration = Duration::from_millis(500);
/// How often it does.
const FLAPS: u32 = 5;
/// What `vip-protocol.md`, section 2, says of resending is about this.
const LOSS_PERCENT: u8 = 20;

fn loss(scene: &mut Scene) -> Result<()> {
    let names = scene
        .cluster
        .nodes
        .iter()
        .map(|node| node.name().to_owned());
    let cuts = [Cut::Loss(names.collect(), LOSS_PERCENT)];
    let lan = scene.cluster.lab.bridge();
    Cut::make(&lan, &cuts)?;
    scene.pass(scene.calm_for);
    Cut::mend(&lan)
}

/// Twice as many busy processes as there are cores.
fn load(scene: &mut Scene) -> Result<()> {
    let _busy = scene.busy(2)?;
    scene.pass(scene.calm_for);
    Ok(())
}

fn owner_killed(scene: &mut Scene) -> Result<()> {
    let owner = scene.cluster.owner()?;
    scene.cluster.node(&owner).kill();
    // What a supervisor does at once.
    scene.cluster.node(&owner).run()?;
    scene.pass(BROKEN);
    Ok(())
}

fn owner_gone(scene: &mut Scene) -> Result<()> {
    let owner = scene.cluster.owner()?;
    scene.cluster.node(&owner).kill();
    scene.pass(BROKEN);
    scene.cluster.node(&owner).run()
}

fn owner_paused(scene: &mut Scene) -> Result<()> {
    let owner = scene.cluster.owner()?;
    scene.cluster.node(&owner).process()?.pause()?;
    scene.pass(PAUSED);
    scene.cluster.node(&owner).process()?.resume()?;
    scene.pass(BROKEN);
    Ok(())
}

fn disk_hangs(scene: &mut Scene) -> Result<()> {
    let owner = scene.cluster.owner()?;
    let node = scene.cluster.node(&owner);
    let _slow = node.slow_disk(Duration::from_secs(5))?;
    scene.pass(PAUSED);
    Ok(())
}

fn runtime_stuck(scene: &mut Scene) -> Result<()> {
    let owner = scene.cluster.owner()?;
    let node = scene.cluster.node(&owner);
    let _stuck = node.delay("serve-0", "epoll_wait", Duration::from_secs(4))?;
    scene.pass(2 * BROKEN);
    Ok(())
}

fn cut_for(scene: &mut Scene, span: Duration, cuts: &[Cut]) -> Result<()> {
    let lan = scene.cluster.lab.bridge();
    Cut::make(&lan, cuts)?;
    scene.pass(span);
    Cut::mend(&lan)?;
    scene.pass(BROKEN);
    Ok(())
}

fn owner_not_heard(scene: &mut Scene) -> Result<()> {
    let owner = scene.cluster.owner()?;
    cut_for(scene, BROKEN, &[Cut::From(owner)])
}

fn owner_hears_nothing(scene: &mut Scene) -> Result<()> {
    let owner = scene.cluster.owner()?;
    cut_for(scene, BROKEN, &[Cut::To(owner)])
}

fn owner_and_standby_cut(scene: &mut Scene) -> Result<()> {
    let owner = scene.cluster.owner()?;
    let standby = scene.other_than(&owner)?;
    cut_for(scene, BROKEN, &[Cut::Between(owner, standby)])
}

fn lease_cut(scene: &mut Scene) -> Result<()> {
    let owner = scene.cluster.owner()?;
    cut_for(scene, BROKEN, &[Cut::Lease(owner)])
}

fn log_cut(scene: &mut Scene) -> Result<()> {
    let owner = scene.cluster.owner()?;
    cut_for(scene, BROKEN, &[Cut::Log(owner)])
}

/// The owner on one side, the other nodes on the other; both sides reach client and gateway.
fn lan_cut(scene: &mut Scene) -> Result<()> {
    let owner = scene.cluster.owner()?;
    let names = scene
        .cluster
        .nodes
        .iter()
        .map(|node| node.name().to_owned());
    let others = names.filter(|name| *name != owner);
    let cuts: Vec<Cut> = others
        .map(|other| Cut::Between(owner.clone(), other))
        .collect();
    cut_for(scene, BROKEN, &cuts)
}

fn link_flaps(scene: &mut Scene) -> Result<()> {
    flap(scene, FLAPS)
}

/// The owner's cable comes and goes once a second, so many times.
pub(super) fn flap(scene: &mut Scene, times: u32) -> Result<()> {
    let owner = scene.cluster.owner()?;
    let host = scene.cluster.node(&owner).host().clone();
    for _ in 0..times {
        host.unplug()?;
        scene.pass(FLAP);
        host.plug()?;
        scene.pass(FLAP);
    }
    Ok(())
}

fn gateway_away(scene: &mut Scene) -> Result<()> {
    let lan = scene.cluster.lab.bridge();
    let address = format!("{GATEWAY}/24");
    run(lan
        .command("ip")
        .args(["addr", "del", &address, "dev", "br0"]))?;
    scene.pass(BROKEN);
    run(lan
        .command("ip")
        .args(["addr", "add", &address, "dev", "br0"]))?;
    scene.pass(BROKEN);
    Ok(())
}

fn standby_rebooted(scene: &mut Scene) -> Result<()> {
    let owner = scene.cluster.owner()?;
    let names: Vec<String> = scene
        .cluster
        .nodes
        .iter()
        .map(|node| node.name().to_owned())
        .filter(|name| *name != owner)
        .collect();
    for name in &names {
        scene.cluster.node(name).kill();
    }
    scene.pass(BROKEN);
    for name in &names {
        scene.cluster.node(name).run()?;
        scene.pass(BROKEN);
    }
    Ok(())
}

fn foreign_claims(scene: &mut Scene) -> Result<()> {
    stranger::claim(&scene.stranger, scene.claims_for)
}
