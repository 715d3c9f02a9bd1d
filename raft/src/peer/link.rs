//! One lane to one node: a connection when there is something to say, many calls on it at once.
//!
//! ```text
//!   idle --call--> connecting --greeting--> open --30 s of silence, renewal, an error--> idle
//!                       └-- failed: calls fail at once until the back-off is over --------┘
//! ```

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, sleep, sleep_until, timeout};
use tokio_rustls::TlsConnector;

use super::client::{Call, Shared, lost, unreachable};
use super::frame::{Frame, FrameError, Kind, PAYLOAD_BYTES_MAX, Route};
use super::identity::Identity;
use super::message::Greeting;
use super::refusal::Refusal;
use super::tls::tls_name;
use super::wire::{Wire, WireLimits, tune};
use crate::codec::decode;
use crate::consensus::TransportError;
use crate::epoch::{Epoch, Era};
use crate::id::NodeId;

/// Calls on their way over one connection; more wait in the lane's queue.
const PENDING_MAX: usize = 64;

/// How often a full connection looks for callers that gave up.
const FULL_PAUSE: Duration = Duration::from_millis(100);

/// When a silent connection is given up: half of what the server allows, so that no call meets a
/// connection that is just being closed.
const IDLE_MAX: Duration = Duration::from_secs(30);

/// How long one address may take to accept: a LAN answers within a millisecond; half a second
/// forgives no lost SYN (retried after 1 s), the next call does.
const CONNECT_TIMEOUT: Duration = Duration::from_millis(500);

/// How long TLS may take with one address, and then the greeting: less than a server allows,
/// because other addresses wait. A stopped process accepts, and never shakes hands.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(2);

/// The first pause after a failure: a restarted neighbour is found within half a heartbeat.
const BACKOFF_MIN: Duration = Duration::from_millis(50);

/// The longest pause: a returned node waits at most this long to be heard of.
const BACKOFF_MAX: Duration = Duration::from_secs(1);

/// What a removed node is told.
pub(super) const REMOVED: &str = "it says that this node was removed from the cluster";

/// Carries the calls of one lane until its queue is closed.
pub(super) async fn run(shared: Arc<Shared>, to: NodeId, mut calls: mpsc::Receiver<Call>) {
    let mut pause = BACKOFF_MIN;
    let mut rest: Option<(Instant, String)> = None;
    let mut favourite = None;
    while let Some(call) = calls.recv().await {
        if call.reply.is_closed() {
            continue;
        }
        if let Some((until, why)) = &rest
            && Instant::now() < *until
        {
            fail(call, to, why);
            continue;
        }
        let (answered, why) = match connect(&shared, to, favourite).await {
            Ok(open) => {
                favourite = Some(open.address);
                carry(open, to, call, &mut calls, &shared).await
            }
            Err(why) => {
                fail(call, to, &why);
                while let Ok(call) = calls.try_recv() {
                    fail(call, to, &why);
                }
                (false, why)
            }
        };
        // A connection that never carried an answer counts as a failure: else we would spin.
        pause = if answered {
            BACKOFF_MIN
        } else {
            (pause * 2).min(BACKOFF_MAX)
        };
        rest = (!answered).then(|| (Instant::now() + pause, why));
    }
}

fn fail(call: Call, to: NodeId, why: &str) {
    // Nobody hears it when the deadline was over before.
    let _ = call.reply.send(Err(unreachable(to, why.to_owned())));
}

/// A connection on which the other node said Welcome.
struct Open {
    wire: Wire,
    address: SocketAddr,
    identity: Arc<Identity>,
}

async fn connect(
    shared: &Shared,
    to: NodeId,
    favourite: Option<SocketAddr>,
) -> Result<Open, String> {
    let mut addresses = shared
        .addresses
        .borrow()
        .get(&to)
        .cloned()
        .unwrap_or_default();
    // The one that answered last goes first; the others keep their order.
    addresses.sort_by_key(|address| Some(*address) != favourite);
    let mut why = "no address of it is known".to_owned();
    for address in addresses {
        match connect_one(shared, to, address).await {
            Ok(open) => return Ok(open),
            Err(reason) => {
                tracing::debug!(%to, %address, %reason, "no connection");
                why = format!("{address}: {reason}");
            }
        }
    }
    Err(why)
}

