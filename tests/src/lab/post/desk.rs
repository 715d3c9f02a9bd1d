//! What the receivers of `post` share: a manner that can be changed at run time, a listener that
//! goes and comes with it, and conversations that are stopped at a point and told to go on.
//!
//! ```text
//!   script ── be(manner) ──▶ Desk ──▶ listen: closed while it is dead, converse otherwise
//!          ── hold(stage) ─▶      ──▶ pass(stage): waits there until go_on
//!          ◀── wait_held ──
//! ```

use std::fmt::Debug;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::Result;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::receiver::Manner;
use crate::lab::network::Host;
use crate::lab::wait;

/// How long a change of manner may take until it is so.
const CHANGES_WITHIN: Duration = Duration::from_secs(5);

/// A receiver's switch and book; `S` are the points at which a conversation can be held, `T` what
/// it records.
#[derive(Debug)]
pub(super) struct Desk<M, S, T> {
    manner: watch::Sender<M>,
    /// Whether its listener stands as the manner says.
    listening: watch::Sender<bool>,
    hold: watch::Sender<Option<S>>,
    /// Conversations that were held so far.
    held: watch::Sender<u32>,
    book: Mutex<Vec<T>>,
}

impl<M: Manner, S: Copy + Eq + Debug, T: Clone> Desk<M, S, T> {
    pub(super) fn new(manner: M) -> Arc<Desk<M, S, T>> {
        Arc::new(Desk {
            manner: watch::Sender::new(manner),
            listening: watch::Sender::new(false),
            hold: watch::Sender::new(None),
            held: watch::Sender::new(0),
            book: Mutex::new(Vec::new()),
        })
    }

    /// Behaves so from now on, and waits until it listens, or does not.
    pub(super) fn be(&self, manner: M) -> Result<()> {
        self.manner.send_replace(manner);
        self.wait_for_listener()
    }

    pub(super) fn wait_for_listener(&self) -> Result<()> {
        let wanted = !self.manner.borrow().is_dead();
        wait::until_true("a receiver is as it was told", CHANGES_WITHIN, || {
            *self.listening.borrow() == wanted
        })
    }

    /// How it behaves now.
    pub(super) fn manner(&self) -> M {
        *self.manner.borrow()
    }

    /// Holds every conversation that comes to this point.
    pub(super) fn hold(&self, stage: S) {
        self.held.send_replace(0);
        self.hold.send_replace(Some(stage));
    }

    /// Waits until one is held.
    pub(super) fn wait_held(&self, limit: Duration) -> Result<()> {
        let what = format!("a conversation at {:?}", *self.hold.borrow());
        wait::until_true(&what, limit, || *self.held.borrow() > 0)
    }

    /// Lets them go on.
    pub(super) fn go_on(&self) {
        self.hold.send_replace(None);
    }

    /// Where a conversation comes past a point at which it may be held.
    pub(super) async fn pass(&self, stage: S) {
        let mut hold = self.hold.subscribe();
        if *hold.borrow() != Some(stage) {
            return;
        }
        self.held.send_modify(|held| *held += 1);
        // The desk, and with it the sender, lives as long as its conversations.
        let _ = hold.wait_for(|hold| *hold != Some(stage)).await;
    }

    pub(super) fn book(&self) -> MutexGuard<'_, Vec<T>> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes connections at `at` for ever, but while it is dead.
    pub(super) async fn listen<F>(
        self: Arc<Self>,
        at: SocketAddr,
        converse: impl Fn(Arc<Self>, TcpStream) -> F,
    ) -> io::Result<()>
    where
        F: Future<Output = io::Result<()>> + Send + 'static,
    {
        let mut manner = self.manner.subscribe();
        loop {
            if manner.wait_for(|manner| !manner.is_dead()).await.is_err() {
                return Ok(());
            }
            let listener = TcpListener::bind(at).await?;
            let mut talks = JoinSet::new();
            self.listening.send_replace(true);
            loop {
                tokio::select! {
                    dead = manner.wait_for(|manner| manner.is_dead()) => {
                        if dead.is_err() { return Ok(()); }
                        break;
                    }
                    came = listener.accept() => if let Ok((stream, _)) = came {
                        talks.spawn(bounded(converse(Arc::clone(&self), stream)));
                    },
                    Some(_) = talks.join_next() => {}
                }
            }
            // The conversations end with the listener, as those of a killed process.
            drop((listener, talks));
            self.listening.send_replace(false);
        }
    }
}

async fn bounded(talk: impl Future<Output = io::Result<()>>) {
    // Who hangs up early, or never ends, is no news: what was said is in the book.
    let _ = tokio::time::timeout(TALK_TIME_MAX, talk).await;
}

/// Longer than any client of ours is patient.
const TALK_TIME_MAX: Duration = Duration::from_secs(300);

/// A receiver's thread; it ends when this is dropped.
#[derive(Debug)]
pub(super) struct Thread {
    stop: watch::Sender<bool>,
    thread: Option<JoinHandle<()>>,
}

impl Thread {
    /// Runs `work` on a runtime of its own, in a host's network, or in this machine's.
    pub(super) fn start(
        host: Option<&Host>,
        work: impl Future<Output = io::Result<()>> + Send + 'static,
    ) -> Thread {
        let stop = watch::Sender::new(false);
        let mut stopped = stop.subscribe();
        let run = move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build();
            let runtime = runtime.expect("a machine that runs a lab can make a runtime");
            runtime.block_on(async {
                tokio::select! {
                    ended = work => ended.expect("a receiver's own address is free"),
                    _ = stopped.wait_for(|stopped| *stopped) => {}
                }
            });
        };
        let thread = match host {
            Some(host) => host.background(run),
            None => std::thread::spawn(run),
        };
        Thread {
            stop,
            thread: Some(thread),
        }
    }
}

impl Drop for Thread {
    fn drop(&mut self) {
        self.stop.send_replace(true);
        if let Some(thread) = self.thread.take() {
            // A panic in there was told already, and whatever was awaited did not come.
            let _ = thread.join();
        }
    }
}

/// **Units**: wall-clock milliseconds.
pub(super) fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| {
        u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
    })
}

/// A port of this machine that is free now.
///
/// **Errors**: there is none.
#[cfg(test)]
pub(super) fn free_place() -> Result<SocketAddr> {
    let listener = std::net::TcpListener::bind(("127.0.0.1", 0))?;
    Ok(listener.local_addr()?)
}
