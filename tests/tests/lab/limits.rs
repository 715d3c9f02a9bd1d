//! Full servers, and who a client really is: queues, and the PROXY protocol as nginx sees it.

use std::io::{BufRead, BufReader};
use std::net::{Ipv4Addr, TcpStream};

use anyhow::{Context, Result, ensure};
use farmux_raft::state::Health;
use farmux_tests::lab::cluster::{AGREES_WITHIN, Cluster};
use farmux_tests::lab::ftpd::Kind;
use farmux_tests::lab::machine::Machine;
use farmux_tests::lab::nginx::{Content, Nginx};
use farmux_tests::lab::sheet::{FILES, WEB, sheet};
use farmux_tests::lab::{CLIENT, VIP, http, server_address, wait};

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

/// The first line that an FTP client reads.
fn greeting(stream: &TcpStream) -> Result<String> {
    stream.set_read_timeout(Some(http::PATIENCE))?;
    let mut line = String::new();
    BufReader::new(stream).read_line(&mut line)?;
    Ok(line)
}

#[test]
fn a_full_ftp_service_says_so_in_its_own_words() -> Result<()> {
    let cluster = Cluster::form(1)?;
    let at = server_address(1);
    let kind = Some(Kind::Vsftpd);
    let _server = Machine::start(&cluster.lab, "s1", at, Content::Own, kind)?;
    let service = format!("{FILES}max_connections = 1\nqueue = {{ length = 0 }}\n");
    cluster.nodes[0].apply(&sheet("", &[&service], &[(1, "")]))?;
    cluster.wait_for_health("shop", "s1", Health::Up)?;
    cluster.owner()?;
    let knock = || {
        let open = || TcpStream::connect_timeout(&(VIP, 21).into(), http::PATIENCE);
        cluster.client.within(open).context("connect to the VIP")
    };
    let greeted = |code: &str| {
        wait::until(code, AGREES_WITHIN, || {
            let stream = knock().ok()?;
            let line = greeting(&stream).ok()?;
            line.starts_with(code).then_some(stream)
        })
    };
    let first = greeted("220")?;
    let second = greeting(&knock()?)?;
    ensure!(second.starts_with("421 "), "the second session: {second}");
    drop(first);
    greeted("220").map(|_| ())
}
