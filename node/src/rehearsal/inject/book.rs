//! The book of a node's injections: which was ordered last and how it stands, which are called off,
//! and what the log says of a run. Nothing is done here.

use std::collections::VecDeque;
use std::time::Duration;

use farmux_raft::state::drill::Drills;

use crate::drill::{Injection, RunId};
use crate::rehearsal::Tether;
use crate::rehearsal::room::{failed, older};
use crate::rehearsal::word::Answer;

/// What this node has heard of.
#[derive(Debug, Default)]
pub(super) struct Book {
    present: Option<Present>,
    /// The run for which a former process of this node was killed.
    former: Option<RunId>,
    /// Runs whose end was ordered, the newest last: an order to begin that is late finds them.
    undone: VecDeque<RunId>,
}

/// The injection that was ordered last.
#[derive(Debug, Clone)]
pub(super) struct Present {
    run: RunId,
    injection: Injection,
    standing: Standing,
    /// When it ends by itself, on the clock that goes on while the machine sleeps.
    ends_ns: u64,
    /// How it is ended by whoever is not heard any more.
    tether: Option<Tether>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Standing {
    /// It is being made.
    Injecting,
    /// It is there.
    Injected,
    /// It is not there, nor anything of it.
    Failed(String),
    /// It is being ended.
    Undoing,
    /// Nothing of it is left.
    Undone,
}

/// What the log says of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Log {
    /// It is under way.
    UnderWay,
    /// This node has not heard of it yet.
    Unheard,
    /// It is not, or shall not be.
    Over(String),
}

/// What follows from an order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Step {
    /// Nothing but an answer.
    Answer(Answer),
    /// It is begun.
    Begin,
    /// It is ended.
    End(Injection),
}

/// PURE. For how long it may be there. What leaves nothing to undo has no timer, and stands as made
/// until its run is over.
pub(super) fn bounded(injection: &Injection, timer: Duration) -> Duration {
    match injection {
        Injection::MoveVip { .. } | Injection::Page { .. } | Injection::Restore { .. } => {
            Duration::MAX
        }
        Injection::Crash { .. }
        | Injection::Pause { .. }
        | Injection::Isolate { .. }
        | Injection::LoseGateway { .. }
        | Injection::ServerDown { .. }
        | Injection::ServerSlow { .. }
        | Injection::ParentDown { .. }
        | Injection::CutMajority { .. }
        | Injection::FillDisk { .. } => timer.min(TIMER_MAX),
    }
}

/// PURE. Whether it is over although nobody could end it: what the kernel drops until its time is
/// over it lets pass then. What is left are rules that match nothing, and the mark that the next
/// process clears them by.
pub(super) fn has_timed_out(injection: &Injection, ends_ns: u64, now_ns: u64) -> bool {
    match injection {
        Injection::Isolate { .. }
        | Injection::CutMajority { .. }
        | Injection::LoseGateway { .. } => now_ns >= ends_ns.saturating_add(GRACE_NS),
        Injection::MoveVip { .. }
        | Injection::Page { .. }
        | Injection::Restore { .. }
        | Injection::Crash { .. }
        | Injection::Pause { .. }
        | Injection::ServerDown { .. }
        | Injection::ServerSlow { .. }
        | Injection::ParentDown { .. }
        | Injection::FillDisk { .. } => false,
    }
}

/// PURE. What the log says of a run.
pub(super) fn of_log(drills: &Drills, run: RunId) -> Log {
    if let Some(lock) = &drills.lock {
        return Log::Over(format!(
            "drills are locked by {}: {}",
            lock.author.0, lock.why
        ));
    }
    match &drills.running {
        Some(running) if running.id == run => match &running.aborted {
            None => Log::UnderWay,
            Some(who) => Log::Over(format!("run {} was aborted by {who}", run.0)),
        },
        Some(_) | None if drills.last < run => Log::Unheard,
        Some(_) | None => Log::Over(format!("run {} is not under way", run.0)),
    }
}

