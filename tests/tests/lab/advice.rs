//! A page that is obeyed: real nginx servers, whose page is a file that somebody rewrites.

use std::fs;

use anyhow::{Context, Result, ensure};
use farmux_node::api::types::{PageReport, ServerReport};
use farmux_raft::state::{Advice, Health};
use farmux_tests::lab::cluster::{AGREES_WITHIN, Cluster, shop};
use farmux_tests::lab::nginx::Nginx;
use farmux_tests::lab::wait;

/// Requests of a count: many times what runtimes may be off by, each with its own turn.
const REQUESTS: usize = 40;
const TURNS_OFF: usize = 4;

/// At once and as a whole, as an editor does it.
fn says(server: &Nginx, page: &str) -> Result<()> {
    let (new, at) = (server.folder().join("new"), server.folder().join("status"));
    fs::write(&new, format!("{page}\n"))?;
    fs::rename(new, at).context("put the page in its place")
}

fn server(cluster: &Cluster, name: &str) -> Result<ServerReport> {
    let servers = cluster.any()?.farm("shop")?.servers;
    let mut servers = servers.into_iter();
    let server = servers.find(|server| server.name.as_str() == name);
    server.context("the server is listed")
}

/// Waits until s2 has about so many of [`REQUESTS`], and the log this advice.
fn until(cluster: &Cluster, what: &str, share: usize, advice: Advice) -> Result<()> {
    wait::until_true(what, AGREES_WITHIN, || {
        let counts = cluster.spread(REQUESTS, &["s1", "s2"]);
        let near = match share {
            0 | REQUESTS => 0,
            _ => TURNS_OFF,
        };
        counts.is_ok_and(|counts| counts[1].abs_diff(share) <= near)
            && server(cluster, "s2").is_ok_and(|server| server.advice == advice)
    })
}

#[test]
fn the_farm_obeys_the_page() -> Result<()> {
    let cluster = Cluster::form(1)?;
    let servers = [
        Nginx::start(&cluster.lab, 1)?,
        Nginx::start(&cluster.lab, 2)?,
    ];
    let [one, two] = &servers;
    for server in &servers {
        says(server, "OK")?;
    }
    let obeying = "path = \"/status\"\nobey = true";
    let config = shop(&[1, 1]).replace("path = \"/health\"", obeying);
    let node = &cluster.nodes[0];
    node.apply(&config)?;
    for server in ["s1", "s2"] {
        cluster.wait_for_health("shop", server, Health::Up)?;
    }
    cluster.wait_for_service()?;
    until(&cluster, "equal shares", REQUESTS / 2, Advice::None)?;

    says(two, "WEIGHT=3")?;
    let three = Advice::Weight(3.try_into()?);
    until(&cluster, "three of four", REQUESTS * 3 / 4, three)?;
    says(two, "QUIESCE")?;
    until(&cluster, "s2 quiesces", 0, Advice::Quiesce)?;
    ensure!(server(&cluster, "s2")?.serves.is_empty());
    let status = node.ask(&["status"])?;
    ensure!(status.contains("shop/s2 is up, quiesce"), "{status}");
    let shown = node.ask(&["farm", "show", "shop"])?;
    ensure!(shown.contains("up, quiesce"), "{shown}");
    let json = node.ask(&["farm", "show", "shop", "-o", "json"])?;
    ensure!(json.contains("quiesce"), "{json}");

    says(two, "OVERLOAD")?;
    until(&cluster, "s2 is overloaded", 0, Advice::Overload)?;
    says(one, "OVERLOAD")?;
    until(&cluster, "both are used", REQUESTS / 2, Advice::Overload)?;
    says(one, "QUIESCE")?;
    until(&cluster, "s2 is left", REQUESTS, Advice::Overload)?;
    says(two, "QUIESCE")?;
    wait::until_true("both orders are honoured", AGREES_WITHIN, || {
        cluster.get("/").is_ok_and(|answer| answer.status == 503)
    })?;
    says(one, "OK")?;
    until(&cluster, "s1 is left", 0, Advice::Quiesce)?;
    let pages: Vec<PageReport> = node.report(&["page", "list"])?;
    ensure!(pages.is_empty(), "nobody is paged for advice: {pages:?}");

    says(two, "NOT OK")?;
    cluster.wait_for_health("shop", "s2", Health::Down)?;
    let reason = server(&cluster, "s2")?.checks.into_iter().next();
    let reason = reason.context("it has a check")?.reason;
    ensure!(reason == "the server's page says NOT OK", "{reason}");
    says(two, "OK")?;
    until(&cluster, "all as before", REQUESTS / 2, Advice::None)
}
