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

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use farmux_raft::id::{NodeId, UnixMillis};
use farmux_raft::state::drill::Running;

use super::places::{Places, silences};
use super::slate::{Seen, Slate};
use crate::api::types::{DrillPhase, DrillProgress};
use crate::drill::{
    DrillKind, DrillRecord, Event, Lapse, Mark, Numbers, Order, Phase, Plan, Reading, Run, Track,
    Verdict,
};
use crate::measure::tally::Series;
use crate::rehearsal::{Answer, Word};

/// Something to be said to a node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Say {
    /// To whom.
    pub(super) to: NodeId,
    /// What it is about.
    pub(super) lane: Lane,
    /// What.
    pub(super) word: Word,
}

/// What the conductor does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Deed {
    /// Something is said to a node.
    Say(Say),
    /// Something is written into the log.
    Book(Entry),
}

/// What the log is told of a run while it lasts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Entry {
    /// The failure is about to be made: pages within its radius are marked from here on.
    Injecting,
    /// It is over: they are not any more.
    Undone,
}

/// What a word is about: a node is asked one thing of each at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Lane {
    /// Measuring.
    Measure,
    /// Making the failure.
    Inject,
    /// Ending it.
    Undo,
}

/// A run under way.
#[derive(Debug)]
pub(super) struct Course {
    begun: Running,
    plan: Plan,
    run: Run,
    track: Track,
    client: Option<Client>,
    targets: BTreeMap<NodeId, Target>,
    hit: Hit,
    /// What is not answered yet.
    waiting: BTreeSet<(NodeId, Lane)>,
    /// What is to be booked, when it was tried last, and whether that is under way.
    books: Vec<Booking>,
    seen: Seen,
    refused: bool,
    reading: Reading,
    longest_silent: Duration,
    phase_since: Duration,
    ending: Option<Duration>,
}

/// Who measures, and how far that is.
#[derive(Debug)]
struct Client {
    node: NodeId,
    asked: Option<Duration>,
    state: Measuring,
}

#[derive(Debug)]
enum Measuring {
    /// It was not begun yet.
    Idle,
    /// It was told to begin.
    Begins,
    /// It goes on.
    Goes,
    /// It knows nothing of it any more: what it saw is lost.
    Lost,
    /// It is closed.
    Closed(Box<(Numbers, Series)>),
}

/// A node at which the failure is made.
#[derive(Debug, Default)]
struct Target {
    /// When the failure was asked for last.
    asked: Option<Duration>,
    /// When its end was.
    asked_to_end: Option<Duration>,
    /// When it said last that it is about to make it.
    began: Option<Duration>,
    injected: bool,
    undone: bool,
}

/// Something that the log does not know yet.
#[derive(Debug)]
struct Booking {
    entry: Entry,
    tried: Option<Duration>,
    under_way: bool,
}

