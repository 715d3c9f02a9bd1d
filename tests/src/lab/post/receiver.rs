//! A receiver as a script holds it: where it listens, how it behaves, whom it holds.

use std::fmt::Debug;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, MutexGuard};
use std::time::Duration;

use anyhow::Result;
use tokio::net::TcpStream;

use super::desk::{Desk, Thread};
use crate::lab::network::Host;

/// How a receiver behaves.
pub trait Manner: Copy + Debug + Eq + Send + Sync + 'static {
    /// Whether it refuses connections.
    fn is_dead(self) -> bool;
}

/// A receiver, running; `S` are the points at which a conversation can be held, `T` what it
/// records.
#[derive(Debug)]
pub struct Receiver<M, S, T> {
    desk: Arc<Desk<M, S, T>>,
    at: SocketAddr,
    _thread: Thread,
}

impl<M, S, T> Receiver<M, S, T>
where
    M: Manner,
    S: Copy + Debug + Eq + Send + Sync + 'static,
    T: Clone + Send + 'static,
{
    /// Listens at an address of a host, or of this machine, and talks so with whoever comes.
    ///
    /// **Errors**: it does not listen in time: the address is not there, or taken.
    pub(super) fn listen<F>(
        host: Option<&Host>,
        at: SocketAddr,
        manner: M,
        converse: impl Fn(Arc<Desk<M, S, T>>, TcpStream) -> F + Send + 'static,
    ) -> Result<Self>
    where
        F: Future<Output = io::Result<()>> + Send + 'static,
    {
        let desk = Desk::new(manner);
        let thread = Thread::start(host, Arc::clone(&desk).listen(at, converse));
        desk.wait_for_listener()?;
        Ok(Receiver {
            desk,
            at,
            _thread: thread,
        })
    }

    /// All that it recorded, in the order in which it came.
    pub(super) fn book(&self) -> MutexGuard<'_, Vec<T>> {
        self.desk.book()
    }

    /// Where it listens.
    pub fn place(&self) -> SocketAddr {
        self.at
    }

    /// Behaves so from now on.
    ///
    /// **Errors**: it does not listen in time.
    pub fn be(&self, manner: M) -> Result<()> {
        self.desk.be(manner)
    }

    /// Holds every conversation that comes to this point, until [`Self::go_on`].
    pub fn hold(&self, stage: S) {
        self.desk.hold(stage);
    }

    /// Waits until a conversation is held.
    ///
    /// **Errors**: none is within `limit`.
    pub fn wait_held(&self, limit: Duration) -> Result<()> {
        self.desk.wait_held(limit)
    }

    /// Lets held conversations go on.
    pub fn go_on(&self) {
        self.desk.go_on();
    }
}
