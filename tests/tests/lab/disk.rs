//! A data folder that cannot be used: full, or in use by another process. Each has its own code,
//! and the command that mends it. A daemon whose disk becomes full goes on; one whose disk is full
//! does not start.

use std::fs;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use farmux_node::api::types::Overall;
use farmux_raft::state::Health;
use farmux_tests::faults::matrix::HELD_UP_MAX;
use farmux_tests::gap::Watch;
use farmux_tests::lab::cluster::{AGREES_WITHIN, Cluster, shop};
use farmux_tests::lab::mail::MailServer;
use farmux_tests::lab::nginx::Nginx;
use farmux_tests::lab::node::{Node, binary};
use farmux_tests::lab::small_disk::SmallDisk;
use farmux_tests::lab::{Lab, VIP, node_address, wait};

/// The daemon looks twice a second; the rest is for a busy machine.
const SEEN_WITHIN: Duration = Duration::from_secs(10);

/// Longer than the five seconds after which an uncommitted page leaves, and than an election.
const STAYS_FULL_FOR: Duration = Duration::from_secs(8);

/// A failover on a busy machine; the promise is 300 ms.
const FAILOVER_WITHIN: Duration = Duration::from_secs(1);

/// Whether a node says of itself or others that a disk is full.
fn says_full(node: &Node) -> bool {
    let reasons = node.status().map(|status| status.reasons);
    let reasons = reasons.unwrap_or_default();
    reasons
        .iter()
        .any(|reason| reason.text.contains("no room is left"))
}

#[test]
fn a_full_disk_is_named_with_what_mends_it() -> Result<()> {
    let lab = Lab::new()?;
    let disk = SmallDisk::mount(&lab.folder().join("lb1/data"), 32)?;
    let mut node = Node::start(&lab, "lb1", node_address(1))?;
    node.ask(&["cluster", "init", "--name", "prod"])?;
    node.token(&[])?;
    disk.fill()?;
    wait::until_true("its status says so", SEEN_WITHIN, || says_full(&node))?;
    // What is to be confirmed cannot be written: it is refused, and the daemon goes on.
    let (code, said) = node.refused(&["cluster", "token", "create"])?;
    ensure!(code == 4 && said.contains("FMX-214"), "{code} {said}");
    ensure!(said.contains("no room is left on the disk of"), "{said}");
    ensure!(
        node.ask(&["explain", "FMX-214"])?
            .contains("disks are full")
    );
    let (_, said) = node.refused(&["doctor", "--config", &settings(&node)])?;
    ensure!(
        said.contains("FMX-214") && said.contains("free space in"),
        "{said}"
    );
    let status = node.status()?;
    ensure!(status.overall == Overall::Critical, "{status:?}");
    disk.free()?;
    wait::until_true("it goes on by itself", SEEN_WITHIN, || {
        node.token(&[]).is_ok()
    })?;
    ensure!(!says_full(&node), "and says no more that it is full");

    node.stop()?;
    disk.fill()?;
    let path = disk.path().display();
    let mend = format!("mend: free space in {path}, then systemctl restart farmux");
    // Its socket answers for a moment before it looks at its data folder.
    let error = match node.run() {
        Ok(()) => {
            wait::until_true("it ends", SEEN_WITHIN, || !node.is_running())?;
            node.process()?.log()
        }
        Err(error) => error.to_string(),
    };
    ensure!(
        error.contains("FMX-117") && error.contains(&mend),
        "{error}"
    );
    disk.free()?;
    node.run()?;
    wait::until_true("it is the cluster it was", AGREES_WITHIN, || {
        let cluster = node.status().ok().and_then(|status| status.cluster);
        cluster.is_some_and(|cluster| cluster.name.as_str() == "prod" && cluster.leader.is_some())
    })?;
    node.stop()
}

fn settings(node: &Node) -> String {
    node.settings_file().display().to_string()
}

/// Three nodes on small disks that balance, and a relay.
fn three_on_small_disks() -> Result<(Cluster, Nginx, MailServer)> {
    let cluster = Cluster::form_on_disks(3, &[1, 2, 3])?;
    let server = Nginx::start(&cluster.lab, 1)?;
    let mail = MailServer::start(&cluster.lab)?;
    cluster.nodes[0].apply(&shop(&[1]))?;
    cluster.wait_for_health("shop", "s1", Health::Up)?;
    cluster.wait_for_service()?;
    Ok((cluster, server, mail))
}

