//! One direction of an exchange: a head, then a body, decoded from one socket, coded into another.
//!
//! ```text
//!   source ─read─▶ buffer ─decoder─▶ [lead | data, still in the buffer | tail] ─write─▶ sink
//! ```
//!
//! Nothing is read while something waits to be written: that is the whole of the back-pressure, and
//! why a body of any size needs one buffer.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::AsyncWrite;
use tokio::net::TcpStream;

use super::framing::{Decoder, Framing};
use super::refusal::Refusal;
use super::write::{Coding, chunk_size};
use crate::serve::buffer::Buffer;
use crate::serve::peer::Peer;
use crate::serve::trickle::Trickle;

/// Data up to this is copied behind the head, and leaves in one plain write; beyond it a vectored
/// write is cheaper than the copy.
const COPY_MAX: usize = 8 * 1024;
/// A head longer than this gives its memory back afterwards.
const LEAD_KEEP_MAX: usize = 16 * 1024;
/// A body longer than a small buffer is worth a large one from the beginning.
const LONG_BODY: u64 = 16 * 1024;

/// Why a flow stopped before its end.
#[derive(Debug)]
pub(crate) enum Stop {
    /// The source closed too early, or its socket failed.
    Source,
    /// The sink takes nothing any more.
    Sink,
    /// The source broke the framing.
    Refused(Refusal),
}

/// One direction.
#[derive(Debug)]
pub(crate) struct Flow {
    decoder: Decoder,
    coding: Coding,
    /// What goes before the data: a head, a chunk's size, or small data itself.
    lead: Vec<u8>,
    lead_at: usize,
    /// Data at the front of the source's buffer, and how much of the buffer it stands for.
    data: usize,
    consumed: usize,
    /// What goes after the data.
    tail: Vec<u8>,
    tail_at: usize,
    /// The end of the body is among what was staged.
    ended: bool,
    carried: bool,
    moved: bool,
    starving: bool,
    /// Where the source is one of thousands.
    trickle: Option<Trickle>,
}

impl Default for Flow {
    fn default() -> Self {
        Flow {
            decoder: Decoder::Length(0),
            coding: Coding::Plain,
            lead: Vec::new(),
            lead_at: 0,
            data: 0,
            consumed: 0,
            tail: Vec::new(),
            tail_at: 0,
            ended: true,
            carried: false,
            moved: false,
            starving: false,
            trickle: None,
        }
    }
}

impl Flow {
    /// One whose source is read in turns while it trickles.
    pub(crate) fn in_turns(trickle: Trickle) -> Flow {
        Flow {
            trickle: Some(trickle),
            ..Flow::default()
        }
    }

    /// Begins a message: `head` writes its head and says how the body is coded for the sink.
    pub(crate) fn begin(&mut self, body: Framing, head: impl FnOnce(&mut Vec<u8>) -> Coding) {
        self.lead.clear();
        self.lead.shrink_to(LEAD_KEEP_MAX);
        self.tail.clear();
        self.lead_at = 0;
        self.tail_at = 0;
        self.data = 0;
        self.consumed = 0;
        self.decoder = Decoder::new(body);
        self.carried = false;
        self.ended = false;
        self.starving = false;
        if let Some(trickle) = &mut self.trickle {
            trickle.begin();
        }
        self.coding = head(&mut self.lead);
    }

    /// Everything was written.
    pub(crate) fn is_over(&self) -> bool {
        self.ended && !self.has_pending()
    }

    /// Nothing of the message is left in its source: not in the socket, not in the buffer.
    pub(crate) fn is_staged(&self) -> bool {
        self.ended && self.data == 0
    }

    /// Some of the body was taken from the source; the message cannot be sent a second time.
    pub(crate) fn has_carried(&self) -> bool {
        self.carried
    }

    /// It waits for the source, not for the sink.
    pub(crate) fn is_starving(&self) -> bool {
        self.starving
    }

    /// Whether bytes moved since this was last asked.
    pub(crate) fn take_moved(&mut self) -> bool {
        std::mem::take(&mut self.moved)
    }

    /// Sends the same message again, to another sink; it has carried nothing.
    pub(crate) fn rewind(&mut self) {
        assert!(
            !self.carried && self.data == 0,
            "a body cannot be sent again"
        );
        self.lead_at = 0;
        self.tail_at = 0;
    }

    fn has_pending(&self) -> bool {
        self.lead_at < self.lead.len() || self.data > 0 || self.tail_at < self.tail.len()
    }

