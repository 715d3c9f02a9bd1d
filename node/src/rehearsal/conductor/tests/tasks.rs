//! The conductor's task among others: who leads, what is recorded, and when it keeps out of it.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use farmux_raft::consensus::BoxFuture;
use farmux_raft::id::{NodeId, UnixMillis, VipName};
use tokio::sync::watch;

use super::super::places::Places;
use super::super::slate::{Lead, Paged, Slate};
use super::super::{Books, Desk, Entry, Hands, Tracks, conduct};
use super::*;
use crate::drill::{Aborted, DrillKind, DrillRecord, Plan, Refusal, RunId, Verdict};
use crate::rehearsal::{Answer, Tether, Word};

/// Nodes that obey at once.
#[derive(Default)]
struct Nodes {
    injected: AtomicU64,
    undone: Mutex<BTreeSet<NodeId>>,
}

impl Hands for Nodes {
    fn say(&self, to: NodeId, word: Word) -> BoxFuture<'static, Result<Answer, String>> {
        let answer = match word {
            Word::Measure { .. } | Word::Look { .. } => reading(0, 5),
            Word::Close { .. } => measured(),
            Word::Inject { .. } => {
                self.injected.fetch_add(1, Ordering::SeqCst);
                Answer::Injected
            }
            Word::Undo { .. } => {
                self.undone.lock().expect("no panic").insert(to);
                Answer::Undone
            }
            Word::Progress { .. } | Word::Track { .. } => Answer::Unknown,
        };
        Box::pin(async move { Ok(answer) })
    }

    fn pull(&self, _: NodeId, _: Tether) {}
}

/// Takes down what is recorded, and ends the run with it.
struct Log {
    slate: watch::Sender<Slate>,
    plan: Mutex<Result<(Plan, Places), Refusal>>,
    records: Mutex<Vec<DrillRecord>>,
    handed_over: AtomicU64,
    /// How often the conductor has looked what is agreed on.
    looks: AtomicU64,
}

impl Books for Log {
    fn me(&self) -> NodeId {
        NodeId(2)
    }

    fn slate(&self) -> Slate {
        self.looks.fetch_add(1, Ordering::SeqCst);
        self.slate.borrow().clone()
    }

    fn changed(&self) -> BoxFuture<'_, ()> {
        Box::pin(tokio::time::sleep(ms(5)))
    }

    fn nodes(&self) -> Vec<NodeId> {
        [1, 2, 3].map(NodeId).into()
    }

    fn now(&self) -> UnixMillis {
        UnixMillis(9_000)
    }

    fn plan(&self, _: &Running) -> BoxFuture<'_, Result<(Plan, Places), Refusal>> {
        let planned = self.plan.lock().expect("no panic").clone();
        Box::pin(async move { planned })
    }

    fn owner(&self, _: &VipName) -> Option<NodeName> {
        None
    }

    fn pages(&self, _: &Running) -> Paged {
        Paged::default()
    }

    fn book(&self, _: RunId, _: &Plan, _: Entry) -> BoxFuture<'static, Result<(), String>> {
        Box::pin(async { Ok(()) })
    }

    fn record(&self, record: DrillRecord) -> BoxFuture<'_, Result<(), String>> {
        self.records.lock().expect("no panic").push(record);
        self.slate.send_modify(|slate| slate.running = None);
        Box::pin(async { Ok(()) })
    }

    fn hand_over(&self, _: Option<NodeId>) -> BoxFuture<'_, Result<(), String>> {
        self.handed_over.fetch_add(1, Ordering::SeqCst);
        self.slate.send_modify(|slate| slate.lead = Lead::Elsewhere);
        Box::pin(async { Ok(()) })
    }

    fn begin_due(&self) -> BoxFuture<'_, ()> {
        Box::pin(async {})
    }
}

/// A conductor at work.
struct Stage {
    nodes: Arc<Nodes>,
    log: Arc<Log>,
    desk: Arc<Desk>,
    task: tokio::task::JoinHandle<()>,
    _data: tempfile::TempDir,
}

impl Drop for Stage {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Stage {
    fn new(first: Slate, plan: Result<(Plan, Places), Refusal>) -> Stage {
        let data = tempfile::tempdir().expect("a folder");
        let nodes = Arc::new(Nodes::default());
        let log = Arc::new(Log {
            slate: watch::Sender::new(first),
            plan: Mutex::new(plan),
            records: Mutex::default(),
            handed_over: AtomicU64::default(),
            looks: AtomicU64::default(),
        });
        let desk = Arc::new(Desk::new(Tracks::of(data.path())));
        let task = tokio::spawn(conduct(nodes.clone(), log.clone(), desk.clone()));
        Stage {
            nodes,
            log,
            desk,
            task,
            _data: data,
        }
    }

