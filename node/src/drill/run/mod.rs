//! PURE. The course of one run: events and the time in, orders out.
//!
//! ```text
//!   Steady ─10 s without a failure─▶ Injecting ─Injected─▶ Measuring ─time, Seen, stop─▶ Undoing
//!     │ a failure                      │ not injected         │ stop condition           │
//!     ▼                                └──────── undo ◀───────┘◀── abort, lock           │ Undone,
//!    Done ◀─10 s without a failure, or a minute is over── Verifying ◀────────────────────┘ timer
//! ```
//!
//! Times are counted from the beginning of the run. Whoever drives it ticks at least ten times a
//! second. An undo is ordered again until it is confirmed; the timer on the affected node makes it
//! happen in any case.

#[cfg(test)]
mod tests;

use std::time::Duration;

use super::Numbers;
use super::plan::Plan;
use super::{Aborted, Lapse, Verdict, judge};
use super::{DrillKind, Stop, Undo, UndoHolder};

/// How far a run is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// All must be well for a while.
    Steady {
        /// Since when.
        since: Duration,
    },
    /// The failure is ordered.
    Injecting {
        /// Since when.
        since: Duration,
    },
    /// It is there, and is looked at.
    Measuring {
        /// Since when.
        since: Duration,
    },
    /// Its end is ordered.
    Undoing {
        /// Since when.
        since: Duration,
        /// When it was ordered last.
        ordered: Duration,
    },
    /// All must be well again.
    Verifying {
        /// Since when.
        since: Duration,
        /// Since when nothing failed.
        well: Duration,
    },
    /// It is over.
    Done,
}

/// Something that happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// Time has passed.
    Tick,
    /// The client says how it stands.
    Reading(Reading),
    /// The failure is there.
    Injected,
    /// It is not, or not all of it.
    NotInjected {
        /// Why.
        why: String,
    },
    /// Whatever was to be seen was seen: nothing more need be waited for.
    Seen,
    /// The failure is over, by order or by its timer.
    Undone,
    /// Somebody wants it to end.
    Abort {
        /// Who.
        who: String,
    },
    /// Somebody locked drills.
    Lock {
        /// Who.
        who: String,
        /// Why.
        why: String,
    },
}

/// How a measurement stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Reading {
    /// Requests that ended, since the beginning.
    pub requests: u64,
    /// Those that failed.
    pub failed: u64,
    /// Since when there was no good answer.
    pub silent: Duration,
    /// The longest such silence so far, this one included.
    pub longest_silent: Duration,
    /// Of the last thousand requests, so many failed.
    pub failed_permille: u64,
}

/// What whoever drives the run must do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// Start the client.
    Measure,
    /// Make the failure; its timer first.
    Inject,
    /// End it, wherever it is; harmless where it has ended.
    Undo,
    /// Stop the client, and ask for the verdict.
    End,
}

/// One run.
#[derive(Debug, Clone)]
pub struct Run {
    steady: Duration,
    inject_max: Duration,
    measured_for: Duration,
    stop: Stop,
    undo: Undo,
    measures: bool,
    phase: Phase,
    injected: Option<Duration>,
    last: Option<(Duration, Reading)>,
    lapses: Vec<Lapse>,
    aborted: Option<Aborted>,
}

impl Run {
    /// Begins one; the first orders with it.
    pub fn begin(plan: &Plan) -> (Run, Vec<Order>) {
        let measures = plan.through.is_some();
        let run = Run {
            steady: plan.steady,
            inject_max: match plan.kind == DrillKind::Restore {
                true => RESTORE_MAX,
                false => INJECT_MAX,
            },
            measured_for: plan.measured_for,
            stop: plan.stop,
            undo: plan.undo,
            measures,
            phase: Phase::Steady {
                since: Duration::ZERO,
            },
            injected: None,
            last: None,
            lapses: Vec::new(),
            aborted: None,
        };
        (
            run,
            if measures {
                vec![Order::Measure]
            } else {
                vec![]
            },
        )
    }

    /// How far it is.
    pub fn phase(&self) -> Phase {
        self.phase
    }

