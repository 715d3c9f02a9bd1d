//! PURE. From how things stand to what a drill would do, or why it is not begun.
//!
//! ```text
//!   View, Standing, Consent ──▶ target ──▶ may it be lost? ──▶ who measures? ──▶ Plan
//!                                 │             │                   │
//!                                 └─────────────┴───────────────────┴──▶ Refusal
//! ```

mod loss;
mod target;
mod through;

#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

use farmux_raft::id::{ContactName, FarmName, NodeName, ServerName, VipName, WatchName};
use farmux_raft::state::drill::DrillRadius;
use farmux_raft::state::{Parent, State};
use serde::{Deserialize, Serialize};

use super::refusal::Refusal;
use super::{Bounds, DrillKind, Stop, Undo, UndoHolder};
use crate::api::status::{View, assemble};
use crate::api::types::Overall;

pub use target::Target;
pub use through::Through;

/// What an operator has said besides the drill's name.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Consent {
    /// Whom to hit, as typed; nothing: the plan chooses.
    pub target: Option<String>,
    /// The cluster's name, typed for a drill that takes down what is served.
    pub typed: Option<String>,
    /// Somebody measures from outside: then no node need.
    pub outside: bool,
}

/// What stands in the way of every drill.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Standing {
    /// Who has locked drills, and why.
    pub lock: Option<(String, String)>,
    /// Which one runs.
    pub running: Option<DrillKind>,
}

/// What is done to the target.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Injection {
    /// A planned move.
    MoveVip {
        /// Which.
        vip: VipName,
    },
    /// The daemon is killed.
    Crash {
        /// Where.
        node: NodeName,
    },
    /// The daemon is stopped.
    Pause {
        /// Where.
        node: NodeName,
    },
    /// Packets to and from its peers are dropped.
    Isolate {
        /// Where.
        node: NodeName,
    },
    /// Packets to and from the gateway are dropped.
    LoseGateway {
        /// Where.
        node: NodeName,
        /// Which.
        gateway: IpAddr,
    },
    /// Probes and connections of a server are refused, on every node; the server itself is not
    /// touched.
    ServerDown {
        /// Its farm.
        farm: FarmName,
        /// Which.
        server: ServerName,
    },
    /// They time out.
    ServerSlow {
        /// Its farm.
        farm: FarmName,
        /// Which.
        server: ServerName,
    },
    /// Probes of a watch are refused, on every node.
    ParentDown {
        /// Which.
        watch: WatchName,
    },
    /// A marked page is opened.
    Page {
        /// For whom; empty: all contacts for drills.
        contacts: Vec<ContactName>,
    },
    /// Packets to and from their peers are dropped at the owner of the VIPs, and at as many others
    /// that nobody has a majority.
    CutMajority {
        /// The owner first.
        nodes: Vec<NodeName>,
    },
    /// Its data folder takes no more.
    FillDisk {
        /// Where.
        node: NodeName,
    },
    /// A snapshot is taken, restored into a scratch folder, and compared.
    Restore {
        /// Where.
        node: NodeName,
    },
}

/// Whom it hits: what is lost while it lasts, and nothing else.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Radius {
    /// Nodes that are lost to the cluster.
    pub nodes: Vec<NodeName>,
    /// VIPs that change their owner; connections to them are cut.
    pub vips: Vec<VipName>,
    /// Servers that get no work.
    pub servers: Vec<(FarmName, ServerName)>,
    /// What seems unreachable behind a file server.
    pub behind: usize,
    /// How many further failures the cluster survives meanwhile.
    pub survives: u32,
}

/// What a drill will do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// Which one.
    pub kind: DrillKind,
    /// Whom it hits.
    pub target: Target,
    /// What is done to it.
    pub injection: Injection,
    /// What else that touches.
    pub radius: Radius,
    /// Through what it is measured; nothing where there is no VIP, or only from outside.
    pub through: Option<Through>,
    /// How long all must be well before.
    pub steady: Duration,
    /// How long it is looked at.
    pub measured_for: Duration,
    /// What it may cost.
    pub bounds: Bounds,
    /// When it stops by itself.
    pub stop: Stop,
    /// Who ends it, whoever else is dead.
    pub undo: Undo,
    /// The newest revision of the configuration.
    pub revision: u64,
}

