//! A cluster that serves, its witnesses, and one round of a fault.

use std::collections::BTreeSet;
use std::fmt;
use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use farmux_node::api::types::Answering;
use farmux_raft::state::Health;

use super::case::{Case, Policy};
use super::judge::{Mac, Ownership};
use super::stranger::card;
use super::tap::{Asked, Asker, Tap};
use crate::gap::{Seen, Watch};
use crate::lab::cluster::{AGREES_WITHIN, Cluster, shop};
use crate::lab::dns::NameServer;
use crate::lab::mail::MailServer;
use crate::lab::nginx::Nginx;
use crate::lab::node::Node;
use crate::lab::process::Process;
use crate::lab::{GATEWAY, Host, VIP, wait};

/// Whoever claims what is not his.
const STRANGER: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 66);

/// How long a LAN that loses, or a busy machine, is looked at where nobody says otherwise.
const CALM_FOR: Duration = Duration::from_secs(60);

/// The metric that counts them.
const CLOSURES: &str = "farmux_lease_events_total{event=\"lost\"} ";

/// What `hold` allows after a claim can reach holder or gateway (`vip-protocol.md`, section 5).
pub(super) const OVERLAP_MAX: Duration = Duration::from_millis(200);

/// A cluster of three that serves, with one owner.
#[derive(Debug)]
pub struct Scene {
    /// The nodes and their LAN.
    pub cluster: Cluster,
    /// A machine that is none of ours.
    pub stranger: Host,
    /// How long it claims.
    pub claims_for: Duration,
    /// How long the faults last in which nothing may happen.
    pub calm_for: Duration,
    policy: Policy,
    macs: BTreeSet<Mac>,
    /// The relay.
    pub mail: MailServer,
    /// Whoever knows where it is.
    pub names: NameServer,
    _server: Nginx,
}

impl Scene {
    /// Three nodes, a server, a relay; the VIP's owners do this without a majority.
    ///
    /// **Errors**: a step failed, or took too long.
    pub fn set(policy: Policy, claims_for: Duration) -> Result<Scene> {
        Scene::set_with(Cluster::form(3)?, policy, claims_for, |toml| toml)
    }

    /// The same of nodes that are there, with its configuration amended.
    ///
    /// **Errors**: a step failed, or took too long.
    pub fn set_with(
        cluster: Cluster,
        policy: Policy,
        claims_for: Duration,
        amend: impl FnOnce(String) -> String,
    ) -> Result<Scene> {
        let server = Nginx::start(&cluster.lab, 1)?;
        let mail = MailServer::start(&cluster.lab)?;
        let names = NameServer::start(&cluster.lab)?;
        let gateway = format!("gateway = \"{GATEWAY}\"\n");
        let word = format!("{gateway}on_quorum_loss = \"{}\"\n", policy.word());
        let toml = shop(&[1]).replace(&gateway, &word);
        cluster.nodes[0].apply(&amend(toml))?;
        cluster.wait_for_health("shop", "s1", Health::Up)?;
        cluster.wait_for_service()?;
        let stranger = cluster.lab.host("stranger", STRANGER)?;
        let macs = cluster.nodes.iter().map(|node| Ok(card(node.host())?.1));
        let scene = Scene {
            macs: macs.collect::<Result<_>>()?,
            cluster,
            stranger,
            claims_for,
            calm_for: CALM_FOR,
            policy,
            mail,
            names,
            _server: server,
        };
        scene.wait_until_well()?;
        Ok(scene)
    }

    /// Plays a fault once; what the witnesses saw of it.
    ///
    /// **Errors**: the fault could not be played, or the cluster did not recover.
    pub fn round(&mut self, case: &Case) -> Result<Verdict> {
        let closures = self.closures()?;
        let witnesses = Witnesses::start(self);
        let played = (case.play)(self);
        let well = played.and_then(|()| self.wait_until_well());
        let (ownership, asked, seen) = witnesses.stop(self)?;
        well.with_context(|| case.name)?;
        let closures = self
            .closures()
            .ok()
            .and_then(|now| now.checked_sub(closures));
        Ok(Verdict {
            policy: self.policy,
            ownership,
            asked,
            seen,
            moves: case.moves,
            closures,
            closures_max: case.closures_max,
        })
    }

    /// How often the running nodes' leases ended, and with them their fences closed.
    fn closures(&self) -> Result<u64> {
        let nodes = self.cluster.nodes.iter().filter(|node| node.is_running());
        nodes
            .map(|node| {
                let text = node.metrics()?;
                let mut lines = text.lines();
                let count = lines.find_map(|line| line.strip_prefix(CLOSURES));
                Ok(count.context(CLOSURES)?.trim().parse::<u64>()?)
            })
            .sum()
    }

    /// The newest term of the log that a running node knows.
    ///
    /// **Errors**: none answers.
    pub fn term(&self) -> Result<u64> {
        let status = self.cluster.status()?;
        Ok(status.cluster.context("a cluster")?.term)
    }

    /// So many busy processes for each core, until what is returned is dropped.
    ///
    /// **Errors**: they cannot be started.
    pub fn busy(&self, each_core: usize) -> Result<Vec<Process>> {
        let cores = std::thread::available_parallelism()?.get();
        let client = &self.cluster.client;
        let busy = |number: usize| {
            let mut command = client.command("sh");
            command.args(["-c", "while :; do :; done"]);
            client.spawn(&format!("busy{number}"), command)
        };
        (0..each_core * cores).map(busy).collect()
    }

