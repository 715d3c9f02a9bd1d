//! The joiner's side: asks the cluster that its token names, and follows the leader.

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use rustls::ClientConfig;
use rustls::pki_types::{CertificateDer, ServerName};
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep, timeout};
use tokio_rustls::TlsConnector;

use super::certificate::fingerprint;
use super::client::PeerClient;
use super::frame::{Frame, FrameError, JOIN_BYTES_MAX, Kind, Route};
use super::identity::{Identity, IdentityError};
use super::join::{JoinAnswer, JoinOffer, JoinRefusal, JoinRequest, JoinStep, Welcome};
use super::key::NodeKey;
use super::message::{JoinStage, PeerReply, PeerRequest};
use super::refusal::Refusal;
use super::tls::{HANDSHAKE_TIMEOUT, TlsError, join_client_config};
use super::token::JoinToken;
use super::wire::{Wire, WireLimits, tune};
use crate::codec::{decode, encode};
use crate::id::{NodeId, UnixMillis};

/// How long a joiner looks for a leader: an election takes a second, a failover of the log two.
const SEARCH_MAX: Duration = Duration::from_secs(15);

/// Between two rounds over all addresses.
const SEARCH_PAUSE: Duration = Duration::from_millis(300);

/// How long one address may take to accept.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);

/// How long the answer may take: longer than the server allows its handler (10 s).
const ANSWER_TIMEOUT: Duration = Duration::from_secs(12);

/// How often a joiner asks how far it is; an operator watches.
const ADMIT_PAUSE: Duration = Duration::from_millis(200);

/// How long an answer to that may take: it is given at once.
const ADMIT_DEADLINE: Duration = Duration::from_secs(2);

/// How long nothing may move on the way to membership before the joiner says so.
const ADMIT_STALL_MAX: Duration = Duration::from_secs(60);

