//! Sees an order through, from whichever node it was given at: here, or at the node that owns.

use std::sync::Arc;
use std::time::{Duration, Instant};

use farmux_raft::id::{NodeId, VipName};
use farmux_raft::peer::{PeerReply, PeerRequest};
use tokio::sync::watch;

use super::desk::verdict;
use super::order::{MoveOrder, Standing, Verdict, What};
use super::{WAIT, WAIT_OF_STOP, owner};
use crate::api::types::MoveReport;
use crate::daemon::Member;
use crate::fault::{Code, Fault};

/// Has the node `at` carry an order out; `say` hears what happens.
pub(crate) async fn see_through(
    member: &Arc<Member>,
    at: NodeId,
    order: &MoveOrder,
    mut say: impl FnMut(&str),
) -> Verdict {
    let end = Instant::now() + order.wait() + ENDS_WITHIN;
    let (mut told, mut heard) = (0, Instant::now());
    loop {
        let why = match look(member, at, order).await {
            Ok(standing) => {
                heard = Instant::now();
                standing.lines.iter().skip(told).for_each(|line| say(line));
                told = told.max(standing.lines.len());
                if let Some(verdict) = standing.verdict {
                    return verdict;
                }
                "it did not end in time".to_owned()
            }
            Err(why) => why,
        };
        let node = member.state().node_name(at);
        if heard.elapsed() >= SILENT_AFTER {
            let what = format!("node {node} does not answer");
            return ended(Fault::new(Code::OwnerSilent).what(what).why(why));
        }
        if Instant::now() >= end {
            return ended(Fault::new(Code::OutcomeUnknown).what(format!("{node}: {why}")));
        }
        tokio::time::sleep(ASK_EVERY).await;
    }
}

fn ended(fault: Fault) -> Verdict {
    Verdict {
        report: MoveReport::default(),
        fault: Some(fault),
    }
}

/// How far it is.
async fn look(member: &Arc<Member>, at: NodeId, order: &MoveOrder) -> Result<Standing, String> {
    if at == member.me() {
        return Ok(member.desk().standing(member, order.clone()));
    }
    let question = PeerRequest::Order(order.encode());
    match member.peers().ask(at, &question, ANSWERED_WITHIN).await {
        Ok(PeerReply::Ordered(bytes)) => {
            Standing::decode(&bytes).map_err(|error| format!("its answer makes no sense: {error}"))
        }
        Ok(_) => Err("it answers something else".to_owned()),
        Err(error) => Err(error.to_string()),
    }
}

/// Gives one VIP of this node to whoever can take it best, under this id: asked for again, it is
/// followed to its end.
///
/// **Errors**: in words; the VIP is here still.
pub(crate) async fn give_away(
    member: &Arc<Member>,
    vip: &VipName,
    id: String,
) -> Result<(), String> {
    let to = owner::choose(member, vip).await?;
    let order = MoveOrder {
        id,
        ..MoveOrder::new(
            What::Vip {
                vip: vip.clone(),
                to,
            },
            WAIT,
        )
    };
    let story = member.desk().take(member, order);
    let told = verdict(story.map_err(|fault| fault.what)?).await;
    match told.map_err(|fault| fault.what)?.fault {
        None => Ok(()),
        Some(fault) => Err(format!("{}: {}", fault.what, fault.why)),
    }
}

/// Gives away all that this node has, before it goes; what cannot be moved is told in the log.
pub(crate) async fn go(member: &Arc<Member>, wait: Duration) {
    let alone = member.consensus().membership().borrow().voters().len() <= 1;
    let leads = member.consensus().standing().borrow().leads().is_some();
    if alone || (member.held().is_empty() && !leads) {
        return;
    }
    let take = |wait| {
        let order = MoveOrder::new(What::Away { to: None }, wait);
        member.desk().take(member, order)
    };
    match in_turn(wait, ENDS_WITHIN, take).await {
        Ok(Verdict { fault: None, .. }) => {}
        Ok(Verdict {
            fault: Some(fault), ..
        }) => tracing::warn!("before this node goes: {}: {}", fault.what, fault.why),
        Err(why) => tracing::warn!("before this node goes: {why}"),
    }
}

/// Takes an order as soon as no other move is under way, and follows it to its end. All of it is
/// over after `wait` and `ends_within`: what the other move takes, work in flight has less.
pub(super) async fn in_turn(
    wait: Duration,
    ends_within: Duration,
    mut take: impl FnMut(Duration) -> Result<watch::Receiver<Standing>, Fault>,
) -> Result<Verdict, String> {
    let end = tokio::time::Instant::now() + wait + ends_within;
    loop {
        let left = end.saturating_duration_since(tokio::time::Instant::now());
        match take(left.saturating_sub(ends_within)) {
            Ok(story) => {
                return match tokio::time::timeout_at(end, verdict(story)).await {
                    Ok(told) => told.map_err(|fault| fault.what),
                    Err(_) => Err("not all was given away in time".to_owned()),
                };
            }
            // Another move goes first; it is bounded as well.
            Err(_) if !left.is_zero() => tokio::time::sleep(ASK_EVERY.min(left)).await,
            Err(fault) => return Err(fault.what),
        }
    }
}

/// Has another node give away all that it has, before it is removed. One that does not answer has
/// nothing to give: its VIPs are taken by others as its leases end.
pub(crate) async fn see_off(member: &Arc<Member>, node: NodeId) {
    if node == member.me() {
        return go(member, WAIT_OF_STOP).await;
    }
    if owner::ask(member, node).await.is_none() {
        return;
    }
    let order = MoveOrder::new(What::Away { to: None }, WAIT_OF_STOP);
    let verdict = see_through(member, node, &order, |line| tracing::info!("{line}")).await;
    if let Some(fault) = verdict.fault {
        let node = member.state().node_name(node);
        tracing::warn!("before {node} is removed: {}: {}", fault.what, fault.why);
    }
}

/// As often as a person sees a difference.
const ASK_EVERY: Duration = Duration::from_millis(50);

/// It answers from memory.
const ANSWERED_WITHIN: Duration = Duration::from_secs(1);

/// As long as a leader may be away: by then others have taken what a dead one had.
const SILENT_AFTER: Duration = Duration::from_secs(3);

/// A move after its wait (four seconds at most), and the hand-over of the leadership to the third
/// candidate (five seconds each).
pub(super) const ENDS_WITHIN: Duration = Duration::from_secs(20);
