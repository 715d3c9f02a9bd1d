//! What machines ask: `/healthz`, `/leader`, and `/metrics`.

use std::sync::atomic::{AtomicU64, Ordering};

use axum::extract::State as Shared;
use axum::http::StatusCode;
use axum::http::header::{CONTENT_TYPE, HeaderName};
use farmux_netplane::sys::boottime_ns;
use farmux_raft::lease::{HoldEnd, Ignored};

use super::super::gather::gather_here;
use super::super::metrics::{WireView, expose};
use super::Daemon;
use crate::daemon::Member;

/// `GET /healthz`: 200 while the daemon answers; it says nothing about the cluster.
pub(crate) async fn healthz() -> &'static str {
    "ok\n"
}

/// `GET /leader`: 200 on the leader, 503 everywhere else, without a cluster too.
pub(crate) async fn leader(Shared(node): Daemon) -> (StatusCode, String) {
    let Some(member) = node.member() else {
        return (StatusCode::SERVICE_UNAVAILABLE, "no cluster\n".to_owned());
    };
    let leader = member.consensus().standing().borrow().leader;
    match leader {
        Some(leader) => {
            let status = match leader == member.me() {
                true => StatusCode::OK,
                false => StatusCode::SERVICE_UNAVAILABLE,
            };
            (
                status,
                format!("{} leads\n", member.state().node_name(leader)),
            )
        }
        None => (StatusCode::SERVICE_UNAVAILABLE, "no leader\n".to_owned()),
    }
}

/// What `/metrics` is. **Source**: OpenMetrics 1.0, "Overall structure".
const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// `GET /metrics`: what this node knows by itself; a scrape asks no other node.
pub(crate) async fn metrics(Shared(node): Daemon) -> ([(HeaderName, &'static str); 1], String) {
    let text = match node.member() {
        None => expose(None, None),
        Some(member) => {
            let gathered = gather_here(&node, &member);
            expose(Some(&gathered.view()), Some(&wire_view(&member)))
        }
    };
    ([(CONTENT_TYPE, OPEN_METRICS)], text)
}

fn wire_view(member: &Member) -> WireView {
    let heartbeats = member.heartbeats().counts();
    let counters = member.lease().counters();
    let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
    let reasons = Ignored::ALL
        .iter()
        .map(|reason| (reason.label(), counters.ignored(*reason)));
    WireView {
        services: member
            .wire()
            .map(|wire| wire.serving.counts())
            .unwrap_or_default(),
        probes: member.probing().counts(),
        blind: member.probing().blind().len(),
        shortages: member.probing().shortages(),
        leases: vec![
            ("sent", read(&counters.sent)),
            ("send-error", read(&counters.send_errors)),
            ("received", read(&counters.received)),
            ("gained", read(&counters.gained)),
            ("lost", read(&counters.lost)),
            ("attempt", read(&counters.attempts)),
            ("hold", read(&counters.holds)),
            ("holding-heard", read(&counters.holding)),
        ],
        hold_ends: HoldEnd::ALL
            .iter()
            .map(|why| (why.label(), counters.hold_ends(*why)))
            .collect(),
        ignored: reasons.collect(),
        refused: member
            .refusals()
            .all()
            .map(|(why, count)| (why.word(), count))
            .collect(),
        heartbeats: vec![
            ("answered", heartbeats.answered),
            ("failed", heartbeats.failed),
        ],
        fences: member
            .wire()
            .map(|wire| wire.vips.fences())
            .unwrap_or_default(),
        fences_at_ns: boottime_ns(),
        vips: member
            .wire()
            .map(|wire| wire.vips.status().borrow().clone())
            .unwrap_or_default(),
    }
}
