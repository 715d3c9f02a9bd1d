//! PURE. One run as its conductor carries it out: what the run orders becomes words to nodes, and
//! what they answer becomes its events.
//!
//! ```text
//!   tick(now, slate, seen) ──▶ Run ──orders──▶ Say: Measure, Look, Close ──▶ client
//!   heard(answer) ───────────▶  ▲                   Inject, Undo ─────────▶ targets
//!   booked(entry) ───────────▶  ▲              Book: Injecting, Undone ───▶ the log
//!                               └── Reading, Injected, Undone … ◀── their answers
//! ```
//!
//! Every deed is answered once; until then nothing else of its kind is done. The log knows of a
//! failure before there is one, so that every page of it is marked. Times are counted from the
//! beginning of the run.

mod client;
mod deed;
mod targets;

pub(crate) use deed::Entry;
pub(super) use deed::{Deed, Lane, Say};
pub(super) use targets::is_undone;

use std::time::Duration;

use farmux_raft::id::{NodeId, UnixMillis};
use farmux_raft::state::drill::Running;

use self::client::Client;
use self::deed::Bookings;
use self::targets::{News, Targets};
use super::places::Places;
use super::slate::{Seen, Slate};
use crate::api::types::{DrillPhase, DrillProgress};
use crate::drill::{
    Aborted, DrillKind, DrillRecord, Event, Lapse, Mark, Numbers, Order, Phase, Plan, Reading,
    Refusal, Run, Track, UndoHolder, Verdict,
};
use crate::rehearsal::{Answer, Word};

/// A run under way.
#[derive(Debug)]
pub(super) struct Course {
    begun: Running,
    plan: Plan,
    run: Run,
    track: Track,
    client: Option<Client>,
    targets: Targets,
    bookings: Bookings,
    seen: Seen,
    refused: bool,
    /// It is to be planned once more.
    replans: bool,
    places: Places,
    reading: Reading,
    phase_since: Duration,
    ending: Option<Duration>,
}

impl Course {
    /// Begins a run; the plan was made just now.
    pub(super) fn begin(begun: Running, mut plan: Plan, places: &Places) -> Course {
        plan.bounds = begun.order.bounds.unwrap_or(plan.bounds);
        let mut driven = plan.clone();
        if places.client.is_none() {
            // Whoever measures outside tells us nothing.
            driven.through = None;
        }
        let (run, orders) = Run::begin(&driven);
        let mut course = Course {
            begun,
            run,
            track: Track::default(),
            client: places.client.map(Client::new),
            targets: Targets::new(&places.targets, plan.injection.silences()),
            plan,
            bookings: Bookings::default(),
            seen: Seen::default(),
            refused: false,
            replans: false,
            places: places.clone(),
            reading: Reading::default(),
            phase_since: Duration::ZERO,
            ending: None,
        };
        course.obey(orders, Duration::ZERO);
        course
    }

    /// Time has passed, and the world looks so; what is to be done follows.
    pub(super) fn tick(&mut self, now: Duration, slate: &Slate, seen: Seen) -> Vec<Deed> {
        self.track.owned(now, seen.owner.clone());
        let known = self.seen.paged.opened.len();
        for title in seen.paged.opened.iter().skip(known) {
            self.track.mark(now, Mark::Page(title.clone()));
        }
        self.seen = seen;
        self.hear_no(slate, now);
        let news = self.targets.take_silence(now);
        self.take_news(news, now);
        if self.all_was_seen() {
            self.take(Event::Seen, now);
        }
        self.take(Event::Tick, now);
        let says = self.says(now).into_iter().map(Deed::Say);
        let pulls = self.targets.pulls(now).into_iter();
        let pulls = pulls.map(|(node, tether)| Deed::Pull(node, tether));
        let replans = std::mem::take(&mut self.replans).then_some(Deed::Plan);
        let books = self.bookings.due(now).map(Deed::Book);
        says.chain(pulls).chain(replans).chain(books).collect()
    }

    /// It was planned once more: only what is as it was is injected.
    pub(super) fn replanned(&mut self, now: Duration, again: Result<(Plan, Places), Refusal>) {
        let why = match again {
            Err(refusal) => refusal.to_string(),
            Ok((plan, places)) => {
                let same = plan.injection == self.plan.injection
                    && plan.radius == self.plan.radius
                    && places.targets == self.places.targets;
                if same {
                    self.targets
                        .is_announced()
                        .then(|| self.bookings.add(Entry::Injecting));
                    return;
                }
                "it is not as it was when it began".to_owned()
            }
        };
        self.take(Event::NotInjected { why }, now);
    }

