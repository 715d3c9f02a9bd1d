//! A rolling upgrade: nodes of the release before and of this one serve together, and what they
//! write becomes newer when the last of them reads it.

use std::time::Duration;

use anyhow::{Result, ensure};
use farmux_node::api::types::FormatStatus;
use farmux_raft::codec::NEWEST;
use farmux_tests::lab::cluster::{AGREES_WITHIN, Cluster};
use farmux_tests::lab::node::Node;
use farmux_tests::lab::{Lab, node_address, wait};

/// A configuration that differs from every other one.
fn watching(name: &str) -> String {
    format!(
        "[[watch]]\nname = \"{name}\"\naddress = \"192.0.2.9\"\nport = 9\n\
         check = {{ kind = \"tcp\" }}\n"
    )
}

/// Holds a node at the format of the release before, as its `node.toml` then says.
fn hold(node: &mut Node) -> Result<()> {
    node.stop()?;
    let path = node.settings_file();
    let text = std::fs::read_to_string(&path)?;
    std::fs::write(&path, format!("format_max = {}\n{text}", NEWEST - 1))?;
    node.run()
}

/// Lets it read everything again: the upgrade.
fn upgrade(node: &mut Node) -> Result<()> {
    node.stop()?;
    let path = node.settings_file();
    let text = std::fs::read_to_string(&path)?;
    let held = format!("format_max = {}\n", NEWEST - 1);
    std::fs::write(&path, text.replace(&held, ""))?;
    node.run()
}

fn format(node: &Node) -> Result<FormatStatus> {
    let status = node.status()?;
    let cluster = status
        .cluster
        .ok_or_else(|| anyhow::anyhow!("no cluster"))?;
    Ok(cluster.format)
}

/// Three nodes of the release before; one after the other is upgraded.
#[test]
fn the_format_is_raised_when_the_last_node_reads_it() -> Result<()> {
    let lab = Lab::new()?;
    let mut nodes = Vec::new();
    for number in 1..=3u8 {
        let mut node = Node::start(&lab, &format!("lb{number}"), node_address(number))?;
        hold(&mut node)?;
        if number == 1 {
            node.ask(&["cluster", "init", "--name", "prod"])?;
        } else {
            let first: &Node = &nodes[0];
            let token = first.token(&[])?;
            node.ask(&["cluster", "join", &token])?;
        }
        nodes.push(node);
    }
    ensure!(format(&nodes[0])?.agreed == NEWEST - 1);
    for number in 0..2 {
        upgrade(&mut nodes[number])?;
        // Both releases serve together: whoever is asked, and whoever leads.
        for (round, node) in nodes.iter().enumerate() {
            let toml = watching(&format!("w{number}-{round}"));
            wait::until("a change is agreed on", AGREES_WITHIN, || {
                node.apply(&toml).ok()
            })?;
        }
        let now = format(&nodes[number])?;
        ensure!(now.agreed == NEWEST - 1, "too early: {now:?}");
        let last = "lb3 reads only format";
        ensure!(
            now.held_back.iter().any(|one| one.starts_with(last)),
            "{now:?}"
        );
    }
    let said = nodes[0].ask(&["version"])?;
    ensure!(
        said.contains("is held back: lb3 reads only format"),
        "{said}"
    );
    // Longer than the leader's look: it stays as it is for as long as one is older.
    wait::throughout("nothing is raised", Duration::from_secs(5), || {
        let older = |node| format(node).is_ok_and(|now| now.agreed == NEWEST - 1);
        nodes.iter().all(older)
    })?;
    upgrade(&mut nodes[2])?;
    wait::until_true("all write the newest", AGREES_WITHIN, || {
        nodes.iter().all(|node| {
            format(node).is_ok_and(|now| now.agreed == NEWEST && now.held_back.is_empty())
        })
    })?;
    // What is written from now on is the newest's: an older one that comes to it says so and leaves
    // what is there alone.
    nodes[2].apply(&watching("afterwards"))?;
    let before = nodes[2].data();
    nodes[2].stop()?;
    let mark = std::fs::read(before.join("identity.json"))?;
    ensure!(hold_refused(&mut nodes[2])?, "it started");
    ensure!(std::fs::read(before.join("identity.json"))? == mark);
    upgrade(&mut nodes[2])?;
    wait::until_true("it is back", AGREES_WITHIN, || {
        format(&nodes[2]).is_ok_and(|now| now.agreed == NEWEST)
    })
}

/// Starts a node held at the older format, and returns whether that was refused with its code.
fn hold_refused(node: &mut Node) -> Result<bool> {
    // It may answer for a moment: its socket is there before the store is read.
    let words = match hold(node) {
        Ok(()) if wait::until_true("it ends", AGREES_WITHIN, || !node.is_running()).is_err() => {
            return Ok(false);
        }
        Ok(()) => {
            node.kill();
            node.said()
        }
        Err(error) => format!("{error:#}"),
    };
    ensure!(words.contains("FMX-118"), "{words}");
    ensure!(words.contains("record format"), "{words}");
    Ok(true)
}

/// A cluster that begins with this release has nobody to wait for.
#[test]
fn a_new_cluster_writes_the_newest_format() -> Result<()> {
    let cluster = Cluster::form_watching(1)?;
    wait::until_true("it writes the newest", AGREES_WITHIN, || {
        format(&cluster.nodes[0]).is_ok_and(|now| now.agreed == NEWEST)
    })
}
