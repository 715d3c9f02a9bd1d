//! The loop with stand-ins: a cluster that decides or does not, a courier that counts.

use std::time::Instant;

use farmux_raft::consensus::{Quorum, Role};
use farmux_raft::state::{ChannelKind, Health};

use self::bench::{Bench, bench, bench_of, leads, standing};
use super::*;
use crate::pager::testing::{self, TERM};

mod bench;

/// So many contacts, and s1 down.
fn down(contacts: usize) -> State {
    let named: Vec<(String, String)> = (0..contacts)
        .map(|n| (format!("c{n}"), format!("c{n}@example.com")))
        .collect();
    let contacts: Vec<_> = named
        .iter()
        .map(|(name, to)| (name.as_str(), testing::contact(&[to], 25)))
        .collect();
    let mut state = testing::state(3, &contacts);
    testing::report(
        &mut state,
        "s1",
        Health::Down,
        "connection refused",
        900_000,
    );
    state
}

/// That a contact was told what it is due first.
fn told(state: &State, contact: &str) -> Command {
    let contact = contact.parse().expect("a name");
    let due = state.due_messages().find(|due| *due.contact == contact);
    let due = due.expect("something is due");
    Command::RecordDelivery(DeliveryRecord {
        bundle: due.bundle,
        through: u64::MAX,
        round: due.open.round,
        by: NodeId(2),
        tries: vec![ChannelTry {
            channel: ChannelKind::Mail,
            outcome: DeliveryOutcome::Delivered,
        }],
        forlorn: false,
        contact,
    })
}

fn is_over(state: &State) -> bool {
    state.due_messages().all(|due| due.open.round > 0)
}

#[tokio::test]
async fn the_leader_sends_everything_once_and_records_it() {
    let mut state = down(20);
    Arc::make_mut(&mut state.config).paging.storm = Duration::ZERO;
    testing::report(
        &mut state,
        "s2",
        Health::Down,
        "connection refused",
        900_000,
    );
    let bench = bench(state, leads(), 0, DeliveryOutcome::Delivered);
    bench.until("all delivered", is_over).await;
    let carried = bench.carried();
    assert_eq!(carried.len(), 40);
    let each: BTreeSet<_> = carried.iter().collect();
    assert_eq!(each.len(), 40, "each page once to each contact");
    let flying = bench.post.flying.lock().expect("no panic");
    assert_eq!(flying.most_each, 1, "one at a time to each contact");
    assert!((2..=8).contains(&flying.most), "{} at once", flying.most);
}

/// **Source**: `vip-protocol.md`, section 9: a leader checks its quorum before it sends. One that
/// slept remembers a quorum, and asks.
#[tokio::test]
async fn a_leader_whose_majority_does_not_confirm_sends_nothing() {
    let bench = bench_of(down(2), leads(), 0, DeliveryOutcome::Delivered, Some(false));
    bench.until_confirmed(4).await;
    assert!(bench.carried().is_empty());
    bench.cluster.word.send_replace(Some(true));
    bench.until_carried(2).await;
}

/// What was confirmed is worth one look: a yes that nothing came of must not wait for hours, to be
/// taken for an answer by a process that slept meanwhile.
#[tokio::test]
async fn a_confirmation_is_not_kept() {
    let bench = bench_of(down(1), leads(), 0, DeliveryOutcome::Delivered, None);
    bench.until_confirmed(1).await;
    // It rests when the majority confirms, and leads again when that is long ago.
    bench
        .standing
        .send_replace(standing(Role::Candidate, Quorum::NotLeader, None));
    bench.until_idle().await;
    bench.cluster.word.send_replace(Some(true));
    bench.until_idle().await;
    bench.cluster.word.send_replace(Some(false));
    bench.standing.send_replace(leads());
    bench.until_confirmed(2).await;
    assert!(bench.carried().is_empty(), "nobody said that it leads");
}

/// What was sent stays sent: while no record is taken, only the record is tried again.
#[tokio::test]
async fn a_failed_record_sends_nothing_twice() {
    let bench = bench(down(1), leads(), 3, DeliveryOutcome::Delivered);
    bench.until("recorded", is_over).await;
    assert_eq!(bench.carried().len(), 1);
    assert_eq!(bench.cluster.asked.load(Ordering::SeqCst), 4);
}

