//! What both sites have: three nodes, a client of many addresses, a mail server, a script.

use std::cell::Cell;
use std::fs;
use std::net::Ipv4Addr;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use farmux_raft::state::Health;
use farmux_tests::lab::cluster::{AGREES_WITHIN, Cluster};
use farmux_tests::lab::ftp::Client;
use farmux_tests::lab::machine::{Death, Machine};
use farmux_tests::lab::mail::MailServer;
use farmux_tests::lab::{VIP, http, wait};
use farmux_tests::script::Script;

use super::tell;

/// The client's further addresses in the LAN, first and last, with nobody else among them.
const CLIENTS: (u8, u8) = (102, 199);

/// Clients that come again and again.
pub(crate) const REGULARS: u8 = 5;

/// Clients that each come once: those between the regulars and the crowd.
const ONCE: (u8, u8) = (CLIENTS.0 + REGULARS, 148);

/// The first of the crowd that transfers files.
pub(crate) const CROWD_FIRST: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 149);

/// A cluster of three that serves an example, and the people around it.
pub(crate) struct Scene {
    /// The cluster.
    pub(crate) cluster: Cluster,
    /// Who uses FTP, at the client's host.
    pub(crate) files: Client,
    once: Cell<u8>,
}

/// An answer of the VIP's port 80.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Seen {
    /// Its status.
    pub(crate) status: u16,
    /// Its body.
    pub(crate) text: String,
}

impl Scene {
    /// Three nodes, a client and a mail server; the script with it has begun.
    pub(crate) fn set(name: &str) -> Result<(Scene, Script)> {
        tell(&format!("{name} forms a cluster of three nodes"));
        let cluster = Cluster::form(3)?;
        for number in CLIENTS.0..=CLIENTS.1 {
            cluster.client.also(address(number))?;
        }
        let files = Client::new(&cluster.client, cluster.lab.folder())?;
        let script = Script::new(name, MailServer::start(&cluster.lab)?, tell);
        let once = Cell::new(ONCE.0);
        Ok((
            Scene {
                cluster,
                files,
                once,
            },
            script,
        ))
    }

    /// Applies an example and waits until all of `servers` are up and the VIP serves.
    pub(crate) fn apply(&self, example: &str, farm: &str, servers: &[&str]) -> Result<()> {
        self.cluster.nodes[0].apply(example)?;
        for server in servers {
            self.cluster.wait_for_health(farm, server, Health::Up)?;
        }
        self.cluster.wait_for_service()
    }

    /// Whoever comes again and again.
    pub(crate) fn regulars() -> impl Iterator<Item = Ipv4Addr> {
        (CLIENTS.0..CLIENTS.0 + REGULARS).map(address)
    }

    /// Somebody who was not here before, as long as there is one.
    pub(crate) fn newcomer(&self) -> Result<Ipv4Addr> {
        let next = self.once.get();
        ensure!(next <= ONCE.1, "too many newcomers");
        self.once.set(next + 1);
        Ok(address(next))
    }

    /// Asks the VIP's port 80.
    pub(crate) fn get(&self, from: Ipv4Addr, path: &str) -> Result<Seen> {
        let front = self.cluster.front();
        let ask = || http::Connection::open_from(from, front)?.get(path);
        let answer = self.cluster.client.within(ask);
        let answer = answer.with_context(|| format!("HTTP {path} from {from}"))?;
        Ok(Seen {
            status: answer.status,
            text: answer.text(),
        })
    }

    /// Fetches a small file by FTP through the VIP.
    pub(crate) fn fetch(&self, from: Ipv4Addr, path: &str) -> Result<String> {
        let from = from.to_string();
        let said = self
            .files
            .curl(VIP, path, &["--interface", &from, "--max-time", "10"]);
        let said = said.with_context(|| format!("FTP {path} from {from}"))?;
        Ok(said.trim().to_owned())
    }

    /// What `farm show` says of a farm, as an operator reads it.
    pub(crate) fn shown(&self, farm: &str) -> Result<String> {
        self.cluster.any()?.ask(&["farm", "show", farm])
    }

    /// For how many services a server gets new work.
    pub(crate) fn serves(&self, farm: &str, server: &str) -> Result<usize> {
        let shown = self.cluster.any()?.farm(farm)?;
        let mut servers = shown.servers.iter();
        let server = servers.find(|one| one.name.as_str() == server);
        Ok(server.context("it is listed")?.serves.len())
    }

    /// A server of a farm, which has so many, breaks and is mended: each time there is a page, and
    /// clients are served, as `served` sees; it is told whom none of them may meet.
    pub(crate) fn breaks(
        &self,
        script: &mut Script,
        (farm, servers): (&str, usize),
        machine: &mut Machine,
        death: Death,
        served: impl Fn(Option<&str>) -> Result<()>,
    ) {
        let name = machine.host().name().to_owned();
        let word = death.word();
        let left = servers - 1;
        let down = format!("[DOWN] prod {farm}/{name}: …{left} of {servers} up");
        script.step(&format!("{name} {word}"), &[&down], || {
            machine.die(death)?;
            self.until(&format!("{name} is not used"), || {
                Ok(self.serves(farm, &name)? == 0)
            })?;
            served(Some(&name))
        });
        let up = format!("[UP] prod {farm}/{name}: …{servers} of {servers} up");
        script.step(&format!("{name} back ({word})"), &[&up], || {
            machine.mend(death)?;
            self.until(&format!("{name} serves"), || {
                Ok(self.serves(farm, &name)? == 2)
            })?;
            served(None)
        });
    }

    /// Kills the owner of the VIP; returns its name.
    pub(crate) fn kill_the_owner(&mut self) -> Result<String> {
        let owner = self.cluster.owner()?;
        self.cluster.node(&owner).kill();
        Ok(owner)
    }

    /// Starts a killed node, and waits until the cluster is whole.
    pub(crate) fn restart(&mut self, node: &str) -> Result<()> {
        self.cluster.node(node).run()?;
        self.cluster.wait_for_voters(3)
    }

    /// Waits until something is as it should be.
    pub(crate) fn until(&self, what: &str, mut holds: impl FnMut() -> Result<bool>) -> Result<()> {
        let mut last = String::new();
        let came = wait::until_true(what, AGREES_WITHIN, || match holds() {
            Ok(holds) => holds,
            Err(wrong) => {
                last = format!("{wrong:#}");
                false
            }
        });
        came.with_context(|| last)
    }
}

fn address(last: u8) -> Ipv4Addr {
    Ipv4Addr::new(10, 0, 0, last)
}

/// One of `deploy/example`, but that each page leaves by itself, and that what fails again and
/// again within minutes is not flapping: steps expect pages one by one.
pub(crate) fn example(name: &str) -> Result<String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy/example");
    let file = root.join(name);
    let text = fs::read_to_string(&file).with_context(|| file.display().to_string())?;
    Ok(format!(
        "{text}\n[paging]\nstorm = \"0s\"\nflap_changes = 100\n"
    ))
}
