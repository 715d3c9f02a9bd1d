//! One connection: HTTP/1.1 with bounds on what a silent or greedy client costs.

use std::io;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};

/// Connections at once on one listener: a console, a Prometheus and a few people, ten times over.
pub(super) const CONNECTIONS_MAX: usize = 64;

/// How long a client may take for the head of a request, and stay idle between two.
const HEAD_TIMEOUT: Duration = Duration::from_secs(15);

/// The whole life of one connection: longer than the longest join, shorter than for ever.
const LIFE_MAX: Duration = Duration::from_secs(3_600);

/// Enough for one page and one button, which waits for the log for a few seconds.
const GUEST_LIFE_MAX: Duration = Duration::from_secs(30);

/// The longest head of a request: our own are some 200 bytes.
const HEAD_BYTES_MAX: usize = 16 << 10;

/// How long to wait when the system has no more file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(200);

/// What was accepted; after an error, nothing, and a pause where the error would come back at once.
pub(super) async fn accepted<T>(result: io::Result<T>) -> Option<T> {
    match result {
        Ok(connection) => Some(connection),
        Err(error) => {
            tracing::warn!(%error, "an admin connection could not be accepted");
            tokio::time::sleep(ACCEPT_PAUSE).await;
            None
        }
    }
}

/// Serves one connection to its end.
pub(super) async fn serve_one<S>(stream: S, router: Router)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    serve_for(stream, router, LIFE_MAX).await;
}

/// Serves one connection of somebody who showed no certificate.
pub(super) async fn serve_guest<S>(stream: S, router: Router)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    serve_for(stream, router, GUEST_LIFE_MAX).await;
}

async fn serve_for<S>(stream: S, router: Router, life: Duration)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .max_buf_size(HEAD_BYTES_MAX)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(router));
    match tokio::time::timeout(life, connection).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::debug!(%error, "an admin connection broke off"),
        Err(_) => tracing::debug!("an admin connection was too old"),
    }
}
