//! How fast a large file passes by FTP, through farmux and without it: `tests/bench.sh ftp`.
//!
//! ```text
//!   client ── curl ──┬──────────────> s1 vsftpd      direct
//!                    └─> VIP farmux ─> s1            through one node
//! ```
//! In turns, so that whatever else the machine does happens to both. On links of a gigabit, as
//! machines have them, and then without: there everything is a copy in memory, farmux makes one
//! more of them on the same cores, and the ratio says how much that costs.

#![expect(clippy::print_stdout, reason = "a bench prints its rows")]

use std::fs;

use anyhow::{Context, Result, bail, ensure};
use farmux_raft::state::Health;
use farmux_tests::lab::cluster::Cluster;
use farmux_tests::lab::ftp::{Client, noise};
use farmux_tests::lab::ftpd::Kind;
use farmux_tests::lab::machine::Machine;
use farmux_tests::lab::nginx::Content;
use farmux_tests::lab::process::run;
use farmux_tests::lab::sheet::{FILES, sheet};
use farmux_tests::lab::{Host, VIP, server_address};
use std::net::Ipv4Addr;

/// Enough for a median; each is four transfers of eight seconds and four of one.
const TURNS: usize = 3;
/// A file that no buffer holds.
const MEBIBYTES: usize = 1024;
/// The least ratio that is promised.
const GOAL: f64 = 0.9;

fn main() -> Result<()> {
    let mut args = std::env::args().skip(1);
    let mut number = |default: usize| match args.next() {
        None => Ok(default),
        Some(text) => text.parse().with_context(|| format!("{text}: no number")),
    };
    let (turns, mebibytes) = (number(TURNS)?, number(MEBIBYTES)?);
    if turns == 0 || mebibytes == 0 {
        bail!("usage: throughput [TURNS [MEBIBYTES]], each at least 1");
    }
    let cluster = Cluster::form(1)?;
    let at = server_address(1);
    let lab = &cluster.lab;
    let mut server = Machine::start(lab, "s1", at, Content::Own, Some(Kind::Vsftpd))?;
    let file = noise(1 << 20).repeat(mebibytes);
    fs::write(server.ftp()?.root().join("large"), &file)?;
    cluster.nodes[0].apply(&sheet("", &[FILES], &[(1, "")]))?;
    cluster.wait_for_health("shop", "s1", Health::Up)?;
    cluster.owner()?;
    let client = Client::new(&cluster.client, lab.folder())?;
    fs::write(client.path("large"), &file)?;
    drop(file);

    for host in [&cluster.client, server.host(), cluster.nodes[0].host()] {
        limit(host)?;
    }
    let mut good = true;
    for way in [Way::Download, Way::Upload] {
        good &= row(way.word(), &client, way, turns)? >= GOAL;
    }
    for host in [&cluster.client, server.host(), cluster.nodes[0].host()] {
        run(host
            .command("tc")
            .args(["qdisc", "del", "dev", "eth0", "root"]))?;
    }
    for way in [Way::Download, Way::Upload] {
        row(&format!("{}-in-memory", way.word()), &client, way, turns)?;
    }
    println!(
        "goals ratio>={GOAL} {}",
        if good { "hold" } else { "MISSED" }
    );
    Ok(())
}

/// A gigabit Ethernet, as far as the sender is concerned.
fn limit(host: &Host) -> Result<()> {
    let args = ["qdisc", "add", "dev", "eth0", "root", "tbf"];
    let rate = ["rate", "1gbit", "burst", "256kb", "latency", "50ms"];
    run(host.command("tc").args(args).args(rate)).map(|_| ())
}

#[derive(Clone, Copy)]
enum Way {
    Download,
    Upload,
}

impl Way {
    fn word(self) -> &'static str {
        match self {
            Way::Download => "ftp-download",
            Way::Upload => "ftp-upload",
        }
    }

    /// Megabits a second, as curl measures them.
    fn once(self, client: &Client, at: Ipv4Addr) -> Result<f64> {
        let (path, args) = match self {
            Way::Download => ("/large", ["-o", "/dev/null", "-w", "%{speed_download}"]),
            Way::Upload => ("/up/large", ["-T", "large", "-w", "%{speed_upload}"]),
        };
        let said = client.curl(at, path, &args)?;
        let bytes: f64 = said.trim().parse().with_context(|| said.clone())?;
        ensure!(bytes > 0.0, "{said}");
        Ok(bytes * 8.0 / 1e6)
    }
}

/// Prints a row and returns its ratio.
fn row(name: &str, client: &Client, way: Way, turns: usize) -> Result<f64> {
    let (mut direct, mut farmux) = (Vec::new(), Vec::new());
    for turn in 0..turns {
        // Nobody always goes first.
        for which in [turn % 2, (turn + 1) % 2] {
            match which {
                0 => direct.push(way.once(client, server_address(1))?),
                _ => farmux.push(way.once(client, VIP)?),
            }
        }
    }
    let (direct, farmux) = (median(direct), median(farmux));
    let ratio = farmux / direct;
    println!(
        "{name} direct_mbps={direct:.0} farmux_mbps={farmux:.0} ratio={ratio:.2} turns={turns}"
    );
    Ok(ratio)
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or_default()
}
