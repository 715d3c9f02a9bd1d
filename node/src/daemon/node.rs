//! This machine, in a cluster or not yet: takes the operator's orders, one at a time.

use std::path::Path;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use farmux_raft::id::{AdminName, NodeId, NodeName, UnixMillis};
use farmux_raft::peer::issue::issue_admin;
use farmux_raft::peer::joiner;
use farmux_raft::peer::key::NodeKey;
use farmux_raft::peer::token::JoinToken;
use farmux_raft::peer::{Addresses, JoinStage};
use farmux_raft::state::Command;
use farmux_store::{OpenError, Store};
use tokio::sync::{Notify, mpsc, watch};

use super::build::{BuildError, build};
use super::handler::Reporter;
use super::{
    InitOrder, JoinOrder, Member, OrderError, TokenOrder, membership, network, wall_clock,
};
use crate::identity::Home;
use crate::settings::Settings;

/// The running daemon.
pub struct Node {
    settings: Settings,
    member: watch::Sender<Option<Arc<Member>>>,
    report: OnceLock<Reporter>,
    /// Held by the order that is changing what this machine belongs to.
    changing: tokio::sync::Mutex<()>,
    left: Notify,
}

/// Shortest and longest life of a token.
const TOKEN_TTL: (Duration, Duration) =
    (Duration::from_secs(60), Duration::from_secs(7 * 24 * 3600));

