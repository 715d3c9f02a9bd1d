//! Keeps this node's certificate good: a new one from the leader when two thirds of its life are
//! over.
//!
//! ```text
//!   due? --Renew--> leader (or ourselves, leading) --leaf--> identity.json --> watch --> TLS
//! ```
//!
//! It is written before it is used, so that a restart finds what the others have seen.

use std::sync::Arc;
use std::time::Duration;

use farmux_raft::consensus::{Consensus, TransportError};
use farmux_raft::id::UnixMillis;
use farmux_raft::peer::certificate::renew_due;
use farmux_raft::peer::issue::{IssueError, issue_node};
use farmux_raft::peer::{Identity, IdentityError, PeerClient, PeerReply, PeerRequest};
use rustls::pki_types::CertificateDer;
use tokio::sync::watch;

use super::{Home, HomeError};

/// How often the certificate is looked at. The last third of its life is a month, so an hour leaves
/// seven hundred attempts.
const LOOK_EVERY: Duration = Duration::from_secs(3600);

/// How long the leader may take: it signs at once.
const DEADLINE: Duration = Duration::from_secs(5);

/// Why there is no new certificate yet.
#[derive(Debug, thiserror::Error)]
pub enum RenewError {
    /// Nobody leads, so nobody signs.
    #[error("nobody leads")]
    NoLeader,
    /// The leader could not be asked.
    #[error(transparent)]
    Transport(#[from] TransportError),
    /// It did not sign.
    #[error("the leader answered: {0}")]
    Refused(String),
    /// We lead, and could not sign.
    #[error(transparent)]
    Issue(#[from] IssueError),
    /// What it signed is not for us.
    #[error(transparent)]
    Identity(#[from] IdentityError),
    /// It could not be written.
    #[error(transparent)]
    Home(#[from] HomeError),
}

/// Renews the certificate whenever it is due, as long as the node runs.
pub async fn keep_renewed(
    identity: watch::Sender<Arc<Identity>>,
    home: Home,
    peers: PeerClient,
    consensus: Consensus,
    clock: fn() -> UnixMillis,
) {
    loop {
        let current = identity.borrow().clone();
        if renew_due(current.not_after(), clock()) {
            match renew(&current, &home, &peers, &consensus, clock()).await {
                Ok(next) => {
                    tracing::info!(good_until_ms = next.not_after().0, "certificate renewed");
                    identity.send_replace(Arc::new(next));
                }
                Err(error) => tracing::warn!(%error, "the certificate is due and not renewed"),
            }
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

async fn renew(
    current: &Identity,
    home: &Home,
    peers: &PeerClient,
    consensus: &Consensus,
    now: UnixMillis,
) -> Result<Identity, RenewError> {
    let leader = consensus
        .standing()
        .borrow()
        .leader
        .ok_or(RenewError::NoLeader)?;
    let request = current.key().request();
    let leaf = if leader == current.node() {
        let state = consensus.state().borrow().clone();
        issue_node(&state, leader, &request, now)?
    } else {
        match peers
            .ask(leader, &PeerRequest::Renew(request), DEADLINE)
            .await?
        {
            PeerReply::Renewed(leaf) => CertificateDer::from(leaf),
            PeerReply::NotLeader(_) => return Err(RenewError::NoLeader),
            PeerReply::Failed(why) => return Err(RenewError::Refused(why)),
            other @ (PeerReply::Status(_)
            | PeerReply::Gone
            | PeerReply::Stage(_)
            | PeerReply::Probes(_)
            | PeerReply::Ordered(_)
            | PeerReply::Drilled(_)) => {
                return Err(RenewError::Refused(format!("{other:?}")));
            }
        }
    };
    let next = current.renewed(leaf)?;
    home.save(&next, &home.members()?)?;
    Ok(next)
}
