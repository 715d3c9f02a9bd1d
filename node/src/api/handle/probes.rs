//! What machines ask: `/healthz`, `/leader`, and `/metrics`.

use axum::extract::State as Shared;
use axum::http::StatusCode;

use super::Daemon;

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
        Some(leader) if leader == member.me() => (StatusCode::OK, "leader\n".to_owned()),
        Some(leader) => {
            let name = member.state().node_name(leader);
            (StatusCode::SERVICE_UNAVAILABLE, format!("{name} leads\n"))
        }
        None => (StatusCode::SERVICE_UNAVAILABLE, "no leader\n".to_owned()),
    }
}
