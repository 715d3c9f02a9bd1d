//! One TLS connection as two queues of frames.
//!
//! ```text
//!   send() --> queue --> writer task --> TLS --> reader task --> queue --> recv()
//! ```
//!
//! Both queues are short: who is slow is waited for, by TCP's own means, up to the other end. Both
//! tasks end with the value that owns them.

use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadHalf, WriteHalf};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::frame::{Frame, FrameError, HEADER_BYTES, Header, Route};
use super::refusal::Refusal;

/// Frames that wait on either side of a connection. Enough to keep the line busy; each may hold
/// 8 MiB, so more would be memory given away.
const QUEUE_FRAMES: usize = 4;

/// The longest a started frame may take to arrive or to leave: 8 MiB at 2 Mbit/s.
const FRAME_TIMEOUT: Duration = Duration::from_secs(30);

/// What was sent and not acknowledged for this long is lost, and so is the connection. Without it
/// TCP would try for a quarter of an hour; with it, a cable that was pulled and put back is usable
/// again within a second.
const UNACKNOWLEDGED_MAX: Duration = Duration::from_secs(2);

/// When an idle connection asks whether the other end is still there.
const KEEPALIVE_IDLE: Duration = Duration::from_secs(15);

/// What a connection must keep to.
#[derive(Debug, Clone, Copy)]
pub(super) struct WireLimits {
    /// The frames that leave carry this; those that arrive must carry its reverse.
    pub(super) route: Route,
    /// Longest payload that is accepted.
    pub(super) bytes_max: u32,
    /// How long nothing may arrive.
    pub(super) idle_max: Duration,
}

/// A connection with its two tasks.
pub(super) struct Wire {
    outgoing: mpsc::Sender<Frame>,
    incoming: mpsc::Receiver<Result<Frame, FrameError>>,
    writer: JoinSet<()>,
    _reader: JoinSet<()>,
}

impl Wire {
    pub(super) fn start<S>(stream: S, limits: WireLimits) -> Wire
    where
        S: AsyncRead + AsyncWrite + Send + 'static,
    {
        let (reader, writer) = tokio::io::split(stream);
        let (outgoing, to_write) = mpsc::channel(QUEUE_FRAMES);
        let (arrived, incoming) = mpsc::channel(QUEUE_FRAMES);
        // A set of one each: it ends its task when it is dropped.
        let (mut reading, mut writing) = (JoinSet::new(), JoinSet::new());
        reading.spawn(read_all(reader, limits, arrived.clone()));
        writing.spawn(write_all(writer, limits.route, to_write, arrived));
        Wire {
            outgoing,
            incoming,
            writer: writing,
            _reader: reading,
        }
    }

    /// A way to send while somebody else receives.
    pub(super) fn sender(&self) -> mpsc::Sender<Frame> {
        self.outgoing.clone()
    }

    /// The next frame, or why there is none; after an error the connection is of no use.
    pub(super) async fn recv(&mut self) -> Result<Frame, FrameError> {
        let ended = || Err(FrameError::Ended("both directions closed".to_owned()));
        self.incoming.recv().await.unwrap_or_else(ended)
    }

    /// Ends it after everything that was sent has left.
    pub(super) async fn finish(mut self) {
        drop(self.outgoing);
        // The writer bounds itself; it ends when the last sender is gone.
        self.writer.join_next().await;
    }
}

/// Makes a TCP connection notice that the other end is gone.
pub(super) fn tune(tcp: &TcpStream) -> std::io::Result<()> {
    tcp.set_nodelay(true)?;
    let socket = socket2::SockRef::from(tcp);
    socket.set_tcp_user_timeout(Some(UNACKNOWLEDGED_MAX))?;
    socket.set_tcp_keepalive(&socket2::TcpKeepalive::new().with_time(KEEPALIVE_IDLE))
}

async fn read_all<S: AsyncRead>(
    mut reader: ReadHalf<S>,
    limits: WireLimits,
    arrived: mpsc::Sender<Result<Frame, FrameError>>,
) {
    loop {
        let frame = read_one(&mut reader, limits).await;
        let over = frame.is_err();
        if arrived.send(frame).await.is_err() || over {
            return;
        }
    }
}

async fn read_one<S: AsyncRead>(
    reader: &mut ReadHalf<S>,
    limits: WireLimits,
) -> Result<Frame, FrameError> {
    let mut start = [0; HEADER_BYTES];
    // The first byte may be long in coming; the rest of a frame that has begun may not.
    within(limits.idle_max, reader.read_exact(&mut start[..1])).await?;
    let rest = async {
        reader.read_exact(&mut start[1..]).await.map_err(ended)?;
        let header = Header::from_bytes(&start, limits.bytes_max)?;
        limits.route.back().check(header.route)?;
        // It grows with what arrives, never by what a header claims.
        let mut payload = Vec::new();
        let length = u64::from(header.length);
        let read = reader
            .take(length)
            .read_to_end(&mut payload)
            .await
            .map_err(ended)?;
        if u64::try_from(read).is_ok_and(|read| read < length) {
            return Err(FrameError::Ended("in the middle of a frame".to_owned()));
        }
        Ok(Frame {
            kind: header.kind,
            id: header.id,
            payload,
        })
    };
    timeout(FRAME_TIMEOUT, rest)
        .await
        .unwrap_or(Err(FrameError::Stalled))
}

async fn write_all<S: AsyncWrite>(
    mut writer: WriteHalf<S>,
    route: Route,
    mut frames: mpsc::Receiver<Frame>,
    arrived: mpsc::Sender<Result<Frame, FrameError>>,
) {
    while let Some(frame) = frames.recv().await {
        if let Err(error) = write_one(&mut writer, route, frame).await {
            // The reader's queue may be full, and its owner busy: then it learns by sending.
            let _ = arrived.try_send(Err(error));
            return;
        }
    }
    // Best effort: the other end sees an end instead of a cut.
    let _ = timeout(FRAME_TIMEOUT, writer.shutdown()).await;
}

async fn write_one<S: AsyncWrite>(
    writer: &mut WriteHalf<S>,
    route: Route,
    frame: Frame,
) -> Result<(), FrameError> {
    let length = u32::try_from(frame.payload.len()).expect("payloads are bounded by their codecs");
    let header = Header {
        kind: frame.kind,
        route,
        id: frame.id,
        length,
    };
    // One piece, so that a small frame is one TLS record and one packet.
    let bytes = [header.to_bytes().as_slice(), &frame.payload].concat();
    within(FRAME_TIMEOUT, async {
        writer.write_all(&bytes).await?;
        writer.flush().await
    })
    .await
}

async fn within<T>(
    time: Duration,
    step: impl Future<Output = std::io::Result<T>>,
) -> Result<T, FrameError> {
    timeout(time, step)
        .await
        .map_err(|_| FrameError::Stalled)?
        .map_err(ended)
}

fn ended(error: std::io::Error) -> FrameError {
    let tls = error
        .get_ref()
        .is_some_and(|inner| inner.is::<rustls::Error>());
    if tls {
        FrameError::Tls(Refusal::of(&error))
    } else {
        FrameError::Ended(error.to_string())
    }
}
