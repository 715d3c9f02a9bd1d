//! How a row of the matrix breaks something, and mends it.

use std::fs;
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, ensure};

use super::case;
use super::cut::Cut;
use super::scene::Scene;
use crate::lab::node::Node;
use crate::lab::process::{Process, run};
use crate::lab::{VIP, wait};
use crate::linear::Asker;

/// Mends what a row broke.
pub type Undo = Box<dyn FnOnce(&mut Scene) -> Result<()>>;

/// How often a loose cable comes and goes.
const FLAPS: u32 = 3;
/// What is open before a client comes is counted; this many more may be opened.
const DESCRIPTORS_LEFT: usize = 64;
/// As much memory more as the clients below do not fit into.
const MEMORY_LEFT: u64 = 8 << 20;
/// Below the descriptors that a test may open.
const CLIENTS: usize = 800;
/// As `/proc/PID/statm` counts.
const PAGE_BYTES: u64 = 4096;
/// Twice as many as there are between two snapshots.
const CHANGES: usize = 10_000;
/// Changes that are asked for together are decided together.
const WRITERS: usize = 8;
/// One change may take so long.
const WRITE_WITHIN: Duration = Duration::from_secs(5);
/// And all of them.
const WRITTEN_WITHIN: Duration = Duration::from_secs(240);
/// The number of the node whose data lies on a small disk.
pub(super) const SMALL_DISK: u8 = 3;
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

pub(super) fn kill(scene: &mut Scene) -> Result<Undo> {
    let owner = scene.cluster.owner()?;
    scene.cluster.node(&owner).kill();
    undo(move |scene| scene.cluster.node(&owner).run())
}

pub(super) fn pause(scene: &mut Scene) -> Result<Undo> {
    let owner = scene.cluster.owner()?;
    scene.cluster.node(&owner).process()?.pause()?;
    undo(move |scene| scene.cluster.node(&owner).process()?.resume())
}

