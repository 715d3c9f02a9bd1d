//! The peer port: takes nodes and joiners in, and hands what they ask to the [`Handler`].
//!
//! ```text
//!   listener -> gate -> handshake ─┬─ farmux-peer/1 -> greeting -> frames -> Handler::{raft, ask}
//!                                  └─ farmux-join/1 -> one frame ----------> Handler::join
//! ```
//!
//! Whatever is not in order ends before the handler hears of it: see [`Refusal`].

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_rustls::server::TlsStream;

use super::certificate::{Bearer, Names};
use super::frame::{Frame, FrameError, JOIN_BYTES_MAX, Kind, PAYLOAD_BYTES_MAX, Route};
use super::gate::{Gate, Young};
use super::identity::Identity;
use super::join::{JoinAnswer, JoinRefusal, JoinRequest};
use super::material::Material;
use super::message::{Fault, Greeting, PeerReply, PeerRequest};
use super::refusal::{Refusal, Refusals};
use super::tls::{JOIN_ALPN, PEER_ALPN, TlsError, accept, bearer};
use super::wire::{Wire, WireLimits, tune};
use crate::codec::{Record, decode, encode};
use crate::consensus::{BoxFuture, Rpc, RpcReply};
use crate::id::NodeId;

/// Questions of one connection that are worked on at once; with more, reading waits. Raft asks one
/// at a time; what is left are forwarded proposals, which wait for a commit each.
const IN_FLIGHT_MAX: usize = 64;

/// How long a connection between nodes may be silent. Callers end theirs earlier.
const PEER_IDLE_MAX: Duration = Duration::from_secs(60);

/// How long a joiner may take to ask, once TLS stands.
const JOIN_ASK_TIMEOUT: Duration = Duration::from_secs(5);

/// How long the answer to a joiner may take: longer than any proposal (3 s).
const JOIN_ANSWER_TIMEOUT: Duration = Duration::from_secs(10);

/// What a node does with what others ask. The caller's certificate was checked before.
pub trait Handler: Send + Sync + 'static {
    /// Whether this node may speak: false once it was removed. A node that the state does not know
    /// *yet* may: see [`admits`].
    fn admits(&self, node: NodeId) -> bool;

    /// A Raft question.
    fn raft(&self, from: NodeId, rpc: Rpc) -> BoxFuture<'_, RpcReply>;

    /// Any other question between nodes.
    fn ask(&self, from: NodeId, request: PeerRequest) -> BoxFuture<'_, PeerReply>;

    /// A machine that wants to join.
    fn join(
        &self,
        from: SocketAddr,
        request: JoinRequest,
    ) -> BoxFuture<'_, Result<JoinAnswer, JoinRefusal>>;
}

/// Whether a state lets a node speak: not when it was removed.
///
/// A state that lags behind must listen to nodes that joined since, or it would never hear of them.
/// Ids are given out in order and never again, so a gap below the highest one is a removed node.
pub fn admits(state: &crate::state::State, node: NodeId) -> bool {
    node > state.last_node || state.nodes.contains_key(&node)
}

/// The peer port, open until it is dropped.
#[derive(Debug)]
pub struct PeerServer {
    addresses: Vec<SocketAddr>,
    _tasks: JoinSet<()>,
}

/// What every connection needs.
struct Context {
    material: Material,
    handler: Arc<dyn Handler>,
    refusals: Arc<Refusals>,
    gate: Arc<Gate>,
}

impl PeerServer {
    /// Opens the port on every listener.
    ///
    /// **Errors**: the identity is of no use to rustls; the caller stops.
    pub fn spawn(
        listeners: Vec<TcpListener>,
        identity: watch::Receiver<Arc<Identity>>,
        handler: Arc<dyn Handler>,
        refusals: Arc<Refusals>,
    ) -> Result<PeerServer, TlsError> {
        let material = Material::new(identity)?;
        let gate = Arc::default();
        let context = Arc::new(Context {
            material,
            handler,
            refusals,
            gate,
        });
        let addresses = listeners
            .iter()
            .filter_map(|l| l.local_addr().ok())
            .collect();
        let mut tasks = JoinSet::new();
        for listener in listeners {
            tasks.spawn(accept_all(listener, context.clone()));
        }
        Ok(PeerServer {
            addresses,
            _tasks: tasks,
        })
    }

    /// Where it listens.
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }
}

async fn accept_all(listener: TcpListener, context: Arc<Context>) {
    // Out of descriptors or memory: what is open will end, so ask again a little later.
    const PAUSE: Duration = Duration::from_millis(50);
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((tcp, whom)) => match context.gate.enter(whom.ip()) {
                    Some(young) => {
                        connections.spawn(connection(tcp, whom, young, context.clone()));
                    }
                    None => context.refusals.count(Refusal::TooMany, whom),
                },
                Err(error) => {
                    tracing::warn!(%error, "the peer port accepts nothing");
                    tokio::time::sleep(PAUSE).await;
                }
            },
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn connection(tcp: TcpStream, whom: SocketAddr, young: Young, context: Arc<Context>) {
    let served = async {
        tune(&tcp).map_err(|_| Refusal::Cut)?;
        let (identity, tls) = context.material.get();
        let mut joining = false;
        let stream = accept(tcp, |offered| {
            joining = offered.contains(&JOIN_ALPN);
            // Whoever offers neither gets the peer's alert, and whoever offers nothing, nothing.
            match offered {
                [] => Err(Refusal::Protocol),
                _ if joining && !offered.contains(&PEER_ALPN) => Ok(tls.join_server),
                _ => Ok(tls.peer_server),
            }
        })
        .await?;
        match stream.get_ref().1.alpn_protocol() {
            Some(PEER_ALPN) => serve_node(stream, whom, young, &context, &identity).await,
            Some(JOIN_ALPN) => {
                serve_joiner(stream, whom, young, &context).await;
                Ok(())
            }
            _ => Err(Refusal::Protocol),
        }
    };
    if let Err(refusal) = served.await {
        context.refusals.count(refusal, whom);
    }
}

