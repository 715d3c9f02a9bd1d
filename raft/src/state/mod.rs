//! PURE. The replicated state: what every node holds equally, and how a command changes it.
//!
//! ```text
//!   Command --apply--> Ok(Applied) | Err(Reject)      equal on every node
//!   State   --project--> what is due, what is up, what may be served
//! ```
//!
//! One file a noun. No clock, no randomness, no I/O: times and identities arrive in the command.
//! Each part of `apply` first asks everything that could refuse, then changes: nothing
//! half-applies.

mod address;
mod admin;
mod answered;
mod bundle;
mod canary;
mod check;
mod check_kinds;
mod clock;
mod command;
mod config;
mod contact;
mod delivery;
mod diff;
pub mod drill;
mod due;
mod event;
mod explain;
mod farm;
mod fault;
mod flap;
mod format;
mod group;
mod health;
mod heartbeat;
mod hold;
mod holds;
mod incident;
mod journal;
mod judge;
mod kin;
mod ladder;
mod lent;
mod maintenance;
mod matcher;
mod node;
mod opinion;
mod outage;
mod page;
mod pages;
mod paging;
mod parent;
mod past;
mod pause;
mod quorum;
mod reject;
mod rest;
mod restore;
mod revision;
mod server;
mod service;
mod silence;
mod standing;
mod suspicion;
mod taking;
mod target;
mod text;
mod token;
mod transition;
mod trouble;
mod uptime;
mod vip;
mod watch;
mod word;

pub use admin::{AdminCert, AdminStanding};
pub use answered::Answered;
pub use bundle::{Bundles, OpenBundle};
pub use canary::{Canary, CanaryTry};
pub use check::{Check, CheckKind, ExecCheck, FtpCheck, HttpCheck, NfsCheck, NfsTransport};
pub use check_kinds::{Advice, DnsCheck, DnsRecord, HttpsCheck, Protocol, UdpCheck};
pub use command::{Applied, Author, Command, LeaseKey, Proposal, Secrets};
pub use config::{Config, WATCHES_MAX};
pub use contact::{
    Channel, ChannelKind, Contact, MailChannel, Relay, RelaySecurity, Secret, SnppChannel,
    SnppWords, SyslogChannel, SyslogTransport, WebUrl, WebhookChannel, WebhookShape,
};
pub use delivery::{ChannelTry, Delivery, DeliveryOutcome, DeliveryRecord, Progress, Told};
pub use diff::diff;
pub use due::{DueMessage, Message, message_id};
pub use explain::{EXPLANATIONS, Explanation, explanation};
pub use farm::{Farm, Fate, LastResortPage, Method, OnParentDown, Persistence};
pub use fault::{AddressClass, FAULTS_MAX, Fault, FaultKind};
pub use flap::Flaps;
pub use format::{Format, Reader, held_back, may_raise};
pub use group::Group;
pub use health::{Authority, CheckKey, Health, HealthChange, HealthRecord, is_probed};
pub use hold::{Hold, HoldKind, Sway};
pub use holds::Holds;
pub use journal::{EventKind, Journal, JournalEntry, JournalEvent};
pub use kin::Kin;
pub use ladder::{Ladder, Preview, PreviewCall, Rung, Step};
pub use lent::LentVips;
pub use maintenance::{Maintenance, Maintenances};
pub use matcher::{Matcher, Term, TermError};
pub use node::{Node, NodeCondition, NodeRole};
pub use opinion::{Doubt, Found, Opinion, PageVerdict};
pub use outage::{ChannelStanding, ChannelStandings};
pub use page::{DRILL_MARK, Page, PageKind, Subject, page_id};
pub use pages::{PAGES_MAX, Pages};
pub use paging::{Heartbeat, Paging};
pub use parent::Parent;
pub use past::Past;
pub use pause::Pause;
pub use reject::Reject;
pub use rest::{Rest, RestOrder};
pub use restore::FreshStart;
pub use revision::Revision;
pub use server::{AdminOrder, AdminState, Ordered, Server, ServerRole};
pub use service::{
    Ftp, FtpTls, Limits, PortRange, PortRangeError, ProxyVersion, Queue, Service, ServiceKind,
};
pub use silence::{Silence, Silences};
pub use standing::{Counts, FarmCondition, FarmStanding};
pub use suspicion::{Culprit, Suspected, Suspicion, SuspicionStage, Suspicions};
pub use taking::{Acknowledgement, Resolution, Taken};
pub use text::{REASON_CHARS_MAX, clean, duration_text, span_text};
pub use token::{Token, TokenId};
pub use transition::Transitions;
pub use trouble::{Mac, Trouble, disk_evidence};
pub use uptime::{Month, MonthUptime, Uptime};
pub use vip::{BallotFloor, OnQuorumLoss, Vip, VipStanding};
pub use watch::Watch;
pub use word::Word;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::id::{
    ClusterId, ClusterName, ContactName, FarmName, NodeId, PageId, RequestId, RevisionId,
    ServerName, UnixMillis, VipName,
};

