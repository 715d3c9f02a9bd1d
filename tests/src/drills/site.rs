//! A cluster in which every drill can be run.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use farmux_node::api::types::Overall;
use farmux_raft::state::Health;
use rustix::process::Signal;

use crate::lab::cluster::{Cluster, shop};
use crate::lab::mail::MailServer;
use crate::lab::nginx::Nginx;
use crate::lab::node::Node;
use crate::lab::process::run;
use crate::lab::{Host, VIP, server_address, wait};

/// The file server's number.
const FILES: u8 = 9;

/// After a drill everything has come to rest: checks rise, and pages are recorded.
const WELL_WITHIN: Duration = Duration::from_secs(60);

/// An election, or a takeover, on a busy machine.
const SETTLES_WITHIN: Duration = Duration::from_secs(10);

/// What the drills of servers need beside a shop, and who is told of drills.
const MORE: &str = r#"
[[contact]]
name = "rehearsals"
mail = { to = ["rehearsals@example.com"], from = "f@example.com", relay = "smtp://10.0.0.9:25" }
"#;

/// Three nodes that serve, and all that drills touch.
#[derive(Debug)]
pub struct Site {
    /// The nodes and their LAN.
    pub cluster: Cluster,
    /// The relay.
    pub mail: MailServer,
    _servers: Vec<Nginx>,
}

impl Site {
    /// Forms it, and waits until all is well.
    ///
    /// **Errors**: a step failed, or took too long.
    pub fn form() -> Result<Site> {
        let cluster = Cluster::form(3)?;
        let numbers = [1, 2, FILES];
        let servers = numbers.map(|number| Nginx::start(&cluster.lab, number));
        let site = Site {
            _servers: servers.into_iter().collect::<Result<_>>()?,
            mail: MailServer::start(&cluster.lab)?,
            cluster,
        };
        site.cluster.nodes[0].apply(&configuration())?;
        for server in ["s1", "s2"] {
            site.cluster.wait_for_health("shop", server, Health::Up)?;
        }
        site.cluster.wait_for_service()?;
        wait::until_true("the file server is up", WELL_WITHIN, || {
            let watches = site.any().and_then(|node| node.ask(&["watch", "list"]));
            watches.is_ok_and(|watches| watches.contains(": 1 up"))
        })?;
        site.wait_until_well()?;
        Ok(site)
    }

    /// Waits until each daemon runs and says that all is well, one node has the VIP, and nothing
    /// that a drill did is left in any kernel.
    ///
    /// **Errors**: it took too long.
    pub fn wait_until_well(&self) -> Result<()> {
        let nodes = &self.cluster.nodes;
        wait::until_true("all is well, as each node says", WELL_WITHIN, || {
            let holders = nodes.iter().filter(|node| node.host().holds(VIP));
            nodes.iter().all(is_well) && holders.count() == 1
        })
        .with_context(|| self.cluster.nodes[0].ask(&["status"]).unwrap_or_default())?;
        for node in nodes {
            ensure!(!is_severed(node.host())?, "{}: still severed", node.name());
        }
        Ok(())
    }

    /// Starts again whatever daemon is dead.
    ///
    /// **Errors**: one does not start.
    pub fn revive(&mut self) -> Result<()> {
        for node in &mut self.cluster.nodes {
            if daemons(node.host())?.is_empty() {
                node.run()?;
            }
        }
        Ok(())
    }

    /// The first node that answers: whoever was started again by a guard is nobody's child.
    ///
    /// **Errors**: none does.
    pub fn any(&self) -> Result<&Node> {
        let mut nodes = self.cluster.nodes.iter();
        let answering = nodes.find(|node| node.status().is_ok());
        answering.context("no node answers")
    }

    /// The name of the node that owns the VIP; waits until there is one.
    ///
    /// **Errors**: there is none for too long.
    pub fn owner(&self) -> Result<String> {
        wait::until("somebody owns the VIP", SETTLES_WITHIN, || {
            let cluster = self.any().ok()?.status().ok()?.cluster?;
            let owner = cluster.vips.first()?.owner.clone()?.to_string();
            let holds = self.node(&owner).is_ok_and(|node| node.host().holds(VIP));
            holds.then_some(owner)
        })
    }

    /// The name of the node that leads; waits until there is one that lives.
    ///
    /// **Errors**: there is none for too long.
    pub fn leader(&self) -> Result<String> {
        wait::until("somebody leads", SETTLES_WITHIN, || {
            let leader = self.any().ok()?.status().ok()?.cluster?.leader?.to_string();
            let lives = daemons(self.node(&leader).ok()?.host()).ok()?;
            (!lives.is_empty()).then_some(leader)
        })
    }

