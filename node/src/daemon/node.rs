//! This machine, in a cluster or not yet: takes the operator's orders, one at a time.

use std::sync::Arc;

use farmux_raft::id::{NodeId, NodeName};
use tokio::sync::{mpsc, watch};

use super::{InitOrder, JoinOrder, Member, OrderError, TokenOrder};
use crate::settings::Settings;

/// The running daemon.
pub struct Node {
    settings: Settings,
    member: watch::Sender<Option<Arc<Member>>>,
}

impl Node {
    /// A daemon without a cluster.
    pub fn new(settings: Settings) -> Node {
        Node {
            settings,
            member: watch::Sender::new(None),
        }
    }

    /// What this machine knows of itself.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// This machine as a member, once it is one.
    pub fn member(&self) -> Option<Arc<Member>> {
        self.member.borrow().clone()
    }

    /// Tells when it becomes a member.
    pub fn members(&self) -> watch::Receiver<Option<Arc<Member>>> {
        self.member.subscribe()
    }

    fn expect_member(&self) -> Result<Arc<Member>, OrderError> {
        self.member().ok_or(OrderError::NoCluster)
    }

    /// Makes a cluster of this one machine.
    ///
    /// **Errors**: [`OrderError`]; nothing is left behind.
    pub async fn init(&self, order: InitOrder) -> Result<(), OrderError> {
        Err(OrderError::Settings(format!(
            "{} cannot be made yet",
            order.name
        )))
    }

    /// Makes this machine a member; says how far it is in lines for people.
    ///
    /// **Errors**: [`OrderError`]; may be run again with the same token.
    pub async fn join(
        &self,
        order: JoinOrder,
        progress: mpsc::Sender<String>,
    ) -> Result<NodeId, OrderError> {
        drop((order.token, progress));
        Err(OrderError::NoCluster)
    }

    /// Leaves the cluster: hands over, is removed, and empties its data folder.
    ///
    /// **Errors**: [`OrderError`]; it is still a member then.
    pub async fn leave(&self) -> Result<(), OrderError> {
        self.expect_member().map(drop)
    }

    /// Removes another node.
    ///
    /// **Errors**: [`OrderError`].
    pub async fn remove(&self, name: &NodeName) -> Result<(), OrderError> {
        self.expect_member()?;
        Err(OrderError::UnknownNode(name.clone()))
    }

    /// Makes a join token; the text is shown once.
    ///
    /// **Errors**: [`OrderError`].
    pub async fn create_token(&self, order: TokenOrder) -> Result<String, OrderError> {
        self.expect_member()?;
        Err(OrderError::Settings(format!("{:?}", order.ttl)))
    }

    /// Makes an administrator's certificate: PEM of certificate, key and CA in one text.
    ///
    /// **Errors**: [`OrderError`].
    pub async fn create_admin_cert(&self, name: &str) -> Result<String, OrderError> {
        self.expect_member()?;
        Err(OrderError::Settings(name.to_owned()))
    }
}
