//! FTP through the VIP: real servers, real clients, whole files.

use std::fs::File;
use std::io::Write;
use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use farmux_raft::state::Health;
use farmux_tests::lab::cluster::{AGREES_WITHIN, Cluster};
use farmux_tests::lab::ftp::{Client, Mode, noise, sum};
use farmux_tests::lab::ftpd::{ALL, Kind};
use farmux_tests::lab::machine::Machine;
use farmux_tests::lab::nginx::Content;
use farmux_tests::lab::process::run;
use farmux_tests::lab::sheet::{FILES, sheet};
use farmux_tests::lab::{CLIENT, VIP, server_address, wait};

/// Small enough for many transfers, and no round number.
const SMALL_BYTES: usize = 300_001;

/// What a large file has here; `FARMUX_FTP_MIB=1024` makes it the gigabyte.
const LARGE_MIB: usize = 256;

/// What a node may grow by while a large file passes: buffers, and what the allocator keeps.
const GROWTH_BYTES_MAX: u64 = 20 * 1024 * 1024;

/// At 10 MB/s a gigabyte takes this long.
const LARGE_WITHIN: Duration = Duration::from_secs(110);

/// Seconds that each of them waits for a reply: fifty servers that start take theirs.
const PATIENCE: &str = "30";

/// As many sessions at once as the promise names.
const SESSIONS: u8 = 50;

fn server(cluster: &Cluster, number: u8, kind: Kind) -> Result<Machine> {
    let name = format!("s{number}");
    let at = server_address(number);
    Machine::start(&cluster.lab, &name, at, Content::Own, Some(kind))
}

/// Applies a farm with these servers alone, and waits until each of them is up.
fn serve(cluster: &Cluster, services: &[&str], servers: &[(u8, &str)]) -> Result<()> {
    cluster.nodes[0].apply(&sheet("", services, servers))?;
    for (number, _) in servers {
        cluster.wait_for_health("shop", &format!("s{number}"), Health::Up)?;
    }
    cluster.owner().map(|_| ())
}

#[test]
fn real_clients_and_real_servers_understand_each_other() -> Result<()> {
    let cluster = Cluster::form(1)?;
    let client = Client::new(&cluster.client, cluster.lab.folder())?;
    let whole = client.write_files(SMALL_BYTES)?;
    for (number, kind) in (1..).zip(ALL) {
        let mut machine = server(&cluster, number, kind)?;
        let root = machine.ftp()?.root();
        serve(&cluster, &[FILES], &[(number, "")])?;
        wait::until_true("this server answers at the VIP", AGREES_WITHIN, || {
            let who = client.curl(VIP, "/whoami", &["--max-time", "5"]);
            who.is_ok_and(|who| who.trim() == format!("s{number}"))
        })?;
        for mode in [Mode::Passive, Mode::Active] {
            client.everything(VIP, mode)?;
            by_lftp(&client, mode)?;
            client.compare("fetched", &whole)?;
        }
        for extended in [true, false] {
            by_curl(&client, extended)?;
            client.compare("fetched", &whole)?;
            client.compare("resumed", &whole)?;
        }
        client.ncftp(
            "ncftpput",
            Mode::Passive,
            &[&VIP.to_string(), "/up", "whole"],
        )?;
        let sent = std::fs::read(root.join("up/whole"))?;
        ensure!(sent == whole, "what ncftpput sent differs");
    }
    Ok(())
}

/// Both ways of data connections: EPSV and EPRT, or PASV and PORT.
fn by_curl(client: &Client, extended: bool) -> Result<()> {
    let words: &[&str] = if extended {
        &[]
    } else {
        &["--disable-epsv", "--disable-eprt"]
    };
    let curl = |path: &str, args: &[&str]| client.curl(VIP, path, &[words, args].concat());
    curl("/up/by-curl", &["-T", "half"])?;
    curl("/up/by-curl", &["-T", "whole", "--continue-at", "-"])?;
    let active = ["--ftp-port", "-"];
    let listing = curl("/up/", &active)?;
    ensure!(listing.contains("by-curl"), "{listing}");
    curl("/up/", &["-Q", "-RNFR by-curl", "-Q", "-RNTO renamed"])?;
    curl("/up/renamed", &[&active[..], &["-o", "fetched"]].concat())?;
    std::fs::copy(client.path("half"), client.path("resumed"))?;
    curl("/up/renamed", &["-o", "resumed", "--continue-at", "-"])?;
    curl("/up/", &["-Q", "-DELE renamed"]).map(|_| ())
}

