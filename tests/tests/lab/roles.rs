//! A farm that is more than its servers: roles, persistence, the last resort, and who may be taken
//! out.

use anyhow::{Result, ensure};
use farmux_raft::state::Health;
use farmux_tests::lab::cluster::{AGREES_WITHIN, Cluster};
use farmux_tests::lab::ftp::Client;
use farmux_tests::lab::ftpd::Kind;
use farmux_tests::lab::machine::Machine;
use farmux_tests::lab::nginx::{Content, Nginx};
use farmux_tests::lab::sheet::{FILES, WEB, sheet};
use farmux_tests::lab::{VIP, http, server_address, wait};
use std::net::Ipv4Addr;
use std::time::Duration;

/// Ten rounds of the checks: whoever wanted to come back would have.
const NOTHING_MOVES_FOR: Duration = Duration::from_secs(2);

/// A cluster of one, and nginx on `s1` to `s3`.
fn three_servers(farm: &str, roles: [&str; 3]) -> Result<(Cluster, [Nginx; 3])> {
    let cluster = Cluster::form(1)?;
    let lab = &cluster.lab;
    let servers = [
        Nginx::start(lab, 1)?,
        Nginx::start(lab, 2)?,
        Nginx::start(lab, 3)?,
    ];
    let role = |role: &str| format!("role = \"{role}\"");
    let lines = roles.map(role);
    let listed = [(1, lines[0].as_str()), (2, &lines[1]), (3, &lines[2])];
    cluster.nodes[0].apply(&sheet(farm, &[WEB], &listed))?;
    for server in ["s1", "s2", "s3"] {
        cluster.wait_for_health("shop", server, Health::Up)?;
    }
    cluster.wait_for_service()?;
    Ok((cluster, servers))
}

/// Waits until `server` alone answers.
fn alone(cluster: &Cluster, server: &str) -> Result<()> {
    wait::until_true(&format!("only {server} answers"), AGREES_WITHIN, || {
        let met = |_| cluster.get("/").is_ok_and(|answer| answer.text() == server);
        (0..6).all(met)
    })
}

#[test]
fn a_standby_takes_over_and_returns_to_its_place() -> Result<()> {
    let page = "last_resort = { status = 418, body = \"<h1>Closed</h1>\" }";
    let (cluster, [mut one, mut two, mut three]) =
        three_servers(page, ["favorite", "standby", "last-resort"])?;
    alone(&cluster, "s1")?;
    one.stop()?;
    alone(&cluster, "s2")?;
    two.stop()?;
    alone(&cluster, "s3")?;
    three.stop()?;
    let answer = wait::until("a page of our own", AGREES_WITHIN, || {
        cluster.get("/").ok().filter(|answer| answer.status == 418)
    })?;
    ensure!(answer.text() == "<h1>Closed</h1>", "{answer:?}");
    let kind = answer.field("content-type").unwrap_or_default();
    ensure!(kind.starts_with("text/html"), "{kind}");
    three.back()?;
    alone(&cluster, "s3")?;
    two.back()?;
    alone(&cluster, "s2")?;
    one.back()?;
    alone(&cluster, "s1")
}

#[test]
fn an_active_server_stands_by_after_a_failure_until_an_operator_says_ready() -> Result<()> {
    let (cluster, [mut one, mut two, _three]) = three_servers("", ["active", "active", "standby"])?;
    let both = || {
        let counts = cluster.spread(10, &["s1", "s2"]);
        counts.is_ok_and(|counts| counts[0] > 0 && counts[1] > 0)
    };
    wait::until_true("both actives work", AGREES_WITHIN, both)?;
    one.stop()?;
    cluster.wait_for_health("shop", "s1", Health::Down)?;
    alone(&cluster, "s2")?;
    one.back()?;
    cluster.wait_for_health("shop", "s1", Health::Up)?;
    wait::throughout("s1 stands by", NOTHING_MOVES_FOR, || {
        cluster.get("/").is_ok_and(|answer| answer.text() == "s2")
    })?;
    // A standby is used when nobody better is there; s1 is one now.
    two.stop()?;
    cluster.wait_for_health("shop", "s2", Health::Down)?;
    wait::until_true("both standbys work", AGREES_WITHIN, || {
        let counts = cluster.spread(10, &["s1", "s3"]);
        counts.is_ok_and(|counts| counts[0] > 0 && counts[1] > 0)
    })?;
    two.back()?;
    cluster.wait_for_health("shop", "s2", Health::Up)?;
    for server in ["shop/s1", "shop/s2"] {
        cluster.nodes[0].ask(&["server", "ready", server])?;
    }
    wait::until_true("both actives work again", AGREES_WITHIN, both)
}

