//! The rows of the matrix: what is broken, how it is mended, and what may come of it.

use std::fs;
use std::time::Duration;

use anyhow::{Context, Result};

use super::case;
use super::cut::Cut;
use super::scene::Scene;
use crate::lab::node::Node;
use crate::lab::process::{Process, run};
use crate::lab::wait;

/// Mends what a row broke.
pub type Undo = Box<dyn FnOnce(&mut Scene) -> Result<()>>;

/// A fault, and what may come of it.
#[derive(Debug, Clone, Copy)]
pub struct Row {
    /// As the table names it.
    pub name: &'static str,
    /// What it is, in the table's words.
    pub what: &'static str,
    /// Breaks it.
    pub begin: fn(&mut Scene) -> Result<Undo>,
    /// What may come of it.
    pub bounds: Bounds,
}

/// What may come of a fault.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    /// How long the VIP may be on nobody.
    pub nobody: Duration,
    /// How many requests may fail, where that is promised.
    pub failed: Option<usize>,
    /// How many terms of the log may begin.
    pub terms: u64,
    /// Parts of the subjects of pages that are right, beside those of the watch that goes down.
    pub pages: &'static [&'static str],
}

/// The promise for default settings.
const NOBODY: Duration = Duration::from_millis(300);
/// Votes may be split, and whoever is cut off may ask for them more than once.
const TERMS: u64 = 6;

/// The owner goes, and with it, for as long as its lease lasts, what it answered.
const MOVES: Bounds = Bounds {
    nobody: NOBODY,
    failed: None,
    terms: TERMS,
    pages: &["VIP front: moved", "node lb"],
};
/// Nothing of it reaches a client.
const UNSEEN: Bounds = Bounds {
    failed: Some(0),
    pages: &[],
    ..MOVES
};
/// A cable that is loose is told, and so is a node that sees no majority.
const UNPLUGGED: Bounds = Bounds {
    pages: &["VIP front: moved", "node lb", "carrier of lb", "quorum: "],
    ..MOVES
};

/// No client sees it; that a node does not answer, or is cut off, is told.
const TOLD: Bounds = Bounds {
    failed: Some(0),
    ..UNPLUGGED
};

/// All of them, in the order of the table.
pub const ROWS: &[Row] = &[
    row("kill", "owner killed (kill -9), started again", kill, MOVES),
    row("pause", "owner stopped (SIGSTOP), continued", pause, MOVES),
    row(
        "power-off",
        "owner without power, on again",
        power_off,
        UNPLUGGED,
    ),
    row(
        "unplug",
        "owner's cable pulled, plugged in again",
        unplug,
        UNPLUGGED,
    ),
    row("flap", "owner's cable loose: 1 Hz", flap, UNPLUGGED),
    row(
        "not-heard",
        "what the owner sends is lost",
        not_heard,
        UNPLUGGED,
    ),
    row(
        "hears-nothing",
        "what is sent to the owner is lost",
        hears_nothing,
        UNPLUGGED,
    ),
    row(
        "partial",
        "owner and stand-by cut from each other",
        partial,
        MOVES,
    ),
    row(
        "loss-5",
        "5 % of frames between nodes lost",
        |s| loss(s, 5),
        UNSEEN,
    ),
    row(
        "loss-20",
        "20 % of frames between nodes lost",
        |s| loss(s, 20),
        UNSEEN,
    ),
    row(
        "loss-40",
        "40 % of frames between nodes lost",
        |s| loss(s, 40),
        MOVES,
    ),
    row(
        "log-cut",
        "the log's connections of the owner cut",
        log_cut,
        TOLD,
    ),
    row(
        "fsync-eio",
        "owner's fsync fails once (EIO)",
        fsync_eio,
        MOVES,
    ),
    row(
        "fsync-30",
        "every fsync takes 30 ms longer",
        |s| slow_disks(s, 30),
        UNSEEN,
    ),
    row(
        "fsync-100",
        "every fsync takes 100 ms longer",
        |s| slow_disks(s, 100),
        UNSEEN,
    ),
    row(
        "fsync-500",
        "every fsync takes 500 ms longer",
        |s| slow_disks(s, 500),
        UNSEEN,
    ),
    row(
        "clock-day-ahead",
        "owner's wall clock a day ahead",
        |s| clock(s, "+1d"),
        MOVES,
    ),
    row(
        "clock-hour-back",
        "owner's wall clock an hour behind",
        |s| clock(s, "-1h"),
        MOVES,
    ),
    row(
        "cpu-stolen",
        "four busy processes a core",
        cpu_stolen,
        UNSEEN,
    ),
    row(
        "descriptors",
        "owner has 64 file descriptors left",
        descriptors,
        MOVES,
    ),
    row(
        "data-lost",
        "stand-by's data folder lost, joined again",
        data_lost,
        TOLD,
    ),
    row("relay-gone", "mail relay gone", relay_gone, UNSEEN),
    row(
        "relay-and-owner",
        "relay gone and owner killed",
        relay_and_owner,
        MOVES,
    ),
    row(
        "loss-and-owner",
        "20 % loss and owner killed",
        loss_and_owner,
        MOVES,
    ),
];