impl Node {
    /// The daemon of this machine, not in a cluster yet as far as it knows.
    pub fn new(settings: Settings) -> Node {
        Node {
            settings,
            member: watch::Sender::new(None),
            report: OnceLock::new(),
            changing: tokio::sync::Mutex::new(()),
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
        let _order = self.changing.lock().await;
        let home = Home::open(&self.settings.data)?;
        let Some(identity) = home.load()? else {
            return Ok(());
        };
        match build(&self.settings, identity, Addresses::new(), self.reporter()).await {
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

    fn reporter(&self) -> Reporter {
        self.report
            .get()
            .cloned()
            .unwrap_or_else(|| Arc::new(Vec::new))
    }

    fn refuse_member(&self) -> Result<(), OrderError> {
        self.member().map_or(Ok(()), |member| {
            let name = member.identity().borrow().cluster_name().clone();
            Err(OrderError::InCluster(name))
        })
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
            Ok(()) => home.save(&identity).map_err(local),
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

    /// Makes this machine a member; says how far it is in lines for people.
    ///
    /// **Errors**: [`OrderError`]; may be run again with the same token.
    pub async fn join(
        &self,
        order: JoinOrder,
        progress: mpsc::Sender<String>,
    ) -> Result<NodeId, OrderError> {
        let _order = self.changing.try_lock().map_err(|_| OrderError::Busy)?;
        let already = self.member();
        if already.as_ref().is_some_and(|member| member.votes()) {
            self.refuse_member()?;
        }
        let token: JoinToken = order.token.parse().map_err(membership::bad_token)?;
        if token.role != order.role {
            return Err(membership::wrong_role(token.role));
        }
        let home = Home::open(&self.settings.data).map_err(local)?;
        // An identity without a member: an earlier join was welcomed and did not start.
        if already.is_none() && home.load().map_err(local)?.is_none() {
            home.check_empty().map_err(local)?;
        }
        let request = membership::join_request(&self.settings, &token);
        let failed = |error| membership::join_failed(&error);
        let offer = joiner::look(&token, &request).await.map_err(failed)?;
        say(
            &progress,
            &format!("cluster {} would take this machine", offer.name),
        )
        .await;
        network::check_all(&self.settings, token.role, &offer.vips)
            .await
            .map_err(OrderError::Settings)?;
        let key = home.key().map_err(local)?;
        let (identity, welcome) = joiner::claim(&token, &request, &key)
            .await
            .map_err(failed)?;
        say(&progress, &format!("this machine is node {}", welcome.node)).await;
        let member = match already {
            Some(member) => {
                say(&progress, "joining goes on where it was interrupted").await;
                member.learn(welcome.members);
                member
            }
            None => {
                home.save(&identity).map_err(local)?;
                let member = build(&self.settings, identity, welcome.members, self.reporter());
                let member = member.await.map_err(local)?;
                self.member.send_replace(Some(Arc::clone(&member)));
                member
            }
        };
        follow_admission(&member, &progress).await
    }

    /// Leaves the cluster: hands over, is removed, and empties its data folder. The daemon then
    /// begins anew, without a cluster.
    ///
    /// **Errors**: [`OrderError`]; it is still a member then.
    pub async fn leave(&self) -> Result<(), OrderError> {
        let _order = self.changing.try_lock().map_err(|_| OrderError::Busy)?;
        let member = self.expect_member()?;
        membership::leave(&member).await?;
        member.stop().await;
        Home::open(&self.settings.data)
            .and_then(|home| home.forget())
            .map_err(local)?;
        remove_store(&self.settings).map_err(local)?;
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
        membership::remove(member.consensus(), *id).await
    }

    /// Makes a join token; the text is shown once.
    ///
    /// **Errors**: [`OrderError`].
    pub async fn create_token(&self, order: TokenOrder) -> Result<String, OrderError> {
        let member = self.expect_member()?;
        if order.ttl < TOKEN_TTL.0 || order.ttl > TOKEN_TTL.1 {
            return Err(OrderError::Settings(
                "--ttl: one minute to seven days".to_owned(),
            ));
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
    /// once and kept nowhere.
    ///
    /// **Errors**: [`OrderError`].
    pub async fn create_admin_cert(&self, name: &AdminName) -> Result<String, OrderError> {
        let member = self.expect_member()?;
        let key = NodeKey::generate();
        let issued =
            issue_admin(&member.state(), name, &key.request(), wall_clock()).map_err(local)?;
        let record = Command::RecordAdminCert {
            name: name.to_string(),
            expires: issued.expires,
        };
        membership::propose(member.consensus(), record).await?;
        Ok(format!("{}{}{}", key.to_pem(), issued.leaf, issued.ca))
    }
}

/// What was agreed in a cluster that this machine is not in any more; the folder of the store only.
fn remove_store(settings: &Settings) -> std::io::Result<()> {
    match std::fs::remove_dir_all(super::build::store_folder(&settings.data)) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

fn local(error: impl std::fmt::Display) -> OrderError {
    OrderError::Local(error.to_string())
}

/// Lines for people; one who went away does not hold the join up.
async fn say(progress: &mpsc::Sender<String>, line: &str) {
    let _ = progress.send(line.to_owned()).await;
}

/// Longest wait of `join` for the vote; the daemon goes on asking after that by itself.
const ADMISSION_DEADLINE: Duration = Duration::from_secs(120);

async fn follow_admission(
    member: &Member,
    progress: &mpsc::Sender<String>,
) -> Result<NodeId, OrderError> {
    let mut stages = member.stage();
    let follow = async {
        loop {
            let stage = *stages.borrow_and_update();
            match stage {
                Some(JoinStage::Voter) => return Ok(member.me()),
                Some(JoinStage::Learner { behind }) => {
                    say(
                        progress,
                        &format!("learning the log: {behind} entries behind"),
                    )
                    .await;
                }
                Some(JoinStage::CaughtUp) => say(progress, "caught up; being promoted").await,
                Some(JoinStage::Waiting) => say(progress, "waiting for the leader").await,
                None => {}
            }
            if stages.changed().await.is_err() {
                return Err(local("the daemon is stopping"));
            }
        }
    };
    let waited = tokio::time::timeout(ADMISSION_DEADLINE, follow).await;
    waited.unwrap_or_else(|_| {
        Err(OrderError::Join {
            what: "the cluster did not give this node a vote within two minutes".to_owned(),
            mend: "it goes on asking; see `farmux status` here and on a member".to_owned(),
        })
    })
}
