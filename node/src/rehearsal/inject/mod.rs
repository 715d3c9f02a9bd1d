//! Injections: the failures of drills, one at a time, each with its end arranged before it begins.
//!
//! ```text
//!   Inject ─▶ desk ─task─▶ timer, then failure ─▶ Injected ─(timer, Undo)─▶ undone
//!     again:    └─ how it stands                                   Undo again: Undone
//!
//!   process  killed or stopped: a guard of its own session      overlay  servers, watches
//!   severed  peers, gateway: set elements time out in the kernel   full  the disk
//!   vip      a planned move                                     restore  a snapshot, compared
//! ```
//!
//! A node fails only while the log, as it knows it, says that the run is under way. At its
//! deadline, and when the run is aborted, recorded or locked there, it ends by itself what is left,
//! as if `Undo` had been said; when this process is dead by then, whoever holds the timer does, and
//! the next process clears the rest.

mod book;
mod full;
mod mark;
mod overlay;
mod place;
mod process;
mod restore;
mod severed;
mod vip;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use farmux_netplane::sys::boottime_ns;

use super::tether;
use super::word::Answer;
use crate::daemon::Member;
use crate::drill::{Injection, RunId};
use crate::rehearsal::Tether;

use book::{Book, Log, Standing, Step, bounded, has_timed_out, of_log};

pub(super) use book::{is_recorded, may_begin};
pub(super) use place::Place;

/// Whether a failure is still to be made: nobody has undone it, and its run is under way.
type Wanted<'a> = &'a (dyn Fn() -> bool + Send + Sync);

/// Takes orders to fail.
#[derive(Debug)]
pub(super) struct Injections {
    place: Arc<Place>,
    book: Arc<Mutex<Book>>,
}

impl Injections {
    pub(super) fn at(place: Place) -> Injections {
        let book = Book::after(mark::former(&place));
        Injections {
            place: Arc::new(place),
            book: Arc::new(Mutex::new(book)),
        }
    }

    /// Begins it, or says how it stands.
    pub(super) fn inject(
        &self,
        member: &Arc<Member>,
        run: RunId,
        injection: Injection,
        timer: Duration,
    ) -> Answer {
        let timer = bounded(&injection, timer);
        let log = of_log(&member.state().drills, run);
        let step = lock(&self.book).inject(run, &injection, timer, boottime_ns(), log);
        match step {
            Step::Answer(answer) => answer,
            Step::Begin | Step::End(_) => {
                let tether = draw(&injection);
                let (place, book) = (Arc::clone(&self.place), Arc::clone(&self.book));
                let begun = Begun {
                    member: Arc::clone(member),
                    run,
                    injection,
                    timer,
                    tether,
                };
                let answer = lock(&book).tie(run, tether);
                tokio::spawn(begin(begun, place, book));
                answer
            }
        }
    }

    /// Ends it, or says how far that is.
    pub(super) fn undo(&self, member: &Arc<Member>, run: RunId) -> Answer {
        let step = lock(&self.book).undo(run);
        match step {
            Step::Answer(answer) => {
                if answer == Answer::Undoing {
                    // One that has not failed yet need not.
                    self.place.guard.dismiss();
                }
                answer
            }
            Step::Begin => Answer::Undone,
            Step::End(injection) => {
                let (place, book) = (Arc::clone(&self.place), Arc::clone(&self.book));
                let member = Arc::clone(member);
                tokio::spawn(async move { end(&member, &place, &book, run, &injection).await });
                Answer::Undoing
            }
        }
    }
}

/// A failure that was ordered, and may be made.
struct Begun {
    member: Arc<Member>,
    run: RunId,
    injection: Injection,
    timer: Duration,
    tether: Option<Tether>,
}

/// Nobody can say a word to a node that is silenced: a tether ends that early.
fn draw(injection: &Injection) -> Option<Tether> {
    if !injection.silences() {
        return None;
    }
    match Tether::draw() {
        Ok(tether) => Some(tether),
        Err(error) => {
            tracing::warn!(%error, "nobody can end the drill's failure before its timer");
            None
        }
    }
}