/// What a drill would do now.
///
/// **Errors**: why it is not begun; nothing was changed.
pub fn plan(
    kind: DrillKind,
    view: &View<'_>,
    standing: &Standing,
    consent: &Consent,
) -> Result<Plan, Refusal> {
    if let Some((by, why)) = &standing.lock {
        return Err(Refusal::Locked {
            by: by.clone(),
            why: why.clone(),
        });
    }
    if let Some(running) = standing.running {
        return Err(Refusal::Busy(running));
    }
    healthy(view)?;
    let hit = target::choose(kind, view, consent.target.as_deref())?;
    let radius = loss::radius(kind, view, &hit)?;
    forced(kind, view, consent)?;
    let through = through::through(kind, view, &hit, consent.outside)?;
    Ok(Plan {
        kind,
        injection: hit.injection,
        target: hit.target,
        radius,
        through,
        steady: STEADY,
        measured_for: kind.measured_for(),
        bounds: kind.bounds(),
        stop: kind.stop(),
        undo: kind.undo(),
        revision: view.state.revision.0,
    })
}

fn healthy(view: &View<'_>) -> Result<(), Refusal> {
    let report = assemble(view);
    let wrong = report.reasons.into_iter();
    let wrong: Vec<String> = wrong
        .filter(|reason| reason.level > Overall::Ok)
        .map(|reason| reason.text)
        .collect();
    match wrong.is_empty() {
        true => Ok(()),
        false => Err(Refusal::NotHealthy(wrong)),
    }
}

/// A name is not typed by accident.
fn forced(kind: DrillKind, view: &View<'_>, consent: &Consent) -> Result<(), Refusal> {
    if kind != DrillKind::QuorumLoss {
        return Ok(());
    }
    let cluster = view.state.cluster.as_ref();
    let cluster = cluster.map_or_else(String::new, |cluster| cluster.name.to_string());
    match consent.typed.as_deref() == Some(cluster.as_str()) {
        true => Ok(()),
        false => Err(Refusal::NotForced { cluster }),
    }
}

impl Plan {
    /// Whom it hits, as the log takes it: pages of these are its doing.
    pub fn drill_radius(&self, state: &State) -> DrillRadius {
        let named = |name: &NodeName| {
            let mut nodes = state.nodes.iter();
            nodes
                .find(|(_, node)| node.name == *name)
                .map(|(id, _)| *id)
        };
        let servers = self.radius.servers.iter().cloned();
        let mut members: BTreeSet<Parent> = servers
            .map(|(farm, server)| Parent::Server(farm, server))
            .collect();
        if let Injection::ParentDown { watch } = &self.injection {
            members.insert(Parent::Watch(watch.clone()));
        }
        let nodes = self.radius.nodes.iter().chain(self.injection.nodes());
        DrillRadius {
            nodes: nodes.filter_map(named).collect(),
            vips: self.radius.vips.iter().cloned().collect(),
            members,
        }
    }

    /// No run of it lasts longer: whoever conducts one that does is gone.
    pub fn longest(&self) -> Duration {
        let timer = Duration::from_millis(self.undo.timer_ms);
        2 * self.steady + self.measured_for + timer + SPARE
    }

    /// What will happen, a line each, for whoever is asked whether it shall.
    pub fn steps(&self) -> Vec<String> {
        let client = match &self.through {
            None => "nobody measures through a VIP".to_owned(),
            Some(Through { url, client: None }) => format!("measure from outside: {url}"),
            Some(Through {
                url,
                client: Some(client),
            }) => format!("{client} asks {url} every 10 ms"),
        };
        let undo = match self.undo.holder {
            UndoHolder::Nobody => "nothing is to be undone".to_owned(),
            holder @ (UndoHolder::Kernel | UndoHolder::Supervisor | UndoHolder::Daemon) => format!(
                "undo; after {} s at the latest by {}",
                self.undo.timer_ms / 1_000,
                holder.words()
            ),
        };
        vec![
            format!(
                "steady state: {client}, {} s without a failure",
                self.steady.as_secs()
            ),
            format!("inject: {}", self.injection),
            format!("measure for {} s at most", self.measured_for.as_secs()),
            undo,
            format!(
                "verify: {} s without a failure again",
                self.steady.as_secs()
            ),
        ]
    }
}