/// PURE. Whether anything may begin for a run: the log says that it is under way.
///
/// **Errors**: it is not, or not yet; in words.
pub(in crate::rehearsal) fn may_begin(drills: &Drills, run: RunId) -> Result<(), String> {
    match of_log(drills, run) {
        Log::UnderWay => Ok(()),
        // Asked again soon, it may know.
        Log::Unheard => Err(format!("run {} is not known on this node yet", run.0)),
        Log::Over(why) => Err(why),
    }
}

/// PURE. Whether nobody conducts a run any more. One that was aborted or locked is still measured
/// until what it injected is undone.
pub(in crate::rehearsal) fn is_recorded(drills: &Drills, run: RunId) -> bool {
    let runs = drills.running.as_ref().is_some_and(|one| one.id == run);
    !runs && drills.last >= run
}

/// PURE.
impl Book {
    /// One that knows for which run a former process was killed.
    pub(super) fn after(former: Option<RunId>) -> Book {
        Book {
            former,
            ..Book::default()
        }
    }

    /// Takes an order to begin.
    pub(super) fn inject(
        &mut self,
        run: RunId,
        injection: &Injection,
        timer: Duration,
        now_ns: u64,
        log: Log,
    ) -> Step {
        if self.undone.contains(&run) {
            return Step::Answer(failed(format!("run {} was undone before", run.0)));
        }
        if self.former == Some(run) {
            // Whatever this process has heard of the log yet.
            return Step::Answer(Answer::Injected);
        }
        match &self.present {
            Some(present) if present.run == run => {
                return Step::Answer(match &present.standing {
                    Standing::Injecting => Answer::Injecting {
                        tether: present.tether,
                    },
                    Standing::Injected => Answer::Injected,
                    Standing::Failed(why) => failed(why),
                    Standing::Undoing | Standing::Undone => failed("its time is over"),
                });
            }
            Some(present) if present.run > run => {
                return Step::Answer(failed(older(run, present.run)));
            }
            Some(present) if !present.is_over() => {
                let before = present.run.0;
                return Step::Answer(failed(format!("run {before} is not over on this node")));
            }
            Some(_) | None => {}
        }
        match log {
            Log::UnderWay => {}
            Log::Unheard => return Step::Answer(Answer::Injecting { tether: None }),
            Log::Over(why) => return Step::Answer(failed(why)),
        }
        let timer = u64::try_from(timer.as_nanos()).unwrap_or(u64::MAX);
        self.present = Some(Present {
            run,
            injection: injection.clone(),
            standing: Standing::Injecting,
            ends_ns: now_ns.saturating_add(timer),
            tether: None,
        });
        Step::Begin
    }

    /// Takes an order to end.
    pub(super) fn undo(&mut self, run: RunId) -> Step {
        if !self.undone.contains(&run) {
            self.undone.push_back(run);
            if self.undone.len() > REMEMBERED {
                self.undone.pop_front();
            }
        }
        let Some(present) = self.present.as_mut().filter(|present| present.run == run) else {
            return Step::Answer(Answer::Undone);
        };
        match present.standing {
            // Whoever makes it sees that it is not wanted any more.
            Standing::Injecting | Standing::Undoing => Step::Answer(Answer::Undoing),
            Standing::Undone => Step::Answer(Answer::Undone),
            // Nothing is left, and nothing was: what was measured proves nothing.
            Standing::Failed(ref why) => Step::Answer(failed(why)),
            Standing::Injected => {
                present.standing = Standing::Undoing;
                Step::End(present.injection.clone())
            }
        }
    }

    /// It has begun, and can be ended so.
    pub(super) fn tie(&mut self, run: RunId, tether: Option<Tether>) -> Answer {
        if let Some(present) = self.present.as_mut().filter(|present| present.run == run) {
            present.tether = tether;
        }
        Answer::Injecting { tether }
    }

    /// Whether nobody has ordered its end.
    pub(super) fn is_wanted(&self, run: RunId) -> bool {
        !self.undone.contains(&run)
    }

