//! What is ordered of drills: begin, abort, record, lock, unlock.
//!
//! A run whose time is over without a record has lost its conductor; the next one writes down that
//! it did, and begins. So a dead conductor never blocks drills.

use super::{
    Aborted, DrillKind, DrillLock, DrillOrder, DrillRadius, DrillRecord, Harm, RunId, Running,
    Scheduled, Verdict, record,
};
use crate::id::UnixMillis;
use crate::state::incident::{Addressed, Event};
use crate::state::text::{REASON_CHARS_MAX, clean, plain};
use crate::state::{Applied, Author, Now, Reject, State, Subject};

impl State {
    /// Whether a drill may begin at `now`, as far as others are concerned.
    ///
    /// **Errors**: `DrillsLocked`, `DrillRunning`.
    pub fn may_begin_drill(&self, now: UnixMillis) -> Result<(), Reject> {
        if let Some(lock) = &self.drills.lock {
            return Err(Reject::DrillsLocked {
                by: lock.author.0.clone(),
                why: lock.why.clone(),
            });
        }
        match &self.drills.running {
            Some(running) if running.order.until > now => Err(Reject::DrillRunning {
                run: running.id,
                kind: running.order.kind,
            }),
            Some(_) | None => Ok(()),
        }
    }

    pub(in crate::state) fn begin_drill(
        &mut self,
        now: Now,
        mut order: DrillOrder,
    ) -> Result<Applied, Reject> {
        Author(order.by.clone()).check()?;
        let texts = [
            ("the target", order.target.as_ref(), record::TEXT_CHARS_MAX),
            (
                "the cluster's name",
                order.typed.as_ref(),
                record::NAME_CHARS_MAX,
            ),
        ];
        for (what, text, max) in texts {
            check_text(what, text.map_or("", String::as_str), 0, max)?;
        }
        self.may_begin_drill(now.at)?;
        if let Some(scheduled) = &order.scheduled {
            if self.is_settled(scheduled) {
                return Err(Reject::DrillSettled(scheduled.name.clone()));
            }
            self.settle(scheduled.clone());
        }
        self.lose_drill(now);
        let latest = now.at.0.saturating_add(LASTS_MAX_MS);
        order.until = UnixMillis(order.until.0.clamp(now.at.0, latest));
        let id = RunId(self.drills.last.0.saturating_add(1));
        self.drills.last = id;
        self.drills.running = Some(Running {
            id,
            order,
            began: now.at,
            revision: self.revision.0,
            aborted: None,
        });
        Ok(Applied::Drill(id))
    }

    /// Writes down that the run that is still there has nobody who conducts it.
    pub(in crate::state) fn lose_drill(&mut self, now: Now) {
        if let Some(lost) = self.drills.running.take() {
            self.end_drill(now, lost.lost(now.at));
        }
    }

    /// Whether a time of a schedule was begun or passed over; those of one that is gone were.
    fn is_settled(&self, scheduled: &Scheduled) -> bool {
        let newest = self.drills.settled.get(&scheduled.name);
        !self.config.drills.contains_key(&scheduled.name)
            || newest.is_some_and(|newest| *newest >= scheduled.due)
    }

    fn settle(&mut self, Scheduled { name, due }: Scheduled) {
        self.drills.settled.insert(name, due);
    }

    /// A time of a schedule at which nothing was begun.
    pub(in crate::state) fn skip_drill(
        &mut self,
        now: Now,
        scheduled: Scheduled,
        why: &str,
    ) -> Result<Applied, Reject> {
        if self.is_settled(&scheduled) {
            return Ok(Applied::Unchanged);
        }
        let why = clean(why, REASON_CHARS_MAX);
        let kind = self.config.drills.get(&scheduled.name);
        if let Some(kind) = kind.map(|drill| drill.kind).filter(|_| !why.is_empty()) {
            self.tell_schedule(now, kind, format!("refused: {why}"));
        }
        self.settle(scheduled);
        Ok(Applied::Done)
    }

    /// Nobody looks at what runs by itself at night: whoever is paged hears that it proved nothing.
    fn tell_schedule(&mut self, now: Now, kind: DrillKind, what: String) {
        let event = Event::plain(now.at, what);
        self.notice(Subject::Rehearsal(kind), event);
    }

    /// A promise was not kept: whoever is chosen for drills hears that, whoever ran it.
    fn tell_failure(&mut self, now: Now, record: &DrillRecord, what: String) {
        let subject = Subject::Rehearsal(record.kind);
        let drill = Some(record.id);
        let mut rungs = self.config.rungs_of(&subject, drill);
        rungs.retain(|rung| rung.step == 0);
        let event = Event::plain(now.at, what);
        self.notice_to(subject, event, Addressed { drill, rungs });
    }

