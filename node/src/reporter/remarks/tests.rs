//! What is said of checks that are not our own, and of who can be believed.

use std::sync::Mutex;

use farmux_netplane::plan::ProbeKey;
use farmux_raft::consensus::BoxFuture;
use farmux_raft::state::{Applied, Authority, Health, Proposal};

use super::*;
use crate::pager::NotDecided;
use crate::pager::testing::{self, TERM, apply, check};

const ME: NodeId = NodeId(1);

/// Three nodes that ask each other; lb1 leads.
fn asking() -> State {
    let mut state = testing::state(3, &[]);
    Arc::make_mut(&mut state.config).paging.second_opinion = true;
    state
}

fn suspicion(id: u64) -> Suspicion {
    Suspicion {
        id,
        failed: 3,
        total: 4,
        within: Duration::from_secs(1),
        sample: vec![key("s1"), key("s2")],
    }
}

fn key(server: &str) -> ProbeKey {
    ProbeKey::Server {
        farm: "shop".into(),
        server: server.into(),
        service: "web".into(),
    }
}

fn leader(_: &State, _: &CheckKey) -> Option<Authority> {
    Some(Authority::Leader {
        term: TERM,
        node: ME,
    })
}

fn nobody(_: &State, _: &CheckKey) -> Option<Authority> {
    None
}

/// What lb2 says of everything about which it is asked.
fn said_by_lb2(state: &State, found: Found) -> Command {
    let node = NodeId(2);
    let asked = state.asked_of(node).into_iter();
    let opinions = asked.map(|(check, answers)| Opinion {
        check: check.clone(),
        answers,
        found,
        reason: String::new(),
    });
    Command::GiveOpinions {
        node,
        opinions: opinions.collect(),
    }
}

#[test]
fn a_suspicion_is_told_until_the_state_shows_it_and_taken_back_when_it_is_over() {
    let mut state = asking();
    assert_eq!(word_of_nodes(&state, ME, None, &leader), None);
    let own = suspicion(7);
    let told = word_of_nodes(&state, ME, Some(&own), &leader).expect("it is news");
    let Command::Suspect { node, suspected } = &told else {
        panic!("{told:?}");
    };
    assert_eq!((*node, suspected.id, suspected.failed), (ME, 7, 3));
    assert_eq!(suspected.sample, [check("s1"), check("s2")]);
    apply(&mut state, told);
    assert_eq!(word_of_nodes(&state, ME, Some(&own), &leader), None);
    let newer = suspicion(8);
    assert!(word_of_nodes(&state, ME, Some(&newer), &leader).is_some());
    let over = word_of_nodes(&state, ME, None, &leader);
    assert_eq!(over, Some(Command::Trust { node: ME, by: ME }));
}

/// The path of lb1 is down: whoever has the right to its checks says so, and nobody else.
#[test]
fn who_probes_in_the_place_of_another_says_so() {
    let mut state = asking();
    let told = word_of_nodes(&state, ME, Some(&suspicion(7)), &leader).expect("news");
    apply(&mut state, told);
    let me = NodeId(2);
    let word = said_by_lb2(&state, Found::Well);
    apply(&mut state, word);
    assert_eq!(
        word_of_nodes(&state, me, None, &leader),
        None,
        "nothing is down"
    );
    testing::report(&mut state, "s1", Health::Down, "timeout", 5_000);
    assert_eq!(word_of_nodes(&state, me, None, &nobody), None);
    let takes = word_of_nodes(&state, me, None, &leader);
    assert_eq!(takes, Some(Command::Trust { node: ME, by: me }));
}

struct Log(Mutex<State>, watch::Sender<Arc<State>>);

impl Proposer for Log {
    fn confirm(&self) -> BoxFuture<'static, bool> {
        Box::pin(async { true })
    }

    fn propose(&self, proposal: Proposal) -> BoxFuture<'static, Result<Applied, NotDecided>> {
        let mut state = self.0.lock().expect("no panic");
        let answer = state.apply(TERM, proposal).map_err(NotDecided::Rejected);
        self.1.send_replace(Arc::new(state.clone()));
        Box::pin(async move { answer })
    }
}

/// From the question in the state to the page: two opinions, of which one is not wanted.
#[tokio::test]
async fn an_opinion_reaches_the_page_that_waits_for_it() {
    let mut state = asking();
    testing::report(&mut state, "s1", Health::Down, "timeout", 5_000);
    assert_eq!(state.pages.len(), 0);
    let number = *state.asked_of(NodeId(2)).get(&check("s1")).expect("asked");
    let (sender, states) = watch::channel(Arc::new(state.clone()));
    let mut shown = sender.subscribe();
    let (opinions, incoming) = mpsc::channel(9);
    let (_suspects, suspicion) = watch::channel(None);
    let _remarks = Remarks::spawn(RemarksParts {
        me: NodeId(2),
        state: states,
        opinions: incoming,
        suspicion,
        right: Box::new(nobody),
        proposer: Arc::new(Log(Mutex::new(state), sender)),
    });
    for server in ["s3", "s1"] {
        let opinion = probe::Opinion {
            key: key(server),
            answers: number,
            found: probe::Found::Well,
            reason: "connected".to_owned(),
        };
        opinions.send(opinion).await.expect("it reads");
    }
    let paged = shown.wait_for(|state| state.pages.len() == 1);
    let paged = tokio::time::timeout(Duration::from_secs(10), paged).await;
    let page = testing::newest(&paged.expect("in time").expect("it lives")).clone();
    assert_eq!(page.title, "shop/s1");
    assert!(page.cause.contains("lb2 does not"), "{}", page.cause);
}