#[test]
fn a_client_meets_the_same_server_by_http_and_by_ftp() -> Result<()> {
    let cluster = Cluster::form(1)?;
    let mut machines = Vec::new();
    for number in 1..=3 {
        let (name, at) = (format!("s{number}"), server_address(number));
        let kind = Some(Kind::Vsftpd);
        machines.push(Machine::start(&cluster.lab, &name, at, Content::Own, kind)?);
    }
    let farm = "method = \"round-robin\"\npersistence = { prefix_v4 = 32, timeout = \"1h\" }";
    let sheet = sheet(farm, &[WEB, FILES], &[(1, ""), (2, ""), (3, "")]);
    cluster.nodes[0].apply(&sheet)?;
    for server in ["s1", "s2", "s3"] {
        cluster.wait_for_health("shop", server, Health::Up)?;
    }
    cluster.wait_for_service()?;
    let client = Client::new(&cluster.client, cluster.lab.folder())?;
    let mut met = std::collections::BTreeSet::new();
    for number in 110..116 {
        let from = Ipv4Addr::new(10, 0, 0, number);
        cluster.client.also(from)?;
        let web = || -> Result<String> {
            let ask = || http::Connection::open_from(from, cluster.front())?.get("/");
            Ok(cluster.client.within(ask)?.text())
        };
        let files = || -> Result<String> {
            let interface = from.to_string();
            let said = client.curl(VIP, "/whoami", &["--interface", &interface])?;
            Ok(said.trim().to_owned())
        };
        // Whichever comes first decides, and both do in turn.
        let seen = match number % 2 {
            0 => [web()?, files()?, web()?, files()?],
            _ => [files()?, web()?, files()?, web()?],
        };
        ensure!(seen.iter().all(|who| *who == seen[0]), "{from}: {seen:?}");
        met.extend(seen);
    }
    // Each serving runtime has its own turn, so that few clients may leave a server out.
    ensure!(met.len() > 1, "several servers: {met:?}");
    Ok(())
}

#[test]
fn the_last_server_is_taken_out_only_by_who_says_so() -> Result<()> {
    let (cluster, _servers) = three_servers("", ["favorite"; 3])?;
    let node = &cluster.nodes[0];
    node.ask(&["server", "drain", "shop/s1"])?;
    node.ask(&["server", "maintenance", "shop/s2"])?;
    for order in ["drain", "maintenance"] {
        let (_, said) = node.refused(&["server", order, "shop/s3"])?;
        ensure!(said.contains("--allow-empty"), "says how: {said}");
    }
    alone(&cluster, "s3")?;
    node.ask(&["server", "drain", "shop/s3", "--allow-empty"])?;
    wait::until_true("nobody serves", AGREES_WITHIN, || {
        cluster.get("/").is_ok_and(|answer| answer.status == 503)
    })?;
    node.ask(&["server", "ready", "shop/s3"])?;
    alone(&cluster, "s3")
}

#[test]
fn a_machine_is_drained_everywhere_by_its_address() -> Result<()> {
    let (cluster, _servers) = three_servers("", ["favorite"; 3])?;
    let node = &cluster.nodes[0];
    let both = format!(
        "{}\n[[farm]]\nname = \"other\"\nvip = \"front\"\n[[farm.service]]\nname = \"web\"\n\
         kind = \"http\"\nport = 81\n[[farm.server]]\nname = \"x\"\naddress = \"{}\"\n\
         ports = {{ web = 80 }}\n[[farm.server]]\nname = \"y\"\naddress = \"{}\"\n\
         ports = {{ web = 80 }}\n",
        sheet("", &[WEB], &[(1, ""), (2, ""), (3, "")]),
        server_address(1),
        server_address(2),
    );
    node.apply(&both)?;
    let other = |path: &str| {
        let ask = || http::get((VIP, 81).into(), path);
        cluster.client.within(ask)
    };
    wait::until_true("the other farm answers", AGREES_WITHIN, || {
        other("/").is_ok_and(|answer| answer.status == 200)
    })?;
    let address = server_address(1).to_string();
    node.ask(&["server", "drain", "--everywhere", &address, "--wait"])?;
    let counts = cluster.spread(12, &["s1", "s2", "s3"])?;
    ensure!(counts[0] == 0, "s1 has no new work in shop: {counts:?}");
    for _ in 0..6 {
        ensure!(other("/")?.text() == "s2", "nor in the other farm");
    }
    node.ask(&["server", "ready", "--everywhere", &address])?;
    wait::until_true("s1 works again in both", AGREES_WITHIN, || {
        let here = cluster.spread(12, &["s1", "s2", "s3"]);
        let there = (0..6).any(|_| other("/").is_ok_and(|answer| answer.text() == "s1"));
        here.is_ok_and(|counts| counts[0] > 0) && there
    })
}