pub(super) fn power_off(scene: &mut Scene) -> Result<Undo> {
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

pub(super) fn unplug(scene: &mut Scene) -> Result<Undo> {
    let owner = scene.cluster.owner()?;
    scene.cluster.node(&owner).host().unplug()?;
    undo(move |scene| scene.cluster.node(&owner).host().plug())
}

pub(super) fn flap(scene: &mut Scene) -> Result<Undo> {
    case::flap(scene, FLAPS)?;
    undo(|_| Ok(()))
}

fn cut(scene: &mut Scene, cuts: &[Cut]) -> Result<Undo> {
    Cut::make(&scene.cluster.lab.bridge(), cuts)?;
    undo(|scene| Cut::mend(&scene.cluster.lab.bridge()))
}

pub(super) fn not_heard(scene: &mut Scene) -> Result<Undo> {
    let owner = scene.cluster.owner()?;
    cut(scene, &[Cut::From(owner)])
}

pub(super) fn hears_nothing(scene: &mut Scene) -> Result<Undo> {
    let owner = scene.cluster.owner()?;
    cut(scene, &[Cut::To(owner)])
}

pub(super) fn partial(scene: &mut Scene) -> Result<Undo> {
    // Whoever leads is one of them: the other hears of its leader from the third alone.
    let (owner, leader) = (scene.cluster.owner()?, scene.cluster.leader()?);
    let standby = match leader == owner {
        true => scene.other_than(&owner)?,
        false => leader,
    };
    cut(scene, &[Cut::Between(owner, standby)])
}

pub(super) fn loss(scene: &mut Scene, percent: u8) -> Result<Undo> {
    let nodes = scene.cluster.nodes.iter();
    let names = nodes.map(|node| node.name().to_owned()).collect();
    cut(scene, &[Cut::Loss(names, percent)])
}

pub(super) fn log_cut(scene: &mut Scene) -> Result<Undo> {
    let owner = scene.cluster.owner()?;
    cut(scene, &[Cut::Log(owner)])
}

/// It may not go on as if it had worked: it ends, and a supervisor starts it again.
pub(super) fn fsync_eio(scene: &mut Scene) -> Result<Undo> {
    let owner = scene.cluster.owner()?;
    let node = scene.cluster.node(&owner);
    let failing = node.fail_disk()?;
    // Something new to write, whatever is told of it: nobody knows its outcome.
    let now = SystemTime::now().duration_since(UNIX_EPOCH)?;
    let label = format!("broken={}", now.as_millis());
    let _ = scene
        .cluster
        .any()?
        .ask(&["watch", "set", "bell", "--put-label", &label]);
    let node = scene.cluster.node(&owner);
    wait::until_true("it ends", Duration::from_secs(20), || !node.is_running())?;
    drop(failing);
    undo(move |scene| {
        let node = scene.cluster.node(&owner);
        node.kill();
        node.run()
    })
}

/// It goes on serving, lets another lead, and takes changes again by itself.
pub(super) fn disk_full(scene: &mut Scene) -> Result<Undo> {
    let owner = format!("lb{SMALL_DISK}");
    if scene.cluster.owner()? != owner {
        let to = ["vip", "move", "front", "--to", &owner, "--yes"];
        scene.cluster.any()?.ask(&to)?;
    }
    scene.cluster.disk(&owner).fill()?;
    let other = scene.other_than(&owner)?;
    // Whoever led: a change is decided by those that have room.
    scene.cluster.node(&other).token(&[])?;
    undo(move |scene| scene.cluster.disk(&owner).free())
}

pub(super) fn slow_disks(scene: &mut Scene, millis: u64) -> Result<Undo> {
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
pub(super) fn clock(scene: &mut Scene, away: &str) -> Result<Undo> {
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

pub(super) fn cpu_stolen(scene: &mut Scene) -> Result<Undo> {
    undo_all(scene.busy(4)?)
}

pub(super) fn descriptors(scene: &mut Scene) -> Result<Undo> {
    let owner = scene.cluster.owner()?;
    let node = scene.cluster.node(&owner);
    let open = fs::read_dir(format!("/proc/{}/fd", node.process()?.id()))?.count();
    let soft = limit_of(node, "Max open files")?;
    limit(node, "nofile", &(open + DESCRIPTORS_LEFT).to_string())?;
    undo(move |scene| limit(scene.cluster.node(&owner), "nofile", &soft))
}

/// What its process may use, at most.
fn limit(node: &Node, what: &str, most: &str) -> Result<()> {
    let process = node.process()?.id().to_string();
    let mut command = node.host().command("prlimit");
    run(command.args(["--pid", &process, &format!("--{what}={most}:")])).map(drop)
}

fn limit_of(node: &Node, what: &str) -> Result<String> {
    let limits = fs::read_to_string(format!("/proc/{}/limits", node.process()?.id()))?;
    let line = limits.lines().find_map(|line| line.strip_prefix(what));
    let soft = line.and_then(|line| line.split_ascii_whitespace().next());
    Ok(soft.context("a limit")?.to_owned())
}

/// Whether it serves on or ends and is started again: nobody but the clients that came is hurt.
pub(super) fn memory(scene: &mut Scene) -> Result<Undo> {
    let owner = scene.cluster.owner()?;
    let node = scene.cluster.node(&owner);
    let sizes = fs::read_to_string(format!("/proc/{}/statm", node.process()?.id()))?;
    let pages: u64 = sizes
        .split_ascii_whitespace()
        .next()
        .context("its size in pages")?
        .parse()?;
    let most = pages * PAGE_BYTES + MEMORY_LEFT;
    let soft = limit_of(node, "Max address space")?;
    limit(node, "as", &most.to_string())?;
    let front = SocketAddr::from((VIP, 80));
    let clients: Vec<TcpStream> = scene.cluster.client.within(|| {
        let come = |_| TcpStream::connect_timeout(&front, Duration::from_secs(1)).ok();
        (0..CLIENTS).filter_map(come).collect()
    });
    undo(move |scene| {
        drop(clients);
        let node = scene.cluster.node(&owner);
        match node.is_running() {
            true => limit(node, "as", &soft),
            false => {
                node.kill();
                node.run()
            }
        }
    })
}

/// So long away that the others' logs do not reach back that far: it needs a snapshot.
pub(super) fn away(scene: &mut Scene) -> Result<Undo> {
    let owner = scene.cluster.owner()?;
    let away = scene.other_than(&owner)?;
    scene.cluster.node(&away).kill();
    let nodes = scene.cluster.nodes.iter();
    let sockets: Vec<_> = nodes
        .filter(|node| node.name() != away)
        .map(Node::socket)
        .collect();
    thread::scope(|scope| {
        let writers: Vec<_> = (0..WRITERS)
            .map(|number| {
                let sockets = &sockets;
                scope.spawn(move || write(sockets, number))
            })
            .collect();
        writers.into_iter().try_for_each(|writer| {
            let ended = writer.join();
            ended.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        })
    })?;
    undo(move |scene| scene.cluster.node(&away).run())
}

fn write(sockets: &[PathBuf], number: usize) -> Result<()> {
    let asker = Asker::new(sockets, WRITE_WITHIN)?;
    let begun = Instant::now();
    let mut made = 0;
    while made < CHANGES / WRITERS {
        ensure!(
            begun.elapsed() < WRITTEN_WITHIN,
            "{made} changes in {WRITTEN_WITHIN:?}"
        );
        let label = format!("w{number}-{made}");
        // One that was refused, or of which nobody knows, is made again.
        made += usize::from(asker.label(number % sockets.len(), "bell", &label).is_ok());
    }
    Ok(())
}

pub(super) fn names_gone(scene: &mut Scene) -> Result<Undo> {
    scene.names.host().unplug()?;
    undo(|scene| scene.names.host().plug())
}

pub(super) fn data_lost(scene: &mut Scene) -> Result<Undo> {
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

pub(super) fn relay_gone(scene: &mut Scene) -> Result<Undo> {
    scene.mail.stop();
    undo(|scene| scene.mail.back())
}

fn both(one: Undo, other: Undo) -> Result<Undo> {
    undo(move |scene| {
        one(scene)?;
        other(scene)
    })
}

pub(super) fn relay_and_owner(scene: &mut Scene) -> Result<Undo> {
    both(relay_gone(scene)?, kill(scene)?)
}

pub(super) fn loss_and_owner(scene: &mut Scene) -> Result<Undo> {
    both(loss(scene, 20)?, kill(scene)?)
}
