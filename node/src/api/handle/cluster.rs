//! Membership and tokens.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Path, State as Shared};
use axum::response::Response;
use farmux_raft::id::UnixMillis;
use farmux_raft::state::{Command, Token, TokenId};
use tokio::sync::mpsc;

use super::super::answer::{Answer, Order, answer};
use super::super::lines::lines;
use super::super::types::{
    Done, InitRequest, JoinEvent, JoinRequest, Moment, Reading, RemoveRequest, TokenAnswer,
    TokenReport, TokenRequest, TokenState,
};
use super::{Daemon, change, freshness, member};
use crate::daemon::{InitOrder, InitVip, JoinOrder, Joined, Node, TokenOrder, wall_clock};
use crate::fault::{Code, Fault};

/// `POST /v1/cluster/init`.
pub(crate) async fn init(Shared(node): Daemon, Order(request): Order<InitRequest>) -> Answer<Done> {
    let vip = request.vip.map(|vip| InitVip {
        name: vip.name,
        address: vip.address,
        network: vip.network,
        gateway: vip.gateway,
    });
    let order = InitOrder {
        name: request.name,
        vip,
    };
    // On a task of its own: a client that goes away must not leave half a cluster.
    finish(async move { node.init(order).await.map_err(Fault::from) }).await?;
    answer(Done { changed: true })
}

/// `POST /v1/cluster/join`: a line for each step, the verdict last.
pub(crate) async fn join(Shared(node): Daemon, Order(request): Order<JoinRequest>) -> Response {
    let order = JoinOrder {
        token: request.token,
        role: request.role,
    };
    let (events, receiver) = mpsc::channel(EVENTS_QUEUED_MAX);
    tokio::spawn(run_join(node, order, events));
    lines(receiver)
}

/// The join goes on when the client goes away; `cluster join` with the same token follows it.
async fn run_join(node: Arc<Node>, order: JoinOrder, events: mpsc::Sender<JoinEvent>) {
    let (progress, mut steps) = mpsc::channel(EVENTS_QUEUED_MAX);
    let joining = node.join(order, progress);
    let told = events.clone();
    let telling = async move {
        while let Some(text) = steps.recv().await {
            if told.send(JoinEvent::Progress(text)).await.is_err() {
                // Nobody reads it any more: dropping `steps` tells the node.
                return;
            }
        }
    };
    let (joined, ()) = tokio::join!(joining, telling);
    let verdict = match joined {
        Ok(Joined::Now(_)) => JoinEvent::Joined,
        Ok(Joined::Before(_)) => JoinEvent::JoinedAlready,
        Err(error) => JoinEvent::Failed(Fault::from(error)),
    };
    let _ = events.send(verdict).await;
}

/// Steps that wait for a slow reader; a join has about ten.
const EVENTS_QUEUED_MAX: usize = 32;

/// `POST /v1/cluster/remove`.
pub(crate) async fn remove(
    Shared(node): Daemon,
    Order(request): Order<RemoveRequest>,
) -> Answer<Done> {
    finish(async move { node.remove(&request.node).await.map_err(Fault::from) }).await?;
    answer(Done { changed: true })
}

/// `POST /v1/cluster/leave`.
pub(crate) async fn leave(Shared(node): Daemon) -> Answer<Done> {
    finish(async move { node.leave().await.map_err(Fault::from) }).await?;
    answer(Done { changed: true })
}

/// Carries an order out on a task of its own, so that a client that goes away does not cut it in
/// two.
async fn finish<T: Send + 'static>(
    order: impl Future<Output = Result<T, Fault>> + Send + 'static,
) -> Result<T, Fault> {
    match tokio::spawn(order).await {
        Ok(done) => done,
        Err(error) => Err(Fault::new(Code::Broken).why(error)),
    }
}

/// `POST /v1/tokens`.
pub(crate) async fn create_token(
    Shared(node): Daemon,
    Order(request): Order<TokenRequest>,
) -> Answer<TokenAnswer> {
    let TokenRequest { role, ttl_s } = request;
    let order = TokenOrder {
        role,
        ttl: Duration::from_secs(ttl_s),
    };
    let token = node.create_token(order).await?;
    answer(TokenAnswer { token, role, ttl_s })
}

/// `GET /v1/tokens`.
pub(crate) async fn list_tokens(Shared(node): Daemon) -> Answer<Reading<Vec<TokenReport>>> {
    let member = member(&node)?;
    let now = wall_clock();
    let report = |(id, token): (&TokenId, &Token)| token_report(*id, token, now);
    let data = member.state().tokens.iter().map(report).collect();
    answer(Reading {
        fresh: freshness(&node, &member),
        data,
    })
}

fn token_report(id: TokenId, token: &Token, now: UnixMillis) -> TokenReport {
    TokenReport {
        id: id.to_string(),
        role: token.role,
        created: Moment(token.created),
        expires: Moment(token.expires),
        state: match token.claimed {
            _ if token.used => TokenState::Used,
            Some(_) => TokenState::Claimed,
            None if now >= token.expires => TokenState::Expired,
            None => TokenState::Open,
        },
    }
}

/// `DELETE /v1/tokens/ID`.
pub(crate) async fn revoke_token(Shared(node): Daemon, Path(id): Path<String>) -> Answer<Done> {
    let invalid = |error| {
        Fault::new(Code::RequestInvalid)
            .what(format!("{id:?} is no token id"))
            .why(error)
    };
    let id = u64::from_str_radix(&id, 16).map_err(invalid)?;
    answer(change(&node, Command::RevokeToken(TokenId(id))).await?)
}