    /// Somebody said no: once is enough, for what follows it is the run's affair.
    fn hear_no(&mut self, slate: &Slate, now: Duration) {
        if self.refused {
            return;
        }
        let running = slate.running.as_ref();
        let running = running.filter(|running| running.id == self.begun.id);
        let aborted = running.and_then(|running| running.aborted.clone());
        let event = match (&slate.lock, aborted) {
            (Some((who, why)), _) => Event::Lock {
                who: who.clone(),
                why: why.clone(),
            },
            (None, Some(who)) => Event::Abort { who },
            (None, None) => return,
        };
        self.refused = true;
        self.take(event, now);
    }

    /// Somebody called it off at this node, where the log may take no word.
    pub(super) fn called_off(&mut self, now: Duration, who: String) {
        if !std::mem::replace(&mut self.refused, true) {
            self.take(Event::Abort { who }, now);
        }
    }

    /// Whether nothing more need be waited for.
    fn all_was_seen(&self) -> bool {
        match self.plan.kind {
            DrillKind::PageTest => self.seen.paged.count.acknowledged > 0,
            DrillKind::Restore => true,
            DrillKind::VipMove
            | DrillKind::OwnerCrash
            | DrillKind::OwnerPause
            | DrillKind::NodeIsolate
            | DrillKind::GatewayLoss
            | DrillKind::ServerDown
            | DrillKind::ServerSlow
            | DrillKind::FileServerDown
            | DrillKind::QuorumLoss
            | DrillKind::DiskFull => false,
        }
    }

    /// What a node answered, or why it did not.
    pub(super) fn heard(
        &mut self,
        now: Duration,
        from: NodeId,
        lane: Lane,
        answer: Result<Answer, String>,
    ) {
        match lane {
            Lane::Measure => {
                let client = self.client.as_mut();
                if let Some(reading) = client.and_then(|client| client.heard(answer)) {
                    self.reading = reading;
                    self.take(Event::Reading(reading), now);
                }
            }
            Lane::Inject => {
                let news = self.targets.heard_inject(now, from, answer);
                self.take_news(news, now);
            }
            Lane::Undo => {
                let news = self.targets.heard_undo(from, &answer);
                self.take_news(news, now);
            }
        }
    }

    /// What became of an entry; one that was not written is written again.
    pub(super) fn booked(&mut self, entry: Entry, done: &Result<(), String>) {
        self.bookings.came(entry, done.is_ok());
        match (entry, done) {
            (Entry::Injecting, Ok(())) => self.targets.announced(),
            (Entry::Undone, Ok(())) => {}
            (Entry::Injecting | Entry::Undone, Err(why)) => {
                tracing::warn!(
                    run = self.begun.id.0,
                    why,
                    "the log does not take {entry:?} yet"
                );
            }
        }
    }

    fn take_news(&mut self, news: Option<News>, now: Duration) {
        match news {
            None => {}
            Some(News::Injected(at)) => {
                self.track.mark(at, Mark::Injected);
                self.take(Event::Injected, now);
            }
            Some(News::NotInjected(why)) => self.take(Event::NotInjected { why }, now),
            Some(News::Undone) => self.take_undone(now),
            Some(News::NeverWas(why)) => {
                self.take(Event::NotInjected { why }, now);
                self.take_undone(now);
            }
        }
    }

    fn take_undone(&mut self, now: Duration) {
        self.track.mark(now, Mark::Undone);
        self.bookings.add(Entry::Undone);
        self.take(Event::Undone, now);
    }

    fn take(&mut self, event: Event, now: Duration) {
        let before = std::mem::discriminant(&self.run.phase());
        let orders = self.run.on(event, now);
        if std::mem::discriminant(&self.run.phase()) != before {
            self.phase_since = now;
        }
        self.obey(orders, now);
    }

    fn obey(&mut self, orders: Vec<Order>, now: Duration) {
        for order in orders {
            match order {
                Order::Measure => self.client.iter_mut().for_each(Client::begin),
                Order::Inject => {
                    self.targets.announce();
                    self.replans = true;
                }
                Order::Undo => {
                    self.bookings.drop(Entry::Injecting);
                    self.targets.undo(now);
                }
                Order::End => self.ending = Some(now),
            }
        }
    }