/// What is said to the targets now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Hit {
    Nothing,
    /// It is to be injected when the log knows.
    Announced,
    Inject,
    Undo {
        ordered: Duration,
    },
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
        let client = places.client.map(|node| Client {
            node,
            asked: None,
            state: Measuring::Idle,
        });
        let targets = places.targets.iter();
        let mut course = Course {
            begun,
            plan,
            run,
            track: Track::default(),
            client,
            targets: targets.map(|node| (*node, Target::default())).collect(),
            hit: Hit::Nothing,
            waiting: BTreeSet::new(),
            books: Vec::new(),
            seen: Seen::default(),
            refused: false,
            reading: Reading::default(),
            longest_silent: Duration::ZERO,
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
        self.take_silence(now);
        if self.all_was_seen() {
            self.take(Event::Seen, now);
        }
        self.take(Event::Tick, now);
        let says = self.says(now).into_iter().map(Deed::Say);
        says.chain(self.books(now).map(Deed::Book)).collect()
    }

    /// What became of an entry; one that was not written is written again.
    pub(super) fn booked(&mut self, entry: Entry, done: &Result<(), String>) {
        if let Err(why) = done {
            tracing::warn!(
                run = self.begun.id.0,
                why,
                "the log does not take {entry:?} yet"
            );
        }
        let hit = done.is_ok() && entry == Entry::Injecting && self.hit == Hit::Announced;
        if hit {
            self.hit = Hit::Inject;
        }
        self.books.retain_mut(|booking| {
            if booking.entry == entry {
                booking.under_way = false;
            }
            booking.entry != entry || done.is_err()
        });
    }

    /// What is to be written now.
    fn books(&mut self, now: Duration) -> impl Iterator<Item = Entry> {
        let due = move |booking: &&mut Booking| {
            let tried = booking.tried;
            let due = tried.is_none_or(|tried| now.saturating_sub(tried) >= ASK_EVERY);
            due && !booking.under_way
        };
        self.books.iter_mut().filter(due).map(move |booking| {
            booking.tried = Some(now);
            booking.under_way = true;
            booking.entry
        })
    }

    fn book(&mut self, entry: Entry) {
        self.books.push(Booking {
            entry,
            tried: None,
            under_way: false,
        });
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

    /// A node that said it would silence itself, and is silent, has done it.
    fn take_silence(&mut self, now: Duration) {
        if self.hit != Hit::Inject || !silences(&self.plan.injection) {
            return;
        }
        let mut at = None;
        for target in self.targets.values_mut().filter(|target| !target.injected) {
            let silent = target
                .began
                .filter(|began| now.saturating_sub(*began) >= SILENT);
            target.injected = silent.is_some();
            at = at.max(silent);
        }
        if let Some(at) = at {
            self.all_injected(at, now);
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
        self.waiting.remove(&(from, lane));
        match lane {
            Lane::Measure => self.heard_client(now, answer),
            Lane::Inject if self.hit == Hit::Inject => self.heard_inject(now, from, answer),
            // It was called off meanwhile.
            Lane::Inject => {}
            Lane::Undo => self.heard_undo(now, from, answer),
        }
    }

    fn heard_client(&mut self, now: Duration, answer: Result<Answer, String>) {
        let Some(client) = &mut self.client else {
            return;
        };
        match answer {
            Ok(Answer::Reading {
                requests,
                failed,
                silent_ms,
                failed_permille,
            }) => {
                if matches!(client.state, Measuring::Idle | Measuring::Begins) {
                    client.state = Measuring::Goes;
                }
                let silent = Duration::from_millis(silent_ms);
                self.longest_silent = self.longest_silent.max(silent);
                self.reading = Reading {
                    requests,
                    failed,
                    silent,
                    failed_permille,
                };
                self.take(Event::Reading(self.reading), now);
            }
            Ok(Answer::Measured { numbers, series }) => {
                client.state = Measuring::Closed(Box::new((numbers, series)));
            }
            // Begun again it would have forgotten the failure.
            Ok(Answer::Unknown) => match client.state {
                Measuring::Goes => client.state = Measuring::Lost,
                Measuring::Begins => client.state = Measuring::Idle,
                Measuring::Idle | Measuring::Lost | Measuring::Closed(_) => {}
            },
            Ok(Answer::Failed { why }) | Err(why) => {
                tracing::debug!(run = self.begun.id.0, why, "the client does not answer");
            }
            Ok(
                Answer::Injecting
                | Answer::Injected
                | Answer::Undoing
                | Answer::Undone
                | Answer::Progress(_)
                | Answer::Track(_),
            ) => {}
        }
    }

    fn heard_inject(&mut self, now: Duration, from: NodeId, answer: Result<Answer, String>) {
        let Some(target) = self.targets.get_mut(&from) else {
            return;
        };
        match answer {
            Ok(Answer::Injecting) => target.began = Some(now),
            Ok(Answer::Injected) => {
                target.injected = true;
                self.all_injected(now, now);
            }
            Ok(Answer::Failed { why }) => self.take(Event::NotInjected { why }, now),
            Ok(
                Answer::Reading { .. }
                | Answer::Measured { .. }
                | Answer::Undoing
                | Answer::Undone
                | Answer::Progress(_)
                | Answer::Track(_)
                | Answer::Unknown,
            )
            | Err(_) => {}
        }
    }

    /// The last one was injected at `at`.
    fn all_injected(&mut self, at: Duration, now: Duration) {
        if self.targets.values().all(|target| target.injected) {
            self.hit = Hit::Nothing;
            self.track.mark(at, Mark::Injected);
            self.take(Event::Injected, now);
        }
    }

    fn heard_undo(&mut self, now: Duration, from: NodeId, answer: Result<Answer, String>) {
        match answer {
            // One that knows nothing of it has nothing left of it.
            Ok(Answer::Undone | Answer::Unknown) => {
                if let Some(target) = self.targets.get_mut(&from) {
                    target.undone = true;
                }
            }
            Ok(
                Answer::Undoing
                | Answer::Reading { .. }
                | Answer::Measured { .. }
                | Answer::Injecting
                | Answer::Injected
                | Answer::Failed { .. }
                | Answer::Progress(_)
                | Answer::Track(_),
            )
            | Err(_) => return,
        }
        let undone = self.targets.values().all(|target| target.undone);
        if undone && self.hit != Hit::Nothing {
            self.hit = Hit::Nothing;
            self.track.mark(now, Mark::Undone);
            self.book(Entry::Undone);
            self.take(Event::Undone, now);
        }
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
                Order::Measure => {
                    if let Some(client) = &mut self.client {
                        client.state = Measuring::Begins;
                    }
                }
                Order::Inject => {
                    self.hit = Hit::Announced;
                    self.book(Entry::Injecting);
                }
                Order::Undo => {
                    self.books
                        .retain(|booking| booking.entry != Entry::Injecting);
                    self.hit = Hit::Undo { ordered: now };
                }
                Order::End => self.ending = Some(now),
            }
        }
    }

    /// What is to be said now.
    fn says(&mut self, now: Duration) -> Vec<Say> {
        let mut says = Vec::new();
        says.extend(self.to_client(now));
        let due = |asked: Option<Duration>| {
            asked.is_none_or(|asked| now.saturating_sub(asked) >= ASK_EVERY)
        };
        let run = self.begun.id;
        for (node, target) in &mut self.targets {
            let (lane, word) = match self.hit {
                Hit::Inject if !target.injected && due(target.asked) => {
                    let injection = self.plan.injection.clone();
                    let timer_ms = self.plan.undo.timer_ms;
                    let word = Word::Inject {
                        run,
                        injection,
                        timer_ms,
                    };
                    (Lane::Inject, word)
                }
                // Once for every order: it is given again until it is confirmed.
                Hit::Undo { ordered } if !target.undone && target.asked_to_end < Some(ordered) => {
                    (Lane::Undo, Word::Undo { run })
                }
                Hit::Nothing | Hit::Announced | Hit::Inject | Hit::Undo { .. } => continue,
            };
            if self.waiting.insert((*node, lane)) {
                match lane {
                    Lane::Undo => target.asked_to_end = Some(now),
                    Lane::Inject | Lane::Measure => target.asked = Some(now),
                }
                let to = *node;
                says.push(Say { to, lane, word });
            }
        }
        says
    }

    fn to_client(&mut self, now: Duration) -> Option<Say> {
        let run = self.begun.id;
        let for_ms = millis(self.plan.longest());
        let client = self.client.as_mut()?;
        let word = match (&client.state, self.ending) {
            (Measuring::Idle | Measuring::Lost | Measuring::Closed(_), _) => return None,
            (Measuring::Begins | Measuring::Goes, Some(_)) => Word::Close { run },
            (Measuring::Begins, None) => Word::Measure {
                run,
                url: self.plan.through.as_ref()?.url.clone(),
                for_ms,
            },
            (Measuring::Goes, None) => Word::Look { run },
        };
        let last = client.asked;
        let due = last.is_none_or(|asked| now.saturating_sub(asked) >= LOOK_EVERY);
        if !due || !self.waiting.insert((client.node, Lane::Measure)) {
            return None;
        }
        client.asked = Some(now);
        Some(Say {
            to: client.node,
            lane: Lane::Measure,
            word,
        })
    }

    /// Whether all is over that can be waited for.
    pub(super) fn is_over(&self, now: Duration) -> bool {
        let Some(since) = self.ending else {
            return false;
        };
        let closed = self.client.as_ref().is_none_or(|client| {
            matches!(
                client.state,
                Measuring::Idle | Measuring::Lost | Measuring::Closed(_)
            )
        });
        closed || now.saturating_sub(since) >= CLOSE_MAX
    }

    /// What is kept of it for ever, and what happened over time.
    pub(super) fn end(mut self, ended: UnixMillis) -> (DrillRecord, Track) {
        let mut numbers = Numbers {
            // Nobody asked; that says nothing against it.
            answers_again: true,
            ..Numbers::default()
        };
        if let Some(Client {
            state: Measuring::Closed(closed),
            ..
        }) = self.client
        {
            let (measured, series) = *closed;
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
            longest_silent_ms: millis(self.longest_silent),
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

/// Five times a second, so that a stop condition is seen in time.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// A failure that is being made is asked for as often: a node that is about to be killed must be
/// heard before.
const ASK_EVERY: Duration = Duration::from_millis(200);

/// A node that answers does so within milliseconds; two questions that it does not answer are no
/// accident.
const SILENT: Duration = Duration::from_millis(500);

/// The last answer of the client, after which nothing is measured.
const CLOSE_MAX: Duration = Duration::from_secs(5);
