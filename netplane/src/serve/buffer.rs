//! Buffers that exist only while they hold something, lent by the runtime they belong to.
//!
//! An idle connection has none: a buffer is taken when its socket becomes readable and goes back
//! when the last byte was consumed. So ten thousand idle connections cost their tasks and sockets.

use std::cell::RefCell;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, ReadBuf};
use tokio::net::TcpStream;

/// Holds nearly every head and most small answers in one read.
const SMALL: usize = 16 * 1024;
/// Holds the longest head, and moves large bodies with few system calls; beyond this the copies
/// fall out of a core's second-level cache.
const LARGE: usize = 256 * 1024;
/// Spare buffers kept by a runtime: 1 MiB of small and 2 MiB of large ones, so that bursts cost no
/// allocation and an idle node stays small.
const SPARE_SMALL: usize = 64;
const SPARE_LARGE: usize = 8;

/// The spare buffers of one runtime.
#[derive(Debug, Default)]
pub(crate) struct Buffers {
    small: RefCell<Vec<Box<[u8]>>>,
    large: RefCell<Vec<Box<[u8]>>>,
}

impl Buffers {
    fn take(&self, size: Size) -> Box<[u8]> {
        let (spare, length) = match size {
            Size::Small => (&self.small, SMALL),
            Size::Large => (&self.large, LARGE),
        };
        let spare = spare.borrow_mut().pop();
        spare.unwrap_or_else(|| vec![0; length].into_boxed_slice())
    }

    fn give_back(&self, bytes: Box<[u8]>) {
        let (spare, most) = match bytes.len() {
            SMALL => (&self.small, SPARE_SMALL),
            LARGE => (&self.large, SPARE_LARGE),
            _ => return,
        };
        let mut spare = spare.borrow_mut();
        if spare.len() < most {
            spare.push(bytes);
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Size {
    Small,
    Large,
}

/// What was read from one socket and not yet used.
#[derive(Debug)]
pub(crate) struct Buffer {
    /// Empty where there is nothing to hold.
    bytes: Box<[u8]>,
    start: usize,
    end: usize,
    /// The size to be taken next.
    size: Size,
    home: Rc<Buffers>,
}

impl Buffer {
    pub(crate) fn new(home: Rc<Buffers>) -> Self {
        Buffer {
            bytes: Box::default(),
            start: 0,
            end: 0,
            size: Size::Small,
            home,
        }
    }

    pub(crate) fn data(&self) -> &[u8] {
        &self.bytes[self.start..self.end]
    }

    pub(crate) fn data_mut(&mut self) -> &mut [u8] {
        &mut self.bytes[self.start..self.end]
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.start == self.end
    }

    /// Forgets the first `count` bytes; an empty buffer goes home.
    pub(crate) fn consume(&mut self, count: usize) {
        self.start += count;
        assert!(self.start <= self.end, "consumed more than there was");
        if self.is_empty() {
            self.release();
        }
    }

    /// What comes is long (or not): take a large buffer next time (or a small one).
    pub(crate) fn expect_long(&mut self, long: bool) {
        self.size = if long { Size::Large } else { Size::Small };
    }

    /// Reads once; zero bytes are the end of the stream.
    ///
    /// **Errors**: the socket's; `OutOfMemory` when the buffer is full, which a caller that limits
    /// heads to 64 KiB never sees.
    pub(crate) fn poll_fill(
        &mut self,
        cx: &mut Context<'_>,
        stream: &mut TcpStream,
    ) -> Poll<io::Result<usize>> {
        if self.bytes.is_empty() {
            ready!(stream.poll_read_ready(cx))?;
            self.bytes = self.home.take(self.size);
        }
        if self.end == self.bytes.len() {
            self.make_room();
        }
        let mut room = ReadBuf::new(&mut self.bytes[self.end..]);
        let space = room.remaining();
        if space == 0 {
            return Poll::Ready(Err(io::ErrorKind::OutOfMemory.into()));
        }
        let polled = Pin::new(stream).poll_read(cx, &mut room);
        let count = room.filled().len();
        self.end += count;
        if count == space {
            self.size = Size::Large;
        }
        if self.is_empty() {
            self.release();
        }
        polled.map_ok(|()| count)
    }

    /// Makes room for `count` more bytes; `false` where there cannot be so much.
    pub(crate) fn reserve(&mut self, count: usize) -> bool {
        if self.bytes.is_empty() {
            self.bytes = self.home.take(self.size);
        }
        // First what was consumed is given up, then the buffer grows.
        for _ in 0..2 {
            if self.bytes.len() - self.end < count {
                self.make_room();
            }
        }
        self.bytes.len() - self.end >= count
    }

    /// Adds bytes that were read by other means.
    ///
    /// **Panics**: there is no room for them; see [`Buffer::reserve`].
    pub(crate) fn append(&mut self, bytes: &[u8]) {
        self.bytes[self.end..][..bytes.len()].copy_from_slice(bytes);
        self.end += bytes.len();
    }

    /// Room at the end: by moving what is there to the front, or into a large buffer.
    fn make_room(&mut self) {
        if self.start > 0 {
            self.bytes.copy_within(self.start..self.end, 0);
        } else if self.bytes.len() < LARGE {
            let mut large = self.home.take(Size::Large);
            large[..self.end].copy_from_slice(&self.bytes[..self.end]);
            self.home
                .give_back(std::mem::replace(&mut self.bytes, large));
        }
        self.end -= self.start;
        self.start = 0;
    }

    fn release(&mut self) {
        self.start = 0;
        self.end = 0;
        let bytes = std::mem::take(&mut self.bytes);
        if !bytes.is_empty() {
            self.home.give_back(bytes);
        }
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        self.release();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One that had been consumed from moved what was left to the front, and did not grow: bytes
    /// that had been read already were thrown away.
    #[test]
    fn there_is_room_up_to_a_large_buffer_whatever_was_consumed() {
        for consumed in [0, 1, SMALL / 2] {
            let mut buffer = Buffer::new(Rc::default());
            assert!(buffer.reserve(SMALL));
            buffer.append(&[1; SMALL]);
            buffer.consume(consumed);
            let left = SMALL - consumed;
            assert!(buffer.reserve(LARGE - left), "{consumed}");
            buffer.append(&vec![2; LARGE - left]);
            assert!(!buffer.reserve(1));
            let (old, new) = buffer.data().split_at(left);
            assert!(old.iter().all(|byte| *byte == 1));
            assert!(new.iter().all(|byte| *byte == 2));
        }
    }
}