/// Why a join did not come about.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum JoinError {
    /// The cluster said no; it says why, and what to do.
    #[error(transparent)]
    Refused(#[from] JoinRefusal),
    /// Who answers belongs to another cluster than the token: a stale address, or an impostor.
    #[error("the node at {0} belongs to another cluster than the token")]
    ForeignCluster(SocketAddr),
    /// By our clock the cluster's certificates are not good: one of the clocks is days off.
    #[error("the certificate of the node at {0} is not good at the time that our clock shows")]
    Clock(SocketAddr),
    /// No address of the token answers.
    #[error("no node of the cluster can be reached: {0}")]
    Unreachable(String),
    /// It answered, and made no sense.
    #[error("the node at {0} answered something else than was asked")]
    Nonsense(SocketAddr),
    /// What it gave us does not fit together.
    #[error("the certificate that the cluster gave is of no use: {0}")]
    Identity(#[from] IdentityError),
    /// Our own TLS configuration could not be made.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// It is no member after a minute in which nothing moved.
    #[error("the cluster did not make this node a member: {0}")]
    Stalled(String),
    /// It was removed before it was a member.
    #[error("this node was removed from the cluster")]
    Removed,
}

/// Asks whether this machine may join, and what it would join; changes nothing.
///
/// **Errors**: see [`JoinError`].
pub async fn look(token: &JoinToken, request: &JoinRequest) -> Result<JoinOffer, JoinError> {
    let request = JoinRequest {
        step: JoinStep::Preflight,
        ..request.clone()
    };
    match search(token, &request).await? {
        (_, JoinAnswer::Offer(offer)) => Ok(offer),
        (address, JoinAnswer::Welcome(_)) => Err(JoinError::Nonsense(address)),
    }
}

/// Claims a node id and a certificate for `key`; done again with the same key, it gives the same.
///
/// **Errors**: see [`JoinError`].
pub async fn claim(
    token: &JoinToken,
    request: &JoinRequest,
    key: &NodeKey,
) -> Result<(Identity, Welcome), JoinError> {
    let request = JoinRequest {
        step: JoinStep::Claim(key.request()),
        ..request.clone()
    };
    match search(token, &request).await? {
        (address, JoinAnswer::Welcome(welcome)) => {
            let ca = CertificateDer::from(welcome.ca.clone());
            if fingerprint(&ca) != token.ca_fingerprint {
                return Err(JoinError::ForeignCluster(address));
            }
            let leaf = CertificateDer::from(welcome.leaf.clone());
            let name = welcome.name.clone();
            let identity = Identity::new(name, welcome.epoch, key.clone(), leaf, ca)?;
            if identity.node() != welcome.node || identity.cluster() != welcome.cluster {
                return Err(JoinError::Nonsense(address));
            }
            Ok((identity, welcome))
        }
        (address, JoinAnswer::Offer(_)) => Err(JoinError::Nonsense(address)),
    }
}

/// Asks the leader for membership until this node has it; `progress` hears each new stage.
///
/// **Errors**: `Stalled`, `Removed`. The caller may call it again.
pub async fn until_member(
    client: &PeerClient,
    members: &BTreeMap<NodeId, Vec<SocketAddr>>,
    me: NodeId,
    mut progress: impl FnMut(JoinStage),
) -> Result<(), JoinError> {
    let mut candidates: VecDeque<NodeId> = members.keys().copied().filter(|n| *n != me).collect();
    let removed = client.removed();
    let (mut last, mut moved) = (None, Instant::now());
    let mut why = "no other member is known".to_owned();
    while moved.elapsed() < ADMIT_STALL_MAX {
        let Some(node) = candidates.pop_front() else {
            break;
        };
        let reply = client.ask(node, &PeerRequest::Admit, ADMIT_DEADLINE).await;
        if removed.borrow().is_some() {
            return Err(JoinError::Removed);
        }
        match reply {
            Ok(PeerReply::Stage(stage)) => {
                if last.replace(stage) != Some(stage) {
                    moved = Instant::now();
                    progress(stage);
                }
                if stage == JoinStage::Voter {
                    return Ok(());
                }
                // It leads: ask it again.
                candidates.push_front(node);
                sleep(ADMIT_PAUSE).await;
                continue;
            }
            Ok(PeerReply::NotLeader(leader)) => {
                why = "nobody leads".to_owned();
                if let Some(leader) = leader {
                    candidates.retain(|candidate| *candidate != leader);
                    candidates.push_front(leader);
                }
            }
            Ok(other) => {
                why = format!("{node} answered {other:?}")
                    .chars()
                    .take(200)
                    .collect()
            }
            Err(error) => why = error.to_string(),
        }
        candidates.retain(|candidate| *candidate != node);
        candidates.push_back(node);
        sleep(ADMIT_PAUSE).await;
    }
    Err(JoinError::Stalled(why))
}

/// Asks every address of the token, follows the leader, waits for one while there is none.
async fn search(
    token: &JoinToken,
    request: &JoinRequest,
) -> Result<(SocketAddr, JoinAnswer), JoinError> {
    let config = join_client_config(token.ca_fingerprint)?;
    let end = Instant::now() + SEARCH_MAX;
    let mut hints: Vec<SocketAddr> = Vec::new();
    loop {
        let mut failure = None;
        let followed = std::mem::take(&mut hints);
        for address in followed.into_iter().chain(token.addresses.iter().copied()) {
            match exchange(&config, address, request).await {
                Ok(answer) => return Ok((address, answer)),
                Err(JoinError::Refused(JoinRefusal::NotLeader { leader })) => {
                    hints.clone_from(&leader);
                    failure = Some(JoinError::Refused(JoinRefusal::NotLeader { leader }));
                    if !hints.is_empty() {
                        break;
                    }
                }
                Err(error @ JoinError::Refused(JoinRefusal::NoQuorum)) => failure = Some(error),
                Err(error @ JoinError::Refused(_)) => return Err(error),
                // Another address may do; what was found first is what the operator hears.
                Err(error) => failure = failure.or(Some(error)),
            }
        }
        let failure = failure.unwrap_or(JoinError::Unreachable("no address".to_owned()));
        let waits = matches!(
            failure,
            JoinError::Refused(JoinRefusal::NotLeader { .. } | JoinRefusal::NoQuorum)
        );
        if !waits || Instant::now() >= end {
            return Err(failure);
        }
        sleep(SEARCH_PAUSE).await;
    }
}

async fn exchange(
    config: &Arc<ClientConfig>,
    address: SocketAddr,
    request: &JoinRequest,
) -> Result<JoinAnswer, JoinError> {
    let unreachable = |reason: String| JoinError::Unreachable(format!("{address}: {reason}"));
    let tcp = match timeout(CONNECT_TIMEOUT, TcpStream::connect(address)).await {
        Ok(Ok(tcp)) => tcp,
        Ok(Err(error)) => return Err(unreachable(error.to_string())),
        Err(_) => {
            let seconds = CONNECT_TIMEOUT.as_secs();
            return Err(unreachable(format!("no connection within {seconds} s")));
        }
    };
    tune(&tcp).map_err(|error| unreachable(error.to_string()))?;
    // The joiner knows no names yet: the pinned CA decides, whatever the address.
    let name = ServerName::IpAddress(address.ip().into());
    let handshake = TlsConnector::from(config.clone()).connect(name, tcp);
    let stream = match timeout(HANDSHAKE_TIMEOUT, handshake).await {
        Ok(Ok(stream)) => stream,
        Ok(Err(error)) => return Err(handshake_failed(address, &error)),
        Err(_) => return Err(unreachable("it does not finish the handshake".to_owned())),
    };
    let limits = WireLimits {
        route: Route::JOIN,
        bytes_max: JOIN_BYTES_MAX,
        idle_max: ANSWER_TIMEOUT,
    };
    let mut wire = Wire::start(stream, limits);
    // Stamped here: the operator's network check, or the wait for a leader, may have taken a while.
    let request = JoinRequest {
        clock: wall_clock(),
        ..request.clone()
    };
    let payload = encode(&request).map_err(|error| unreachable(error.to_string()))?;
    // It fails when the connection is over; then so does the answer, which says why.
    let _ = wire
        .sender()
        .send(Frame {
            kind: Kind::Join,
            id: 1,
            payload,
        })
        .await;
    let frame = wire
        .recv()
        .await
        .map_err(|error: FrameError| unreachable(error.to_string()))?;
    if frame.kind != Kind::JoinReply {
        return Err(JoinError::Nonsense(address));
    }
    let answer: Result<JoinAnswer, JoinRefusal> =
        decode(&frame.payload).map_err(|_| JoinError::Nonsense(address))?;
    Ok(answer?)
}

fn wall_clock() -> UnixMillis {
    let since = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default();
    UnixMillis(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}

fn handshake_failed(address: SocketAddr, error: &std::io::Error) -> JoinError {
    let refusal = Refusal::of(error);
    if refusal == Refusal::ForeignCa {
        return JoinError::ForeignCluster(address);
    }
    if matches!(refusal, Refusal::Expired | Refusal::NotYetValid) {
        return JoinError::Clock(address);
    }
    JoinError::Unreachable(format!("{address}: {error}"))
}
