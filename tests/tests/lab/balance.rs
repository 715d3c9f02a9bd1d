//! Balancing over real nginx servers, as a client sees it: weights, drain, maintenance.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::JoinHandle;

use anyhow::{Context, Result, ensure};
use farmux_node::api::types::ServerReport;
use farmux_raft::state::{AdminState, Health};
use farmux_tests::lab::cluster::{AGREES_WITHIN, Cluster, shop};
use farmux_tests::lab::nginx::Nginx;
use farmux_tests::lab::{http, wait};

/// Each serving runtime keeps its own turn, so each may be one request off; two cores here, and
/// as much again for a machine with more.
const TURNS_OFF: usize = 4;

fn one_node_two_servers(weights: &[u32]) -> Result<(Cluster, Nginx, Nginx)> {
    let cluster = Cluster::form(1)?;
    let one = Nginx::start(&cluster.lab, 1)?;
    let two = Nginx::start(&cluster.lab, 2)?;
    cluster.nodes[0].apply(&shop(weights))?;
    cluster.wait_for_health("shop", "s1", Health::Up)?;
    cluster.wait_for_health("shop", "s2", Health::Up)?;
    cluster.wait_for_service()?;
    Ok((cluster, one, two))
}

#[test]
fn servers_get_work_by_their_weights() -> Result<()> {
    let (cluster, _one, _two) = one_node_two_servers(&[3, 1])?;
    let fresh = cluster.spread(80, &["s1", "s2"])?;
    ensure!(
        fresh[0].abs_diff(60) <= TURNS_OFF,
        "3 to 1 on new connections: {fresh:?}"
    );

    let mut kept = [0_usize, 0];
    let names = cluster.client.within(|| -> Result<Vec<String>> {
        let mut open = http::Connection::open(cluster.front())?;
        (0..80).map(|_| Ok(open.get("/")?.text())).collect()
    })?;
    for name in names {
        kept[usize::from(name == "s2")] += 1;
    }
    ensure!(
        kept[0].abs_diff(60) <= TURNS_OFF,
        "3 to 1 on one connection: {kept:?}"
    );

    cluster.nodes[0].apply(&shop(&[1, 4]))?;
    wait::until_true("new weights are obeyed", AGREES_WITHIN, || {
        cluster
            .spread(40, &["s1", "s2"])
            .is_ok_and(|counts| counts[0].abs_diff(8) <= TURNS_OFF)
    })
}

#[test]
fn a_drain_under_load_fails_no_request() -> Result<()> {
    let (cluster, _one, two) = one_node_two_servers(&[1, 1])?;
    let node = &cluster.nodes[0];
    let load = Load::start(&cluster);
    wait::until_true("both servers have work", AGREES_WITHIN, || {
        load.answered() > 100 && two.requests() > 20
    })?;

    node.ask(&["server", "drain", "shop/s2", "--wait", "--timeout", "60s"])?;
    let report = server(&cluster, "s2")?;
    ensure!(report.admin == AdminState::Drain, "{report:?}");
    ensure!(
        report.active == Some(0),
        "nothing is left when --wait returns: {report:?}"
    );
    let (drained, answered) = (two.requests(), load.answered());
    wait::until_true("the load goes on", AGREES_WITHIN, || {
        load.answered() > answered + 200
    })?;
    ensure!(
        two.requests() == drained,
        "a drained server gets nothing new"
    );

    node.ask(&["server", "ready", "shop/s2"])?;
    wait::until_true("it works again", AGREES_WITHIN, || {
        two.requests() > drained + 20
    })?;
    node.ask(&["server", "maintenance", "shop/s2"])?;
    wait::until_true("maintenance takes it out", AGREES_WITHIN, || {
        let before = two.requests();
        cluster.spread(10, &["s1", "s2"]).is_ok() && two.requests() == before
    })?;
    load.stop()
}

/// The way there is shown too: a wait that ends early says so by its exit code.
#[test]
fn a_drain_waits_for_the_last_download() -> Result<()> {
    let (cluster, _one, _two) = one_node_two_servers(&[1, 1])?;
    let node = &cluster.nodes[0];
    node.ask(&["server", "maintenance", "shop/s1"])?;
    wait::until_true("only s2 answers", AGREES_WITHIN, || {
        cluster
            .spread(6, &["s1", "s2"])
            .is_ok_and(|counts| counts[0] == 0)
    })?;
    let front = cluster.front();
    let download = cluster.client.background(move || http::get(front, "/slow"));
    wait::until_true("the download is under way", AGREES_WITHIN, || {
        server(&cluster, "s2").is_ok_and(|report| report.active == Some(1))
    })?;
    node.ask(&["server", "ready", "shop/s1"])?;
    // Nobody probes what is in maintenance: s2 is the last one until s1 has a verdict again.
    cluster.wait_for_health("shop", "s1", Health::Up)?;
    let (code, said) =
        node.refused(&["server", "drain", "shop/s2", "--wait", "--timeout", "100ms"])?;
    ensure!(
        code == 6,
        "exit code 6, --wait ended too early, not {code}: {said}"
    );
    node.ask(&["server", "drain", "shop/s2", "--wait", "--timeout", "60s"])?;
    let answer = download.join().expect("the client does not panic")?;
    ensure!(
        answer.status == 200 && answer.body.len() == 100_000,
        "the download is whole"
    );
    Ok(())
}

fn server(cluster: &Cluster, name: &str) -> Result<ServerReport> {
    let servers = cluster.any()?.farm("shop")?.servers;
    servers
        .into_iter()
        .find(|server| server.name.as_str() == name)
        .context("the server is listed")
}

/// Clients that ask all the time, half of them on one connection each.
struct Load {
    stop: Arc<AtomicBool>,
    answered: Arc<AtomicUsize>,
    clients: Vec<JoinHandle<Result<()>>>,
}

impl Load {
    /// Four clients: enough that every moment has a request under way.
    fn start(cluster: &Cluster) -> Load {
        let stop = Arc::new(AtomicBool::new(false));
        let answered = Arc::new(AtomicUsize::new(0));
        let clients = (0..4).map(|number| {
            let (stop, answered, front) = (stop.clone(), answered.clone(), cluster.front());
            cluster.client.background(move || -> Result<()> {
                let mut open = http::Connection::open(front)?;
                while !stop.load(Ordering::Relaxed) {
                    if number % 2 == 0 {
                        open = http::Connection::open(front)?;
                    }
                    let answer = open.get("/")?;
                    ensure!(answer.status == 200, "{}: {}", answer.status, answer.text());
                    answered.fetch_add(1, Ordering::Relaxed);
                }
                Ok(())
            })
        });
        Load {
            clients: clients.collect(),
            stop,
            answered,
        }
    }

    fn answered(&self) -> usize {
        self.answered.load(Ordering::Relaxed)
    }

    /// **Errors**: a request failed.
    fn stop(self) -> Result<()> {
        self.stop.store(true, Ordering::Relaxed);
        for client in self.clients {
            client.join().expect("a client does not panic")?;
        }
        Ok(())
    }
}