    /// Decodes what the buffer has, and frames it for the sink.
    ///
    /// **Errors**: the source broke the framing.
    pub(crate) fn stage(&mut self, buffer: &mut Buffer) -> Result<(), Refusal> {
        if self.ended || self.data > 0 {
            return Ok(());
        }
        let step = match self.decoder.is_done() || buffer.is_empty() {
            true => Default::default(),
            false => self.decoder.decode(buffer.data_mut())?,
        };
        self.carried |= step.consumed > 0;
        if self.lead_at > 0 && self.lead_at == self.lead.len() && self.carried {
            self.lead.clear();
            self.lead_at = 0;
        }
        if self.tail_at == self.tail.len() {
            self.tail.clear();
            self.tail_at = 0;
        }
        let chunked = self.coding == Coding::Chunked;
        if step.data > 0 && chunked {
            chunk_size(&mut self.lead, step.data);
        }
        if step.data > COPY_MAX {
            self.data = step.data;
            self.consumed = step.consumed;
        } else if step.consumed > 0 {
            self.lead.extend_from_slice(&buffer.data()[..step.data]);
            buffer.consume(step.consumed);
        }
        let after = if self.data > 0 {
            &mut self.tail
        } else {
            &mut self.lead
        };
        if step.data > 0 && chunked {
            after.extend_from_slice(b"\r\n");
        }
        if self.decoder.is_done() {
            self.ended = true;
            if chunked {
                after.extend_from_slice(b"0\r\n");
                after.extend_from_slice(self.decoder.trailers());
                after.extend_from_slice(b"\r\n");
            }
        }
        buffer.expect_long(match &self.decoder {
            Decoder::Length(left) => *left > LONG_BODY,
            // Nobody knows: much now means much to come.
            Decoder::Chunked(_) | Decoder::UntilClose => !self.ended && step.consumed > COPY_MAX,
        });
        Ok(())
    }

    /// Moves as much as the sockets take; ready when all of it was written.
    pub(crate) fn poll(
        &mut self,
        cx: &mut Context<'_>,
        source: &mut Peer,
        sink: &mut TcpStream,
    ) -> Poll<Result<(), Stop>> {
        loop {
            if ready!(self.poll_write(cx, &mut source.buffer, sink)).is_err() {
                return Poll::Ready(Err(Stop::Sink));
            }
            if self.ended {
                return Poll::Ready(Ok(()));
            }
            self.stage(&mut source.buffer).map_err(Stop::Refused)?;
            if self.ended || self.has_pending() {
                continue;
            }
            self.starving = true;
            if let Some(trickle) = &mut self.trickle {
                ready!(trickle.poll(cx, &source.stream));
            }
            match ready!(source.poll_fill(cx)) {
                Ok(0) if self.decoder.close() => {}
                Ok(0) | Err(_) => return Poll::Ready(Err(Stop::Source)),
                Ok(_) => self.moved = true,
            }
            self.starving = false;
        }
    }

    /// Writes what is staged.
    pub(crate) fn poll_write(
        &mut self,
        cx: &mut Context<'_>,
        buffer: &mut Buffer,
        sink: &mut TcpStream,
    ) -> Poll<io::Result<()>> {
        while self.has_pending() {
            let lead = &self.lead[self.lead_at..];
            let data = &buffer.data()[..self.data];
            let tail = &self.tail[self.tail_at..];
            let sink = Pin::new(&mut *sink);
            let count = match (lead.is_empty(), data.is_empty(), tail.is_empty()) {
                (false, true, true) => ready!(sink.poll_write(cx, lead))?,
                (true, false, true) => ready!(sink.poll_write(cx, data))?,
                (true, true, false) => ready!(sink.poll_write(cx, tail))?,
                _ => {
                    let slices = [lead, data, tail].map(io::IoSlice::new);
                    ready!(sink.poll_write_vectored(cx, &slices))?
                }
            };
            if count == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.moved = true;
            self.advance(count, buffer);
        }
        Poll::Ready(Ok(()))
    }

    fn advance(&mut self, count: usize, buffer: &mut Buffer) {
        let lead = count.min(self.lead.len() - self.lead_at);
        self.lead_at += lead;
        let data = (count - lead).min(self.data);
        if data > 0 {
            self.data -= data;
            // The framing behind the data goes with its last byte.
            let gone = if self.data == 0 { self.consumed } else { data };
            self.consumed -= gone;
            buffer.consume(gone);
        }
        self.tail_at += count - lead - data;
    }
}