    async fn until(&self, what: &str, mut met: impl FnMut(&Stage) -> bool) {
        let end = Instant::now() + s(10);
        while !met(self) {
            assert!(Instant::now() < end, "in vain for {what}");
            tokio::time::sleep(ms(2)).await;
        }
    }

    /// Waits until the conductor has looked so many times more.
    async fn looked(&self, times: u64) {
        let looks = |stage: &Stage| stage.log.looks.load(Ordering::SeqCst);
        let end = looks(self) + times;
        self.until("a look", |stage| looks(stage) >= end).await;
    }

    /// The record, once there is one.
    async fn record(&self) -> DrillRecord {
        let none = |stage: &Stage| stage.log.records.lock().expect("no panic").is_empty();
        self.until("a record", |stage| !none(stage)).await;
        self.log.records.lock().expect("no panic")[0].clone()
    }

    /// A run that is to take less than a second has begun.
    async fn under_way() -> Stage {
        let stage = Stage::new(idle(), Ok(short()));
        stage.looked(1).await;
        stage.begin();
        stage
            .until("progress", |stage| stage.desk.progress(RUN).is_some())
            .await;
        stage
    }

    /// Who leads changes.
    fn lead(&self, lead: Lead) {
        self.log.slate.send_modify(|slate| slate.lead = lead);
    }

    fn begin(&self) {
        let running = slate(DrillKind::OwnerCrash).running;
        self.log.slate.send_modify(|slate| slate.running = running);
    }
}

/// A plan that is over within a second.
fn short() -> (Plan, Places) {
    let plan = Plan {
        steady: ms(200),
        measured_for: ms(100),
        ..crash()
    };
    (plan, at(&[OWNER]))
}

fn idle() -> Slate {
    Slate {
        running: None,
        ..slate(DrillKind::OwnerCrash)
    }
}

#[tokio::test]
async fn the_leader_conducts_what_was_begun() {
    let stage = Stage::under_way().await;
    let record = stage.record().await;
    assert_eq!(record.verdict, Verdict::Pass);
    assert_eq!(stage.nodes.injected.load(Ordering::SeqCst), 1);
    assert_eq!(stage.desk.progress(RUN), None, "it is over");
    let Answer::Track(track) = stage.desk.track_answer(RUN) else {
        panic!("its track is kept");
    };
    assert_eq!(track.marks().len(), 2);
}

#[tokio::test]
async fn what_is_refused_by_then_is_not_begun() {
    let why = vec!["s2 is down".to_owned()];
    let stage = Stage::new(idle(), Err(Refusal::NotHealthy(why)));
    stage.looked(1).await;
    stage.begin();
    let record = stage.record().await;
    let why = "the cluster is not healthy: s2 is down".to_owned();
    assert_eq!(record.verdict, Verdict::Aborted(Aborted::Refused { why }));
    assert_eq!(stage.nodes.injected.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn whoever_is_hit_itself_has_another_lead() {
    let (plan, mut places) = short();
    places.targets = BTreeSet::from([NodeId(2)]);
    let stage = Stage::new(idle(), Ok((plan, places)));
    stage.looked(1).await;
    stage.begin();
    stage
        .until("a hand-over", |stage| {
            stage.log.handed_over.load(Ordering::SeqCst) == 1
        })
        .await;
    assert!(stage.log.records.lock().expect("no panic").is_empty());
    // It comes back at once, and the run is young still.
    *stage.log.plan.lock().expect("no panic") = Ok(short());
    stage.lead(Lead::Here);
    assert_eq!(stage.record().await.verdict, Verdict::Pass);
}

#[tokio::test]
async fn a_run_of_somebody_who_is_gone_is_undone_everywhere() {
    let stage = Stage::new(slate(DrillKind::OwnerCrash), Ok(short()));
    let record = stage.record().await;
    assert_eq!(record.verdict, Verdict::Aborted(Aborted::LeaderLost));
    assert_eq!(record.ended, UnixMillis(9_000));
    let undone = stage.nodes.undone.lock().expect("no panic").clone();
    assert_eq!(undone, [1, 2, 3].map(NodeId).into());
    assert_eq!(stage.nodes.injected.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn whoever_leads_no_more_keeps_out_of_it() {
    let stage = Stage::under_way().await;
    stage.lead(Lead::Elsewhere);
    stage
        .until("its end", |stage| stage.desk.progress(RUN).is_none())
        .await;
    stage.looked(40).await;
    assert!(stage.log.records.lock().expect("no panic").is_empty());
    assert_eq!(stage.nodes.injected.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn without_a_leader_whoever_conducts_goes_on() {
    let stage = Stage::under_way().await;
    stage.lead(Lead::Nobody);
    assert_eq!(stage.record().await.verdict, Verdict::Pass);
}