impl Injection {
    /// Where it is done; nothing: on all nodes, or on none.
    pub fn nodes(&self) -> &[NodeName] {
        match self {
            Injection::Crash { node }
            | Injection::Pause { node }
            | Injection::Isolate { node }
            | Injection::LoseGateway { node, .. }
            | Injection::FillDisk { node }
            | Injection::Restore { node } => std::slice::from_ref(node),
            Injection::CutMajority { nodes } => nodes,
            Injection::MoveVip { .. }
            | Injection::ServerDown { .. }
            | Injection::ServerSlow { .. }
            | Injection::ParentDown { .. }
            | Injection::Page { .. } => &[],
        }
    }

    /// Whether a node that is hit so can lead no more, nor say or hear a word.
    pub fn silences(&self) -> bool {
        match self {
            Injection::Crash { .. }
            | Injection::Pause { .. }
            | Injection::Isolate { .. }
            | Injection::CutMajority { .. } => true,
            Injection::MoveVip { .. }
            | Injection::LoseGateway { .. }
            | Injection::ServerDown { .. }
            | Injection::ServerSlow { .. }
            | Injection::ParentDown { .. }
            | Injection::Page { .. }
            | Injection::FillDisk { .. }
            | Injection::Restore { .. } => false,
        }
    }
}

impl fmt::Display for Injection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Injection::MoveVip { vip } => write!(f, "{vip} moves to another node by plan"),
            Injection::Crash { node } => write!(f, "farmux on {node} is killed"),
            Injection::Pause { node } => write!(f, "farmux on {node} is stopped"),
            Injection::Isolate { node } => write!(f, "{node} drops what its peers say"),
            Injection::LoseGateway { node, gateway } => {
                write!(f, "{node} drops what its gateway {gateway} says")
            }
            Injection::ServerDown { farm, server } => {
                write!(f, "{farm}/{server} seems to refuse connections")
            }
            Injection::ServerSlow { farm, server } => {
                write!(f, "{farm}/{server} seems not to answer in time")
            }
            Injection::ParentDown { watch } => write!(f, "{watch} seems to refuse connections"),
            Injection::Page { contacts } if contacts.is_empty() => {
                f.write_str("a page marked [DRILL] is opened")
            }
            Injection::Page { contacts } => {
                let names: Vec<&str> = contacts.iter().map(ContactName::as_str).collect();
                write!(
                    f,
                    "a page marked [DRILL] is opened for {}",
                    names.join(", ")
                )
            }
            Injection::CutMajority { nodes } if nodes.len() == 1 => {
                write!(f, "{} drops what every other node says", list(nodes))
            }
            Injection::CutMajority { nodes } => {
                write!(f, "{} drop what every other node says", list(nodes))
            }
            Injection::FillDisk { node } => write!(f, "the data folder of {node} takes no more"),
            Injection::Restore { node } => {
                write!(
                    f,
                    "{node} restores a snapshot into a scratch folder and compares"
                )
            }
        }
    }
}

impl fmt::Display for Radius {
    /// The blast radius in one line.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut parts = Vec::new();
        if !self.nodes.is_empty() {
            parts.push(format!("node {}", list(&self.nodes)));
        }
        if !self.vips.is_empty() {
            parts.push(format!("VIP {}: its connections are cut", list(&self.vips)));
        }
        if !self.servers.is_empty() {
            let servers = self.servers.iter();
            let servers = servers.map(|(farm, server)| format!("{farm}/{server}"));
            parts.push(format!("server {}", list(servers)));
        }
        if self.behind > 0 {
            parts.push(format!("{} things behind it seem unreachable", self.behind));
        }
        if parts.is_empty() {
            parts.push("nothing".to_owned());
        }
        let further = match self.survives {
            0 => "no further failure is survived meanwhile".to_owned(),
            1 => "one further failure is survived meanwhile".to_owned(),
            more => format!("{more} further failures are survived meanwhile"),
        };
        write!(f, "{}; {further}", parts.join("; "))
    }
}

fn list<T: fmt::Display>(all: impl IntoIterator<Item = T>) -> String {
    let all: Vec<String> = all.into_iter().map(|one| one.to_string()).collect();
    all.join(", ")
}

/// Planning again, injecting, an undo that is told late, the longest verification, and recording.
const SPARE: Duration = Duration::from_secs(120);

/// **Source**: issue 7: "takes 10 s of steady state".
pub(super) const STEADY: Duration = Duration::from_secs(10);