/// A leader that is cut off believes in its majority for most of a second. It sent one mail after
/// the other, could have none of them recorded, and whoever led next repeated them all.
#[tokio::test]
async fn what_cannot_be_recorded_holds_up_what_comes_after_it() {
    let mut state = down(1);
    Arc::make_mut(&mut state.config).paging.storm = Duration::ZERO;
    for server in ["s2", "s3"] {
        testing::report(&mut state, server, Health::Down, "refused", 900_000);
    }
    let bench = bench(state, leads(), 3, DeliveryOutcome::Delivered);
    bench.until_carried(1).await;
    tokio::time::sleep(Duration::from_millis(700)).await;
    assert_eq!(bench.carried().len(), 1, "the record of the first is open");
    bench.until_carried(3).await;
}

#[tokio::test]
async fn a_new_leader_sends_exactly_what_is_due() {
    let mut state = down(3);
    // What happened in 1970 would have to be told again by now.
    Arc::make_mut(&mut state.config).paging.repeat = Duration::ZERO;
    let record = told(&state, "c1");
    testing::apply(&mut state, record);

    let follows = standing(Role::Follower, Quorum::NotLeader, Some(2));
    let bench = bench(state, follows, 0, DeliveryOutcome::Delivered);
    let lost = Quorum::Lost {
        since: Instant::now(),
    };
    bench
        .standing
        .send_replace(standing(Role::Leader, lost, None));
    tokio::time::sleep(Duration::from_millis(600)).await;
    assert!(
        bench.carried().is_empty(),
        "not its turn, then not sure of its majority"
    );

    bench.standing.send_replace(leads());
    bench.until("all delivered", is_over).await;
    let mut to: Vec<_> = bench.carried().into_iter().flat_map(|(_, to)| to).collect();
    to.sort();
    assert_eq!(to, ["c0@example.com", "c2@example.com"]);
}

#[tokio::test]
async fn a_failure_is_recorded_and_waits_for_its_back_off() {
    let failed = DeliveryOutcome::Failed("451 4.3.0 try later".to_owned());
    let bench = bench(down(1), leads(), 0, failed);
    let seen = |state: &State| {
        let due = state.due_messages().next().expect("it is due still");
        (due.open.failures, due.open.error.clone())
    };
    bench.until("recorded", |state| seen(state).0 == 1).await;
    assert_eq!(seen(&bench.cluster.state.borrow()).1, "451 4.3.0 try later");
    tokio::time::sleep(Duration::from_millis(700)).await;
    assert_eq!(bench.carried().len(), 1, "five seconds are not over");
}

/// Killed between the relay's `250` and the record: whoever comes next sends the same message
/// under the same id, so that the receiver folds the two.
#[tokio::test]
async fn what_was_sent_and_not_recorded_comes_again_under_the_same_id() {
    let mut state = down(1);
    // Two in one entry are one message; its id follows from both.
    testing::report(
        &mut state,
        "s2",
        Health::Down,
        "connection refused",
        900_000,
    );
    testing::report(
        &mut state,
        "s3",
        Health::Down,
        "connection refused",
        900_000,
    );
    let first = bench(state.clone(), leads(), u32::MAX, DeliveryOutcome::Delivered);
    let second = bench(state, leads(), 0, DeliveryOutcome::Delivered);
    second.until("all delivered", is_over).await;
    first.until_carried(2).await;
    let ids = |bench: &Bench| -> BTreeSet<String> {
        bench.carried().into_iter().map(|(id, _)| id).collect()
    };
    assert_eq!(ids(&first), ids(&second));
    let pages = |bench: &Bench| -> Vec<usize> {
        let carried = bench.post.carried.lock().expect("no panic");
        let pages = carried.iter().map(|errand| match &errand.call.said {
            Said::Pages { pages, .. } => pages.len(),
            Said::Test { .. } => 0,
        });
        pages.collect()
    };
    assert_eq!(
        pages(&second),
        [1, 2],
        "the first alone, then what was gathered"
    );
}

