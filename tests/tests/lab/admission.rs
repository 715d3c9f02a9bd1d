//! Who is let in: tokens that are used, altered, revoked or foreign, and certificates that are
//! missing, foreign or of the wrong role.

use std::fs;
use std::net::SocketAddr;

use anyhow::{Context, Result, ensure};
use farmux_tests::lab::cluster::Cluster;
use farmux_tests::lab::node::{Node, binary};
use farmux_tests::lab::tls::{Shown, knock, knock_plainly};
use farmux_tests::lab::{CLIENT, Lab, node_address};

const PEER: &[u8] = b"farmux-peer/1";
const HTTP: &[u8] = b"http/1.1";

/// A cluster of one in a LAN of its own; its addresses are those of the other.
fn stranger() -> Result<Cluster> {
    Cluster::form(1)
}

#[test]
fn a_token_that_is_not_good_is_refused_with_the_reason() -> Result<()> {
    let cluster = Cluster::form(1)?;
    let node = &cluster.nodes[0];
    let joiner = Node::start(&cluster.lab, "lb2", node_address(2))?;
    let refused = |token: &str| -> Result<String> {
        let (_, said) = joiner.refused(&["cluster", "join", token])?;
        ensure!(
            said.contains("FMX-21") && said.contains("why:"),
            "with code and reason: {said}"
        );
        ensure!(joiner.status()?.cluster.is_none(), "it is in no cluster");
        Ok(said)
    };

    let token = node.token(&[])?;
    let last = token.chars().last().context("a token has characters")?;
    let other = if last == 'a' { 'b' } else { 'a' };
    let altered = format!("{}{other}", &token[..token.len() - 1]);
    refused(&altered)?;
    refused("not-a-token")?;

    let revoked = node.token(&[])?;
    for id in token_ids(node)? {
        node.ask(&["cluster", "token", "revoke", &id])?;
    }
    refused(&revoked)?;
    refused(&token)?;

    // A stranger's token names the address of our node: the joiner finds another CA there.
    let foreign = stranger()?.nodes[0].token(&[])?;
    refused(&foreign)?;

    let good = node.token(&[])?;
    joiner.ask(&["cluster", "join", &good])?;
    let late = Node::start(&cluster.lab, "lb3", node_address(3))?;
    let (_, said) = late.refused(&["cluster", "join", &good])?;
    ensure!(said.contains("FMX-21"), "a token is good once: {said}");
    let said = joiner.ask(&["cluster", "join", &good])?;
    ensure!(
        said.contains("joined already"),
        "a member has nothing left to do: {said}"
    );
    let (_, said) = joiner.refused(&["cluster", "join", &foreign])?;
    ensure!(
        said.contains("FMX-202"),
        "and joins no second cluster: {said}"
    );
    Ok(())
}

fn token_ids(node: &Node) -> Result<Vec<String>> {
    let tokens: Vec<farmux_node::api::types::TokenReport> =
        node.report(&["cluster", "token", "list"])?;
    Ok(tokens.into_iter().map(|token| token.id).collect())
}

#[test]
fn only_the_right_certificate_opens_a_port() -> Result<()> {
    let cluster = Cluster::form(1)?;
    let node = &cluster.nodes[0];
    let strange = stranger()?;
    let peer_port = SocketAddr::from((node_address(1), 7946));
    let admin_port = SocketAddr::from((node_address(1), 9443));
    let admin = Shown::from_pem(&admin_pem(node)?)?;
    let foreign_admin = Shown::from_pem(&admin_pem(&strange.nodes[0])?)?;
    let own = Shown::self_signed("lb1")?;

    cluster.client.within(|| -> Result<()> {
        let request = b"GET /v1/status HTTP/1.1\r\nHost: lb1\r\n\r\n";
        for (what, shown) in [
            ("none", None),
            ("a foreign one", Some(&foreign_admin)),
            ("an own one", Some(&own)),
        ] {
            let peer = knock(peer_port, PEER, shown, b"\0\0\0\x01x")?;
            ensure!(peer.is_refused(), "{what} at the peer port: {peer:?}");
            let admin = knock(admin_port, HTTP, shown, request)?;
            // Whoever shows none may follow the link of a page, and do nothing else.
            let out = match shown {
                None => admin.is_forbidden(),
                Some(_) => admin.is_refused(),
            };
            ensure!(out, "{what} at the admin port: {admin:?}");
        }
        let wrong_role = knock(peer_port, PEER, Some(&admin), b"\0\0\0\x01x")?;
        ensure!(
            wrong_role.is_refused(),
            "an admin is no peer: {wrong_role:?}"
        );
        let wrong_words = knock(peer_port, HTTP, Some(&admin), request)?;
        ensure!(
            wrong_words.is_refused(),
            "no other protocol there: {wrong_words:?}"
        );
        for port in [peer_port, admin_port] {
            let plain = knock_plainly(port, request)?;
            ensure!(plain.is_refused(), "no plain text at {port}: {plain:?}");
        }
        let right = knock(admin_port, HTTP, Some(&admin), request)?;
        ensure!(!right.is_refused(), "the right one is let in: {right:?}");
        Ok(())
    })
}

#[test]
fn an_administrator_works_from_another_machine() -> Result<()> {
    let cluster = Cluster::form(1)?;
    let file = cluster.lab.folder().join("kim.pem");
    let written = file.display().to_string();
    cluster.nodes[0].ask(&["admin-cert", "create", "kim", "--out", &written])?;
    ensure!(mode(&file)? == 0o600, "nobody else reads a key");

    let remotely = |cert: &str, args: &[&str]| {
        let mut command = cluster.client.command("timeout");
        command.arg("30").arg(binary()?);
        command
            .args(["--connect", "10.0.0.11:9443", "--cert", cert])
            .args(args);
        command.output().context("run the command line")
    };
    let status = remotely(&written, &["status", "-o", "json"])?;
    ensure!(
        status.status.success(),
        "{}",
        String::from_utf8_lossy(&status.stderr)
    );
    let stranger = stranger()?;
    let foreign = cluster.lab.folder().join("foreign.pem");
    fs::write(&foreign, admin_pem(&stranger.nodes[0])?)?;
    let refused = remotely(&foreign.display().to_string(), &["status"])?;
    ensure!(
        refused.status.code() == Some(3),
        "let in by no foreign certificate: {refused:?}"
    );
    Ok(())
}

fn admin_pem(node: &Node) -> Result<String> {
    let made: farmux_node::api::types::AdminCertAnswer =
        node.report(&["admin-cert", "create", "kim"])?;
    Ok(made.pem)
}

fn mode(file: &std::path::Path) -> Result<u32> {
    use std::os::unix::fs::PermissionsExt;
    Ok(fs::metadata(file)?.permissions().mode() & 0o777)
}

/// A lab is there for each cluster, so that two clusters may have the same addresses.
#[test]
fn two_labs_do_not_hear_each_other() -> Result<()> {
    let (one, two) = (Lab::new()?, Lab::new()?);
    let (client, server) = (
        one.host("client", CLIENT)?,
        two.host("lb1", node_address(1))?,
    );
    let to = SocketAddr::from((node_address(1), 80));
    let _listener = server.within(|| std::net::TcpListener::bind(to))?;
    let second = std::time::Duration::from_secs(1);
    ensure!(
        server
            .within(|| std::net::TcpStream::connect_timeout(&to, second))
            .is_ok()
    );
    ensure!(
        client
            .within(|| std::net::TcpStream::connect_timeout(&to, second))
            .is_err()
    );
    Ok(())
}