    /// What it proved; asked when it is done.
    pub fn verdict(&self, numbers: &Numbers, plan: &Plan) -> Verdict {
        if let Some(aborted) = &self.aborted {
            return Verdict::Aborted(aborted.clone());
        }
        let mut lapses = self.lapses.clone();
        let unmeasured = self.measures && numbers.requests == 0;
        if unmeasured && !lapses.contains(&Lapse::Unmeasured) {
            lapses.push(Lapse::Unmeasured);
        }
        judge(numbers, &plan.bounds, &lapses)
    }

    /// Takes an event; what must be done follows, in this order.
    pub fn on(&mut self, event: Event, now: Duration) -> Vec<Order> {
        if self.phase == Phase::Done {
            return vec![];
        }
        match event {
            Event::Abort { who } => self.abort(Aborted::By { who }, now),
            Event::Lock { who, why } => self.abort(Aborted::Locked { who, why }, now),
            Event::Reading(reading) => self.read(reading, now),
            Event::Tick => self.tick(now),
            Event::Injected => self.take_injected(now),
            Event::NotInjected { why } => match self.phase {
                // One that was silent for another reason says so as late as when it is undone.
                Phase::Injecting { .. } | Phase::Measuring { .. } | Phase::Undoing { .. } => {
                    self.abort(Aborted::NotInjected { why }, now)
                }
                Phase::Steady { .. } | Phase::Verifying { .. } | Phase::Done => vec![],
            },
            Event::Seen => match self.phase {
                Phase::Measuring { .. } => self.end_failure(now),
                Phase::Steady { .. }
                | Phase::Injecting { .. }
                | Phase::Undoing { .. }
                | Phase::Verifying { .. }
                | Phase::Done => vec![],
            },
            Event::Undone => self.take_undone(now),
        }
    }

    fn take_injected(&mut self, now: Duration) -> Vec<Order> {
        match self.phase {
            Phase::Injecting { .. } => self.phase = Phase::Measuring { since: now },
            // Told late: the undo that was ordered meanwhile is ordered again until it is
            // confirmed.
            Phase::Steady { .. }
            | Phase::Measuring { .. }
            | Phase::Undoing { .. }
            | Phase::Verifying { .. }
            | Phase::Done => {}
        }
        vec![]
    }

    fn take_undone(&mut self, now: Duration) -> Vec<Order> {
        match self.phase {
            // Its timer may have been first.
            Phase::Injecting { .. } | Phase::Measuring { .. } | Phase::Undoing { .. } => {
                self.phase = Phase::Verifying {
                    since: now,
                    well: now,
                };
            }
            Phase::Steady { .. } | Phase::Verifying { .. } | Phase::Done => {}
        }
        vec![]
    }

    /// Ends it without a verdict; what was found before counts more.
    fn abort(&mut self, why: Aborted, now: Duration) -> Vec<Order> {
        if self.aborted.is_none() && self.lapses.is_empty() {
            self.aborted = Some(why);
        }
        match self.phase {
            Phase::Steady { .. } | Phase::Verifying { .. } => self.finish(),
            Phase::Injecting { .. } | Phase::Measuring { .. } => self.end_failure(now),
            // Under way already.
            Phase::Undoing { .. } | Phase::Done => vec![],
        }
    }

    fn read(&mut self, reading: Reading, now: Duration) -> Vec<Order> {
        let before = self.last.map_or(0, |(_, last)| last.failed);
        self.last = Some((now, reading));
        let failed = reading.failed > before;
        match self.phase {
            Phase::Steady { .. } if failed => self.abort(Aborted::NotSteady, now),
            Phase::Injecting { .. } | Phase::Measuring { .. } if self.hurts(&reading) => {
                self.lapses.push(Lapse::Stopped);
                self.end_failure(now)
            }
            Phase::Verifying { since, .. } if failed => {
                self.phase = Phase::Verifying { since, well: now };
                vec![]
            }
            Phase::Steady { .. }
            | Phase::Injecting { .. }
            | Phase::Measuring { .. }
            | Phase::Undoing { .. }
            | Phase::Verifying { .. }
            | Phase::Done => vec![],
        }
    }

