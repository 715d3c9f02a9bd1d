//! A connection of HTTP/1.1 on the client's side, and the task that moves its bytes.

use http_body_util::Full;
use hyper::body::Bytes;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::task::JoinSet;

/// A connection that takes requests, one after another.
pub(crate) struct Exchange {
    pub(crate) sender: SendRequest<Full<Bytes>>,
    /// Moves the bytes; ends with this.
    _mover: JoinSet<()>,
}

impl Exchange {
    /// Speaks HTTP on a connection that stands.
    ///
    /// **Errors**: the connection broke.
    pub(crate) async fn over<S>(stream: S) -> hyper::Result<Exchange>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let (sender, connection) = http1::Builder::new()
            .max_buf_size(HEAD_BYTES_MAX)
            .handshake(TokioIo::new(stream))
            .await?;
        let mut mover = JoinSet::new();
        mover.spawn(async move {
            // Whoever waits for the answer hears of it.
            let _ = connection.await;
        });
        Ok(Exchange {
            sender,
            _mover: mover,
        })
    }
}

/// A status line and headers; common servers send one or two KiB.
const HEAD_BYTES_MAX: usize = 64 * 1024;