    /// It is there now; whether it shall stay.
    pub(super) fn made(&mut self, run: RunId) -> bool {
        self.stands(run, Standing::Injected);
        self.is_wanted(run)
    }

    /// Its time is over: whether nobody else has begun to end it.
    pub(super) fn ends_now(&mut self, run: RunId) -> bool {
        let present = self.present.as_mut().filter(|present| present.run == run);
        let there = present.filter(|present| present.standing == Standing::Injected);
        there.is_some_and(|present| {
            present.standing = Standing::Undoing;
            true
        })
    }

    pub(super) fn stands(&mut self, run: RunId, standing: Standing) {
        if let Some(present) = self.present.as_mut().filter(|present| present.run == run) {
            present.standing = standing;
        }
    }

    pub(super) fn ends_ns(&self, run: RunId) -> u64 {
        let present = self.present.as_ref().filter(|present| present.run == run);
        present.map_or(0, |present| present.ends_ns)
    }
}

impl Present {
    fn is_over(&self) -> bool {
        match self.standing {
            Standing::Failed(_) | Standing::Undone => true,
            Standing::Injecting | Standing::Injected | Standing::Undoing => false,
        }
    }
}

/// No drill lasts longer; whoever orders more is mistaken.
pub(super) const TIMER_MAX: Duration = Duration::from_mins(10);

/// The kernel's time begins a little later than the order came: 100 ms for the answer to get out,
/// and what a script takes on a busy machine.
const GRACE_NS: u64 = 5_000_000_000;

