//! Planned moves: what would be done, and doing it; and nodes that shall take nothing on.

use std::sync::Arc;
use std::time::Duration;

use axum::Extension;
use axum::extract::{Path, State as Shared};
use axum::response::Response;
use farmux_raft::id::{NodeId, NodeName};
use farmux_raft::state::{Command, RestOrder};
use tokio::sync::mpsc;

use super::super::answer::{Answer, Order, answer, parse};
use super::super::caller::Caller;
use super::super::gather::gather;
use super::super::lines::lines;
use super::super::types::{Done, MaintenanceRequest, MoveEvent, MovePlan, MoveReport, MoveRequest};
use super::{Daemon, change, member};
use crate::daemon::Member;
use crate::fault::{Code, Fault};
use crate::moving::{self, MoveOrder, What, intent, see_through};

/// Steps that wait for a slow reader; a move has a handful.
const EVENTS_QUEUED_MAX: usize = 64;

/// `POST /v1/moves/plan`.
pub(crate) async fn plan(
    Shared(node): Daemon,
    Order(request): Order<MoveRequest>,
) -> Answer<MovePlan> {
    let gathered = gather(&node, &*member(&node)?).await;
    answer(intent(&gathered.view(), &request.wish)?.plan)
}

/// `POST /v1/moves`.
pub(crate) async fn begin(
    Shared(node): Daemon,
    Extension(caller): Extension<Caller>,
    Order(request): Order<MoveRequest>,
) -> Result<Response, Fault> {
    let member = member(&node)?;
    let wait = request.wait_ms.map_or(moving::WAIT, Duration::from_millis);
    if !moving::WAITS.contains(&wait) {
        return Err(Fault::new(Code::RequestInvalid)
            .what("a wait is that long")
            .why("work in flight is waited for ten minutes at most")
            .mend("the same command with --wait 10m or less"));
    }
    let gathered = gather(&node, &member).await;
    let orders = intent(&gathered.view(), &request.wish)?.orders;
    let author = caller.author();
    tracing::info!(author = author.0, wish = ?request.wish, "a move was ordered");
    let (events, receiver) = mpsc::channel(EVENTS_QUEUED_MAX);
    tokio::spawn(carry_out(member, orders, wait, events));
    Ok(lines(receiver))
}

/// One order after the other; it goes on when the client goes away.
async fn carry_out(
    member: Arc<Member>,
    orders: Vec<(NodeId, What)>,
    wait: Duration,
    events: mpsc::Sender<MoveEvent>,
) {
    let mut report = MoveReport::default();
    let mut fault = None;
    for (at, what) in orders {
        let order = MoveOrder::new(what, wait);
        let verdict = see_through(&member, at, &order, |line| {
            // Whoever reads too slowly, or no more, misses a line.
            let _ = events.try_send(MoveEvent::Progress(line.to_owned()));
        });
        let verdict = verdict.await;
        report.moved.extend(verdict.report.moved);
        report.left.extend(verdict.report.left);
        report.leader = verdict.report.leader.or(report.leader);
        fault = verdict.fault;
        if fault.is_some() {
            break;
        }
    }
    let last = match fault {
        None => MoveEvent::Done(report),
        Some(fault) => MoveEvent::Failed { fault, report },
    };
    let _ = events.send(last).await;
}

/// `POST /v1/nodes/NODE/maintenance`. The node itself moves what it has.
pub(crate) async fn maintenance(
    Shared(node): Daemon,
    Extension(caller): Extension<Caller>,
    Path(name): Path<String>,
    Order(request): Order<MaintenanceRequest>,
) -> Answer<Done> {
    let name: NodeName = parse(&name)?;
    let state = member(&node)?.state();
    let found = state.nodes.iter().find(|(_, node)| node.name == name);
    let Some((id, _)) = found else {
        let what = format!("there is no node {name} in this cluster");
        return Err(Fault::new(Code::NodeUnknown).what(what));
    };
    let order = RestOrder {
        author: caller.author(),
        node: *id,
        on: request.on,
        why: request.why,
    };
    answer(change(&node, Command::SetRest(order)).await?)
}
