//! This machine, in a cluster or not yet: takes the operator's orders, one at a time.

use std::path::Path;
use std::sync::{Arc, Mutex, OnceLock};

use farmux_raft::id::{AdminName, NodeName, UnixMillis};
use farmux_raft::peer::Addresses;
use farmux_raft::peer::issue::issue_admin;
use farmux_raft::peer::key::NodeKey;
use farmux_raft::peer::token::JoinToken;
use farmux_raft::state::Command;
use farmux_store::{OpenError, Store};
use tokio::sync::{Notify, mpsc, watch};

use super::build::{BuildError, build};
use super::handler::Reporter;
use super::joining::{self, Joining};
use super::{
    InitOrder, JoinOrder, Joined, Member, OrderError, TOKEN_TTL, TokenOrder, membership, network,
    wall_clock,
};
use crate::identity::{Home, HomeError, is_full};
use crate::moving;
use crate::rehearsal;
use crate::settings::Settings;

/// The running daemon.
pub struct Node {
    settings: Settings,
    pub(super) member: watch::Sender<Option<Arc<Member>>>,
    report: OnceLock<Reporter>,
    /// Held by the order that is changing what this machine belongs to.
    pub(super) changing: Arc<tokio::sync::Mutex<()>>,
    /// Held while this machine goes on as what its data folder says it is.
    pub(super) resuming: tokio::sync::Mutex<()>,
    /// The last join that was begun.
    pub(super) joining: Mutex<Option<Joining>>,
    left: Notify,
}

impl Node {
    /// The daemon of this machine, not in a cluster yet as far as it knows.
    pub fn new(settings: Settings) -> Node {
        Node {
            settings,
            member: watch::Sender::new(None),
            report: OnceLock::new(),
            changing: Arc::default(),
            resuming: tokio::sync::Mutex::new(()),
            joining: Mutex::new(None),
            left: Notify::new(),
        }
    }

    /// Says how this node reports itself to the others; before [`Node::resume`].
    pub fn set_reporter(&self, report: Reporter) {
        let _ = self.report.set(report);
    }

    /// Goes on as what the data folder says this machine is; a new machine waits for orders.
    ///
    /// **Errors**: the folder or the store is damaged, or an address is taken; the daemon stops.
    pub async fn resume(&self) -> Result<(), BuildError> {
        let _resuming = self.resuming.lock().await;
        let _order = self.changing.lock().await;
        if self.member().is_some() {
            // An order was faster.
            return Ok(());
        }
        let home = Home::open(&self.settings.data)?;
        let Some(identity) = home.load()? else {
            return Ok(());
        };
        home.check_room()?;
        let members = home.members()?;
        match build(&self.settings, identity, members, self.reporter()).await {
            Ok(member) => {
                self.member.send_replace(Some(member));
                Ok(())
            }
            Err(BuildError::Store(OpenError::Damaged { path, reason })) => {
                self.set_aside(&home, &path, &reason)
            }
            Err(error) => Err(error),
        }
    }

