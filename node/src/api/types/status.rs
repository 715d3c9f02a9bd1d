//! `GET /v1/status`: what stands and what does not, now.

use std::net::{IpAddr, SocketAddr};

use farmux_raft::id::{FarmName, NetworkName, NodeName, VipName};
use farmux_raft::state::NodeRole;
use serde::{Deserialize, Serialize};

use super::{ChannelTest, Condition, Freshness, Moment, PauseReport, WatchCounts};

/// What stands and what does not, as one node sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StatusReport {
    /// The version of the daemon that answers.
    pub version: String,
    /// The name of the node that answers.
    pub node: NodeName,
    /// All of it in one word.
    pub overall: Overall,
    /// Why it is not `ok`, the worst first; notices too.
    pub reasons: Vec<Reason>,
    /// Null: the node is in no cluster.
    pub cluster: Option<ClusterStatus>,
}

/// All of it in one word; a later one is worse.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Overall {
    /// Everything that was asked for is there.
    Ok,
    /// The node waits for `cluster init` or `cluster join`.
    NoCluster,
    /// It serves, and something that was asked for is missing.
    Degraded,
    /// Something is not served, or nothing can be changed.
    Critical,
}

/// One thing that is not as it should be, or that one should know.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Reason {
    /// How bad it is: `ok` for a mere notice.
    pub level: Overall,
    /// What, in one line.
    pub text: String,
}

/// The cluster as one node sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClusterStatus {
    /// What it is called.
    pub name: String,
    /// Its identity, 32 hexadecimal digits.
    pub id: String,
    /// Who leads the log; null: nobody that this node knows of.
    pub leader: Option<NodeName>,
    /// The term of the log.
    pub term: u64,
    /// How many failures it survives now.
    pub survives: Survives,
    /// How fresh the copy of the state is from which this was made.
    pub fresh: Freshness,
    /// What the nodes write, and whether all read more.
    #[serde(default)]
    pub format: FormatStatus,
    /// The machines, by number.
    pub nodes: Vec<NodeStatus>,
    /// The floating addresses, by name.
    pub vips: Vec<VipStatus>,
    /// The farms, by name.
    pub farms: Vec<FarmStatus>,
    /// The watches, counted.
    pub watches: WatchCounts,
    /// What is paged.
    pub pages: PageStatus,
    /// Nothing moves by itself; null: it does.
    pub paused: Option<PauseReport>,
    /// What is rehearsed, and what came of it.
    #[serde(default)]
    pub drills: DrillsStatus,
}

/// What is rehearsed, and what came of it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct DrillsStatus {
    /// Which one is under way, and by whose order; null: none.
    pub running: Option<String>,
    /// By whom they are locked, and why; null: they are not.
    pub locked: Option<String>,
    /// The newest proof of each drill that ran, and of each that is scheduled.
    pub last: Vec<DrillLine>,
    /// Those that never ran and are not scheduled.
    pub never: Vec<String>,
}

/// How a drill stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DrillLine {
    /// Which.
    pub drill: String,
    /// In one line: `last owner-crash: 139 ms, passed, 12 days ago`.
    pub text: String,
    /// Whether it never ran, or so long ago that it proves little.
    pub due: bool,
    /// Whether it failed then.
    pub failed: bool,
    /// When it runs by itself next; null: no schedule says so.
    pub next: Option<Moment>,
}

/// The form in which the log, snapshots and messages between nodes are written.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct FormatStatus {
    /// What every member reads, as the log has it.
    pub agreed: u16,
    /// The newest that the answering node reads.
    pub newest: u16,
    /// Who holds the newest back, each with what mends it; empty where it is agreed on.
    pub held_back: Vec<String>,
}

/// How many nodes may fail from here on, one after another, in the worst order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Survives {
    /// That many; null: a majority is missing already.
    pub failures: Option<u32>,
    /// Why not more, and how to get more; null where there is nothing to say.
    pub hint: Option<String>,
    /// Whose loss it survives: `the loss of lb2 or w1; not of both`; empty where nobody's.
    #[serde(default)]
    pub whose: String,
    /// What becomes of the VIPs without a majority, in a sentence each.
    #[serde(default)]
    pub alone: Vec<String>,
}