fn by_lftp(client: &Client, mode: Mode) -> Result<()> {
    let script = "cd up; put half -o by-lftp; put -c whole -o by-lftp; ls by-lftp; \
                  mv by-lftp moved; get moved -o fetched; rm moved";
    client.lftp(VIP, mode, script).map(|_| ())
}

#[test]
fn a_large_file_passes_each_way_in_flat_memory() -> Result<()> {
    let mib = std::env::var("FARMUX_FTP_MIB").ok();
    let mib = mib.map_or(Ok(LARGE_MIB), |mib| mib.parse())?;
    let cluster = Cluster::form(1)?;
    let mut machine = server(&cluster, 1, Kind::Vsftpd)?;
    serve(&cluster, &[FILES], &[(1, "")])?;
    let client = Client::new(&cluster.client, cluster.lab.folder())?;
    let piece = noise(1024 * 1024);
    let mut file = File::create(client.path("large"))?;
    for number in 0..mib {
        // No two pieces are equal, so that a lost or doubled one shows.
        file.write_all(&piece[number..])?;
        file.write_all(&piece[..number])?;
    }
    let sent = machine.ftp()?.root().join("up/large");
    let node = cluster.nodes[0].process()?;
    let before = node.resident_bytes()?;
    let mut peak = before;
    for args in [["-T", "large", "/up/large"], ["-o", "back", "/up/large"]] {
        let transfer = client.start_curl(VIP, args[2], &args[..2])?;
        wait::until_true("the transfer ends", LARGE_WITHIN, || {
            peak = peak.max(node.resident_bytes().unwrap_or(u64::MAX));
            !transfer.is_running()
        })?;
    }
    let original = client.path("large");
    run(Command::new("cmp").arg(&original).arg(&sent)).context("sent")?;
    run(Command::new("cmp").arg(&original).arg(client.path("back"))).context("fetched")?;
    ensure!(
        peak - before <= GROWTH_BYTES_MAX,
        "grew by {} bytes",
        peak - before
    );
    Ok(())
}

#[test]
fn fifty_sessions_at_once_over_four_servers() -> Result<()> {
    let cluster = Cluster::form(1)?;
    let whole = noise(SMALL_BYTES);
    let mut machines = Vec::new();
    for (number, kind) in (1..).zip(ALL) {
        machines.push(server(&cluster, number, kind)?);
        machines
            .iter()
            .try_for_each(|machine| machine.put("big", &whole))?;
    }
    serve(&cluster, &[FILES], &[(1, ""), (2, ""), (3, ""), (4, "")])?;
    let first = Ipv4Addr::new(10, 0, 0, 110);
    for number in 0..SESSIONS {
        cluster.client.also(Ipv4Addr::new(10, 0, 0, 110 + number))?;
    }
    let client = Client::new(&cluster.client, cluster.lab.folder())?;
    let (vip, count, first) = (VIP.to_string(), SESSIONS.to_string(), first.to_string());
    let digest = sum(&whole);
    let args = [
        "crowd", &vip, &count, "big", &digest, &first, "0.1", PATIENCE,
    ];
    let crowd = client.start("crowd", &args)?;
    wait::until_true("all have their file", LARGE_WITHIN, || !crowd.is_running())?;
    let log = crowd.log();
    ensure!(
        log.contains("crowd sessions=50 broken=0 resumed=0 retries=0 equal=50"),
        "{log}"
    );
    Ok(())
}

