//! The reporter's task with a stand-in for the log.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::SystemTime;

use farmux_netplane::plan::{Advice, Health as Seen, ProbeKey};
use farmux_raft::id::NodeId;
use farmux_raft::state::{Health, Proposal};

use super::*;
use crate::pager::testing::{self, TERM};

const PATIENCE: Duration = Duration::from_secs(15);

/// Applies what is proposed, while it may.
struct Log {
    state: watch::Sender<Arc<State>>,
    open: Mutex<bool>,
}

impl Proposer for Log {
    fn confirm(&self) -> BoxFuture<'static, bool> {
        Box::pin(async { true })
    }

    fn propose(&self, proposal: Proposal) -> BoxFuture<'static, Answer> {
        if !*self.open.lock().expect("no panic") {
            return Box::pin(async { Err(NotDecided::Later("no leader".to_owned())) });
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

fn verdict(server: &str, health: Seen) -> Verdict {
    let key = ProbeKey::Server {
        farm: "shop".into(),
        server: server.into(),
        service: "web".into(),
    };
    let at = SystemTime::UNIX_EPOCH + Duration::from_secs(900);
    Verdict {
        key,
        health,
        reason: "connection refused".to_owned(),
        reached: true,
        at,
        advice: Advice::None,
        answers: None,
    }
}

async fn until(state: &watch::Sender<Arc<State>>, mut met: impl FnMut(&State) -> bool) {
    let end = Instant::now() + PATIENCE;
    while !met(&state.borrow()) {
        assert!(Instant::now() < end, "it never came about");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// First the log takes it; then it does not, and the page goes out by our own word, under the id
/// that the log gives it when it is back.
#[tokio::test]
async fn reported_when_it_can_be_and_paged_when_it_cannot() {
    let contacts = [("ops", testing::contact(&["ops@example.com"], 25))];
    let (sender, states) = watch::channel(Arc::new(testing::state(3, &contacts)));
    let log = Arc::new(Log {
        state: sender,
        open: Mutex::new(true),
    });
    let (verdicts, incoming) = mpsc::channel(10);
    let (local, mut pages) = mpsc::channel(10);
    let leads = |_: &State, _: &CheckKey| {
        Some(Authority::Leader {
            term: TERM,
            node: NodeId(1),
        })
    };
    let _reporter = Reporter::spawn(ReporterParts {
        state: states,
        verdicts: incoming,
        right: Box::new(leads),
        proposer: Arc::clone(&log) as Arc<dyn Proposer>,
        local,
    });
    let down = |server: &'static str| {
        move |state: &State| state.check_health(&testing::check(server)) == Health::Down
    };
    verdicts
        .send(verdict("s1", Seen::Down))
        .await
        .expect("it reads");
    until(&log.state, down("s1")).await;
    assert!(pages.try_recv().is_err(), "the log's page is the pager's");

    *log.open.lock().expect("no panic") = false;
    let begun = Instant::now();
    verdicts
        .send(verdict("s2", Seen::Down))
        .await
        .expect("it reads");
    let page = tokio::time::timeout(PATIENCE, pages.recv())
        .await
        .expect("in time");
    let page = page.expect("the reporter lives");
    assert!(
        begun.elapsed() >= Duration::from_secs(5),
        "not before five seconds"
    );
    assert_eq!(page.title, "shop/s2");
    assert_eq!(page.left, "2 of 4 up");

    *log.open.lock().expect("no panic") = true;
    until(&log.state, down("s2")).await;
    let ids: BTreeMap<_, _> = log
        .state
        .borrow()
        .pages
        .iter()
        .map(|page| (page.title.clone(), page.id))
        .collect();
    assert_eq!(ids.get("shop/s2"), Some(&page.id));
    assert!(pages.try_recv().is_err(), "said once");
}
