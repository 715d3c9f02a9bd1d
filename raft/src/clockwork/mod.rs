//! Time, tasks and chance under consensus, store, reporter and pager: those of tokio and the
//! system, or those of a simulator that drives this thread.
//!
//! ```text
//!   consensus, store, reporter, pager ─now, sleep, spawn, random─> here ─> tokio, the clocks, ring
//!                                                              `───> the Clockwork of this thread
//! ```
//!
//! A daemon never installs a [`Clockwork`]; then each function here is the one call that it names.
//! With one, whatever runs under [`drive`] sees no other time, task or chance: two runs are equal.

mod task;
mod timer;

pub use task::{Task, TaskError, TaskSet, blocking, spawn};
pub use timer::{Elapsed, Sleep, Timeout, sleep, sleep_until, timeout, timeout_at};

use std::cell::RefCell;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::Waker;
use std::time::{Instant, SystemTime};

/// A machine's time, tasks and chance, as somebody else makes them.
pub trait Clockwork: Send + Sync + 'static {
    /// What this machine's clock shows.
    fn now(&self) -> Instant;

    /// Wakes somebody when this machine's clock shows `at`.
    fn wake_at(&self, at: Instant, waker: Waker);

    /// Runs a task on this machine.
    fn spawn(&self, task: Pin<Box<dyn Future<Output = ()> + Send>>);

    /// The next random number.
    fn roll(&self) -> u64;

    /// What this machine's wall clock shows.
    fn wall(&self) -> SystemTime;

    /// Whether this safeguard is missing, so that a judge can be seen to miss it.
    fn lacks(&self, safeguard: Safeguard) -> bool;

    /// The log's entry of this number is carried out from now on.
    fn carries_out(&self, index: u64);

    /// The entry that is carried out, or was last.
    fn carried_out(&self) -> u64;
}

/// What a simulator may leave out, to prove that it would notice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Safeguard {
    /// Votes and entries are answered for when they are durable.
    Barrier,
    /// Nobody votes against a leader that it has just heard.
    VoteGuard,
    /// A page's id comes from what changed, and not from the entry that says so.
    PageId,
}

thread_local! {
    static INSTALLED: RefCell<Option<Arc<dyn Clockwork>>> = const { RefCell::new(None) };
}

/// Does something on a simulated machine.
pub fn drive<T>(clockwork: &Arc<dyn Clockwork>, act: impl FnOnce() -> T) -> T {
    /// Puts the one before back, also when `act` panics.
    struct Before(Option<Arc<dyn Clockwork>>);
    impl Drop for Before {
        fn drop(&mut self) {
            INSTALLED.set(self.0.take());
        }
    }
    let _before = Before(INSTALLED.replace(Some(clockwork.clone())));
    act()
}

/// What drives this thread, if it is no daemon's.
fn installed() -> Option<Arc<dyn Clockwork>> {
    INSTALLED.with_borrow(Clone::clone)
}

/// The present moment of a clock that only goes forward.
pub fn now() -> Instant {
    installed().map_or_else(Instant::now, |clockwork| clockwork.now())
}

/// How long ago that was.
pub fn elapsed(since: Instant) -> std::time::Duration {
    now().saturating_duration_since(since)
}

/// Random bytes.
///
/// **Panics**: when the system has no random numbers.
pub fn random<const N: usize>() -> [u8; N] {
    use ring::rand::SecureRandom;
    let mut bytes = [0; N];
    match installed() {
        None => ring::rand::SystemRandom::new()
            .fill(&mut bytes)
            .expect("the system has random numbers"),
        Some(clockwork) => {
            for piece in bytes.chunks_mut(8) {
                piece.copy_from_slice(&clockwork.roll().to_le_bytes()[..piece.len()]);
            }
        }
    }
    bytes
}

/// What the wall clock shows; it may jump.
pub fn wall() -> SystemTime {
    installed().map_or_else(SystemTime::now, |clockwork| clockwork.wall())
}

/// The log's entry of this number is carried out from now on; only a simulator wants to know.
pub fn carries_out(index: u64) {
    if let Some(clockwork) = installed() {
        clockwork.carries_out(index);
    }
}

/// The number by which a page of this transition is told from others of its subject: the
/// transition's, unless a simulator left [`Safeguard::PageId`] out.
pub fn page_number(transition: u64) -> u64 {
    match installed().filter(|clockwork| clockwork.lacks(Safeguard::PageId)) {
        None => transition,
        Some(clockwork) => clockwork.carried_out(),
    }
}

/// Whether a simulator left a safeguard out; a daemon has them all.
pub fn lacks(safeguard: Safeguard) -> bool {
    installed().is_some_and(|clockwork| clockwork.lacks(safeguard))
}

#[cfg(test)]
mod tests;
