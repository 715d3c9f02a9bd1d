//! Flapping: what goes down and comes back too often is one call, and then silence until it is
//! stable.
//!
//! ```text
//!   down, up, down, up …  more than `flap_changes` within `flap_within`   ──▶ page FLAPPING
//!   changes meanwhile                                                     ──▶ counted, not told
//!   none for `flap_within`, and it is up                                  ──▶ page UP
//!                              and it is down                             ──▶ page DOWN
//! ```
//! The incident of something that flaps stays open throughout. Majorities do not flap: what they
//! do is told whatever else happens. What a drill breaks is no change either: however often it is
//! rehearsed, the next real one is told.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::incident::Event;
use super::text::span_text;
use super::{PageKind, Paging, State, Subject};
use crate::id::{PageId, UnixMillis};

/// The newest changes of everything that changes, and what of it flaps.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Flaps(Arc<BTreeMap<Subject, Flap>>);

/// The newest changes of one thing.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
struct Flap {
    /// When; oldest first, no more than flapping takes.
    recent: VecDeque<UnixMillis>,
    /// What it changed to last.
    is_down: bool,
    /// Changes since it began to flap; `None`: it does not.
    flapping: Option<u64>,
}

/// What becomes of a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Course {
    /// It is told as ever.
    Told,
    /// With it flapping begins.
    Begins,
    /// It is counted, and nobody is told.
    Quiet,
}

impl Flap {
    /// Takes in a change.
    fn change(&mut self, is_down: bool, at: UnixMillis, paging: &Paging) -> Course {
        // A prober whose clock is behind changes nothing earlier than what is known.
        let at = self.recent.back().map_or(at, |last| at.max(*last));
        self.is_down = is_down;
        self.recent.push_back(at);
        let most = usize::try_from(paging.flap_changes.get()).unwrap_or(usize::MAX);
        let begin = at.0.saturating_sub(millis(paging.flap_within));
        while self.recent.len() > most + 1 || self.recent.front().is_some_and(|at| at.0 < begin) {
            self.recent.pop_front();
        }
        match &mut self.flapping {
            Some(changes) => {
                *changes += 1;
                Course::Quiet
            }
            None if self.recent.len() > most => {
                self.flapping = Some(u64::try_from(self.recent.len()).unwrap_or(u64::MAX));
                Course::Begins
            }
            None => Course::Told,
        }
    }

    /// When it is stable, if nothing happens until then.
    fn calm_at(&self, paging: &Paging) -> Option<UnixMillis> {
        self.flapping?;
        let last = self.recent.back()?;
        Some(UnixMillis(
            last.0.saturating_add(millis(paging.flap_within)),
        ))
    }
}

impl Flaps {
    /// Whether something flaps.
    pub fn is_flapping(&self, subject: &Subject) -> bool {
        self.0
            .get(subject)
            .is_some_and(|flap| flap.flapping.is_some())
    }

    /// What flaps.
    pub fn iter(&self) -> impl Iterator<Item = &Subject> {
        let flapping = self.0.iter().filter(|(_, flap)| flap.flapping.is_some());
        flapping.map(|(subject, _)| subject)
    }

    /// Forgets what is gone.
    pub(super) fn retain(&mut self, exists: impl Fn(&Subject) -> bool) {
        if self.0.keys().any(|subject| !exists(subject)) {
            Arc::make_mut(&mut self.0).retain(|subject, _| exists(subject));
        }
    }

    /// Whether something flaps, and was up when it changed last.
    fn is_up_meanwhile(&self, subject: &Subject) -> bool {
        let flap = self.0.get(subject);
        flap.is_some_and(|flap| flap.flapping.is_some() && !flap.is_down)
    }
}

impl State {
    /// The page that says that something is down; `None` when it is up, or flaps and is up just
    /// now.
    pub(super) fn told_down(&self, subject: &Subject) -> Option<PageId> {
        let open = self.incidents.get(subject).copied();
        open.filter(|_| !self.flaps.is_up_meanwhile(subject))
    }