async fn connect_one(shared: &Shared, to: NodeId, address: SocketAddr) -> Result<Open, String> {
    let tcp = timeout(CONNECT_TIMEOUT, TcpStream::connect(address))
        .await
        .map_err(|_| format!("no connection within {} ms", CONNECT_TIMEOUT.as_millis()))?
        .map_err(|error| error.to_string())?;
    tune(&tcp).map_err(|error| error.to_string())?;
    let (identity, tls) = shared.material.get();
    let cluster = identity.cluster();
    let handshake = TlsConnector::from(tls.client).connect(tls_name(cluster, to), tcp);
    let refused = |refusal: Refusal| {
        shared.refusals.count(refusal, address);
        format!("no peer: {refusal}")
    };
    let stream = match timeout(HANDSHAKE_TIMEOUT, handshake).await {
        Ok(Ok(stream)) => stream,
        Ok(Err(error)) => return Err(refused(Refusal::of(&error))),
        Err(_) => return Err(refused(Refusal::Slow)),
    };
    let route = Route {
        cluster,
        epoch: identity.epoch(),
        from: identity.node(),
        to,
    };
    let limits = WireLimits {
        route,
        bytes_max: PAYLOAD_BYTES_MAX,
        idle_max: 2 * IDLE_MAX,
    };
    let mut wire = Wire::start(stream, limits);
    // The server looks at our certificate after our side of the handshake is over: only its
    // greeting says that we are in.
    let greeting = match timeout(HANDSHAKE_TIMEOUT, wire.recv()).await {
        Ok(Ok(frame)) if frame.kind == Kind::Greeting => decode::<Greeting>(&frame.payload),
        Ok(Ok(_)) => return Err(FrameError::Unexpected.to_string()),
        Ok(Err(FrameError::Tls(refusal))) => return Err(refused(refusal)),
        Ok(Err(FrameError::OtherEpoch { ours, theirs })) => {
            // The cluster went on without us: nothing that we have counts there any more.
            if Epoch(theirs).beside(Epoch(ours)) == Era::Newer {
                shared.removed.send_replace(Some(to));
            }
            return Err(FrameError::OtherEpoch { ours, theirs }.to_string());
        }
        Ok(Err(error)) => return Err(error.to_string()),
        Err(_) => return Err(refused(Refusal::Slow)),
    };
    match greeting.map_err(|error| error.to_string())? {
        Greeting::Welcome => Ok(Open {
            wire,
            address,
            identity,
        }),
        Greeting::Removed => {
            shared.removed.send_replace(Some(to));
            Err(REMOVED.to_owned())
        }
    }
}

type Pending = BTreeMap<u64, oneshot::Sender<Result<Frame, TransportError>>>;

/// Carries calls over an open connection until it ends; whether one was answered, and why it ended.
async fn carry(
    open: Open,
    to: NodeId,
    first: Call,
    calls: &mut mpsc::Receiver<Call>,
    shared: &Shared,
) -> (bool, String) {
    let Open {
        mut wire, identity, ..
    } = open;
    let outgoing = wire.sender();
    let mut pending = Pending::new();
    let (mut id, mut answered, mut renewing) = (0, false, false);
    let mut idle_end = Instant::now() + IDLE_MAX;
    let mut next = Some(first);
    let why = loop {
        if let Some(call) = next.take()
            && !call.reply.is_closed()
        {
            id += 1;
            call.sent.store(true, Ordering::Release);
            pending.insert(id, call.reply);
            let frame = Frame {
                kind: call.kind,
                id,
                payload: call.payload,
            };
            // The first finds an empty queue, every later one holds a place: this never waits.
            if outgoing.try_send(frame).is_err() {
                break "the connection ended".to_owned();
            }
            idle_end = Instant::now() + IDLE_MAX;
        }
        // Whoever gave up waiting makes room.
        pending.retain(|_, reply| !reply.is_closed());
        if renewing && pending.is_empty() {
            // The next call makes a connection with the new certificate.
            return (true, "renewed".to_owned());
        }
        tokio::select! {
            call = next_call(&outgoing, calls), if pending.len() < PENDING_MAX => match call {
                Some(call) => next = Some(call),
                None => break "the client stops".to_owned(),
            },
            arrived = wire.recv() => match arrived {
                Ok(frame) => {
                    answered = true;
                    if let Some(reply) = pending.remove(&frame.id) {
                        // Nobody hears it when the deadline was over before.
                        let _ = reply.send(Ok(frame));
                    }
                }
                Err(error) => break error.to_string(),
            },
            () = sleep(FULL_PAUSE), if pending.len() >= PENDING_MAX => {}
            () = sleep_until(idle_end), if pending.is_empty() => {
                return (true, "idle".to_owned());
            }
            () = shared.material.newer_than(&identity), if !renewing => renewing = true,
        }
    };
    for reply in pending.into_values() {
        let _ = reply.send(Err(lost(to, why.clone())));
    }
    (answered, why)
}

/// The next call, once there is a place for it on the wire; nothing is lost when it is dropped.
async fn next_call(
    outgoing: &mpsc::Sender<Frame>,
    calls: &mut mpsc::Receiver<Call>,
) -> Option<Call> {
    // The place is given back at once; nobody else sends on this connection, so it stays free.
    let _place = outgoing.reserve().await.ok()?;
    calls.recv().await
}