    /// What is to be said now.
    fn says(&mut self, now: Duration) -> Vec<Say> {
        let run = self.begun.id;
        let inject = Word::Inject {
            run,
            injection: self.plan.injection.clone(),
            timer_ms: match self.plan.undo.holder {
                // Nothing has to be undone, and nobody may call it over before the run is.
                UndoHolder::Nobody => millis(self.plan.longest()),
                UndoHolder::Kernel | UndoHolder::Supervisor | UndoHolder::Daemon => {
                    self.plan.undo.timer_ms
                }
            },
        };
        let mut says = self.targets.says(now, &inject, &Word::Undo { run });
        let measure = || {
            Some(Word::Measure {
                run,
                url: self.plan.through.as_ref()?.url.clone(),
                // It stops by itself when nobody can be left to ask.
                for_ms: millis(self.plan.longest()),
            })
        };
        if let Some(client) = &mut self.client {
            let word = client.word(now, run, self.ending.is_some(), measure);
            says.extend(word.map(|word| Say {
                to: client.node,
                lane: Lane::Measure,
                word,
            }));
        }
        says
    }

    /// Whether it goes on although another node leads: it is what took the majority from this one,
    /// and whoever leads after it waits for the record.
    pub(super) fn outlives_its_lead(&self) -> bool {
        let ordered = !matches!(self.run.phase(), Phase::Steady { .. });
        self.plan.kind == DrillKind::QuorumLoss && ordered
    }

    /// Whether all is over that can be waited for.
    pub(super) fn is_over(&self, now: Duration) -> bool {
        let Some(since) = self.ending else {
            return false;
        };
        let closed = self.client.as_ref().is_none_or(Client::is_closed);
        closed || now.saturating_sub(since) >= CLOSE_MAX
    }

    /// What is kept of it for ever, and what happened over time.
    pub(super) fn end(mut self, ended: UnixMillis) -> (DrillRecord, Track) {
        let mut numbers = Numbers {
            // Nobody asked; that says nothing against it.
            answers_again: true,
            ..Numbers::default()
        };
        let unseen = self.client.is_none() && self.plan.kind.bounds().outage_ms > 0;
        if let Some((measured, series)) = self.client.and_then(Client::measured) {
            numbers = measured;
            self.track.set_series(&series);
        }
        numbers.pages = self.seen.paged.count;
        let verdict = self.run.verdict(&numbers, &self.plan);
        let unheard =
            self.plan.kind == DrillKind::PageTest && self.seen.paged.count.acknowledged == 0;
        let verdict = match verdict {
            Verdict::Pass if unheard => Verdict::Fail(vec![Lapse::Unacknowledged]),
            Verdict::Fail(mut lapses) if unheard => {
                lapses.push(Lapse::Unacknowledged);
                Verdict::Fail(lapses)
            }
            // What is about an outage and was seen by nobody is no proof.
            Verdict::Pass if unseen => Verdict::Aborted(Aborted::Unmeasured),
            verdict @ (Verdict::Pass | Verdict::Fail(_) | Verdict::Aborted(_)) => verdict,
        };
        let through = self.plan.through.as_ref();
        let record = DrillRecord {
            kind: self.plan.kind,
            target: self.plan.target.to_string(),
            injection: self.plan.injection.to_string(),
            revision: self.plan.revision,
            url: through.map_or_else(String::new, |through| through.url.clone()),
            client: through.and_then(|through| through.client.clone()),
            bounds: self.plan.bounds,
            verdict,
            numbers,
            ..self.begun.lost(ended)
        };
        (record.bounded(), self.track)
    }

    /// How far it is, for whoever follows.
    pub(super) fn progress(&self, now: Duration) -> DrillProgress {
        DrillProgress {
            run: self.begun.id.0,
            kind: self.plan.kind,
            target: self.plan.target.to_string(),
            injection: self.plan.injection.to_string(),
            phase: phase(self.run.phase()),
            phase_ms: millis(now.saturating_sub(self.phase_since)),
            elapsed_ms: millis(now),
            requests: self.reading.requests,
            failed: self.reading.failed,
            silent_ms: millis(self.reading.silent),
            longest_silent_ms: millis(self.reading.longest_silent),
            pages: self.seen.paged.count.sent,
        }
    }
}

fn phase(phase: Phase) -> DrillPhase {
    match phase {
        Phase::Steady { .. } => DrillPhase::Steady,
        Phase::Injecting { .. } => DrillPhase::Injecting,
        Phase::Measuring { .. } => DrillPhase::Measuring,
        Phase::Undoing { .. } => DrillPhase::Undoing,
        Phase::Verifying { .. } => DrillPhase::Verifying,
        Phase::Done => DrillPhase::Done,
    }
}

fn millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}

/// The last answer of the client, after which nothing is measured.
const CLOSE_MAX: Duration = Duration::from_secs(5);
