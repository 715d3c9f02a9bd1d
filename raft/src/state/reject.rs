//! Refusals: why a command was not obeyed. Values, equal on every node; nothing was changed.

use serde::{Deserialize, Serialize};

use super::drill::{DrillKind, RunId};
use super::{Fault, NodeRole, TokenId, explain};
use crate::id::{
    Ballot, DrillName, FarmName, NodeId, NodeName, PageId, RevisionId, ServerName, ServiceName,
    VipName, WatchName,
};

/// Why a command was refused; equal on every node, and nothing was changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
pub enum Reject {
    /// There is a cluster already.
    #[error("this cluster exists already")]
    AlreadyInitialised,
    /// There is no cluster yet.
    #[error("there is no cluster yet")]
    NotInitialised,

    /// A silence that would be over at once, or hardly ever.
    #[error("a silence lasts one minute to 30 days")]
    SilenceTime,
    /// No room for another one.
    #[error("there are {max} silences already")]
    TooManySilences {
        /// The bound.
        max: usize,
    },
    /// No silence has this number, or it is over.
    #[error("there is no silence {0}")]
    UnknownSilence(u64),
    /// A matcher for everything, or for hardly anything.
    #[error("a matcher has one to {max} terms")]
    MatcherTerms {
        /// Most.
        max: usize,
    },
    /// No node has this id.
    #[error("there is no node {0}")]
    UnknownNode(NodeId),
    /// What a node says of itself cannot be.
    #[error("node {name}: {fault}")]
    BadNode {
        /// Which node.
        name: NodeName,
        /// What is wrong with it.
        fault: Fault,
    },
    /// Another node is called the same.
    #[error("node {node} is called {name} already")]
    NodeNameTaken {
        /// Who has the name.
        node: NodeId,
        /// The name.
        name: NodeName,
    },
    /// Another node, or a VIP, has one of its addresses.
    #[error("the address {address} belongs to {owner} already")]
    NodeAddressTaken {
        /// The address, as text.
        address: String,
        /// Who has it.
        owner: String,
    },
    /// No room for another node.
    #[error("a cluster has at most {max} nodes")]
    TooManyNodes {
        /// The bound.
        max: usize,
    },
    /// Without it nobody could hold a VIP.
    #[error("node {0} is the last balancer")]
    LastBalancer(NodeId),
    /// Only a balancer does this.
    #[error("node {0} is a witness")]
    Witness(NodeId),

    /// No token has this id, or this secret.
    #[error("there is no such token; it may have been revoked, or be of another cluster")]
    UnknownToken,
    /// The token's time is over.
    #[error("token {0} has expired")]
    TokenExpired(TokenId),
    /// Another machine uses it, or it did its work.
    #[error("token {0} is used already")]
    TokenUsed(TokenId),
    /// It was made for the other role.
    #[error("token {token} is for a {role}")]
    TokenRole {
        /// Which token.
        token: TokenId,
        /// What it is for.
        role: NodeRole,
    },
    /// A token lives between a second and a week.
    #[error("token {0} would live for less than a second or more than a week")]
    TokenLifetime(TokenId),
    /// The same secret was stored before.
    #[error("token {0} exists already")]
    TokenExists(TokenId),
    /// No room for another token.
    #[error("there are {max} live tokens already")]
    TooManyTokens {
        /// The bound.
        max: usize,
    },