/// A machine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeStatus {
    /// Its number in the cluster.
    pub id: u64,
    /// What it is called.
    pub name: NodeName,
    /// What it may do.
    pub role: NodeRole,
    /// Whether it votes.
    pub member: MemberKind,
    /// Whether it leads the log.
    pub leads: bool,
    /// Whether it answers the node that was asked.
    pub answering: Answering,
    /// Its version; null where it does not answer.
    pub version: Option<String>,
    /// The newest format that it reads; null where it does not answer.
    #[serde(default)]
    pub reads: Option<u16>,
    /// How far its wall clock is before that of the node that was asked, in milliseconds; null
    /// where it is that one, or does not answer.
    #[serde(default)]
    pub clock_offset_ms: Option<i64>,
    /// How many log entries it is behind, as the leader sees it; null on other nodes.
    pub lag_entries: Option<u64>,
    /// Where its peers reach it.
    pub peer: Vec<SocketAddr>,
    /// Where administrators reach it.
    pub admin: SocketAddr,
    /// Why it takes nothing on; null: it does.
    #[serde(default)]
    pub maintenance: Option<MaintenanceStatus>,
}

/// Why a node takes nothing on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MaintenanceStatus {
    /// Since when.
    pub since: Moment,
    /// By whose order.
    pub author: String,
    /// What for; may be empty.
    pub why: String,
}

/// Whether a node votes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MemberKind {
    /// It counts for majorities.
    Voter,
    /// It copies the log and will vote when it has caught up.
    Learner,
    /// It is known to the state and not (or no more) in the membership.
    Outside,
}

/// Whether a node answers the one that was asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Answering {
    /// It is the one that was asked.
    Itself,
    /// It answers.
    Yes,
    /// It does not.
    No,
}

/// A floating address.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VipStatus {
    /// What it is called.
    pub name: VipName,
    /// The address.
    pub address: IpAddr,
    /// Its network.
    pub network: NetworkName,
    /// Who answers for it now; null: nobody that this node knows of.
    pub owner: Option<NodeName>,
    /// Since when, as the log has it; null where the log names another or none.
    pub since: Option<Moment>,
    /// The VIPs with which it moves; empty: it moves alone.
    pub moves_with: Vec<VipName>,
    /// Who takes it first where all are equally fit; null: whoever comes first.
    pub prefer: Option<NodeName>,
    /// Since when its owner goes on without a majority; null: a majority lends it, or nobody has
    /// it.
    #[serde(default)]
    pub alone_since: Option<Moment>,
}

/// A farm in one line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FarmStatus {
    /// What it is called.
    pub name: FarmName,
    /// Its VIP.
    pub vip: VipName,
    /// Its services: `web http 80`.
    pub services: Vec<String>,
    /// Whether it does its work.
    pub condition: Condition,
    /// Why it is down or degraded, in one line; empty where it is neither.
    pub reason: String,
    /// How many servers it has.
    pub servers: usize,
    /// How many of them can be given new work.
    pub serving: usize,
    /// How many are down.
    pub down: usize,
    /// How many are down because of something else, which is down or was.
    pub unreachable: usize,
    /// How many wait for their first verdict.
    pub unknown: usize,
    /// How many are up, and want no new work by their own word.
    pub quiesced: usize,
    /// How many drain.
    pub draining: usize,
    /// How many are in maintenance.
    pub maintenance: usize,
}

/// What is paged.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct PageStatus {
    /// Incidents that are open.
    pub incidents: usize,
    /// Deliveries that are still due.
    pub due: usize,
    /// Deliveries that have failed at least once and are still due.
    pub failing: usize,
    /// Since when the heartbeat's failure is known; null: it gets through, or there is none.
    pub heartbeat_failing: Option<Moment>,
    /// The last canary of each contact.
    pub canaries: Vec<CanaryStatus>,
}

/// The last canary of a contact.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CanaryStatus {
    /// Whose.
    pub contact: String,
    /// When it was over.
    pub at: Moment,
    /// Channel by channel.
    pub channels: Vec<ChannelTest>,
}
