//! Serving the admin API: on the Unix socket for root, on 9443 for administrators' certificates,
//! and to machines where node.toml says so.
//!
//! ```text
//!   socket (0600) --Caller::Socket-------> router
//!   9443 (TLS)    --Caller::Certificate--> router           once this node is a member
//!                 --no certificate-------> guest_router     links in messages
//!   metrics       ------------------------> machine_router
//! ```

mod listen;
mod socket;
mod tls;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use axum::Extension;
use tokio::net::{TcpListener, UnixStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use super::caller::Caller;
use super::router::{machine_router, router};
use crate::daemon::Node;

/// Why the admin API cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// A daemon answers on this socket already.
    #[error("another daemon answers on {0}")]
    SocketTaken(PathBuf),
    /// The socket cannot be made.
    #[error("the admin socket {path}: {source}")]
    Socket {
        /// Where.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// An address cannot be listened on.
    #[error("{address}: {source}")]
    Listen {
        /// Which.
        address: SocketAddr,
        /// Why.
        source: std::io::Error,
    },
}

/// The admin API, being served; dropping it ends that and removes the socket.
pub struct Api {
    tasks: JoinSet<()>,
    socket: PathBuf,
}

impl Drop for Api {
    fn drop(&mut self) {
        self.tasks.abort_all();
        // It may be gone already, with the folder.
        let _ = std::fs::remove_file(&self.socket);
    }
}

/// Starts to serve; must be called within a tokio runtime.
///
/// **Errors**: [`ServeError`]; the daemon stops.
pub async fn serve(node: Arc<Node>) -> Result<Api, ServeError> {
    let settings = node.settings();
    let path = settings.socket.clone();
    let socket = socket::bind(&path).await?;
    let mut tasks = JoinSet::new();
    if let Some(address) = settings.metrics {
        let listener = TcpListener::bind(address).await;
        let listener = listener.map_err(|source| ServeError::Listen { address, source })?;
        tasks.spawn(serve_machines(listener, Arc::clone(&node)));
    }
    tasks.spawn(tls::serve(Arc::clone(&node)));
    tasks.spawn(serve_socket(socket, node));
    Ok(Api {
        tasks,
        socket: path,
    })
}

async fn serve_socket(socket: tokio::net::UnixListener, node: Arc<Node>) {
    let router = router(node);
    let seats = Arc::new(Semaphore::new(listen::CONNECTIONS_MAX));
    loop {
        let Ok(seat) = Arc::clone(&seats).acquire_owned().await else {
            return;
        };
        let Some((stream, _)) = listen::accepted(socket.accept().await).await else {
            continue;
        };
        let router = router.clone().layer(Extension(caller(&stream)));
        tokio::spawn(async move {
            listen::serve_one(stream, router).await;
            drop(seat);
        });
    }
}

fn caller(stream: &UnixStream) -> Caller {
    // Without credentials it is nobody in particular, and never root.
    let user = stream
        .peer_cred()
        .map_or(u32::MAX, |credentials| credentials.uid());
    Caller::Socket { user }
}

async fn serve_machines(listener: TcpListener, node: Arc<Node>) {
    let router = machine_router(node);
    let seats = Arc::new(Semaphore::new(listen::CONNECTIONS_MAX));
    loop {
        let Ok(seat) = Arc::clone(&seats).acquire_owned().await else {
            return;
        };
        let Some((stream, _)) = listen::accepted(listener.accept().await).await else {
            continue;
        };
        let router = router.clone();
        tokio::spawn(async move {
            listen::serve_one(stream, router).await;
            drop(seat);
        });
    }
}
