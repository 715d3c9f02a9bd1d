//! One socket with what was read from it.

use std::cell::Cell;
use std::future::poll_fn;
use std::io::{self, Read};
use std::mem::MaybeUninit;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use socket2::SockRef;
use tokio::io::AsyncWrite;
use tokio::net::{TcpSocket, TcpStream};

use super::buffer::{Buffer, Buffers};
use super::deadline::Deadline;

/// After a refusal the client's bytes are thrown away for this long, so that a reset does not
/// overtake the answer: one round trip of any client, and some.
pub(crate) const LINGER_FOR: Duration = Duration::from_secs(1);
/// And no more of them than this: whoever sends so much does not read answers.
const LINGER_BYTES_MAX: usize = 1024 * 1024;

/// Holds what follows urgent data: the end of a line.
const PIECE: usize = 512;
/// More than one is only there if it arrives meanwhile.
const PIECES_MAX: usize = 16;

/// A socket and its buffer.
#[derive(Debug)]
pub(crate) struct Peer {
    pub(crate) stream: TcpStream,
    pub(crate) buffer: Buffer,
    /// Set from outside: closing must be a reset.
    reset: Rc<Cell<bool>>,
    /// The other side has closed its half; it may still wait for ours.
    half_closed: bool,
}

impl Peer {
    pub(crate) fn new(stream: TcpStream, buffers: Rc<Buffers>, reset: Rc<Cell<bool>>) -> Self {
        Peer {
            stream,
            buffer: Buffer::new(buffers),
            reset,
            half_closed: false,
        }
    }

    /// Connects to a server.
    ///
    /// **Errors**: it cannot be reached, or not in time.
    pub(crate) async fn connect(
        to: SocketAddr,
        within: Duration,
        buffers: Rc<Buffers>,
    ) -> io::Result<Self> {
        let socket = if to.is_ipv4() {
            TcpSocket::new_v4()
        } else {
            TcpSocket::new_v6()
        }?;
        socket.set_nodelay(true)?;
        let stream = tokio::time::timeout(within, socket.connect(to)).await??;
        Ok(Peer::new(stream, buffers, Rc::default()))
    }

    pub(crate) fn poll_fill(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        self.buffer.poll_fill(cx, &mut self.stream)
    }

    /// While nothing is read: whether the socket failed. What comes meanwhile stays in the buffer;
    /// that the other side closed its half is no failure.
    pub(crate) fn poll_gone(&mut self, cx: &mut Context<'_>) -> bool {
        if self.half_closed || !self.buffer.is_empty() {
            return false;
        }
        match self.poll_fill(cx) {
            Poll::Ready(Ok(0)) => {
                self.half_closed = true;
                false
            }
            Poll::Ready(Err(_)) => true,
            Poll::Ready(Ok(_)) | Poll::Pending => false,
        }
    }

    /// What `work` comes to; `None`, and the work is dropped, if the socket fails before.
    pub(crate) async fn unless_gone<T>(&mut self, work: impl Future<Output = T>) -> Option<T> {
        let mut work = pin!(work);
        poll_fn(|cx| match work.as_mut().poll(cx) {
            Poll::Ready(done) => Poll::Ready(Some(done)),
            Poll::Pending if self.poll_gone(cx) => Poll::Ready(None),
            Poll::Pending => Poll::Pending,
        })
        .await
    }

    /// Reads on after a read that has ended at the mark of urgent data: tokio takes a short read
    /// for a sign that nothing is left, and would not ask again.
    pub(crate) fn read_past_mark(&mut self) {
        // What is read must be kept. A buffer that is full is used, and read into again.
        if !self.buffer.reserve(PIECE * PIECES_MAX) {
            return;
        }
        let mut piece = [0; PIECE];
        for _ in 0..PIECES_MAX {
            // Whatever else is wrong with the socket, the next proper read says so too.
            match (&*SockRef::from(&self.stream)).read(&mut piece) {
                Ok(count) if count > 0 => self.buffer.append(&piece[..count]),
                Ok(_) | Err(_) => return,
            }
        }
    }

    /// Whether an idle connection has neither been closed nor said anything.
    pub(crate) fn is_quiet(&self, certain: bool) -> bool {
        let silent = |result: io::Result<usize>| {
            result.is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock)
        };
        if certain {
            return silent(SockRef::from(&self.stream).peek(&mut [MaybeUninit::uninit()]));
        }
        // Asks the kernel only where epoll has reported something since the last read.
        silent(self.stream.try_read(&mut [0]))
    }

    /// Closing it will be a reset for as long as this says so.
    pub(crate) fn reset_while(&mut self, reset: Rc<Cell<bool>>) {
        self.reset = reset;
    }

    /// Closing it will be a reset whenever closing `other` is.
    pub(crate) fn resets_with(&mut self, other: &Peer) {
        self.reset = other.reset.clone();
    }

    /// Says that nothing more comes, and reads until the other side has understood.
    pub(crate) async fn linger(&mut self, deadline: &mut Deadline) {
        deadline.begin(LINGER_FOR, LINGER_FOR);
        // One that cannot be told is gone.
        let _ = poll_fn(|cx| Pin::new(&mut self.stream).poll_shutdown(cx)).await;
        self.closes(deadline).await;
    }

    /// Throws away what comes until the other side closes its half: `true` if it does so properly,
    /// before `deadline` and without saying much.
    pub(crate) async fn closes(&mut self, deadline: &mut Deadline) -> bool {
        let mut thrown_away = 0;
        poll_fn(|cx| {
            while thrown_away < LINGER_BYTES_MAX {
                let there = self.buffer.data().len();
                self.buffer.consume(there);
                match self.poll_fill(cx) {
                    Poll::Ready(Ok(count)) if count > 0 => thrown_away += count,
                    Poll::Ready(end) => return Poll::Ready(end.is_ok()),
                    Poll::Pending => return deadline.poll(cx).map(|()| false),
                }
            }
            Poll::Ready(false)
        })
        .await
    }

    /// Closing it will be a reset, so that the other side cannot take it for a proper end.
    pub(crate) fn reset_on_close(&self) {
        self.reset.set(true);
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        if self.reset.get() {
            // A socket that refuses this is closed in the ordinary way.
            let _ = SockRef::from(&self.stream).set_linger(Some(Duration::ZERO));
        }
    }
}