#[tokio::test]
async fn what_is_gathered_leaves_when_its_window_ends_and_carries_a_link() {
    let mut state = down(1);
    let storm = Duration::from_secs(3);
    Arc::make_mut(&mut state.config).paging.storm = storm;
    let (began, now) = (Instant::now(), wall_clock());
    for server in ["s2", "s3", "s4"] {
        let mut report = crate::daemon::proposal(testing::reported(server, Health::Down));
        report.at = now;
        state.apply(TERM, report).expect("a good report");
    }
    let bench = bench(state, leads(), 0, DeliveryOutcome::Delivered);
    bench.until("all delivered", is_over).await;
    assert!(began.elapsed() >= storm - Duration::from_millis(100));
    assert!(began.elapsed() < 2 * storm, "no second window");
    let carried = bench.post.carried.lock().expect("no panic");
    assert_eq!(carried.len(), 3, "s1; s2; then s3, s4 and their farm");
    for errand in carried.iter() {
        let links = &errand.call.links;
        assert_eq!(links.len(), 2, "this node's, and another's");
        assert!(
            links[0].starts_with("https://10.0.0.11:9443/ack/"),
            "{links:?}"
        );
    }
}

/// The first channel fails for one contact, and its relay is slow: the others do not wait.
#[tokio::test]
async fn a_message_that_fails_leaves_room_for_others() {
    let mut state = down(12);
    for contact in 0..6 {
        let contact = format!("c{contact}");
        let Command::RecordDelivery(mut record) = told(&state, &contact) else {
            panic!("a record");
        };
        record.tries[0].outcome = DeliveryOutcome::Failed("451 later".to_owned());
        testing::apply(&mut state, Command::RecordDelivery(record));
    }
    let bench = bench(state, leads(), 0, DeliveryOutcome::Delivered);
    bench.until_carried(12).await;
    let first: Vec<String> = bench.carried().into_iter().flat_map(|(_, to)| to).collect();
    let doubtful = |to: &&String| to.as_str() < "c6" && to.len() == "c0@example.com".len();
    let early = first.iter().take(6).filter(doubtful).count();
    assert!(early <= 4, "{first:?}");
}

/// A storm's entry beside ten thousand remembered pages, as the daemon applies it: on a state that
/// others still look at, so that nothing is changed in place. And what `look` costs afterwards.
#[test]
fn five_hundred_at_once_are_fast_beside_ten_thousand() {
    let mut state = down(3);
    let config = Arc::make_mut(&mut state.config);
    let shop = config.farms.get_mut("shop").expect("it is there");
    for n in 0..500_u16 {
        let [high, low] = n.to_be_bytes();
        let server = farmux_raft::state::Server::plain([10, 2, high, low].into());
        let name = format!("t{n}").parse().expect("a name");
        shop.servers.insert(name, server);
    }
    for n in 0..5_010 {
        let health = if n % 2 == 0 { Health::Up } else { Health::Down };
        // So many changes would be flapping.
        state.flaps = Default::default();
        testing::report(&mut state, "s1", health, "x", 1_000_000 + n);
        testing::report(&mut state, "s2", health, "x", 1_000_000 + n);
    }
    assert!(state.pages.len() >= 9_990, "{}", state.pages.len());
    let changes = |health| {
        let change = |n| testing::change(&format!("t{n}"), health, "x", 2_000_000);
        let changes = (0..500).map(change).collect();
        let authority = farmux_raft::state::Authority::Leader {
            term: TERM,
            node: NodeId(1),
        };
        Command::ReportHealth { authority, changes }
    };
    testing::apply(&mut state, changes(Health::Up));
    let before = state.clone();
    let began = Instant::now();
    testing::apply(&mut state, changes(Health::Down));
    let applied = began.elapsed();
    let began = Instant::now();
    let due = state.due_messages().filter(|due| due.is_due(wall_clock()));
    let due = due.count();
    let looked = began.elapsed();
    assert!(applied < Duration::from_secs(1), "{applied:?}");
    assert!(
        looked < Duration::from_millis(20),
        "{due} found in {looked:?}"
    );
    assert!(before.pages.len() <= state.pages.len());
}
