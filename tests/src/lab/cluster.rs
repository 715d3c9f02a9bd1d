//! A formed cluster in a LAN, with the client that asks it.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use farmux_node::api::types::{MemberKind, StatusReport};
use farmux_raft::state::Health;

use super::network::Host;
use super::node::Node;
use super::small_disk::SmallDisk;
use super::{CLIENT, GATEWAY, Lab, VIP, http, node_address, wait};

/// How long a cluster may take to agree on something new on a busy machine.
pub const AGREES_WITHIN: Duration = Duration::from_secs(30);

/// Of a small disk: the log with its reserve, and a little more.
const DISK_MIB: u32 = 64;

/// A cluster, its LAN and a client.
#[derive(Debug)]
pub struct Cluster {
    /// The nodes, in the order in which they joined; dropped before their LAN.
    pub nodes: Vec<Node>,
    /// Small disks of some of them.
    pub disks: Vec<SmallDisk>,
    /// Whoever asks.
    pub client: Host,
    /// The LAN.
    pub lab: Lab,
}

impl Cluster {
    /// A cluster `prod` of `lb1`, `lb2`, … with the VIP `front`.
    ///
    /// **Errors**: a step failed, or took too long.
    pub fn form(nodes: u8) -> Result<Cluster> {
        Cluster::form_told(nodes, |_| ())
    }

    /// The same, telling line by line what is typed and answered.
    ///
    /// **Errors**: a step failed, or took too long.
    pub fn form_told(nodes: u8, tell: impl Fn(&str)) -> Result<Cluster> {
        Cluster::balancing(Lab::new()?, vec![], nodes, tell)
    }

    /// The same; each node of these numbers keeps its data on a small disk of its own.
    ///
    /// **Errors**: a step failed, or took too long; no right to mount.
    pub fn form_on_disks(nodes: u8, small: &[u8]) -> Result<Cluster> {
        let lab = Lab::new()?;
        let folder = |number: &u8| lab.folder().join(format!("lb{number}/data"));
        let disks = small.iter().map(folder);
        let disks = disks.map(|folder| SmallDisk::mount(&folder, DISK_MIB));
        let disks = disks.collect::<Result<_>>()?;
        Cluster::balancing(lab, disks, nodes, |_| ())
    }

    fn balancing(
        lab: Lab,
        disks: Vec<SmallDisk>,
        nodes: u8,
        tell: impl Fn(&str),
    ) -> Result<Cluster> {
        let (vip, gateway) = (VIP.to_string(), GATEWAY.to_string());
        let vip = ["--vip", &vip, "--network", "lan", "--gateway", &gateway];
        Cluster::found(lab, disks, nodes, &vip, tell)
    }

    /// A cluster `prod` of `lb1`, `lb2`, … without any VIP: it watches, and balances nothing.
    ///
    /// **Errors**: a step failed, or took too long.
    pub fn form_watching(nodes: u8) -> Result<Cluster> {
        Cluster::form_watching_in(Lab::new()?, nodes)
    }

    /// The same in a LAN that is there, with what its nodes shall find in it.
    ///
    /// **Errors**: a step failed, or took too long.
    pub fn form_watching_in(lab: Lab, nodes: u8) -> Result<Cluster> {
        Cluster::found(lab, vec![], nodes, &[], |_| ())
    }

    fn found(
        lab: Lab,
        disks: Vec<SmallDisk>,
        nodes: u8,
        vip: &[&str],
        tell: impl Fn(&str),
    ) -> Result<Cluster> {
        let client = lab.host("client", CLIENT)?;
        let mut cluster = Cluster {
            nodes: Vec::new(),
            disks,
            client,
            lab,
        };
        for number in 1..=nodes {
            let name = format!("lb{number}");
            let node = Node::start(&cluster.lab, &name, node_address(number))?;
            let typed = |node: &Node, args: &[&str]| -> Result<()> {
                tell(&format!("{}# farmux {}", node.name(), args.join(" ")));
                tell(node.ask(args)?.trim_end());
                Ok(())
            };
            if number == 1 {
                let args = ["cluster", "init", "--name", "prod"];
                typed(&node, &[&args[..], vip].concat())?;
            } else {
                tell("lb1# farmux cluster token create");
                let token = cluster.nodes[0].token(&[])?;
                typed(&node, &["cluster", "join", &token])?;
            }
            cluster.nodes.push(node);
        }
        cluster.wait_for_voters(usize::from(nodes))?;
        Ok(cluster)
    }

    /// The VIP's port 80.
    pub fn front(&self) -> SocketAddr {
        (VIP, 80).into()
    }

    /// The node of that name.
    ///
    /// **Panics**: there is none; a slip of the test.
    pub fn node(&mut self, name: &str) -> &mut Node {
        self.nodes
            .iter_mut()
            .find(|node| node.name() == name)
            .expect("a node of that name")
    }

    /// The small disk of the node of that name.
    ///
    /// **Panics**: it has none; a slip of the test.
    pub fn disk(&self, name: &str) -> &SmallDisk {
        let node = self.nodes.iter().find(|node| node.name() == name);
        let data = node.expect("a node of that name").data();
        let mut disks = self.disks.iter();
        disks
            .find(|disk| disk.path() == data)
            .expect("a small disk")
    }

