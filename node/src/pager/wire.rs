//! A connection to a relay that can neither flood us nor slip words in before TLS begins.
//!
//! ```text
//!   relay --bytes--> Wire (bounded; one byte a read while STARTTLS is awaited) --> lettre
//! ```

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};

use lettre::transport::smtp::client::AsyncTokioStream;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

/// A TCP connection as lettre sees it.
#[derive(Debug)]
pub(super) struct Wire {
    stream: TcpStream,
    /// Bytes that the relay may still send.
    left: usize,
    /// Most bytes of one read.
    step: usize,
}

impl Wire {
    /// Wraps a fresh connection.
    ///
    /// Where STARTTLS is to come, every read stops at one byte. lettre keeps its read buffer when
    /// TLS begins: whatever a man in the middle sent together with the relay's consent would count
    /// as said under TLS (CVE-2011-0411). So it stays in the kernel, where the handshake finds it
    /// and fails. A few thousand more system calls for a mail harm nobody.
    pub(super) fn new(stream: TcpStream, awaits_starttls: bool) -> Wire {
        let step = if awaits_starttls { 1 } else { STEP_BYTES };
        Wire {
            stream,
            left: READ_BYTES_MAX,
            step,
        }
    }
}

impl AsyncRead for Wire {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.left == 0 {
            return Poll::Ready(Err(io::Error::other("the relay talks without end")));
        }
        let most = this.step.min(this.left).min(into.remaining());
        let mut bytes = [0; STEP_BYTES];
        let mut step = ReadBuf::new(bytes.get_mut(..most).unwrap_or_default());
        std::task::ready!(Pin::new(&mut this.stream).poll_read(context, &mut step))?;
        this.left -= step.filled().len();
        into.put_slice(step.filled());
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Wire {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().stream).poll_write(context, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(context)
    }
}

impl AsyncTokioStream for Wire {
    fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.stream.peer_addr()
    }
}

/// All that a relay may say in one delivery, TLS included: 25 replies of the 512 bytes that
/// RFC 5321 (4.5.3.1.5) allows, and certificates of a generous size, fit many times.
const READ_BYTES_MAX: usize = 256 * 1024;

/// Copied at once.
const STEP_BYTES: usize = 2048;