    /// A node with this name.
    ///
    /// **Errors**: there is none.
    pub fn node(&self, name: &str) -> Result<&Node> {
        let mut nodes = self.cluster.nodes.iter();
        nodes.find(|node| node.name() == name).context("a node")
    }

    /// A node that is none of these.
    ///
    /// **Errors**: there is none.
    pub fn other_than(&self, names: &[&str]) -> Result<&Node> {
        let mut nodes = self.cluster.nodes.iter();
        let other = nodes.find(|node| !names.contains(&node.name()));
        other.context("a node that is not hit")
    }
}

/// Whether it says that all is well.
pub(super) fn is_well(node: &Node) -> bool {
    node.status()
        .is_ok_and(|status| status.overall == Overall::Ok)
}

/// Whether packets are still dropped there for a drill.
pub(super) fn is_severed(host: &Host) -> Result<bool> {
    let mut command = host.command("nft");
    command.args(["list", "ruleset"]);
    let rules = run(&mut command).context("nft, of nftables")?;
    // What its kernel still drops is an element of a set, with the time that it has left.
    Ok(rules.contains("farmux_drill") && rules.contains(" expires "))
}

/// The daemon's processes on a host: one that was restarted is nobody's child.
pub(super) fn daemons(host: &Host) -> Result<Vec<(u32, char)>> {
    let all = processes(host)?.into_iter();
    Ok(all
        .filter_map(|pid| Some((pid, daemon_state(pid)?)))
        .collect())
}

fn processes(host: &Host) -> Result<Vec<u32>> {
    let mut command = host.command("ip");
    command.args(["netns", "pids", host.namespace()]);
    let pids = run(&mut command)?;
    let pids = pids.lines().filter_map(|line| line.trim().parse().ok());
    Ok(pids.collect())
}

/// The state of a process (`proc(5)`, stat), if it is a farmux daemon.
fn daemon_state(pid: u32) -> Option<char> {
    if !is_farmux(pid, "run") {
        return None;
    }
    state(pid).filter(|state| *state != 'Z')
}

/// The state of a process; its words are gone before its files are closed, this says it after.
fn state(pid: u32) -> Option<char> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    stat.rsplit_once(") ")?.1.chars().next()
}

/// Whether a process is farmux with this subcommand (`proc(5)`, cmdline).
fn is_farmux(pid: u32, subcommand: &str) -> bool {
    let words = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    let mut words = words.split(|byte| *byte == 0);
    let is_farmux = words.next().is_some_and(|word| word.ends_with(b"farmux"));
    is_farmux && words.next() == Some(subcommand.as_bytes())
}

/// `kill -9` of what guards a daemon in a drill; whether there was something.
pub(super) fn kill_guard(host: &Host) -> Result<bool> {
    let guards = processes(host)?.into_iter();
    let guards: Vec<u32> = guards
        .filter(|pid| is_farmux(*pid, "drill-guard"))
        .collect();
    for pid in &guards {
        kill(*pid)?;
    }
    Ok(!guards.is_empty())
}

/// `kill -9` of the daemon of a host, whoever started it, to its last thread: until then its
/// sockets answer. Its guard, if it has one, lives.
pub(super) fn kill_daemon(host: &Host) -> Result<()> {
    for (pid, _) in daemons(host)? {
        kill(pid)?;
        wait::until_true("its last thread has ended", SETTLES_WITHIN, || {
            let threads = std::fs::read_dir(format!("/proc/{pid}/task"));
            let more = threads.is_ok_and(|threads| threads.count() > 1);
            !more && state(pid).is_none_or(|state| state == 'Z')
        })?;
    }
    Ok(())
}

fn kill(pid: u32) -> Result<()> {
    let pid = rustix::process::Pid::from_raw(i32::try_from(pid)?).context("a process")?;
    Ok(rustix::process::kill_process(pid, Signal::KILL)?)
}

fn configuration() -> String {
    let address = server_address(FILES);
    let shop = shop(&[1, 1]).replace(
        "[paging]\n",
        "[paging]\ndrill_contacts = [\"rehearsals\"]\n",
    );
    let shop = shop.replace(
        "method = \"round-robin\"\n",
        "method = \"round-robin\"\ndepends_on = [\"files\"]\n",
    );
    format!(
        "{shop}{MORE}\n[[watch]]\nname = \"files\"\naddress = \"{address}\"\nport = 80\n\
         check = {{ kind = \"tcp\", interval = \"500ms\", timeout = \"400ms\" }}\n"
    )
}