    /// The first node that runs, for questions that any node answers.
    ///
    /// **Errors**: none runs.
    pub fn any(&self) -> Result<&Node> {
        let running = self.nodes.iter().find(|node| node.is_running());
        running.context("no node runs")
    }

    /// What the first running node says of the cluster.
    ///
    /// **Errors**: none runs or answers.
    pub fn status(&self) -> Result<StatusReport> {
        self.any()?.status()
    }

    /// Waits until every running node sees `count` voters and a leader.
    ///
    /// **Errors**: they do not within [`AGREES_WITHIN`].
    pub fn wait_for_voters(&self, count: usize) -> Result<()> {
        wait::until_true(
            &format!("{count} voters and a leader"),
            AGREES_WITHIN,
            || {
                let running = self.nodes.iter().filter(|node| node.is_running());
                running.into_iter().all(|node| {
                    let status = node.status().ok().and_then(|status| status.cluster);
                    status.is_some_and(|cluster| {
                        let voters = cluster
                            .nodes
                            .iter()
                            .filter(|n| n.member == MemberKind::Voter);
                        voters.count() == count && cluster.leader.is_some()
                    })
                })
            },
        )
    }

    /// The name of the node that owns the VIP; waits until there is one that runs.
    ///
    /// **Errors**: nobody owns it within [`AGREES_WITHIN`].
    pub fn owner(&self) -> Result<String> {
        wait::until("somebody owns the VIP", AGREES_WITHIN, || {
            let cluster = self.status().ok()?.cluster?;
            let owner = cluster.vips.first()?.owner.clone()?.to_string();
            let node = self.nodes.iter().find(|node| node.name() == owner)?;
            (node.is_running() && node.host().holds(VIP)).then_some(owner)
        })
    }

    /// The name of the leader; waits until there is one that runs.
    ///
    /// **Errors**: nobody leads within [`AGREES_WITHIN`].
    pub fn leader(&self) -> Result<String> {
        wait::until("somebody leads", AGREES_WITHIN, || {
            let leader = self.status().ok()?.cluster?.leader?.to_string();
            let node = self.nodes.iter().find(|node| node.name() == leader)?;
            node.is_running().then_some(leader)
        })
    }

    /// Waits until `server` of `farm` has that health, as any node sees it.
    ///
    /// **Errors**: it has another after [`AGREES_WITHIN`].
    pub fn wait_for_health(&self, farm: &str, server: &str, health: Health) -> Result<()> {
        wait::until_true(
            &format!("{farm}/{server} is {health:?}"),
            AGREES_WITHIN,
            || {
                let report = self.any().ok().and_then(|node| node.farm(farm).ok());
                let servers = report.map(|report| report.servers).unwrap_or_default();
                servers
                    .iter()
                    .any(|have| have.name.as_str() == server && have.health == health)
            },
        )
    }

    /// Asks the VIP once from the client, on a new connection.
    ///
    /// **Errors**: no answer.
    pub fn get(&self, path: &str) -> Result<http::Answer> {
        self.client.within(|| http::get(self.front(), path))
    }

    /// Waits until the VIP answers with 200.
    ///
    /// **Errors**: it does not within [`AGREES_WITHIN`].
    pub fn wait_for_service(&self) -> Result<()> {
        let brief = Duration::from_millis(500);
        let well = || -> Result<bool> {
            Ok(http::Connection::open_within(self.front(), brief)?
                .get("/")?
                .status
                == 200)
        };
        wait::until_true("the VIP answers with 200", AGREES_WITHIN, || {
            self.client.within(|| well().unwrap_or(false))
        })
    }

    /// How many of `requests` each server answered, in the order of `servers`.
    ///
    /// **Errors**: an answer other than 200 from one of them.
    pub fn spread(&self, requests: usize, servers: &[&str]) -> Result<Vec<usize>> {
        let mut counts = vec![0; servers.len()];
        for _ in 0..requests {
            let answer = self.get("/")?;
            ensure!(answer.status == 200, "{}: {}", answer.status, answer.text());
            let text = answer.text();
            let which = servers.iter().position(|name| *name == text);
            counts[which.with_context(|| format!("an answer from {text:?}"))?] += 1;
        }
        Ok(counts)
    }
}

/// A configuration with one farm `shop` behind the VIP: servers `s1`, `s2`, … of these weights,
/// checked often, and one contact.
pub fn shop(weights: &[u32]) -> String {
    let mut toml = format!(
        r#"
[[vip]]
name = "front"
address = "{VIP}"
network = "lan"
gateway = "{GATEWAY}"

[[farm]]
name = "shop"
vip = "front"
method = "round-robin"

[[farm.service]]
name = "web"
kind = "http"
port = 80
[farm.service.check]
kind = "http"
path = "/health"
interval = "200ms"
timeout = "200ms"
fall = 3
rise = 2

[[contact]]
name = "ops"
mail = {{ to = ["ops@example.com"], from = "farmux@example.com", relay = "smtp://10.0.0.9:25" }}

# Each page leaves by itself: what is gathered is for the tests of storms.
[paging]
storm = "0s"
"#
    );
    for (number, weight) in (1_u8..).zip(weights) {
        let address = super::server_address(number);
        toml.push_str(&format!(
            "\n[[farm.server]]\nname = \"s{number}\"\naddress = \"{address}\"\nweight = {weight}\n"
        ));
    }
    toml
}