/// Data of a session goes where its control connection goes, also when that is the only way in.
#[test]
fn tls_is_refused_unless_it_is_passed_on() -> Result<()> {
    let cluster = Cluster::form(1)?;
    let client = Client::new(&cluster.client, cluster.lab.folder())?;
    let whole = client.write_files(SMALL_BYTES)?;
    let mut machines = Vec::new();
    for (number, first) in [(1, 40_000), (2, 40_100)] {
        let kind = Kind::VsftpdTls {
            first,
            last: first + 99,
        };
        machines.push(server(&cluster, number, kind)?);
    }
    serve(&cluster, &[FILES], &[(1, ""), (2, "")])?;
    // With TLS 1.3 curl may close before the server's session tickets reach it: its own kernel then
    // drops what was still to be sent.
    let secure = ["--ssl-reqd", "--insecure", "--tls-max", "1.2"];
    let refused = client.curl(VIP, "/whoami", &secure);
    let said = refused
        .err()
        .map(|said| format!("{said:#}"))
        .unwrap_or_default();
    ensure!(said.contains("(64)"), "the server knows no TLS: {said}");
    let plain = client.curl(VIP, "/whoami", &["--ssl"])?;
    ensure!(
        plain.starts_with('s'),
        "who does not insist, goes on without: {plain}"
    );

    let pass = FILES.replace("40000-40999\"", "40000-40199\"\ntls = \"pass\"");
    let ranges = [
        (1, "data_ports = \"40000-40099\""),
        (2, "data_ports = \"40100-40199\""),
    ];
    serve(&cluster, &[&pass], &ranges)?;
    wait::until_true("TLS is passed on", AGREES_WITHIN, || {
        client.curl(VIP, "/whoami", &secure).is_ok()
    })?;
    // The kernel deals connections to runtimes by chance, and each of these takes turns.
    let roots: Result<Vec<PathBuf>> = machines
        .iter_mut()
        .map(|machine| Ok(machine.ftp()?.root().to_path_buf()))
        .collect();
    let roots = roots?;
    let (mut met, mut failed) = (std::collections::BTreeSet::new(), None);
    let upload = [&secure[..], &["-T", "whole"]].concat();
    let mut pass = || -> Result<()> {
        client.curl(VIP, "/up/sent", &upload)?;
        met.insert(client.curl(VIP, "/whoami", &secure)?);
        Ok(())
    };
    wait::until_true("both servers are met", AGREES_WITHIN, || {
        failed = pass().err();
        failed.is_some() || roots.iter().all(|root| root.join("up/sent").exists())
    })?;
    failed.map_or(Ok(()), Err)?;
    for machine in &mut machines {
        let sent = std::fs::read(machine.ftp()?.root().join("up/sent"))?;
        ensure!(sent == whole, "what was sent differs");
    }
    Ok(())
}

#[test]
fn a_drain_waits_for_a_transfer_and_takes_nothing_new() -> Result<()> {
    let cluster = Cluster::form(1)?;
    let node = &cluster.nodes[0];
    let client = Client::new(&cluster.client, cluster.lab.folder())?;
    let whole = noise(8 * SMALL_BYTES);
    let machines = [
        server(&cluster, 1, Kind::Vsftpd)?,
        server(&cluster, 2, Kind::Vsftpd)?,
    ];
    machines
        .iter()
        .try_for_each(|machine| machine.put("big", &whole))?;
    serve(&cluster, &[FILES], &[(1, ""), (2, "")])?;
    node.ask(&["server", "maintenance", "shop/s2"])?;
    let who = || client.curl(VIP, "/whoami", &["--max-time", "5"]);
    wait::until_true("s1 alone serves", AGREES_WITHIN, || {
        (0..3).all(|_| who().is_ok_and(|who| who.trim() == "s1"))
    })?;
    let (vip, from) = (VIP.to_string(), CLIENT.to_string());
    // 37 pieces, a tenth of a second apart: long enough for an order.
    let args = ["crowd", &vip, "1", "big", &sum(&whole), &from, "0.1"];
    let transfer = client.start("transfer", &args)?;
    wait::until_true("the transfer is under way", AGREES_WITHIN, || {
        transfer.log().contains("under way")
    })?;
    node.ask(&["server", "ready", "shop/s2"])?;
    cluster.wait_for_health("shop", "s2", Health::Up)?;
    node.ask(&["server", "drain", "shop/s1", "--wait", "--timeout", "60s"])?;
    for _ in 0..4 {
        ensure!(who()?.trim() == "s2", "nothing new for s1");
    }
    wait::until_true("the client is content", AGREES_WITHIN, || {
        !transfer.is_running()
    })?;
    let log = transfer.log();
    // Its session is told 421 when the transfer is over: nothing had to be sent again.
    ensure!(
        log.contains("resumed=0 ") && log.contains("equal=1"),
        "{log}"
    );
    Ok(())
}