const fn row(
    name: &'static str,
    what: &'static str,
    begin: fn(&mut Scene) -> Result<Undo>,
    bounds: Bounds,
) -> Row {
    Row {
        name,
        what,
        begin,
        bounds,
    }
}

/// How often a loose cable comes and goes.
const FLAPS: u32 = 3;
/// What is open before a client comes is counted; this many more may be opened.
const DESCRIPTORS_LEFT: usize = 64;
/// Below the folder of the machine's kind in `/usr/lib`.
const FAKETIME: &str = "faketime/libfaketime.so.1";

fn undo(mend: impl FnOnce(&mut Scene) -> Result<()> + 'static) -> Result<Undo> {
    Ok(Box::new(mend))
}

/// Ends processes that made it worse.
fn undo_all(processes: Vec<Process>) -> Result<Undo> {
    undo(move |_| {
        drop(processes);
        Ok(())
    })
}

fn kill(scene: &mut Scene) -> Result<Undo> {
    let owner = scene.cluster.owner()?;
    scene.cluster.node(&owner).kill();
    undo(move |scene| scene.cluster.node(&owner).run())
}

fn pause(scene: &mut Scene) -> Result<Undo> {
    let owner = scene.cluster.owner()?;
    scene.cluster.node(&owner).process()?.pause()?;
    undo(move |scene| scene.cluster.node(&owner).process()?.resume())
}

fn power_off(scene: &mut Scene) -> Result<Undo> {
    let owner = scene.cluster.owner()?;
    let node = scene.cluster.node(&owner);
    node.host().unplug()?;
    node.kill();
    undo(move |scene| {
        let node = scene.cluster.node(&owner);
        node.host().plug()?;
        node.run()
    })
}

fn unplug(scene: &mut Scene) -> Result<Undo> {
    let owner = scene.cluster.owner()?;
    scene.cluster.node(&owner).host().unplug()?;
    undo(move |scene| scene.cluster.node(&owner).host().plug())
}

fn flap(scene: &mut Scene) -> Result<Undo> {
    case::flap(scene, FLAPS)?;
    undo(|_| Ok(()))
}

fn cut(scene: &mut Scene, cuts: &[Cut]) -> Result<Undo> {
    Cut::make(&scene.cluster.lab.bridge(), cuts)?;
    undo(|scene| Cut::mend(&scene.cluster.lab.bridge()))
}

fn not_heard(scene: &mut Scene) -> Result<Undo> {
    let owner = scene.cluster.owner()?;
    cut(scene, &[Cut::From(owner)])
}

fn hears_nothing(scene: &mut Scene) -> Result<Undo> {
    let owner = scene.cluster.owner()?;
    cut(scene, &[Cut::To(owner)])
}

fn partial(scene: &mut Scene) -> Result<Undo> {
    let owner = scene.cluster.owner()?;
    let standby = scene.other_than(&owner)?;
    cut(scene, &[Cut::Between(owner, standby)])
}

fn loss(scene: &mut Scene, percent: u8) -> Result<Undo> {
    let nodes = scene.cluster.nodes.iter();
    let names = nodes.map(|node| node.name().to_owned()).collect();
    cut(scene, &[Cut::Loss(names, percent)])
}

fn log_cut(scene: &mut Scene) -> Result<Undo> {
    let owner = scene.cluster.owner()?;
    cut(scene, &[Cut::Log(owner)])
}

