//! Bytes both ways between two sockets, each half closed when the other side's half is.

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::AsyncWrite;

use crate::serve::deadline::Deadline;
use crate::serve::peer::Peer;

/// How it ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// Both sides closed in good order.
    Closed,
    /// One of them failed, or the time was over.
    Broken,
}

/// How far one direction is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Half {
    Open,
    /// The source has closed; the sink must still be told.
    Ending,
    Closed,
    /// The sink takes nothing more. What it has sent before is still worth reading: TLS clients
    /// close without reading the last words of their server, which resets the connection.
    Lost,
}

/// A relay between two sockets, and how far it is.
#[derive(Debug)]
pub(crate) struct Relay {
    there: Half,
    back: Half,
}

impl Relay {
    pub(crate) fn new() -> Self {
        Relay {
            there: Half::Open,
            back: Half::Open,
        }
    }

    /// Moves what can be moved between `one` and `two`, and sets `moved` if anything was.
    ///
    /// What stands in the buffers is relayed first.
    pub(crate) fn poll(
        &mut self,
        cx: &mut Context<'_>,
        one: &mut Peer,
        two: &mut Peer,
        moved: &mut bool,
    ) -> Poll<End> {
        let there = poll_half(cx, one, two, &mut self.there, moved);
        let back = poll_half(cx, two, one, &mut self.back, moved);
        let lost = [self.there, self.back].contains(&Half::Lost);
        match (there, back) {
            (Poll::Ready(Err(_)), _) | (_, Poll::Ready(Err(_))) => Poll::Ready(End::Broken),
            (Poll::Ready(Ok(())), Poll::Ready(Ok(()))) if lost => Poll::Ready(End::Broken),
            (Poll::Ready(Ok(())), Poll::Ready(Ok(()))) => Poll::Ready(End::Closed),
            (Poll::Pending, _) | (_, Poll::Pending) => Poll::Pending,
        }
    }

    /// Whether `two` has closed its half, and `one` has all that it sent.
    pub(crate) fn back_is_closed(&self) -> bool {
        self.back == Half::Closed
    }
}

/// Relays until both sides have closed, one failed, or `deadline` is over.
pub(crate) async fn both_ways(one: &mut Peer, two: &mut Peer, deadline: &mut Deadline) -> End {
    let mut relay = Relay::new();
    poll_fn(|cx| {
        let mut moved = false;
        if let Poll::Ready(end) = relay.poll(cx, one, two, &mut moved) {
            return Poll::Ready(end);
        }
        if moved {
            deadline.touch();
        }
        deadline.poll(cx).map(|()| End::Broken)
    })
    .await
}

/// One direction; ready when its end was passed on, or nothing can be passed on any more.
///
/// **Errors**: the source's.
fn poll_half(
    cx: &mut Context<'_>,
    from: &mut Peer,
    to: &mut Peer,
    half: &mut Half,
    moved: &mut bool,
) -> Poll<io::Result<()>> {
    loop {
        while *half != Half::Lost && !from.buffer.is_empty() {
            match ready!(Pin::new(&mut to.stream).poll_write(cx, from.buffer.data())) {
                Ok(count) if count > 0 => {
                    from.buffer.consume(count);
                    *moved = true;
                }
                Ok(_) | Err(_) => *half = Half::Lost,
            }
        }
        match half {
            Half::Open => {
                let count = ready!(from.poll_fill(cx))?;
                *moved = true;
                if count == 0 {
                    *half = Half::Ending;
                }
            }
            Half::Ending => {
                let told = ready!(Pin::new(&mut to.stream).poll_shutdown(cx));
                *half = match told {
                    Ok(()) => Half::Closed,
                    Err(_) => Half::Lost,
                };
            }
            Half::Closed | Half::Lost => return Poll::Ready(Ok(())),
        }
    }
}
