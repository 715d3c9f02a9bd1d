//! Full servers, and who a client really is: queues, and the PROXY protocol as nginx sees it.

use std::net::{Ipv4Addr, SocketAddr};

use anyhow::{Context, Result, ensure};
use farmux_tests::lab::cluster::{AGREES_WITHIN, Cluster};
use farmux_tests::lab::nginx::{Content, Nginx};
use farmux_tests::lab::sheet::{WEB, sheet};
use farmux_tests::lab::{CLIENT, http, server_address, wait};

#[test]
fn a_full_server_lets_one_wait_and_tells_the_others() -> Result<()> {
    let cluster = Cluster::form(1)?;
    let server = Nginx::start(&cluster.lab, 1)?;
    let queue = format!("{WEB}queue = {{ length = 1, timeout = \"20s\" }}\n");
    let most = [(1, "max_connections = 1")];
    cluster.nodes[0].apply(&sheet("", &[&queue], &most))?;
    cluster.wait_for_service()?;
    let front = cluster.front();
    let ask = |path: &'static str| {
        cluster.client.background(move || -> Result<http::Answer> {
            let patience = 4 * http::PATIENCE;
            http::Connection::open_within(front, patience)?.get(path)
        })
    };
    let slow = ask("/slow");
    let active = || {
        let farm = cluster.nodes[0].farm("shop").ok()?;
        farm.servers.first()?.active
    };
    wait::until_true("the download is under way", AGREES_WITHIN, || {
        active() == Some(1)
    })?;
    // One of the three finds a place to wait, and its answer when the download is over.
    let others = [ask("/"), ask("/"), ask("/")];
    let mut statuses = Vec::new();
    for other in others {
        let answer = other.join().expect("a client does not panic")?;
        statuses.push(answer.status);
    }
    statuses.sort_unstable();
    ensure!(statuses == [200, 503, 503], "{statuses:?}");
    let slow = slow.join().expect("a client does not panic")?;
    ensure!(slow.body.len() == 100_000, "the download is whole");
    ensure!(server.requests() >= 1);
    Ok(())
}

/// Asks with bytes before the request, from one of the client's addresses.
fn ask_with(cluster: &Cluster, from: Ipv4Addr, before: &[u8]) -> Result<http::Answer> {
    let front = cluster.front();
    cluster.client.within(|| {
        let mut open = http::Connection::open_from(from, front)?;
        let request = b"GET / HTTP/1.1\r\nHost: farm.test\r\n\r\n";
        open.send(&[before, request].concat())?;
        open.receive()
    })
}

#[test]
fn servers_are_told_who_the_client_is() -> Result<()> {
    let cluster = Cluster::form(1)?;
    let host = cluster.lab.host("s1", server_address(1))?;
    let _server = Nginx::on(&host, cluster.lab.folder(), Content::BehindProxy)?;
    let listed = Ipv4Addr::new(10, 0, 0, 110);
    cluster.client.also(listed)?;
    for version in ["v1", "v2"] {
        let service = format!(
            "\nname = \"web\"\nkind = \"http\"\nport = 80\nsend_proxy = \"{version}\"\n\
             accept_proxy = [\"{listed}/32\"]\n"
        );
        cluster.nodes[0].apply(&sheet("", &[&service], &[(1, "")]))?;
        cluster.wait_for_service()?;
        let seen = ask_with(&cluster, CLIENT, b"")?.text();
        ensure!(seen == format!("s1 {CLIENT}"), "{version}: {seen}");

        // A listed source speaks for others, and must.
        let header = b"PROXY TCP4 192.0.2.7 10.0.0.100 5555 80\r\n";
        let seen = ask_with(&cluster, listed, header)?.text();
        ensure!(seen == "s1 192.0.2.7", "{version}: {seen}");
        let silent = ask_with(&cluster, listed, b"");
        ensure!(
            silent.as_ref().map_or(true, |answer| answer.status != 200),
            "{version}: a listed source without a header: {silent:?}"
        );
        // From anybody else it is no header but a bad request.
        let forged = ask_with(&cluster, CLIENT, header);
        ensure!(
            forged.as_ref().map_or(true, |answer| answer.status == 400),
            "{version}: a header from a stranger: {forged:?}"
        );
    }
    Ok(())
}

/// What a client cannot get, it is told at once: an FTP client as well as a web client.
#[test]
fn a_full_service_answers_in_its_own_protocol() -> Result<()> {
    let cluster = Cluster::form(1)?;
    let _server = Nginx::start(&cluster.lab, 1)?;
    let service = format!("{WEB}max_connections = 1\nqueue = {{ length = 0 }}\n");
    cluster.nodes[0].apply(&sheet("", &[&service], &[(1, "")]))?;
    cluster.wait_for_service()?;
    let front: SocketAddr = cluster.front();
    let slow = cluster.client.background(move || http::get(front, "/slow"));
    let refused = wait::until("the service is full", AGREES_WITHIN, || {
        cluster.get("/").ok().filter(|answer| answer.status == 503)
    });
    refused.context("503 while the one request is under way")?;
    let slow = slow.join().expect("a client does not panic")?;
    ensure!(slow.body.len() == 100_000, "the download is whole");
    cluster.wait_for_service()
}