    /// The stop condition.
    fn hurts(&self, reading: &Reading) -> bool {
        let Stop {
            outage_ms,
            failed_permille,
        } = self.stop;
        reading.silent > Duration::from_millis(outage_ms)
            || (reading.requests >= RATE_AFTER && reading.failed_permille > failed_permille)
    }

    fn tick(&mut self, now: Duration) -> Vec<Order> {
        let passed = |since: Duration| now.saturating_sub(since);
        match self.phase {
            Phase::Steady { since } => match passed(since) >= self.steady {
                _ if self.is_deaf(since, now) => self.abort(Aborted::NotSteady, now),
                false => vec![],
                true => {
                    self.phase = Phase::Injecting { since: now };
                    self.injected = Some(now);
                    vec![Order::Inject]
                }
            },
            Phase::Injecting { since } if passed(since) >= self.inject_max => {
                let within = self.inject_max.as_secs();
                let why = format!("no confirmation within {within} s");
                self.abort(Aborted::NotInjected { why }, now)
            }
            Phase::Measuring { since } => {
                if self.is_deaf(since, now) {
                    self.lapses.push(Lapse::Unmeasured);
                    return self.end_failure(now);
                }
                match passed(since) >= self.measured_for {
                    true => self.end_failure(now),
                    false => vec![],
                }
            }
            Phase::Undoing { since, ordered } => self.wait_for_undo(since, ordered, now),
            Phase::Verifying { since, well } => {
                if passed(well) >= self.steady {
                    return self.finish();
                }
                if passed(since) >= VERIFY_MAX {
                    self.lapses.push(Lapse::Unsteady);
                    return self.finish();
                }
                vec![]
            }
            Phase::Injecting { .. } | Phase::Done => vec![],
        }
    }

    /// Whether the client says nothing any more.
    fn is_deaf(&self, since: Duration, now: Duration) -> bool {
        let last = self.last.map_or(since, |(at, _)| at.max(since));
        self.measures && now.saturating_sub(last) >= DEAF_AFTER
    }

    fn wait_for_undo(&mut self, since: Duration, ordered: Duration, now: Duration) -> Vec<Order> {
        let timer = Duration::from_millis(self.undo.timer_ms) + UNDO_GRACE;
        if now.saturating_sub(self.injected.unwrap_or(since)) >= timer {
            self.lapses.push(Lapse::NotUndone);
            self.phase = Phase::Verifying {
                since: now,
                well: now,
            };
            return vec![];
        }
        if now.saturating_sub(ordered) < UNDO_AGAIN {
            return vec![];
        }
        self.phase = Phase::Undoing {
            since,
            ordered: now,
        };
        vec![Order::Undo]
    }

    /// From here on nothing is made worse.
    fn end_failure(&mut self, now: Duration) -> Vec<Order> {
        if self.undo.holder == UndoHolder::Nobody {
            self.phase = Phase::Verifying {
                since: now,
                well: now,
            };
            return vec![];
        }
        self.phase = Phase::Undoing {
            since: now,
            ordered: now,
        };
        vec![Order::Undo]
    }

    fn finish(&mut self) -> Vec<Order> {
        self.phase = Phase::Done;
        vec![Order::End]
    }
}

/// An injection is one call to one node; whoever has not said so by then may be dead.
const INJECT_MAX: Duration = Duration::from_secs(5);

/// There the failure that is feared is the whole drill: a store is made and synced, on a slow disk.
const RESTORE_MAX: Duration = Duration::from_secs(60);

/// A client tells five times a second; three seconds of silence are no accident.
const DEAF_AFTER: Duration = Duration::from_secs(3);

/// An undo is asked for as often: harmless where it has happened.
const UNDO_AGAIN: Duration = Duration::from_secs(1);

/// How long after its timer an undo may be told: a killed daemon starts within it.
const UNDO_GRACE: Duration = Duration::from_secs(10);

/// How long all may take to be well again.
const VERIFY_MAX: Duration = Duration::from_secs(60);

/// A rate of fewer requests says nothing.
const RATE_AFTER: u64 = 100;