    /// Lets time pass in which nothing is asked of anybody.
    pub fn pass(&self, span: Duration) {
        std::thread::sleep(span);
    }

    /// A running node beside this one.
    ///
    /// **Errors**: none runs.
    pub fn other_than(&self, name: &str) -> Result<String> {
        let running = |node: &&Node| node.is_running() && node.name() != name;
        let other = self.cluster.nodes.iter().find(running);
        Ok(other.context("no other node runs")?.name().to_owned())
    }

    /// Waits until each node says that all is well, and one has the VIP.
    ///
    /// **Errors**: it took too long.
    pub fn wait_until_well(&self) -> Result<()> {
        wait::until_true("all is well, as each node says", AGREES_WITHIN, || {
            let nodes = &self.cluster.nodes;
            let holders = nodes.iter().filter(|node| node.host().holds(VIP));
            nodes.iter().all(is_well) && holders.count() == 1
        })
        .with_context(|| self.cluster.nodes[0].ask(&["status"]).unwrap_or_default())
    }
}

/// Whoever sees what becomes of the VIP.
#[derive(Debug)]
pub struct Witnesses {
    tap: Tap,
    asker: Asker,
    watch: Watch,
}

impl Witnesses {
    /// From now on.
    pub fn start(scene: &Scene) -> Witnesses {
        let client = &scene.cluster.client;
        Witnesses {
            tap: Tap::open(&scene.cluster.lab.bridge(), VIP, Instant::now()),
            asker: Asker::start(client, VIP),
            watch: Watch::patient(client, scene.cluster.front()),
        }
    }

    /// What the bridge, an ARP client and an HTTP client saw.
    ///
    /// **Errors**: one of them could not look.
    pub fn stop(self, scene: &Scene) -> Result<(Ownership, Asked, Seen)> {
        let (seen, asked, frames) = (self.watch.stop()?, self.asker.stop()?, self.tap.stop()?);
        Ok((Ownership::of(&frames, &scene.macs), asked, seen))
    }
}

/// Whether everybody answers it and votes, somebody leads, and somebody owns the VIP. That a cable
/// was loose, or a stranger claimed, is remembered for minutes, and is no reason to wait.
fn is_well(node: &Node) -> bool {
    let status = node.status().ok().and_then(|status| status.cluster);
    status.is_some_and(|cluster| {
        let mut nodes = cluster.nodes.iter();
        let mut vips = cluster.vips.iter();
        cluster.leader.is_some()
            && nodes.all(|node| node.answering != Answering::No)
            && cluster.survives.failures >= Some(1)
            && vips.all(|vip| vip.owner.is_some() && vip.alone_since.is_none())
    })
}

/// What the witnesses saw of a round.
#[derive(Debug, Clone)]
pub struct Verdict {
    policy: Policy,
    ownership: Ownership,
    asked: Asked,
    seen: Seen,
    moves: (usize, usize),
    /// `None`: the counters began anew, with their process.
    closures: Option<u64>,
    closures_max: Option<u64>,
}

impl Verdict {
    /// What is not as promised; `silence_max` is how long the VIP may be on nobody.
    pub fn complaints(&self, silence_max: Duration) -> Vec<String> {
        let mut wrong = Vec::new();
        if self.is_two_owners() {
            wrong.push(format!(
                "two owners: {} frames after another's claim, up to {} ms",
                self.ownership.stale.len(),
                self.overlap().as_millis()
            ));
        }
        if self.ownership.moves.is_empty() {
            wrong.push("nobody was seen to have it: the tap is deaf".to_owned());
        }
        if !self.moved_as_said() {
            let (moves, (least, most)) = (self.ownership.changes(), self.moves);
            wrong.push(format!("moved {moves} times, not {least} to {most}"));
        }
        match (self.closures, self.closures_max) {
            (None, Some(_)) => wrong.push("closures of the fence are not known".to_owned()),
            (Some(closures), Some(most)) if closures > most => {
                wrong.push(format!("fences closed {closures} times, {most} allowed"));
            }
            (Some(_) | None, _) => {}
        }
        if self.asked.silence > silence_max {
            wrong.push(format!(
                "on nobody for {} ms, {} allowed",
                self.asked.silence.as_millis(),
                silence_max.as_millis()
            ));
        }
        wrong
    }

    fn moved_as_said(&self) -> bool {
        let (least, most) = self.moves;
        (least..=most).contains(&self.ownership.changes())
    }

    /// Whether nothing is wrong but how often the VIP moved.
    pub fn complains_of_moves_alone(&self, silence_max: Duration) -> bool {
        !self.moved_as_said() && self.complaints(silence_max).len() == 1
    }

    /// Whether two machines answered for the VIP longer than its policy allows.
    pub fn is_two_owners(&self) -> bool {
        match self.policy {
            Policy::Release => !self.ownership.stale.is_empty(),
            Policy::Hold => self.overlap() > OVERLAP_MAX,
        }
    }

    /// The longest time between another's claim and a frame of the old owner.
    pub fn overlap(&self) -> Duration {
        self.ownership.overlap
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            out,
            "moves={} closures={} nobody_ms={} http_gap_ms={} stale={} overlap_ms={} twice={}",
            self.ownership.changes(),
            self.closures
                .map_or_else(|| "?".to_owned(), |count| count.to_string()),
            self.asked.silence.as_millis(),
            self.seen.gap.as_millis(),
            self.ownership.stale.len(),
            self.overlap().as_millis(),
            self.asked.twice
        )
    }
}
