//! The conductor of runs: a task on every node that acts on the one that leads.
//!
//! ```text
//!   state ──slate──▶ duty (PURE) ─┬─ young: plan again ─▶ drive ─▶ course (PURE) ─says─▶ hands
//!                                 └─ its conductor is gone ─▶ rescue (PURE) ──────says─▶ hands
//!   books ◀── record; hand over the leadership, where the leader is the one who is hit
//!   desk  ◀── how far it is, what happened over time: for whoever asks (API, other nodes)
//! ```
//!
//! Lock and abort are seen in the state, so that they work through any node. What a node does when
//! it hears a word is not said here.

mod course;
mod desk;
mod ledger;
mod places;
mod rescue;
mod slate;
#[cfg(test)]
mod tests;
mod tracks;

pub(crate) use course::Entry;
pub(crate) use desk::Desk;
pub(crate) use ledger::{Ledger, say};
pub(crate) use places::Places;
pub(crate) use slate::{Lead, Paged, Seen, Slate};
pub(crate) use tracks::Tracks;

use std::sync::Arc;
use std::time::{Duration, Instant};

use farmux_raft::consensus::BoxFuture;
use farmux_raft::id::{NodeId, NodeName, UnixMillis, VipName};
use farmux_raft::state::drill::Running;
use tokio::task::JoinSet;
use tokio::time::MissedTickBehavior;

use self::course::{Course, Deed, Lane, Say};
use self::places::{successor, takes_the_leader};
use self::rescue::Rescue;
use self::slate::{Duty, Known, duty};
use super::{Answer, Tether, Word};
use crate::drill::{Aborted, DrillRecord, Plan, Refusal, RunId, Verdict};

/// Says words to nodes, this one among them.
pub(crate) trait Hands: Send + Sync + 'static {
    /// Says one; the answer comes within a second, or why there is none.
    fn say(&self, to: NodeId, word: Word) -> BoxFuture<'static, Result<Answer, String>>;

    /// Pulls a tether at a node; nobody knows whether that was felt.
    fn pull(&self, at: NodeId, tether: Tether);
}

/// What is agreed on, and having it changed.
pub(crate) trait Books: Send + Sync + 'static {
    /// Which node this is.
    fn me(&self) -> NodeId;

    /// What is agreed on now.
    fn slate(&self) -> Slate;

    /// Waits until that may be another.
    fn changed(&self) -> BoxFuture<'_, ()>;

    /// Every node of the cluster.
    fn nodes(&self) -> Vec<NodeId>;

    /// The wall clock.
    fn now(&self) -> UnixMillis;

    /// What a run would do now, and where.
    fn plan(&self, begun: &Running) -> BoxFuture<'_, Result<(Plan, Places), Refusal>>;

    /// Who owns a VIP, as far as this node knows.
    fn owner(&self, vip: &VipName) -> Option<NodeName>;

    /// The pages of a run.
    fn pages(&self, running: &Running) -> Paged;

    /// Tells the log of a run that lasts.
    fn book(&self, run: RunId, plan: &Plan, entry: Entry)
    -> BoxFuture<'static, Result<(), String>>;

    /// Has a run recorded, and with it ended.
    fn record(&self, record: DrillRecord) -> BoxFuture<'_, Result<(), String>>;

    /// Has another node lead: this one, where it matters.
    fn hand_over(&self, to: Option<NodeId>) -> BoxFuture<'_, Result<(), String>>;

    /// Begins what is due by schedule, if something is.
    fn begin_due(&self) -> BoxFuture<'_, ()>;
}

