//! PURE. The replicated state: what every node holds equally, and how a command changes it.
//!
//! ```text
//!   Command --apply--> Ok(Applied) | Err(Reject)      equal on every node
//!   State   --project--> what is due, what is up, what may be served
//! ```
//!
//! One file a noun. No clock, no randomness, no I/O: times and identities arrive in the command.

mod command;
mod config;
mod contact;
mod farm;
mod health;
mod node;
mod page;
mod revision;
mod token;
mod vip;

pub use command::{Applied, Author, Command, Proposal, Reject};
pub use command::{LeaseKey, Secrets};
pub use config::Config;
pub use contact::{Contact, MailChannel, Relay, RelaySecurity, Secret};
pub use farm::{
    AdminState, Check, CheckKind, Farm, Fate, HttpCheck, Limits, Method, Server, ServerRole,
    Service, ServiceKind,
};
pub use health::{Authority, CheckKey, Health, HealthChange, HealthRecord};
pub use node::{Node, NodeCondition, NodeRole};
pub use page::{Acknowledgement, Delivery, DeliveryOutcome, DuePage, Page, PageKind, Subject};
pub use revision::Revision;
pub use token::{Token, TokenId};
pub use vip::{OnQuorumLoss, Vip, VipStanding};

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::id::{ClusterId, ClusterName, NodeId, PageId, RequestId, RevisionId, VipName};

/// What every node of the cluster holds equally.
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
    /// What operators decided.
    pub config: Config,
    /// Number of the newest revision.
    pub revision: RevisionId,
    /// The newest revisions, oldest first, at most 1,000.
    pub revisions: std::collections::VecDeque<Revision>,
    /// What probes observed.
    pub health: BTreeMap<CheckKey, HealthRecord>,
    /// Who reported to own what.
    pub vips: BTreeMap<VipName, VipStanding>,
    /// Subjects that are down now, with the page that said so.
    pub incidents: BTreeMap<Subject, PageId>,
    /// How often each subject changed; numbers its pages.
    pub transitions: BTreeMap<Subject, u64>,
    /// Pages, at most 10,000: the oldest settled ones go first.
    pub pages: BTreeMap<PageId, Page>,
    /// Answers to the newest proposals, so that a retry gets the same; at most 10,000, oldest first.
    pub answered: std::collections::VecDeque<(RequestId, Result<Applied, Reject>)>,
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

impl State {
    /// Changes the state as the proposal says, or refuses and changes nothing.
    ///
    /// **Errors**: a [`Reject`], equal on every node; the caller shows it to whoever proposed.
    pub fn apply(&mut self, proposal: Proposal) -> Result<Applied, Reject> {
        let _ = proposal;
        Err(Reject::NotInitialised)
    }

    /// What contacts have not got yet, in the order in which it happened.
    pub fn due_pages(&self) -> Vec<DuePage> {
        Vec::new()
    }
}