async fn begin(begun: Begun, place: Arc<Place>, book: Arc<Mutex<Book>>) {
    let Begun {
        member,
        run,
        injection,
        timer,
        tether,
    } = begun;
    tracing::warn!(run = run.0, "a drill begins on this node: {injection}");
    let wanted = || {
        let under_way = of_log(&member.state().drills, run) == Log::UnderWay;
        under_way && lock(&book).is_wanted(run)
    };
    // Before anything is severed.
    let held = held_here(&injection, tether);
    let made = place.inject(&member, run, &injection, timer, tether, &wanted);
    let wanted = match made.await {
        Ok(()) => lock(&book).made(run),
        Err(why) => {
            tracing::warn!(run = run.0, why, "the drill's failure was not made");
            // Half of it may be there.
            let healed = place.undo(&member, &injection).await;
            lock(&book).stands(run, Standing::Failed(join(why, healed.err())));
            return;
        }
    };
    if wanted {
        let ends_ns = lock(&book).ends_ns(run);
        while boottime_ns() < ends_ns && of_log(&member.state().drills, run) == Log::UnderWay {
            let left = Duration::from_nanos(ends_ns.saturating_sub(boottime_ns()));
            // A machine that slept has less left than the timer thinks.
            let turn = left.min(LOOK_EVERY);
            match (&held, tether) {
                (Some(held), Some(Tether { token, .. })) => {
                    if tokio::time::timeout(turn, held.pulled(token)).await.is_ok() {
                        break;
                    }
                }
                (None, _) | (_, None) => tokio::time::sleep(turn).await,
            }
        }
    }
    if lock(&book).ends_now(run) {
        end(&member, &place, &book, run, &injection).await;
    }
}

/// The tether's end, where this process can hold it: one that is killed or stopped cannot.
fn held_here(injection: &Injection, tether: Option<Tether>) -> Option<tether::End> {
    let guarded = matches!(injection, Injection::Crash { .. } | Injection::Pause { .. });
    let port = tether.filter(|_| !guarded)?.port;
    tether::End::at(port)
        .inspect_err(|error| tracing::warn!(%error, "nobody can end this before its timer"))
        .ok()
}

/// Undoes it until that has succeeded, or the kernel has ended it.
async fn end(
    member: &Arc<Member>,
    place: &Place,
    book: &Mutex<Book>,
    run: RunId,
    injection: &Injection,
) {
    let ends_ns = lock(book).ends_ns(run);
    let is_over = || has_timed_out(injection, ends_ns, boottime_ns());
    until_undone(run, || place.undo(member, injection), is_over, UNDO_AGAIN).await;
    lock(book).stands(run, Standing::Undone);
    tracing::info!(run = run.0, "the drill's failure is over on this node");
}

/// Tries until it succeeds or `is_over`, and says once that it does not succeed.
async fn until_undone<F: Future<Output = Result<(), String>>>(
    run: RunId,
    undo: impl Fn() -> F,
    is_over: impl Fn() -> bool,
    again: Duration,
) {
    let mut told = false;
    while let Err(why) = undo().await {
        if is_over() {
            tracing::warn!(run = run.0, why, "the timer has ended the drill's failure");
            return;
        }
        if told {
            tracing::debug!(run = run.0, why, "the drill's failure is not undone yet");
        } else {
            tracing::warn!(run = run.0, why, "the drill's failure is not undone yet");
        }
        told = true;
        tokio::time::sleep(again).await;
    }
}

fn join(why: String, more: Option<String>) -> String {
    more.map_or(why.clone(), |more| format!("{why}; and {more}"))
}

fn lock(book: &Mutex<Book>) -> MutexGuard<'_, Book> {
    book.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Why a failure was not made after all.
const CALLED_OFF: &str = "it was called off before anything had happened";

/// What cannot be undone now, because a program is missing or memory, can be soon.
const UNDO_AGAIN: Duration = Duration::from_secs(1);

/// A lock stops a run within a second, and this is only a part of it.
const LOOK_EVERY: Duration = Duration::from_millis(200);

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    #[test]
    fn a_process_that_was_killed_is_not_killed_again() {
        let folder = tempfile::tempdir().expect("a folder is to be had");
        let place = || Place::of_test(folder.path());
        let node: farmux_raft::id::NodeName = "lb1".parse().expect("a name");
        let crash = Injection::Crash { node };
        let order = |injections: &Injections, run| {
            let timer = Duration::from_secs(30);
            lock(&injections.book).inject(RunId(run), &crash, timer, 0, Log::UnderWay)
        };
        mark::set(&place(), RunId(7)).expect("a folder is there");
        let next = Injections::at(place());
        let known = Step::Answer(Answer::Injected);
        assert_eq!(order(&next, 7), known, "it was, by the process before");
        assert_eq!(order(&next, 8), Step::Begin, "another run");
    }

    #[tokio::test]
    async fn what_cannot_be_undone_ends_with_its_timer() {
        let tries = Cell::new(0);
        let undo = |well: bool| {
            tries.set(tries.get() + 1);
            std::future::ready(if well {
                Ok(())
            } else {
                Err("no nft".to_owned())
            })
        };
        let (run, at_once) = (RunId(1), Duration::ZERO);
        let ends = until_undone(run, || undo(false), || tries.get() == 3, at_once);
        let ended = tokio::time::timeout(Duration::from_secs(5), ends).await;
        assert!(ended.is_ok(), "it goes on for ever");
        assert_eq!(tries.get(), 3);
        until_undone(run, || undo(tries.get() == 5), || false, at_once).await;
        assert_eq!(tries.get(), 6, "what can be undone is");
    }
}
