//! The faces of a node as a person and a program see them: tables, JSON, errors, metrics.

use std::collections::BTreeSet;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use farmux_node::api::types::{Overall, RevisionReport};
use farmux_tests::lab::cluster::{Cluster, shop};
use farmux_tests::lab::node::{Node, farmux};
use farmux_tests::lab::process::run;
use farmux_tests::lab::{Lab, node_address};
use serde_json::Value;

fn curl(node: &Node, path: &str) -> Result<String> {
    let mut command = Command::new("curl");
    command.args([
        "--silent",
        "--show-error",
        "--fail",
        "--max-time",
        "5",
        "--unix-socket",
    ]);
    run(command.arg(node.socket()).arg(format!("http://node{path}")))
}

#[test]
fn a_node_without_a_cluster_waits_and_says_what_to_do() -> Result<()> {
    let lab = Lab::new()?;
    let mut node = Node::start(&lab, "lb1", node_address(1))?;
    let status = node.status()?;
    ensure!(
        status.overall == Overall::NoCluster && status.cluster.is_none(),
        "{status:?}"
    );
    let (code, said) = node.refused(&["farm", "list"])?;
    ensure!(code == 1, "refused: {code}: {said}");
    ensure!(
        said.contains("FMX-201") && said.contains("cluster init"),
        "how to mend it: {said}"
    );
    node.stop().context("SIGTERM ends it with 0")
}

#[test]
fn every_listing_is_json_and_every_program_finds_its_metrics() -> Result<()> {
    let cluster = Cluster::form(1)?;
    let node = &cluster.nodes[0];
    let dry = cluster.lab.folder().join("dry.toml");
    std::fs::write(&dry, shop(&[1, 2]))?;
    let dry = dry.display().to_string();
    let shown = node.ask(&["config", "apply", &dry, "--dry-run"])?;
    ensure!(shown.contains("shop"), "the difference is shown: {shown}");
    let before: Vec<RevisionReport> = node.report(&["config", "history"])?;
    node.ask(&["config", "apply", &dry])?;
    let after: Vec<RevisionReport> = node.report(&["config", "history"])?;
    ensure!(
        after.len() == before.len() + 1,
        "a dry run made no revision, the real one did"
    );

    let listings: [&[&str]; 7] = [
        &["status"],
        &["farm", "list"],
        &["farm", "show", "shop"],
        &["config", "history"],
        &["config", "export"],
        &["page", "list"],
        &["cluster", "token", "list"],
    ];
    for listing in listings {
        node.report::<Value>(listing)
            .with_context(|| listing.join(" "))?;
    }

    curl(node, "/healthz")?;
    ensure!(curl(node, "/leader")?.contains("lb1"), "it leads");
    let metrics = curl(node, "/metrics")?;
    let topics = ["raft", "lease", "vip", "farm", "server", "probe", "page"];
    let missing: BTreeSet<&str> = topics
        .into_iter()
        .filter(|topic| !metrics.contains(topic))
        .collect();
    ensure!(
        missing.is_empty(),
        "no metrics about {missing:?}:\n{metrics}"
    );
    Ok(())
}

#[test]
fn a_refused_configuration_names_the_fault_and_changes_nothing() -> Result<()> {
    let cluster = Cluster::form(1)?;
    let node = &cluster.nodes[0];
    node.apply(&shop(&[1]))?;
    let before = node.ask(&["config", "export"])?;
    let wrong = [
        shop(&[1]).replace("vip = \"front\"", "vip = \"back\""),
        shop(&[1]).replace("port = 80", "port = 80\nprot = 81"),
        shop(&[1]).replace("weight = 1", "weight = 0"),
        shop(&[1]).replace("name = \"s1\"", "name = \"S 1\""),
        format!("{}\n{}", shop(&[1]), shop(&[1])),
    ];
    for toml in wrong {
        let complaint = node.apply(&toml).err().context("it must be refused")?;
        ensure!(complaint.to_string().contains("FMX-30"), "{complaint}");
        ensure!(
            node.ask(&["config", "export"])? == before,
            "nothing half-applies"
        );
    }
    Ok(())
}

#[test]
fn without_a_daemon_the_command_line_says_so() -> Result<()> {
    let ended = farmux()?
        .args(["--socket", "/nonexistent/admin.sock", "status"])
        .output()?;
    let said = String::from_utf8_lossy(&ended.stderr).into_owned();
    ensure!(
        ended.status.code() == Some(3) && said.contains("FMX-102"),
        "{said}"
    );
    let explained = farmux()?.args(["explain", "FMX-102"]).output()?;
    ensure!(String::from_utf8_lossy(&explained.stdout).contains("systemctl start farmux"));
    Ok(())
}