/// An order that is late by so many runs is none any more: greater numbers refuse it.
const REMEMBERED: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;

    const TIMER: Duration = Duration::from_secs(30);

    fn page() -> Injection {
        Injection::Page { contacts: vec![] }
    }

    fn inject(book: &mut Book, run: u64) -> Step {
        book.inject(RunId(run), &page(), TIMER, 5, Log::UnderWay)
    }

    fn refused(step: Step) -> bool {
        matches!(step, Step::Answer(Answer::Failed { .. }))
    }

    #[test]
    fn what_is_ordered_twice_is_done_once() {
        let (mut book, run) = (Book::default(), RunId(3));
        assert_eq!(inject(&mut book, 3), Step::Begin);
        assert_eq!(book.ends_ns(run), 30_000_000_005);
        assert_eq!(
            inject(&mut book, 3),
            Step::Answer(Answer::Injecting { tether: None })
        );
        assert!(refused(inject(&mut book, 4)), "one at a time");
        assert!(book.made(run));
        assert_eq!(inject(&mut book, 3), Step::Answer(Answer::Injected));
        assert!(refused(inject(&mut book, 2)), "an older one");
        assert_eq!(book.undo(run), Step::End(page()));
        assert_eq!(book.undo(run), Step::Answer(Answer::Undoing));
        assert!(!book.ends_now(run), "somebody does already");
        book.stands(run, Standing::Undone);
        assert_eq!(book.undo(run), Step::Answer(Answer::Undone));
        assert!(refused(inject(&mut book, 3)), "it was undone");
        assert_eq!(inject(&mut book, 4), Step::Begin);
    }

    #[test]
    fn an_undo_that_comes_first_counts() {
        let mut book = Book::default();
        assert_eq!(book.undo(RunId(7)), Step::Answer(Answer::Undone), "unknown");
        assert!(refused(inject(&mut book, 7)));
        assert_eq!(inject(&mut book, 8), Step::Begin);
        assert!(book.is_wanted(RunId(8)));
        assert_eq!(book.undo(RunId(8)), Step::Answer(Answer::Undoing));
        assert!(!book.is_wanted(RunId(8)), "whoever makes it asks before");
        assert!(!book.made(RunId(8)), "it is not wanted any more");
        assert!(book.ends_now(RunId(8)), "and ends at once");
        for run in 9..99 {
            book.undo(RunId(run));
        }
        assert_eq!(book.undone.len(), REMEMBERED);
    }

    #[test]
    fn nothing_fails_that_the_log_does_not_know() {
        let mut book = Book::default();
        let mut order = |log| book.inject(RunId(4), &page(), TIMER, 0, log);
        let unheard = order(Log::Unheard);
        assert_eq!(
            unheard,
            Step::Answer(Answer::Injecting { tether: None }),
            "it may come"
        );
        assert!(refused(order(Log::Over("locked".to_owned()))));
        assert_eq!(order(Log::UnderWay), Step::Begin);
        let known = order(Log::Over("recorded".to_owned()));
        assert_eq!(
            known,
            Step::Answer(Answer::Injecting { tether: None }),
            "it stands as it stands"
        );

        let (mut drills, run) = (Drills::default(), RunId(1));
        assert_eq!(of_log(&drills, run), Log::Unheard);
        assert!(may_begin(&drills, run).is_err(), "nobody has begun it");
        assert!(!is_recorded(&drills, run));
        drills.last = run;
        assert!(matches!(of_log(&drills, run), Log::Over(_)), "recorded");
        assert!(may_begin(&drills, run).is_err());
        assert!(is_recorded(&drills, run));
    }

    #[test]
    fn what_leaves_nothing_stands_until_its_run_is_over() {
        let (mut book, none) = (Book::default(), Duration::ZERO);
        let timer = bounded(&page(), none);
        book.inject(RunId(1), &page(), timer, 5, Log::UnderWay);
        assert_eq!(book.ends_ns(RunId(1)), u64::MAX);
        let watch = "w1".parse().expect("a name");
        let down = Injection::ParentDown { watch };
        assert_eq!(bounded(&down, none), none);
        assert_eq!(bounded(&down, Duration::MAX), TIMER_MAX);
    }

    #[test]
    fn only_the_kernel_ends_what_nobody_can() {
        let node = || "lb1".parse().expect("a name");
        let gateway = [10, 0, 0, 1].into();
        let node_gateway = Injection::LoseGateway {
            node: node(),
            gateway,
        };
        let isolate = Injection::Isolate { node: node() };
        for injection in [
            isolate,
            Injection::CutMajority {
                nodes: vec![node()],
            },
            node_gateway,
        ] {
            let over = |now_ns| has_timed_out(&injection, 7, now_ns);
            assert!(!over(7) && !over(7 + GRACE_NS - 1), "{injection}");
            assert!(over(7 + GRACE_NS), "{injection}");
        }
        assert!(!has_timed_out(&page(), 0, u64::MAX));
        assert!(!has_timed_out(
            &Injection::Pause { node: node() },
            0,
            u64::MAX
        ));
    }

    #[test]
    fn what_a_former_process_did_is_done_until_it_is_undone() {
        let mut book = Book::after(Some(RunId(7)));
        let unheard = book.inject(RunId(7), &page(), TIMER, 0, Log::Unheard);
        assert_eq!(unheard, Step::Answer(Answer::Injected));
        assert_eq!(book.undo(RunId(7)), Step::Answer(Answer::Undone));
        assert!(refused(inject(&mut book, 7)), "its time is over");
        assert_eq!(inject(&mut book, 8), Step::Begin);
    }

    #[test]
    fn its_time_ends_it_and_what_failed_is_told() {
        let mut book = Book::default();
        inject(&mut book, 1);
        book.made(RunId(1));
        assert!(book.ends_now(RunId(1)));
        book.stands(RunId(1), Standing::Undone);
        assert_eq!(inject(&mut book, 2), Step::Begin, "nobody said undo");
        book.stands(RunId(2), Standing::Failed("no nft".to_owned()));
        assert_eq!(inject(&mut book, 2), Step::Answer(failed("no nft")));
        let never = Step::Answer(failed("no nft"));
        assert_eq!(book.undo(RunId(2)), never, "nothing was measured");
        assert_eq!(inject(&mut book, 3), Step::Begin);
    }
}