    pub(in crate::state) fn abort_drill(
        &mut self,
        run: RunId,
        who: String,
    ) -> Result<Applied, Reject> {
        let who = Author(who);
        who.check()?;
        match &mut self.drills.running {
            Some(running) if running.id == run => match running.aborted {
                Some(_) => Ok(Applied::Unchanged),
                None => {
                    running.aborted = Some(who.0);
                    Ok(Applied::Done)
                }
            },
            Some(_) | None => self.known_drill(run),
        }
    }

    /// Nothing is left to do with a run that is over; one that never was is refused.
    pub(super) fn known_drill(&self, run: RunId) -> Result<Applied, Reject> {
        match self.drills.past.get(run) {
            Some(_) => Ok(Applied::Unchanged),
            None => Err(Reject::UnknownDrill(run)),
        }
    }

    pub(in crate::state) fn record_drill(
        &mut self,
        now: Now,
        record: DrillRecord,
    ) -> Result<Applied, Reject> {
        let running = self.drills.running.as_ref();
        if running.map(|running| running.id) != Some(record.id) {
            return self.known_drill(record.id);
        }
        self.drills.running = None;
        self.end_drill(now, record);
        Ok(Applied::Done)
    }

    fn end_drill(&mut self, now: Now, record: DrillRecord) {
        if let Some(harm) = &mut self.drills.harm
            && harm.run == record.id
        {
            harm.end(now.at);
        }
        self.forget_drill_page(record.id, now.at);
        let words = untold(&record.verdict);
        let words = words.map(|words| clean(&words, REASON_CHARS_MAX));
        match (words, record.scheduled, &record.verdict) {
            (Some(words), true, _) => self.tell_schedule(now, record.kind, words),
            (Some(words), false, Verdict::Fail(_)) => self.tell_failure(now, &record, words),
            // Whoever ran it by hand sees that it proved nothing.
            (Some(_), false, Verdict::Pass | Verdict::Aborted(_)) | (None, ..) => {}
        }
        self.drills.past.add(record);
    }

    pub(in crate::state) fn begin_harm(
        &mut self,
        now: Now,
        run: RunId,
        radius: DrillRadius,
    ) -> Result<Applied, Reject> {
        let running = self.drills.running.as_ref();
        let Some(running) = running.filter(|running| running.id == run) else {
            return self.known_drill(run);
        };
        if self.drills.harm.as_ref().map(|harm| harm.run) == Some(run) {
            return Ok(Applied::Unchanged);
        }
        let harm = Harm::new(running, radius.bounded(), now.at);
        self.drills.harm = Some(harm);
        Ok(Applied::Done)
    }

    pub(in crate::state) fn end_harm(&mut self, now: Now, run: RunId) -> Result<Applied, Reject> {
        match &mut self.drills.harm {
            Some(harm) if harm.run == run => Ok(match harm.end(now.at) {
                true => Applied::Done,
                false => Applied::Unchanged,
            }),
            Some(_) | None => self.known_drill(run),
        }
    }

    pub(in crate::state) fn lock_drills(
        &mut self,
        now: Now,
        author: Author,
        why: String,
    ) -> Result<Applied, Reject> {
        author.check()?;
        check_text("the reason", &why, 1, WHY_CHARS_MAX)?;
        // Whoever locked them first is asked whether they may go on.
        if self.drills.lock.is_some() {
            return Ok(Applied::Unchanged);
        }
        self.drills.lock = Some(DrillLock {
            author,
            why,
            since: now.at,
        });
        Ok(Applied::Done)
    }

    pub(in crate::state) fn unlock_drills(&mut self, author: &Author) -> Result<Applied, Reject> {
        author.check()?;
        Ok(match self.drills.lock.take() {
            Some(_) => Applied::Done,
            None => Applied::Unchanged,
        })
    }
}

/// What a schedule's run came to, where nobody knows of it who should.
fn untold(verdict: &Verdict) -> Option<String> {
    match verdict {
        Verdict::Pass | Verdict::Aborted(Aborted::By { .. } | Aborted::Locked { .. }) => None,
        Verdict::Fail(_) => Some(format!("FAILED: {}", verdict.reasons().join("; "))),
        Verdict::Aborted(
            why @ (Aborted::NotSteady
            | Aborted::NotInjected { .. }
            | Aborted::Refused { .. }
            | Aborted::LeaderLost
            | Aborted::Unmeasured),
        ) => Some(why.to_string()),
    }
}

fn check_text(what: &str, text: &str, min: usize, max: usize) -> Result<(), Reject> {
    plain(text, min, max).map_err(|_| Reject::BadText {
        what: what.to_owned(),
        min,
        max,
    })
}

/// A line of a terminal, twice; as for a pause.
const WHY_CHARS_MAX: usize = 200;

/// The longest drill waits a quarter of an hour for an acknowledgement. A run that says it needs
/// longer than this would block all others on the word of one clock.
const LASTS_MAX_MS: u64 = 2 * 3_600 * 1_000;