    /// Takes in that something changed. True: somebody is told of it as ever; false: it flaps, and
    /// where it began to, that was told instead.
    pub(super) fn is_told(&mut self, subject: &Subject, is_down: bool, event: &Event) -> bool {
        // Trouble begins only when something happened again and again, and ends after a while.
        if matches!(
            subject,
            Subject::Quorum | Subject::Trouble(_) | Subject::Drill(_) | Subject::Rehearsal(_)
        ) {
            return true;
        }
        if self.is_rehearsed(subject, is_down, event.at) && !self.flaps.is_flapping(subject) {
            return true;
        }
        let paging = self.config.paging.clone();
        let flaps = Arc::make_mut(&mut self.flaps.0);
        let flap = flaps.entry(subject.clone()).or_default();
        match flap.change(is_down, event.at, &paging) {
            Course::Told => true,
            Course::Quiet => false,
            Course::Begins => {
                let first = flap.recent.front().copied().unwrap_or(event.at);
                let (changes, within) = (flap.recent.len(), event.at.0.saturating_sub(first.0));
                let now = if is_down { "down" } else { "up" };
                let said = match event.cause.is_empty() {
                    true => String::new(),
                    false => format!(": {}", event.cause),
                };
                let event = Event {
                    cause: format!(
                        "{changes} changes in {}; now {now}{said}",
                        span_text(within)
                    ),
                    evidence: vec![format!(
                        "quiet from here on, until it was stable for {}",
                        span_text(millis(paging.flap_within))
                    )],
                    ..event.clone()
                };
                self.write_incident(PageKind::Flapping, subject.clone(), event);
                false
            }
        }
    }

    /// Whether a change is a drill's doing: by its time, or because it ends what a drill began.
    fn is_rehearsed(&self, subject: &Subject, is_down: bool, at: UnixMillis) -> bool {
        let down = self.incidents.get(subject).filter(|_| !is_down);
        let ends = down
            .and_then(|id| self.pages.get(id))
            .map(|page| page.drill);
        ends.unwrap_or_else(|| self.drill_of(subject, at)).is_some()
    }

    /// Of what flapped and is stable by now: says how it ended. Says whether there was any.
    pub(super) fn end_flaps(&mut self, now: UnixMillis) -> bool {
        let paging = self.config.paging.clone();
        let calm = |flap: &Flap| flap.calm_at(&paging).is_some_and(|at| at <= now);
        let over = self.flaps.0.iter().filter(|(_, flap)| calm(flap));
        let over: Vec<(Subject, Flap)> = over
            .map(|(subject, flap)| (subject.clone(), flap.clone()))
            .collect();
        for (subject, flap) in &over {
            Arc::make_mut(&mut self.flaps.0).remove(subject);
            self.end_flap(subject, flap, now);
        }
        !over.is_empty()
    }

    fn end_flap(&mut self, subject: &Subject, flap: &Flap, now: UnixMillis) {
        // In maintenance since, or gone: there is nothing to tell.
        if !self.incidents.contains_key(subject) {
            return;
        }
        let last = flap.recent.back().copied().unwrap_or(now);
        let changes = flap.flapping.unwrap_or_default();
        let since = span_text(now.0.saturating_sub(last.0));
        let state = if flap.is_down { "down" } else { "up" };
        let event = Event {
            verdict: None,
            at: last,
            cause: format!("stable again: {state} for {since}, after {changes} changes"),
            left: String::new(),
            evidence: vec![],
        };
        match flap.is_down {
            true => self.write_incident(PageKind::Down, subject.clone(), event),
            false => self.notice_up(subject.clone(), event),
        }
    }

    /// When the next thing that flaps is stable, if nothing happens until then.
    pub(super) fn next_calm(&self) -> Option<UnixMillis> {
        let paging = &self.config.paging;
        let calm = self
            .flaps
            .0
            .values()
            .filter_map(|flap| flap.calm_at(paging));
        calm.min()
    }

    /// Something was ordered out, or is gone: its changes say nothing any more.
    pub(super) fn forget_flap(&mut self, subject: &Subject) {
        if self.flaps.0.contains_key(subject) {
            Arc::make_mut(&mut self.flaps.0).remove(subject);
        }
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Changes at these seconds; `T`old, `B`egins, `Q`uiet.
    #[test]
    fn too_many_changes_in_too_short_a_time() {
        for (seconds, wanted) in [
            (&[0, 60, 120, 180, 240][..], "TTTTT"),
            (&[0, 60, 120, 180, 240, 300], "TTTTTB"),
            (&[0, 60, 120, 180, 240, 300, 301], "TTTTTBQ"),
            // The first is too old when the sixth comes.
            (&[0, 200, 300, 400, 500, 601, 602], "TTTTTTB"),
            (&[0, 599, 1198, 1797, 2396, 2995, 3594], "TTTTTTT"),
            // A clock that goes back does not make room.
            (&[500, 400, 300, 200, 100, 0], "TTTTTB"),
        ] {
            let mut flap = Flap::default();
            let mut is_down = false;
            let courses = seconds.iter().map(|second| {
                is_down = !is_down;
                match flap.change(is_down, UnixMillis(second * 1_000), &Paging::default()) {
                    Course::Told => 'T',
                    Course::Begins => 'B',
                    Course::Quiet => 'Q',
                }
            });
            assert_eq!(courses.collect::<String>(), wanted, "{seconds:?}");
        }
    }
}
