//! Every path of the admin API.
//!
//! ```text
//!   /v1/…       for people and their tools: socket and 9443; `?newest=true` on any GET
//!   /ack/…      for whoever got a message, without a certificate: 9443
//!   /healthz    for machines: socket, 9443, and the `metrics` address of node.toml
//!   /leader
//!   /metrics
//! ```

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{DefaultBodyLimit, Request};
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, get, post};

use super::handle::{
    admins, cluster, config, contacts, drills, events, farms, links, moves, pages, prefer, probes,
    servers, silences, snapshots, status, vips, watches,
};
use super::newest::newest;
use crate::daemon::Node;
use crate::fault::{Code, Fault};

/// The longest body of a request: 10,000 servers at 100 bytes each.
pub const BODY_BYTES_MAX: usize = 1 << 20;

/// The form of a link has no field.
const GUEST_BODY_BYTES_MAX: usize = 1 << 10;

/// The longest sheet that is imported: 5,000 watches at 400 bytes each, and a quarter more for what
/// JSON escapes.
pub const SHEET_BYTES_MAX: usize = 5 << 19;

/// How long a request may take. A proposal has 3 s, a test mail 30, a change of membership 45; and
/// a join answers at once and goes on line by line.
pub const REQUEST_TIMEOUT: Duration = Duration::from_secs(60);

/// All of it.
pub(super) fn router(node: Arc<Node>) -> Router {
    let people = Router::new()
        .route("/v1/status", get(status))
        .route("/v1/cluster/init", post(cluster::init))
        .route("/v1/cluster/join", post(cluster::join))
        .route("/v1/cluster/remove", post(cluster::remove))
        .route("/v1/cluster/leave", post(cluster::leave))
        .route("/v1/cluster/pause", post(prefer::pause))
        .route("/v1/cluster/resume", post(prefer::resume))
        .route("/v1/vips/{vip}/prefer", post(prefer::prefer))
        .route(
            "/v1/tokens",
            post(cluster::create_token).get(cluster::list_tokens),
        )
        .route("/v1/tokens/{id}", delete(cluster::revoke_token))
        .route("/v1/admin-certs", post(admins::create).get(admins::list))
        .route("/v1/admin-certs/{name}", delete(admins::revoke))
        .route("/v1/config", post(config::apply).get(config::show))
        .route("/v1/config/rollback", post(config::roll_back))
        .route("/v1/config/history", get(config::history))
        .route("/v1/farms", get(farms::list))
        .route("/v1/farms/{farm}", get(farms::show))
        .route(
            "/v1/farms/{farm}/servers/{server}/admin",
            post(servers::order_one),
        )
        .route(
            "/v1/farms/{farm}/servers/{server}/connections",
            get(servers::connections_of_one),
        )
        .route(
            "/v1/servers/{address}/admin",
            post(servers::order_everywhere),
        )
        .route(
            "/v1/servers/{address}/connections",
            get(servers::connections_everywhere),
        )
        .route("/v1/vips", get(vips::list))
        .route("/v1/vips/{vip}", get(vips::show))
        .route("/v1/moves", post(moves::begin))
        .route("/v1/moves/plan", post(moves::plan))
        .route("/v1/nodes/{node}/maintenance", post(moves::maintenance))
        .route("/v1/watches", get(watches::list).post(watches::change))
        .route("/v1/watches/export", get(watches::export))
        .route(
            "/v1/watches/import",
            post(watches::import).layer(DefaultBodyLimit::max(SHEET_BYTES_MAX)),
        )
        .route("/v1/watches/{name}", get(watches::show))
        .route("/v1/drills", get(drills::list))
        .route("/v1/drills/plan", post(drills::plan))
        .route("/v1/drills/run", post(drills::run))
        .route("/v1/drills/lock", post(drills::lock))
        .route("/v1/drills/unlock", post(drills::unlock))
        .route("/v1/drills/history", get(drills::history))
        .route("/v1/drills/schedules", post(drills::schedule))
        .route("/v1/drills/schedules/{name}", delete(drills::unschedule))
        .route("/v1/drills/{run}", get(drills::show))
        .route("/v1/drills/{run}/abort", post(drills::abort))
        .route("/v1/drills/{run}/report", get(drills::report))
        .route("/v1/events", get(events::list))
        .route("/v1/contacts/{name}/test", post(contacts::test))
        .route("/v1/snapshot", post(snapshots::save))
        .route("/v1/silences", post(silences::add).get(silences::list))
        .route("/v1/silences/{number}", delete(silences::end))
        .route("/v1/pages", get(pages::list))
        .route("/v1/pages/ack", post(pages::acknowledge_many))
        .route("/v1/pages/preview", get(pages::preview))
        .route("/v1/pages/{id}", get(pages::show))
        .route("/v1/pages/{id}/resolve", post(pages::resolve))
        .route("/v1/pages/{id}/ack", post(pages::acknowledge))
        .route_layer(from_fn_with_state(Arc::clone(&node), newest));
    finish(people.merge(for_machines()).merge(for_guests()), node)
}

/// What whoever shows no certificate sees: links in messages, and that there is nothing else.
pub(super) fn guest_router(node: Arc<Node>) -> Router {
    for_guests()
        .fallback(|| async { Fault::new(Code::NotAdmin) })
        .method_not_allowed_fallback(|| async { Fault::new(Code::NotAdmin) })
        .layer(from_fn(bound))
        .layer(DefaultBodyLimit::max(GUEST_BODY_BYTES_MAX))
        .with_state(node)
}

fn for_guests() -> Router<Arc<Node>> {
    let link = get(links::look).post(links::acknowledge);
    Router::new().route("/ack/{token}", link)
}

/// What external probes and Prometheus see: nothing that changes anything.
pub(super) fn machine_router(node: Arc<Node>) -> Router {
    finish(for_machines(), node)
}

fn for_machines() -> Router<Arc<Node>> {
    Router::new()
        .route("/healthz", get(probes::healthz))
        .route("/leader", get(probes::leader))
        .route("/metrics", get(probes::metrics))
}

fn finish(router: Router<Arc<Node>>, node: Arc<Node>) -> Router {
    router
        .fallback(|| async { Fault::new(Code::NotFound) })
        .method_not_allowed_fallback(|| async { Fault::new(Code::NotFound) })
        .layer(from_fn(bound))
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .with_state(node)
}

/// No request lasts for ever.
async fn bound(request: Request, next: Next) -> Response {
    let answered = tokio::time::timeout(REQUEST_TIMEOUT, next.run(request)).await;
    answered.unwrap_or_else(|_| Fault::new(Code::RequestSlow).into_response())
}