    /// Somebody else made a revision in between.
    #[error("the change was made from revision {base}, but the newest is {newest}")]
    RevisionMoved {
        /// What the change was made from.
        base: RevisionId,
        /// What is current.
        newest: RevisionId,
    },
    /// Its configuration is not kept any more, or it was never made.
    #[error("revision {wanted} is not kept: those from {oldest} to {newest} are")]
    RevisionNotKept {
        /// What was asked for.
        wanted: RevisionId,
        /// The oldest that is kept.
        oldest: RevisionId,
        /// The newest.
        newest: RevisionId,
    },
    /// The configuration contradicts itself or its bounds; at most [`super::FAULTS_MAX`] faults.
    #[error("the configuration is not valid: {}", list(.0))]
    InvalidConfig(Vec<Fault>),
    /// An author, note or name that cannot be written down.
    #[error("{what} has to be {min} to {max} characters, without control characters")]
    BadText {
        /// Which text.
        what: String,
        /// Shortest.
        min: usize,
        /// Longest.
        max: usize,
    },
    /// No farm is called so.
    #[error("there is no farm {0}")]
    UnknownFarm(FarmName),
    /// The farm has no such server.
    #[error("there is no server {farm}/{server}")]
    UnknownServer {
        /// The farm.
        farm: FarmName,
        /// The server.
        server: ServerName,
    },
    /// No VIP is called so.
    #[error("there is no VIP {0}")]
    UnknownVip(VipName),
    /// No server has this address.
    #[error("no farm has a server at {0}")]
    UnknownAddress(std::net::IpAddr),
    /// Nobody would be left.
    #[error("{farm}/{server} is the last one that serves {service}")]
    LastServer {
        /// The farm.
        farm: FarmName,
        /// The server.
        server: ServerName,
        /// A service that would have none.
        service: ServiceName,
    },

    /// The reporter lost the VIP meanwhile.
    #[error("ballot {given} for VIP {vip} is older than {newest}")]
    StaleBallot {
        /// Which VIP.
        vip: VipName,
        /// The ballot of the report.
        given: Ballot,
        /// The newest ballot that was reported.
        newest: Ballot,
    },
    /// The reporter leads no more.
    #[error("a report of term {given} came in term {current}")]
    StaleTerm {
        /// The term of the report.
        given: u64,
        /// The term it was logged in.
        current: u64,
    },
    /// More changes at once than one entry of the log should carry.
    #[error("{have} changes in one report, at most {max} are taken")]
    TooManyChanges {
        /// How many came.
        have: usize,
        /// The bound.
        max: usize,
    },
    /// Watches are the leader's to report.
    #[error("watch {0} is reported by the leader, not by the owner of a VIP")]
    WatchOfOwner(WatchName),
    /// A majority cannot be found before it was lost.
    #[error("the majority cannot have been found before it was lost")]
    QuorumBackwards,

    /// No page has this id; it may have been so old that it was forgotten.
    #[error("there is no page {0}")]
    UnknownPage(PageId),
    /// The page does not go to this contact.
    #[error("page {page} does not go to {contact}")]
    NotAddressed {
        /// Which page.
        page: PageId,
        /// Who does not get it.
        contact: crate::id::ContactName,
    },
    /// Somebody else was faster.
    #[error("page {page} was taken on by {by} already")]
    AlreadyAcknowledged {
        /// Which page.
        page: PageId,
        /// Who has it.
        by: String,
    },
    /// No page went to this contact in such a message, or it was forgotten.
    #[error("there is no message {bundle} to {contact}")]
    UnknownMessage {
        /// To whom.
        contact: crate::id::ContactName,
        /// Which.
        bundle: u64,
    },
    /// No room for another administrator.
    #[error("there are {max} administrators with valid certificates already")]
    TooManyAdmins {
        /// The bound.
        max: usize,
    },
    /// Nobody of this name has a certificate.
    #[error("there is no administrator {0} with a valid certificate")]
    UnknownAdmin(String),
    /// The name's certificates were revoked, and the last of them has not run out yet.
    #[error(
        "the certificates of {name} were revoked; the name is free again when the last of \
             them has run out"
    )]
    AdminRevoked {
        /// Whose.
        name: String,
    },
    /// A time in maintenance that would be over at once, or hardly ever; or one of something else.
    #[error("a time in maintenance lasts one minute to 30 days, and nothing else ends by itself")]
    MaintenanceTime,

    /// Somebody has locked drills.
    #[error("drills are locked by {by}: {why}")]
    DrillsLocked {
        /// Who.
        by: String,
        /// Why.
        why: String,
    },
    /// Another one is under way.
    #[error("drill {kind} runs already, number {run}")]
    DrillRunning {
        /// Its number.
        run: RunId,
        /// Which.
        kind: DrillKind,
    },
    /// No run has this number; it may have been so old that it was forgotten.
    #[error("there is no drill {0}")]
    UnknownDrill(RunId),
    /// That time of the schedule was begun or passed over.
    #[error("the drill that the schedule {0} wants was begun already, or passed over")]
    DrillSettled(DrillName),
}