/// Runs for ever; acts only while this node leads.
pub(crate) async fn conduct(hands: Arc<dyn Hands>, books: Arc<dyn Books>, desk: Arc<Desk>) {
    let conductor = Conductor { hands, books, desk };
    let mut known: Option<(RunId, Option<Instant>)> = None;
    let mut looked = false;
    loop {
        let slate = conductor.books.slate();
        let id = slate.running.as_ref().map(|running| running.id);
        if known.map(|(id, _)| id) != id {
            known = id.map(|id| (id, looked.then(Instant::now)));
        }
        looked = true;
        let age = known.map(|(_, since)| match since {
            None => Known::Before,
            Some(since) => Known::For(since.elapsed()),
        });
        let lives = |running| slate::outlives(running, conductor.books.now());
        let lives = slate.running.as_ref().is_some_and(lives);
        match (duty(slate.lead, age, lives), slate.running) {
            (Duty::Conduct, Some(begun)) => conductor.begin(begun).await,
            (Duty::Rescue, Some(begun)) => conductor.rescue(begun).await,
            (Duty::None | Duty::Conduct | Duty::Rescue, None) if slate.lead == Lead::Here => {
                conductor.books.begin_due().await;
            }
            (Duty::None | Duty::Conduct | Duty::Rescue, _) => {}
        }
        conductor.books.changed().await;
    }
}

struct Conductor {
    hands: Arc<dyn Hands>,
    books: Arc<dyn Books>,
    desk: Arc<Desk>,
}

/// What came of a deed.
enum Came {
    /// Of something that was said, to whom, about what.
    Heard(NodeId, Lane, Result<Answer, String>),
    /// Of something that was written.
    Booked(Entry, Result<(), String>),
    /// Of planning again.
    Planned(Box<Result<(Plan, Places), Refusal>>),
}

impl Conductor {
    /// Plans again, for things may have changed since somebody consented, and conducts.
    async fn begin(&self, begun: Running) {
        let (plan, places) = match self.books.plan(&begun).await {
            Ok(planned) => planned,
            Err(refusal) => {
                let why = refusal.to_string();
                return self.give_up(begun, Aborted::Refused { why }).await;
            }
        };
        if takes_the_leader(&plan, &places, self.books.me()) {
            tracing::info!(
                run = begun.id.0,
                "the drill hits this node: another shall lead"
            );
            if let Err(why) = self.books.hand_over(successor(&plan, &places)).await {
                let why = format!("it hits the leader, and no other node leads: {why}");
                self.give_up(begun, Aborted::Refused { why }).await;
            }
            return;
        }
        let run = begun.id;
        tracing::info!(run = run.0, kind = %plan.kind, target = %plan.target, "a drill begins");
        let Some(course) = self.drive(begun, plan, &places).await else {
            tracing::warn!(run = run.0, "another node leads: it ends this drill");
            return;
        };
        let outlives = course.outlives_its_lead();
        let (record, track) = course.end(self.books.now());
        self.desk.keep(run, track).await;
        tracing::info!(
            run = run.0,
            verdict = record.verdict.word(),
            "a drill is over"
        );
        self.record(record, outlives).await;
    }