/// It may not go on as if it had worked: it ends, and a supervisor starts it again.
fn fsync_eio(scene: &mut Scene) -> Result<Undo> {
    let owner = scene.cluster.owner()?;
    let node = scene.cluster.node(&owner);
    let failing = node.fail_disk()?;
    let toml = crate::lab::cluster::shop(&[2]);
    // Whatever it is told about a write whose outcome nobody knows.
    let _ = scene.cluster.any()?.apply(&toml);
    let node = scene.cluster.node(&owner);
    wait::until_true("it ends", Duration::from_secs(20), || !node.is_running())?;
    drop(failing);
    undo(move |scene| {
        let node = scene.cluster.node(&owner);
        node.kill();
        node.run()
    })
}

fn slow_disks(scene: &mut Scene, millis: u64) -> Result<Undo> {
    let by = Duration::from_millis(millis);
    let nodes = scene.cluster.nodes.iter();
    undo_all(
        nodes
            .map(|node| node.slow_disk(by))
            .collect::<Result<_>>()?,
    )
}

fn faketime() -> Result<String> {
    let kinds = fs::read_dir("/usr/lib")?.filter_map(Result::ok);
    let mut found = kinds.map(|kind| kind.path().join(FAKETIME));
    let found = found.find(|library| library.exists());
    let found = found.context("no libfaketime: apt-get install faketime")?;
    Ok(found.display().to_string())
}

/// The monotonic clocks, by which leases go, are left as they are.
fn clock(scene: &mut Scene, away: &str) -> Result<Undo> {
    let library = faketime()?;
    let owner = scene.cluster.owner()?;
    let node = scene.cluster.node(&owner);
    node.stop()?;
    node.wrap(&[
        "env",
        &format!("LD_PRELOAD={library}"),
        &format!("FAKETIME={away}"),
        "FAKETIME_DONT_FAKE_MONOTONIC=1",
    ]);
    node.run()?;
    undo(move |scene| {
        let node = scene.cluster.node(&owner);
        node.stop()?;
        node.wrap(&[]);
        node.run()
    })
}

fn cpu_stolen(scene: &mut Scene) -> Result<Undo> {
    undo_all(scene.busy(4)?)
}

fn descriptors(scene: &mut Scene) -> Result<Undo> {
    let owner = scene.cluster.owner()?;
    let limit = |node: &Node, most: &str| -> Result<()> {
        let process = node.process()?.id().to_string();
        let mut command = node.host().command("prlimit");
        run(command.args(["--pid", &process, &format!("--nofile={most}:")])).map(drop)
    };
    let node = scene.cluster.node(&owner);
    let process = format!("/proc/{}", node.process()?.id());
    let open = fs::read_dir(format!("{process}/fd"))?.count();
    let limits = fs::read_to_string(format!("{process}/limits"))?;
    let files = limits
        .lines()
        .find_map(|line| line.strip_prefix("Max open files"));
    let soft = files.and_then(|files| files.split_ascii_whitespace().next());
    let soft = soft.context("a limit of open files")?.to_owned();
    limit(node, &(open + DESCRIPTORS_LEFT).to_string())?;
    undo(move |scene| limit(scene.cluster.node(&owner), &soft))
}

fn data_lost(scene: &mut Scene) -> Result<Undo> {
    let owner = scene.cluster.owner()?;
    let lost = scene.other_than(&owner)?;
    let node = scene.cluster.node(&lost);
    node.kill();
    fs::remove_dir_all(node.data()).context("lose the data folder")?;
    undo(move |scene| {
        let mut nodes = scene.cluster.nodes.iter();
        let other = nodes.rfind(|node| node.name() != lost);
        let other = other.context("another node")?;
        other.ask(&["cluster", "remove", &lost, "--yes"])?;
        let token = other.token(&[])?;
        let node = scene.cluster.node(&lost);
        node.run()?;
        node.ask(&["cluster", "join", &token]).map(drop)
    })
}

fn relay_gone(scene: &mut Scene) -> Result<Undo> {
    scene.mail.stop();
    undo(|scene| scene.mail.back())
}

fn both(one: Undo, other: Undo) -> Result<Undo> {
    undo(move |scene| {
        one(scene)?;
        other(scene)
    })
}

fn relay_and_owner(scene: &mut Scene) -> Result<Undo> {
    both(relay_gone(scene)?, kill(scene)?)
}

fn loss_and_owner(scene: &mut Scene) -> Result<Undo> {
    both(loss(scene, 20)?, kill(scene)?)
}