async fn serve_node(
    stream: TlsStream<TcpStream>,
    whom: SocketAddr,
    young: Young,
    context: &Arc<Context>,
    identity: &Identity,
) -> Result<(), Refusal> {
    let Names {
        bearer: Bearer::Node { node: from, .. },
        cluster,
    } = bearer(&stream)?
    else {
        return Err(Refusal::WrongRole);
    };
    let _grown = young.grow_up().ok_or(Refusal::TooMany)?;
    let route = Route {
        cluster,
        epoch: identity.epoch(),
        from: identity.node(),
        to: from,
    };
    let limits = WireLimits {
        route,
        bytes_max: PAYLOAD_BYTES_MAX,
        idle_max: PEER_IDLE_MAX,
    };
    let wire = Wire::start(stream, limits);
    let admitted = context.handler.admits(from);
    let greeting = if admitted {
        Greeting::Welcome
    } else {
        Greeting::Removed
    };
    // Nothing was sent before, so there is room; if not, the connection is over.
    let _ = wire
        .sender()
        .send(frame(Kind::Greeting, 0, &greeting))
        .await;
    if !admitted {
        wire.finish().await;
        return Err(Refusal::Removed);
    }
    let error = serve_frames(wire, from, context).await;
    tracing::debug!(%from, %whom, %error, "a peer's connection ended");
    Ok(())
}

/// Answers until the connection ends, and says why it did.
async fn serve_frames(mut wire: Wire, from: NodeId, context: &Arc<Context>) -> FrameError {
    let room = Arc::new(Semaphore::new(IN_FLIGHT_MAX));
    let mut answering = JoinSet::new();
    let error = loop {
        let asked = match wire.recv().await {
            Ok(asked) => asked,
            Err(error) => break error,
        };
        if !matches!(asked.kind, Kind::Raft | Kind::Ask) {
            break FrameError::Unexpected;
        }
        let place = room
            .clone()
            .acquire_owned()
            .await
            .expect("nobody closes it");
        while answering.try_join_next().is_some() {}
        let (context, answers) = (context.clone(), wire.sender());
        answering.spawn(async move {
            let answer = answer(&*context.handler, from, asked).await;
            // It fails when the connection is over: then nobody waits for it.
            let _ = mpsc::Sender::send(&answers, answer).await;
            drop(place);
        });
    };
    // What was begun is finished, so that consensus is never left half way through an answer.
    answering.detach_all();
    error
}

async fn answer(handler: &dyn Handler, from: NodeId, asked: Frame) -> Frame {
    let id = asked.id;
    if !handler.admits(from) {
        return frame(Kind::Fault, id, &Fault::Removed);
    }
    let unreadable = |error: crate::codec::DecodeError| {
        // Bounded: the decoder's words may be as long as what it read.
        let words = error.to_string().chars().take(200).collect();
        frame(Kind::Fault, id, &Fault::Unreadable(words))
    };
    if asked.kind == Kind::Raft {
        match decode::<Rpc>(&asked.payload) {
            Ok(rpc) => frame(Kind::RaftReply, id, &handler.raft(from, rpc).await),
            Err(error) => unreadable(error),
        }
    } else {
        match decode::<PeerRequest>(&asked.payload) {
            Ok(request) => frame(Kind::Answer, id, &handler.ask(from, request).await),
            Err(error) => unreadable(error),
        }
    }
}

async fn serve_joiner(
    stream: TlsStream<TcpStream>,
    whom: SocketAddr,
    young: Young,
    context: &Arc<Context>,
) {
    let limits = WireLimits {
        route: Route::JOIN,
        bytes_max: JOIN_BYTES_MAX,
        idle_max: JOIN_ASK_TIMEOUT,
    };
    let mut wire = Wire::start(stream, limits);
    let asked = match timeout(JOIN_ASK_TIMEOUT, wire.recv()).await {
        Ok(Ok(asked)) if asked.kind == Kind::Join => asked,
        Ok(_) | Err(_) => {
            tracing::debug!(%whom, "a joiner said nothing of use");
            return;
        }
    };
    let answer = match decode::<JoinRequest>(&asked.payload) {
        Ok(request) => timeout(JOIN_ANSWER_TIMEOUT, context.handler.join(whom, request))
            .await
            .unwrap_or(Err(JoinRefusal::NoQuorum)),
        Err(error) => Err(JoinRefusal::Invalid(
            error.to_string().chars().take(200).collect(),
        )),
    };
    if let Err(refusal) = &answer {
        tracing::info!(%whom, %refusal, "a joiner was refused");
    }
    // It fails when the joiner is gone: it will ask again.
    let _ = wire
        .sender()
        .send(frame(Kind::JoinReply, asked.id, &answer))
        .await;
    wire.finish().await;
    drop(young);
}

/// Packs an answer; one that is too large says so instead.
fn frame<R: Record>(kind: Kind, id: u64, record: &R) -> Frame {
    match encode(record) {
        Ok(payload) => Frame { kind, id, payload },
        Err(_) => {
            let payload = encode(&Fault::TooLarge).expect("a fault is short");
            Frame {
                kind: Kind::Fault,
                id,
                payload,
            }
        }
    }
}