#[test]
fn a_leader_whose_disk_is_full_lets_another_lead_and_goes_on_serving() -> Result<()> {
    let (mut cluster, _server, mail) = three_on_small_disks()?;
    let full = cluster.leader()?;
    let owner = cluster.owner()?;
    if owner != full {
        let to = ["vip", "move", "front", "--to", &full, "--yes"];
        cluster.any()?.ask(&to)?;
        cluster.wait_for_service()?;
    }
    let watch = Watch::patient(&cluster.client, cluster.front());
    cluster.disk(&full).fill()?;
    // Asked on the full one: those that have room decide, when they have found each other.
    wait::until_true("a change is taken", AGREES_WITHIN, || {
        cluster.node(&full).token(&[]).is_ok()
    })?;
    let other = |node: &&Node| node.name() != full;
    let next = wait::until("another one leads", SEEN_WITHIN, || {
        let other = cluster.nodes.iter().find(other)?;
        let leader = other.status().ok()?.cluster?.leader?.to_string();
        (leader != full).then_some(leader)
    })?;
    cluster.node(&next).apply(&shop(&[2]))?;
    let subject = format!("[DOWN] prod disk of {full}");
    mail.wait_for(&subject, SEEN_WITHIN)?;
    wait::throughout("its VIP stays", STAYS_FULL_FOR, || {
        cluster.node(&full).host().holds(VIP)
    })?;
    ensure!(cluster.nodes.iter().all(says_full), "each node says so");

    cluster.disk(&full).free()?;
    mail.wait_for(&format!("[UP] prod disk of {full}"), SEEN_WITHIN)?;
    let weight = |node: &Node| Some(node.farm("shop").ok()?.servers.first()?.weight);
    wait::until_true("it has what was decided meanwhile", SEEN_WITHIN, || {
        weight(cluster.node(&full)) == Some(2)
    })?;
    let seen = watch.stop()?;
    ensure!(
        seen.failed == 0 && seen.own_gap() <= HELD_UP_MAX,
        "{seen:?}"
    );
    ensure!(mail.about(&subject).len() == 1, "told once");
    ensure!(cluster.nodes.iter().all(Node::is_running));
    Ok(())
}

#[test]
fn with_all_disks_full_nothing_changes_and_everything_is_served() -> Result<()> {
    let (mut cluster, mut server, mail) = three_on_small_disks()?;
    let watch = Watch::patient(&cluster.client, cluster.front());
    for disk in &cluster.disks {
        disk.fill()?;
    }
    wait::until_true("each says so", SEEN_WITHIN, || {
        cluster.nodes.iter().all(says_full)
    })?;
    let config = cluster.lab.folder().join("other.toml");
    fs::write(&config, shop(&[7]))?;
    let apply = ["config", "apply", &config.display().to_string()];
    for node in &cluster.nodes {
        let (_, said) = node.refused(&apply)?;
        ensure!(said.contains("FMX-214"), "{}: {said}", node.name());
        let text = format!("[DOWN] [UNCOMMITTED] prod disk of {}", node.name());
        mail.wait_for(&text, AGREES_WITHIN)?;
    }
    let owner = cluster.owner()?;
    wait::throughout("the VIP stays", STAYS_FULL_FOR, || {
        cluster.node(&owner).host().holds(VIP)
    })?;
    let seen = watch.stop()?;
    ensure!(
        seen.failed == 0 && seen.own_gap() <= HELD_UP_MAX,
        "{seen:?}"
    );
    // A server that dies is told all the same, and a VIP whose owner dies is taken.
    server.stop()?;
    mail.wait_for("[DOWN] [UNCOMMITTED] prod shop", AGREES_WITHIN)?;
    server.back()?;
    cluster.wait_for_service()?;
    let watch = Watch::start(&cluster.client, cluster.front());
    cluster.node(&owner).kill();
    ensure!(cluster.owner()? != owner, "another one has it");
    cluster.wait_for_service()?;
    let seen = watch.stop()?;
    ensure!(seen.own_gap() < FAILOVER_WITHIN, "{seen:?}");

    for disk in &cluster.disks {
        disk.free()?;
    }
    cluster.node(&owner).run()?;
    wait::until_true("changes are taken again", AGREES_WITHIN, || {
        cluster.nodes[0]
            .command(&apply)
            .is_ok_and(|done| done.status.success())
    })?;
    cluster.wait_for_voters(3)?;
    // Whoever was killed does not remember what it told by its own word.
    for node in cluster.nodes.iter().filter(|node| node.name() != owner) {
        let text = format!("disk of {}", node.name());
        mail.wait_for(&format!("[UP] prod {text}"), AGREES_WITHIN)?;
        let mut told = mail.about(&text);
        told.retain(|mail| mail.subject.contains("[DOWN]"));
        let ids = told.iter().filter_map(|mail| mail.field("message-id"));
        let ids: std::collections::BTreeSet<String> = ids.collect();
        ensure!(ids.len() == 1, "one page, however often it came: {ids:?}");
    }
    Ok(())
}