    /// A store that lost what it acknowledged may never vote again under its old id: it is kept
    /// for whoever wants to look at it, and this machine waits to be joined anew.
    fn set_aside(&self, home: &Home, path: &Path, reason: &str) -> Result<(), BuildError> {
        let system = |error: std::io::Error| BuildError::Part(error.to_string());
        // The identity first: were it left with an empty store, it would vote twice.
        home.forget()?;
        let aside = Store::set_aside(&super::build::store_folder(&self.settings.data));
        let aside = aside.map_err(system)?;
        tracing::error!(
            damaged = %path.display(), reason, kept = %aside.display(),
            "the store is damaged and was set aside. On a member run `farmux cluster remove {}` \
             and `farmux cluster token create`; then empty the data folder and join again",
            self.settings.name,
        );
        Ok(())
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

    pub(super) fn reporter(&self) -> Reporter {
        self.report
            .get()
            .cloned()
            .unwrap_or_else(|| Arc::new(|_| Vec::new()))
    }

    fn refuse_member(&self) -> Result<(), OrderError> {
        self.member()
            .map_or(Ok(()), |member| Err(in_cluster(&member)))
    }

    /// Makes a cluster of this one machine.
    ///
    /// **Errors**: [`OrderError`]; nothing is left behind.
    pub async fn init(&self, order: InitOrder) -> Result<(), OrderError> {
        let _order = self.changing.try_lock().map_err(|_| OrderError::Busy)?;
        self.refuse_member()?;
        if let Some(vip) = &order.vip {
            network::check(&self.settings, &vip.network, vip.address)
                .await
                .map_err(OrderError::Settings)?;
        }
        let home = Home::open(&self.settings.data).map_err(local)?;
        home.check_empty().map_err(local)?;
        home.check_room().map_err(no_room)?;
        let first = membership::found(&self.settings, &order, home.key().map_err(local)?)?;
        let identity = first.identity.clone();
        let member = build(
            &self.settings,
            first.identity,
            Addresses::new(),
            self.reporter(),
        );
        let member = match member.await {
            Ok(member) => member,
            Err(error) => {
                remove_store(&self.settings).map_err(local)?;
                return Err(local(error));
            }
        };
        let written =
            membership::write_first(member.consensus(), &self.settings, &order, first.secrets);
        let done = match written.await {
            Ok(()) => home.save(&identity, &Addresses::new()).map_err(local),
            Err(error) => Err(error),
        };
        if let Err(error) = done {
            member.stop().await;
            remove_store(&self.settings).map_err(local)?;
            return Err(error);
        }
        tracing::info!(cluster = %order.name, "a cluster was made");
        self.member.send_replace(Some(member));
        Ok(())
    }

    /// Makes this machine a member; says how far it is in lines for people. Ordered again with the
    /// same token, it follows the join that is under way.
    ///
    /// **Errors**: [`OrderError`]; may be run again with the same token.
    pub async fn join(
        self: &Arc<Self>,
        order: JoinOrder,
        progress: mpsc::Sender<String>,
    ) -> Result<Joined, OrderError> {
        joining::join(self, &order, &progress).await
    }

    /// Leaves the cluster: hands over, is removed, and empties its data folder. The daemon then
    /// begins anew, without a cluster.
    ///
    /// **Errors**: [`OrderError`]; it is still a member then.
    pub async fn leave(&self) -> Result<(), OrderError> {
        let _order = self.changing.try_lock().map_err(|_| OrderError::Busy)?;
        let member = self.expect_member()?;
        membership::check_leave(&member)?;
        moving::go(&member, moving::WAIT_OF_STOP).await;
        membership::leave(&member).await?;
        member.stop().await;
        Home::open(&self.settings.data)
            .and_then(|home| home.forget())
            .map_err(local)?;
        remove_store(&self.settings).map_err(local)?;
        let tracks = rehearsal::Tracks::of(&self.settings.data);
        tracks.forget().map_err(local)?;
        tracing::info!("left the cluster");
        self.left.notify_one();
        Ok(())
    }

    /// Returns when this machine has left its cluster: the daemon begins anew.
    pub async fn left(&self) {
        self.left.notified().await;
    }

    /// Removes another node.
    ///
    /// **Errors**: [`OrderError`].
    pub async fn remove(&self, name: &NodeName) -> Result<(), OrderError> {
        let member = self.expect_member()?;
        let state = member.state();
        let found = state.nodes.iter().find(|(_, node)| node.name == *name);
        let (id, _) = found.ok_or_else(|| OrderError::UnknownNode(name.clone()))?;
        moving::see_off(&member, *id).await;
        membership::remove(member.consensus(), *id).await
    }

    /// Makes a join token; the text is shown once.
    ///
    /// **Errors**: [`OrderError`].
    pub async fn create_token(&self, order: TokenOrder) -> Result<String, OrderError> {
        let member = self.expect_member()?;
        if !TOKEN_TTL.contains(&order.ttl) {
            return Err(OrderError::Lifetime);
        }
        let addresses: Vec<_> = member.addresses().into_iter().collect();
        let fingerprint =
            farmux_raft::peer::certificate::fingerprint(member.identity().borrow().ca());
        let token = JoinToken::create(order.role, fingerprint, &addresses);
        let now = wall_clock();
        let life = u64::try_from(order.ttl.as_millis()).unwrap_or(u64::MAX);
        let record = token.record(now, UnixMillis(now.0.saturating_add(life)));
        membership::propose(member.consensus(), Command::CreateToken(record)).await?;
        Ok(token.reveal())
    }

    /// Makes an administrator's certificate: PEM of key, certificate and CA in one text, shown
    /// once and kept nowhere; and until when it is good.
    ///
    /// **Errors**: [`OrderError`].
    pub async fn create_admin_cert(
        &self,
        name: &AdminName,
    ) -> Result<(String, UnixMillis), OrderError> {
        let member = self.expect_member()?;
        let key = NodeKey::generate();
        let issued =
            issue_admin(&member.state(), name, &key.request(), wall_clock()).map_err(local)?;
        let record = Command::RecordAdminCert {
            name: name.to_string(),
            expires: issued.expires,
        };
        membership::propose(member.consensus(), record).await?;
        let pem = format!("{}{}{}", key.to_pem(), issued.leaf, issued.ca);
        Ok((pem, issued.expires))
    }
}

/// What was agreed in a cluster that this machine is not in any more; the folder of the store only.
fn remove_store(settings: &Settings) -> std::io::Result<()> {
    match std::fs::remove_dir_all(super::build::store_folder(&settings.data)) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

/// What a member hears that shall become one.
pub(super) fn in_cluster(member: &Member) -> OrderError {
    OrderError::InCluster(member.identity().borrow().cluster_name().clone())
}

/// A disk that is full has a name of its own.
pub(super) fn no_room(error: HomeError) -> OrderError {
    match error {
        HomeError::Io { path, source } if is_full(&source) => OrderError::NoRoom(path),
        error @ (HomeError::Io { .. }
        | HomeError::Loose { .. }
        | HomeError::Damaged { .. }
        | HomeError::Identity { .. }
        | HomeError::NotEmpty { .. }) => local(error),
    }
}

pub(super) fn local(error: impl std::fmt::Display) -> OrderError {
    OrderError::Local(error.to_string())
}
