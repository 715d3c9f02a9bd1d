//! A transfer so long that a control connection idle for that time would be given up elsewhere.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use farmux_tests::lab::ftp::{Client, noise};
use farmux_tests::lab::ftpd::Kind;
use farmux_tests::lab::machine::Machine;
use farmux_tests::lab::nginx::Content;
use farmux_tests::lab::{VIP, server_address, wait};

use farmux_tests::lab::cluster::Cluster;

use super::scene::example;
use super::tell;

/// Large enough that no buffers on the way hold a noticeable part of it.
const FILE_BYTES: usize = 256 * 1024 * 1024;

/// On top of the transfer itself.
const ENDS_WITHIN: Duration = Duration::from_secs(120);

pub(crate) fn run(seconds: u32) -> Result<()> {
    let cluster = Cluster::form(1)?;
    let lab = &cluster.lab;
    let at = server_address(1);
    let server = Machine::start(lab, "s1", at, Content::Own, Some(Kind::Vsftpd))?;
    server.put("big", &noise(FILE_BYTES))?;
    // A limit of ten seconds shows that it is the transfer that keeps the session.
    let site = example("site1.toml")?;
    let limit = "idle = \"30m\"";
    ensure!(site.contains(limit), "the example has a limit");
    cluster.nodes[0].apply(&site.replace(limit, "idle = \"10s\""))?;
    let up = farmux_raft::state::Health::Up;
    cluster.wait_for_health("mirror", "s1", up)?;
    cluster.wait_for_service()?;
    let client = Client::new(&cluster.client, lab.folder())?;
    tell(&format!("idle one transfer of {seconds} s"));
    let (vip, seconds_told) = (VIP.to_string(), seconds.to_string());
    let transfer = client.start("idle", &["idle", &vip, "big", &seconds_told])?;
    let limit = Duration::from_secs(seconds.into()) + ENDS_WITHIN;
    wait::until_true("the transfer ends", limit, || !transfer.is_running())?;
    let log = transfer.log();
    let line = log.lines().find(|line| line.starts_with("idle "));
    tell(line.with_context(|| log.clone())?);
    ensure!(log.contains("last reply: 226"), "{log}");
    Ok(())
}
