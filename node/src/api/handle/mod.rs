//! The requests, one file a noun: each reads the path and the body, asks node or state, answers.

pub(super) mod admins;
pub(super) mod cluster;
pub(super) mod config;
pub(super) mod contacts;
pub(super) mod drills;
pub(super) mod events;
pub(super) mod farms;
pub(super) mod links;
pub(super) mod moves;
pub(super) mod pages;
pub(super) mod prefer;
pub(super) mod probes;
pub(super) mod servers;
pub(super) mod silences;
pub(super) mod snapshots;
pub(super) mod vips;
pub(super) mod watches;

use std::sync::Arc;

use axum::extract::State as Shared;
use farmux_raft::state::{Applied, Command};

use super::answer::{Answer, answer};
use super::gather::{gather, gather_here};
use super::status::{assemble, without_cluster};
use super::types::{Done, Freshness, StatusReport};
use crate::daemon::{Member, Node};
use crate::fault::{Code, Fault};

/// The daemon, as every handler gets it.
pub(super) type Daemon = Shared<Arc<Node>>;

/// `GET /v1/status`.
pub(super) async fn status(Shared(node): Daemon) -> Answer<StatusReport> {
    match node.member() {
        None => answer(without_cluster(&node.settings().name)),
        Some(member) => answer(assemble(&gather(&node, &member).await.view())),
    }
}

/// The member, or the fault that there is no cluster.
fn member(node: &Node) -> Result<Arc<Member>, Fault> {
    node.member().ok_or_else(|| Fault::new(Code::NoCluster))
}

/// How fresh this node's own copy of the state is.
fn freshness(node: &Node, member: &Member) -> Freshness {
    gather_here(node, member).view().freshness()
}

/// Has a change decided and says whether it made a difference.
async fn change(node: &Node, command: Command) -> Result<Done, Fault> {
    let applied = member(node)?.change(command).await?;
    Ok(Done {
        changed: applied != Applied::Unchanged,
    })
}