/// What every node of the cluster holds equally.
///
/// Copying it is cheap: whatever can grow large is shared until it changes.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct State {
    /// Who we are; `None` until `Init`.
    pub cluster: Option<Cluster>,
    /// The machines, learners too.
    pub nodes: BTreeMap<NodeId, Node>,
    /// The highest node id ever given out.
    pub last_node: NodeId,
    /// Join tokens, at most 100.
    pub tokens: BTreeMap<TokenId, Token>,
    /// Administrators' certificates, by the name in them, at most 100.
    pub admins: BTreeMap<String, AdminCert>,
    /// What operators decided.
    pub config: Arc<Config>,
    /// Number of the newest revision.
    pub revision: RevisionId,
    /// The newest revisions, oldest first, at most 1,000.
    pub revisions: VecDeque<Arc<Revision>>,
    /// The configurations of the newest revisions, to look at and to go back to.
    pub past: Past,
    /// What probes observed; nothing for a check without a verdict.
    pub health: Arc<BTreeMap<CheckKey, HealthRecord>>,
    /// Who reported to own what.
    pub vips: BTreeMap<VipName, VipStanding>,
    /// The newest ballot under which anybody reported about a VIP.
    pub ballots: BTreeMap<VipName, BallotFloor>,
    /// Subjects that are down now, with the page that said so.
    pub incidents: Arc<BTreeMap<Subject, PageId>>,
    /// What changes too often.
    pub flaps: Flaps,
    /// What nobody is called for.
    pub silences: Silences,
    /// By which orders servers are in maintenance.
    #[serde(default)]
    pub maintenances: Maintenances,
    /// What is down and has no page of its own, or none yet.
    pub holds: Holds,
    /// Nodes that suspect themselves, and what was found out.
    pub suspicions: Suspicions,
    /// Who is related to whom; no state of its own.
    #[serde(skip)]
    pub kin: Kin,
    /// Servers of role active that failed, and stand by until an operator says ready.
    pub fallen: Arc<BTreeSet<(FarmName, ServerName)>>,
    /// How often each subject changed; numbers its pages.
    pub transitions: Arc<Transitions>,
    /// Pages, at most 10,000: the oldest settled ones go first.
    pub pages: Pages,
    /// In which messages they go to whom, as far as they have not gone.
    pub bundles: Bundles,
    /// Ways to contacts that failed last.
    pub channels: Arc<ChannelStandings>,
    /// When the newest change was proposed, and which it was.
    pub present: Present,
    /// The last canary of each contact.
    pub canaries: Arc<BTreeMap<ContactName, Canary>>,
    /// Since when the heartbeat does not get through, as far as that was said.
    pub heartbeat_failing: Option<UnixMillis>,
    /// How long everything that is checked was up, month by month.
    pub uptime: Uptime,
    /// What happened lately.
    pub journal: Journal,
    /// Answers to the newest proposals, so that a retry changes nothing twice.
    pub answered: Answered,
    /// Nothing moves by itself, by somebody's order.
    #[serde(default)]
    pub pause: Option<Pause>,
    /// What every member can read.
    #[serde(default)]
    pub format: Format,
    /// Nodes that take nothing on.
    #[serde(default)]
    pub resting: BTreeMap<NodeId, Rest>,
    /// What is rehearsed, and was.
    #[serde(default)]
    pub drills: drill::Drills,
}

/// Who we are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cluster {
    /// 128 random bits.
    pub id: ClusterId,
    /// What it is called.
    pub name: ClusterName,
    /// Rises with every `cluster recover`.
    pub epoch: u64,
    /// What it keeps secret.
    pub secrets: Secrets,
}

/// The change that is being made, or was made last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Present {
    /// The proposer's wall clock.
    pub at: UnixMillis,
    /// Which one.
    pub request: RequestId,
}

/// When a command happens, in both of our clocks.
#[derive(Debug, Clone, Copy)]
struct Now {
    /// The proposer's wall clock: for people.
    at: UnixMillis,
    /// The term of the entry in the log: for order.
    term: u64,
}

