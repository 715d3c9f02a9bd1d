//! The admin port: TLS 1.3 for administrators' certificates, for as long as this node is a member;
//! and for guests, who show none and get the links in messages, nothing else.
//!
//! ```text
//!   members (watch) --one appears--> listener --accept_admin--> admit --> router
//!                                                            \-no certificate--> guest_router
//!                   --it goes------> listener ends
//! ```

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Request, State as Shared};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Router};
use farmux_raft::id::AdminName;
use farmux_raft::peer::Refusal;
use farmux_raft::peer::certificate::Bearer;
use farmux_raft::peer::tls::{accept_admin, admin_server_config};
use farmux_raft::state::AdminStanding;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_rustls::rustls::ServerConfig;

use super::super::caller::Caller;
use super::super::router::{guest_router, router};
use super::listen;
use crate::daemon::{Member, Node};
use crate::fault::{Code, Fault};

/// How soon a port that somebody else holds is tried again: as soon as a person may have freed it.
const RETRY: Duration = Duration::from_secs(2);

/// Serves whichever member this machine is, until the task is aborted.
pub(super) async fn serve(node: Arc<Node>) {
    let mut members = node.members();
    loop {
        let member = members.borrow_and_update().clone();
        let changed = members.changed();
        let serving = async {
            match member {
                Some(member) => serve_member(&node, &member).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            gone = changed => if gone.is_err() { return },
            () = serving => {}
        }
    }
}

/// Ends only when it cannot go on; the caller begins anew.
async fn serve_member(node: &Arc<Node>, member: &Member) {
    let address = node.settings().admin;
    let listener = match TcpListener::bind(address).await {
        Ok(listener) => listener,
        Err(error) => {
            tracing::warn!(%address, %error, "the admin port is not served");
            return tokio::time::sleep(RETRY).await;
        }
    };
    let faces = Faces {
        router: router(Arc::clone(node)),
        guests: guest_router(Arc::clone(node)),
        seats: Arc::new(Semaphore::new(GUESTS_MAX)),
    };
    let seats = Arc::new(Semaphore::new(listen::CONNECTIONS_MAX));
    let identity = member.identity();
    loop {
        let Ok(seat) = Arc::clone(&seats).acquire_owned().await else {
            return;
        };
        let Some((stream, from)) = listen::accepted(listener.accept().await).await else {
            continue;
        };
        // Made anew for each connection, so that a renewed certificate is shown at once.
        let config = admin_server_config(&identity.borrow());
        match config {
            Ok(config) => {
                let (faces, node) = (faces.clone(), Arc::clone(node));
                tokio::spawn(async move {
                    serve_one(stream, from, config, faces, node, seat).await;
                });
            }
            Err(error) => tracing::warn!(%error, "the node's certificate is of no use"),
        }
    }
}

async fn serve_one(
    stream: TcpStream,
    from: SocketAddr,
    config: Arc<ServerConfig>,
    faces: Faces,
    node: Arc<Node>,
    seat: OwnedSemaphorePermit,
) {
    match accept_admin(stream, config).await {
        Ok((stream, None)) => {
            // Guests take no administrator's seat, and wait for none of their own.
            drop(seat);
            match faces.seats.try_acquire_owned() {
                Ok(_seat) => listen::serve_guest(stream, faces.guests).await,
                Err(_) => tracing::debug!(%from, "too many guests"),
            }
        }
        Ok((stream, Some(names))) => {
            let Bearer::Admin { name } = names.bearer else {
                return tracing::warn!(%from, "a node knocked at the admin port");
            };
            let caller = Caller::Certificate { name: name.clone() };
            let door = Door { node, name, from };
            let router = faces
                .router
                .layer(Extension(caller))
                .layer(from_fn_with_state(door, admit));
            listen::serve_one(stream, router).await;
            drop(seat);
        }
        Err(refusal) => {
            tracing::info!(%from, reason = refusal.word(), "not an administrator of ours");
        }
    }
}

/// What a connection may turn out to be for.
#[derive(Clone)]
struct Faces {
    router: Router,
    guests: Router,
    seats: Arc<Semaphore>,
}

/// Guests at once: each reads one page and pushes one button.
const GUESTS_MAX: usize = 16;

/// Through which an administrator's requests come.
#[derive(Clone)]
struct Door {
    node: Arc<Node>,
    name: AdminName,
    from: SocketAddr,
}

/// Lets a request in while its administrator's certificates are good. It is asked each time, so
/// that a connection that was open at the revocation is of no more use than a new one; and whoever
/// is not known here is refused, since every certificate is recorded before it is shown.
async fn admit(Shared(door): Shared<Door>, request: Request, next: Next) -> Response {
    let member = door.node.member();
    let standing = member
        .as_ref()
        .map(|member| member.state().admin_standing(door.name.as_str()));
    let why = match standing {
        Some(AdminStanding::Good) => return next.run(request).await,
        Some(AdminStanding::Revoked) => "its certificates were revoked",
        Some(AdminStanding::Unknown) | None => "this node knows of no certificate of that name",
    };
    if let Some(member) = member {
        member.refusals().count(Refusal::Revoked, door.from);
    }
    Fault::new(Code::NotAdmin)
        .what(format!("administrator {} is not let in", door.name))
        .why(why)
        .into_response()
}