/// Another program was faster than any look, or the file system sets no blocks aside: what became
/// of a write nobody knows, so it ends, and the next one starts on what was answered for.
#[test]
fn a_write_that_finds_no_room_ends_the_daemon_and_the_next_one_is_whole() -> Result<()> {
    let lab = Lab::new()?;
    let mut node = Node::start(&lab, "lb1", node_address(1))?;
    node.ask(&["cluster", "init", "--name", "prod"])?;
    node.token(&[])?;
    let tokens = |node: &Node| -> Result<usize> {
        let listed: Vec<serde_json::Value> = node.report(&["cluster", "token", "list"])?;
        Ok(listed.len())
    };
    let surprised = node.surprise_disk()?;
    wait::until_true("the daemon ends", AGREES_WITHIN, || {
        let _ = node.command(&["cluster", "token", "create"]);
        !node.is_running()
    })?;
    drop(surprised);
    let said = node.process()?.log();
    ensure!(said.contains("No space left on device"), "{said}");
    node.kill();
    node.run()?;
    wait::until_true("it has what was answered", AGREES_WITHIN, || {
        tokens(&node).is_ok_and(|count| count >= 1)
    })?;
    node.token(&[])?;
    node.stop()
}

#[test]
fn a_second_daemon_on_the_same_folder_is_told_who_has_it() -> Result<()> {
    let lab = Lab::new()?;
    let node = Node::start(&lab, "lb1", node_address(1))?;
    node.ask(&["cluster", "init", "--name", "prod"])?;
    let file = lab.folder().join("second.toml");
    let (socket, data) = (lab.folder().join("second.sock"), node.data());
    let run = |peer: &str| -> Result<String> {
        let text = format!(
            "name = \"lb1\"\npeer = [\"{peer}:7947\"]\nadmin = \"10.0.0.11:9444\"\n\
             socket = \"{}\"\ndata = \"{}\"\n",
            socket.display(),
            data.display()
        );
        fs::write(&file, text)?;
        let mut command = node.host().command("timeout");
        let program = binary()?;
        command.arg("30").arg(program).arg("run").arg("--config");
        let ended = command.arg(&file).output().context("run a second daemon")?;
        ensure!(ended.status.code() == Some(1), "{ended:?}");
        Ok(String::from_utf8_lossy(&ended.stderr).into_owned())
    };
    let said = run("10.0.0.11")?;
    ensure!(said.contains("FMX-116"), "{said}");
    let mend = format!("mend: fuser -v {}/store/log/db", data.display());
    ensure!(said.contains(&mend), "{said}");

    // An address of another machine is found before anything is opened.
    let said = run("10.0.0.12")?;
    ensure!(said.contains("FMX-120"), "{said}");
    ensure!(
        said.contains("peer = 10.0.0.12 is not on this machine"),
        "{said}"
    );
    ensure!(said.contains("10.0.0.11 (eth0)"), "{said}");
    ensure!(node.status()?.cluster.is_some(), "the first one goes on");
    Ok(())
}
