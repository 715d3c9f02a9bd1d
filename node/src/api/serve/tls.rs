//! The admin port: TLS 1.3 for administrators' certificates, for as long as this node is a member.
//!
//! ```text
//!   members (watch) --one appears--> listener --accept_admin--> router with Caller::Certificate
//!                   --it goes------> listener ends
//! ```

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::{Extension, Router};
use farmux_raft::peer::certificate::Bearer;
use farmux_raft::peer::tls::{accept_admin, admin_server_config};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_rustls::rustls::ServerConfig;

use super::super::caller::Caller;
use super::super::router::router;
use super::listen;
use crate::daemon::{Member, Node};

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
    let router = router(Arc::clone(node));
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
                let router = router.clone();
                tokio::spawn(async move {
                    serve_one(stream, from, config, router).await;
                    drop(seat);
                });
            }
            Err(error) => tracing::warn!(%error, "the node's certificate is of no use"),
        }
    }
}

async fn serve_one(stream: TcpStream, from: SocketAddr, config: Arc<ServerConfig>, router: Router) {
    match accept_admin(stream, config).await {
        Ok((stream, names)) => {
            let Bearer::Admin { name } = names.bearer else {
                return tracing::warn!(%from, "a node knocked at the admin port");
            };
            let caller = Caller::Certificate { name };
            listen::serve_one(stream, router.layer(Extension(caller))).await;
        }
        Err(refusal) => {
            tracing::info!(%from, reason = refusal.word(), "not an administrator of ours");
        }
    }
}