/// A duration in milliseconds; those of a configuration are days at most.
fn millis(duration: std::time::Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

impl State {
    /// Changes the state as the proposal says, or refuses and changes nothing.
    ///
    /// `term` is that of the log entry which carries the proposal: lease ballots live in memory
    /// only and begin anew when a majority restarts, mostly after an election, so that they are
    /// compared within one term; see [`BallotFloor`].
    ///
    /// **Errors**: a [`Reject`], equal on every node; the caller shows it to whoever proposed.
    pub fn apply(&mut self, term: u64, proposal: Proposal) -> Result<Applied, Reject> {
        if let Some(applied) = self.answered.find(proposal.id) {
            return Ok(applied);
        }
        let now = Now {
            at: proposal.at,
            term,
        };
        let before = self.present;
        self.present = Present {
            at: proposal.at,
            request: proposal.id,
        };
        let draft = self.journal_draft(&proposal.command);
        let answer = self.obey(now, proposal.command);
        match answer {
            Ok(applied) if applied != Applied::Unchanged => {
                self.write_journal(now, draft);
                self.answered.remember(proposal.id, applied);
            }
            Ok(_) | Err(_) => self.present = before,
        }
        answer
    }

    fn obey(&mut self, now: Now, command: Command) -> Result<Applied, Reject> {
        if let Command::Init {
            cluster,
            name,
            secrets,
            node,
        } = command
        {
            return self.init(
                now,
                Cluster {
                    id: cluster,
                    name,
                    epoch: 0,
                    secrets,
                },
                node,
            );
        }
        if self.cluster.is_none() {
            return Err(Reject::NotInitialised);
        }
        match command {
            Command::Init { .. } => unreachable!("obeyed above"),
            Command::CreateToken(token) => self.create_token(now, token),
            Command::RevokeToken(id) => self.revoke_token(id),
            Command::ClaimToken { hash, key, node } => self.claim_token(now, hash, key, node),
            Command::FinishJoin(node) => self.finish_join(node),
            Command::RemoveNode { node, lease_key } => self.remove_node(now, node, lease_key),
            Command::Recover { survivor, epoch } => self.recover(now, survivor, epoch),
            Command::Configure {
                author,
                base,
                config,
                note,
            } => self.configure(now, author, base, *config, note),
            Command::SetAdmin(order) => self.set_admin(now, order),
            Command::PassTime => Ok(self.pass_time(now)),
            Command::AddSilence(silence) => self.add_silence(now, silence),
            Command::EndSilence(number) => self.end_silence(number),
            Command::EndHolds(numbers) => self.end_holds(now, &numbers),
            Command::ReportHealth { authority, changes } => {
                self.report_health(now, authority, changes)
            }
            Command::ReportNode {
                node,
                reachable,
                reason,
            } => self.report_node(now, node, reachable, &reason),
            Command::ReportVip { vip, ballot } => self.report_vip(now, vip, ballot),
            Command::ReportQuorum { lost, regained, by } => self.report_quorum(lost, regained, by),
            Command::RecordDelivery(record) => self.record_delivery(now, record),
            Command::RecordCanary { contact, canary } => {
                Ok(self.record_canary(now, contact, canary))
            }
            Command::ReportHeartbeat { node, failure } => {
                self.report_heartbeat(now, node, failure.as_deref())
            }
            Command::Acknowledge { taken, by } => self.acknowledge(now, &taken, &by),
            Command::Resolve { pages, by, why } => self.resolve(now, pages, &by, &why),
            Command::RecordAdminCert { name, expires } => {
                self.record_admin_cert(now, name, expires)
            }
            Command::Rollback {
                author,
                base,
                to,
                note,
            } => self.roll_back(now, author, base, to, note),
            Command::RevokeAdminCert { name } => self.revoke_admin_cert(now, &name),
            Command::GiveOpinions { node, opinions } => self.give_opinions(now, node, &opinions),
            Command::Suspect { node, suspected } => self.suspect(now, node, suspected),
            Command::Trust { node, by } => self.trust(now, node, by),
            Command::ReportTrouble {
                node,
                trouble,
                reason,
            } => self.report_trouble(now, node, trouble, reason.as_deref()),
            Command::Pause { author, why } => self.pause(now, author, why),
            Command::Resume { author } => self.resume(&author),
            Command::RaiseFormat(format) => Ok(self.raise_format(format)),
            Command::SetRest(order) => self.set_rest(now, order),
            Command::BeginDrill(order) => self.begin_drill(now, *order),
            Command::SkipDrill { scheduled, why } => self.skip_drill(now, scheduled, &why),
            Command::DrillInjecting { run, radius } => self.begin_harm(now, run, radius),
            Command::DrillUndone { run } => self.end_harm(now, run),
            Command::OpenDrillPage { run, contacts } => self.open_drill_page(now, run, contacts),
            Command::AbortDrill { run, who } => self.abort_drill(run, who),
            Command::RecordDrill(record) => self.record_drill(now, *record),
            Command::LockDrills { author, why } => self.lock_drills(now, author, why),
            Command::UnlockDrills { author } => self.unlock_drills(&author),
        }
    }

    fn init(&mut self, now: Now, cluster: Cluster, node: Node) -> Result<Applied, Reject> {
        if self.cluster.is_some() {
            return Err(Reject::AlreadyInitialised);
        }
        let id = NodeId(1);
        if node.role == NodeRole::Witness {
            return Err(Reject::Witness(id));
        }
        self.check_node(id, &node)?;
        self.cluster = Some(cluster);
        self.last_node = id;
        self.admit(now, id, node);
        Ok(Applied::Node(id))
    }
}

#[cfg(test)]
mod tests;