fn list(faults: &[Fault]) -> String {
    let lines: Vec<String> = faults.iter().map(Fault::to_string).collect();
    lines.join("; ")
}

impl Reject {
    /// The code that `farmux explain` knows; never given a second meaning.
    pub fn code(&self) -> &'static str {
        match self {
            Reject::AlreadyInitialised => "FMX-S001",
            Reject::NotInitialised => "FMX-S002",
            Reject::UnknownNode(_) => "FMX-S010",
            Reject::BadNode { .. } => "FMX-S011",
            Reject::NodeNameTaken { .. } => "FMX-S012",
            Reject::NodeAddressTaken { .. } => "FMX-S013",
            Reject::TooManyNodes { .. } => "FMX-S014",
            Reject::LastBalancer(_) => "FMX-S015",
            Reject::Witness(_) => "FMX-S016",
            Reject::UnknownToken => "FMX-S020",
            Reject::TokenExpired(_) => "FMX-S021",
            Reject::TokenUsed(_) => "FMX-S022",
            Reject::TokenRole { .. } => "FMX-S023",
            Reject::TokenLifetime(_) => "FMX-S024",
            Reject::TokenExists(_) => "FMX-S025",
            Reject::TooManyTokens { .. } => "FMX-S026",
            Reject::RevisionMoved { .. } => "FMX-S030",
            Reject::InvalidConfig(_) => "FMX-S031",
            Reject::BadText { .. } => "FMX-S032",
            Reject::UnknownFarm(_) => "FMX-S033",
            Reject::UnknownServer { .. } => "FMX-S034",
            Reject::UnknownVip(_) => "FMX-S035",
            Reject::UnknownAddress(_) => "FMX-S036",
            Reject::LastServer { .. } => "FMX-S037",
            Reject::RevisionNotKept { .. } => "FMX-S038",
            Reject::StaleBallot { .. } => "FMX-S040",
            Reject::StaleTerm { .. } => "FMX-S041",
            Reject::TooManyChanges { .. } => "FMX-S042",
            Reject::QuorumBackwards => "FMX-S043",
            Reject::WatchOfOwner(_) => "FMX-S044",
            Reject::UnknownPage(_) => "FMX-S050",
            Reject::NotAddressed { .. } => "FMX-S051",
            Reject::AlreadyAcknowledged { .. } => "FMX-S052",
            Reject::UnknownMessage { .. } => "FMX-S053",
            Reject::TooManyAdmins { .. } => "FMX-S060",
            Reject::UnknownAdmin(_) => "FMX-S061",
            Reject::AdminRevoked { .. } => "FMX-S062",
            Reject::SilenceTime => "FMX-S070",
            Reject::TooManySilences { .. } => "FMX-S071",
            Reject::UnknownSilence(_) => "FMX-S072",
            Reject::MatcherTerms { .. } => "FMX-S073",
            Reject::MaintenanceTime => "FMX-S074",
            Reject::DrillsLocked { .. } => "FMX-S080",
            Reject::DrillRunning { .. } => "FMX-S081",
            Reject::UnknownDrill(_) => "FMX-S082",
            Reject::DrillSettled(_) => "FMX-S083",
        }
    }

    /// What the operator does about it.
    pub fn mend(&self) -> &'static str {
        explain::explanation(self.code()).map_or("", |explanation| explanation.mend)
    }
}
