//! A pager between a cluster that decides or does not, and a courier that counts.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::Instant;

use farmux_raft::consensus::{BoxFuture, Quorum, Role};
use farmux_raft::state::{Applied, Proposal};

use super::super::*;
use crate::pager::testing::{self, TERM};

/// No condition in here may take longer.
const PATIENCE: Duration = Duration::from_secs(10);

/// Applies what is proposed, except the first few times.
pub(super) struct Cluster {
    pub(super) state: watch::Sender<Arc<State>>,
    refuse: Mutex<u32>,
    pub(super) asked: AtomicU64,
    /// Whether a majority confirms; `None`: it does not answer yet.
    pub(super) word: watch::Sender<Option<bool>>,
    /// How often it was asked for that.
    confirms: AtomicU64,
}

impl Proposer for Cluster {
    fn confirm(&self) -> BoxFuture<'static, bool> {
        self.confirms.fetch_add(1, Ordering::SeqCst);
        let mut word = self.word.subscribe();
        Box::pin(async move {
            let word = word.wait_for(Option::is_some).await.ok();
            word.and_then(|word| *word).unwrap_or(false)
        })
    }

    fn propose(&self, proposal: Proposal) -> BoxFuture<'static, Result<Applied, NotDecided>> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        let mut refuse = self.refuse.lock().expect("no test panics with it");
        if *refuse > 0 {
            *refuse -= 1;
            return Box::pin(async { Err(NotDecided::Later("no quorum".to_owned())) });
        }
        let mut answer = Ok(Applied::Unchanged);
        self.state.send_modify(|state| {
            answer = Arc::make_mut(state)
                .apply(TERM, proposal)
                .map_err(NotDecided::Rejected);
        });
        Box::pin(async move { answer })
    }
}

/// Writes down what it carries; every attempt takes a moment.
pub(super) struct Post {
    outcome: DeliveryOutcome,
    pub(super) carried: Mutex<Vec<Errand>>,
    pub(super) flying: Mutex<Flying>,
}

#[derive(Default)]
pub(super) struct Flying {
    now: BTreeMap<Vec<String>, u32>,
    pub(super) most_each: u32,
    pub(super) most: u32,
}

impl Courier for Arc<Post> {
    fn deliver(&self, errand: Errand) -> BoxFuture<'static, Receipt> {
        let post = Arc::clone(self);
        Box::pin(async move {
            let to = testing::recipients(&errand);
            {
                let mut flying = post.flying.lock().expect("no panic");
                let each = flying.now.entry(to.clone()).or_default();
                *each += 1;
                let each = *each;
                flying.most_each = flying.most_each.max(each);
                flying.most = flying.most.max(flying.now.values().sum());
            }
            post.carried.lock().expect("no panic").push(errand);
            tokio::time::sleep(Duration::from_millis(20)).await;
            *post
                .flying
                .lock()
                .expect("no panic")
                .now
                .entry(to)
                .or_default() -= 1;
            testing::receipt(post.outcome.clone(), BTreeSet::new())
        })
    }
}

/// A pager with its cluster and its courier.
pub(super) struct Bench {
    pub(super) cluster: Arc<Cluster>,
    pub(super) post: Arc<Post>,
    pub(super) standing: watch::Sender<Standing>,
    _pager: Pager,
}

pub(super) fn standing(role: Role, quorum: Quorum, leader: Option<u64>) -> Standing {
    Standing {
        me: NodeId(1),
        term: TERM,
        role,
        leader: leader.map(NodeId),
        last_index: None,
        applied_index: None,
        snapshot_index: None,
        quorum,
        lag: BTreeMap::new(),
    }
}

pub(super) fn leads() -> Standing {
    standing(
        Role::Leader,
        Quorum::Fresh {
            since: Instant::now(),
        },
        Some(1),
    )
}

pub(super) fn bench(
    state: State,
    standing: Standing,
    refuse: u32,
    outcome: DeliveryOutcome,
) -> Bench {
    bench_of(state, standing, refuse, outcome, Some(true))
}

/// The same with another word of the majority.
pub(super) fn bench_of(
    state: State,
    standing: Standing,
    refuse: u32,
    outcome: DeliveryOutcome,
    word: Option<bool>,
) -> Bench {
    let (sender, states) = watch::channel(Arc::new(state));
    let (standing, standings) = watch::channel(standing);
    let (refuse, asked) = (Mutex::new(refuse), AtomicU64::new(0));
    let cluster = Arc::new(Cluster {
        state: sender,
        refuse,
        asked,
        word: watch::Sender::new(word),
        confirms: AtomicU64::new(0),
    });
    let post = Arc::new(Post {
        outcome,
        carried: Mutex::default(),
        flying: Mutex::default(),
    });
    let pager = Pager::spawn(PagerParts {
        me: NodeId(1),
        own: vec![],
        state: states,
        standing: standings,
        proposer: Arc::clone(&cluster) as Arc<dyn Proposer>,
        courier: Arc::new(Arc::clone(&post)),
    });
    Bench {
        cluster,
        post,
        standing,
        _pager: pager,
    }
}

impl Bench {
    pub(super) fn carried(&self) -> Vec<(String, Vec<String>)> {
        let carried = self.post.carried.lock().expect("no panic");
        carried
            .iter()
            .map(|errand| (errand.call.id.to_string(), testing::recipients(errand)))
            .collect()
    }

    /// Waits until a majority was asked so often more.
    pub(super) async fn until_confirmed(&self, more: u64) {
        let count = || self.cluster.confirms.load(Ordering::SeqCst);
        let (end, wanted) = (Instant::now() + PATIENCE, count() + more);
        while count() < wanted {
            assert!(Instant::now() < end, "never asked {more} times");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// Lets whoever can run, run: there is one thread.
    pub(super) async fn until_idle(&self) {
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
    }

    pub(super) async fn until_carried(&self, count: usize) {
        let end = Instant::now() + PATIENCE;
        while self.carried().len() < count {
            assert!(Instant::now() < end, "never carried {count}");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    pub(super) async fn until(&self, what: &str, mut met: impl FnMut(&State) -> bool) {
        let end = Instant::now() + PATIENCE;
        while !met(&self.cluster.state.borrow()) {
            assert!(Instant::now() < end, "never: {what}");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}