    /// Drives a run to its end; `None`: it is another's now.
    async fn drive(&self, begun: Running, plan: Plan, places: &Places) -> Option<Course> {
        let (run, began) = (begun.id, Instant::now());
        let running = begun.clone();
        let mut course = Course::begin(begun, plan.clone(), places);
        let mut said: JoinSet<Came> = JoinSet::new();
        let (mut seen, mut paged) = (Seen::default(), None::<Instant>);
        let mut ticks = tokio::time::interval(TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while !course.is_over(began.elapsed()) {
            tokio::select! {
                _ = ticks.tick() => {
                    let slate = self.books.slate();
                    let goes_on = match course.outlives_its_lead() {
                        true => is_running(&slate, run),
                        false => is_ours(&slate, run),
                    };
                    if !goes_on {
                        self.desk.show(None);
                        return None;
                    }
                    if let Some(who) = self.desk.called_off(run) {
                        course.called_off(began.elapsed(), who);
                    }
                    seen.owner = places.vip.as_ref().and_then(|vip| self.books.owner(vip));
                    if paged.is_none_or(|at| at.elapsed() >= PAGES_EVERY) {
                        seen.paged = self.books.pages(&running);
                        paged = Some(Instant::now());
                    }
                    let now = began.elapsed();
                    for deed in course.tick(now, &slate, seen.clone()) {
                        match deed {
                            Deed::Say(say) => self.say(&mut said, say),
                            Deed::Pull(node, tether) => self.hands.pull(node, tether),
                            Deed::Book(entry) => {
                                let booked = self.books.book(run, &plan, entry);
                                said.spawn(async move { Came::Booked(entry, booked.await) });
                            }
                            Deed::Plan => {
                                let (books, running) = (Arc::clone(&self.books), running.clone());
                                said.spawn(async move {
                                    Came::Planned(Box::new(books.plan(&running).await))
                                });
                            }
                        }
                    }
                    self.desk.show(Some(course.progress(now)));
                }
                Some(came) = said.join_next(), if !said.is_empty() => match came {
                    Ok(Came::Heard(from, lane, answer)) => {
                        course.heard(began.elapsed(), from, lane, answer);
                    }
                    Ok(Came::Booked(entry, done)) => course.booked(entry, &done),
                    Ok(Came::Planned(again)) => course.replanned(began.elapsed(), *again),
                    // A panic has ended the process already.
                    Err(_) => {}
                },
            }
        }
        self.desk.show(None);
        Some(course)
    }

    fn say(&self, said: &mut JoinSet<Came>, say: Say) {
        let Say { to, lane, word } = say;
        let answer = self.hands.say(to, word);
        said.spawn(async move { Came::Heard(to, lane, answer.await) });
    }

    /// Ends what another conductor began, and records that.
    async fn rescue(&self, begun: Running) {
        let run = begun.id;
        tracing::warn!(
            run = run.0,
            "whoever conducted this drill is gone: it is undone"
        );
        let mut rescue = Rescue::begin(begun, self.books.nodes());
        let began = Instant::now();
        let mut said: JoinSet<Came> = JoinSet::new();
        let mut ticks = tokio::time::interval(RESCUE_TICK);
        while !rescue.is_over(began.elapsed()) {
            tokio::select! {
                _ = ticks.tick() => {
                    if !is_ours(&self.books.slate(), run) {
                        return;
                    }
                    for say in rescue.tick(began.elapsed()) {
                        self.say(&mut said, say);
                    }
                }
                Some(came) = said.join_next(), if !said.is_empty() => {
                    if let Ok(Came::Heard(from, _, answer)) = came {
                        rescue.heard(from, &answer);
                    }
                }
            }
        }
        let record = rescue.end(self.books.now());
        self.record(record, false).await;
    }

    /// Records a run that was never driven.
    async fn give_up(&self, begun: Running, why: Aborted) {
        tracing::warn!(run = begun.id.0, %why, "a drill is not begun");
        let record = DrillRecord {
            verdict: Verdict::Aborted(why),
            ..begun.lost(self.books.now())
        };
        self.record(record.bounded(), false).await;
    }

    /// Until it is recorded, or another leads: that one records it as lost, unless it waits for us.
    async fn record(&self, record: DrillRecord, awaited: bool) {
        let is_due = |slate: &Slate| match awaited {
            true => is_running(slate, record.id),
            false => is_ours(slate, record.id),
        };
        while is_due(&self.books.slate()) {
            match self.books.record(record.clone()).await {
                Ok(()) => return,
                Err(why) => tracing::warn!(run = record.id.0, why, "a drill is not recorded yet"),
            }
            tokio::time::sleep(RECORD_AGAIN).await;
        }
    }
}

/// Whether a run is still this node's to conduct.
fn is_ours(slate: &Slate, run: RunId) -> bool {
    slate.lead != Lead::Elsewhere && is_running(slate, run)
}

fn is_running(slate: &Slate, run: RunId) -> bool {
    let running = slate.running.as_ref();
    running.is_some_and(|running| running.id == run)
}

/// Fine enough for the owner of a VIP in a picture with steps of 10 ms, and nobody feels it; a run
/// wants ten a second.
const TICK: Duration = Duration::from_millis(20);

/// There may be thousands to look through, and a page takes seconds to be sent.
const PAGES_EVERY: Duration = Duration::from_millis(200);

/// Nobody waits for it but the next drill.
const RESCUE_TICK: Duration = Duration::from_millis(100);

/// While no majority answers.
const RECORD_AGAIN: Duration = Duration::from_secs(1);
