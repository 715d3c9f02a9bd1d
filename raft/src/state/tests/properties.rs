//! Whatever is ordered, in whatever order: copies stay equal, refusals leave nothing behind, a
//! retry changes nothing twice, and every page has an id that follows from its subject.

use proptest::prelude::*;

use super::*;
use crate::state::drill::{DrillKind, DrillOrder, DrillRadius, RunId};

/// Any command, with names from a small world so that most of them meet something.
fn any_command() -> impl Strategy<Value = Command> {
    let server = (1..6u8).prop_map(|n| format!("s{n}"));
    let health = prop_oneof![Just(Health::Up), Just(Health::Down), Just(Health::Unknown)];
    let admin = prop_oneof![
        Just(AdminState::Ready),
        Just(AdminState::Drain),
        Just(AdminState::Maintenance)
    ];
    let authority = prop_oneof![
        (1..5u64, 0..4u64).prop_map(|(node, counter)| owner(node, counter)),
        (0..4u64, 1..5u64).prop_map(|(term, n)| Authority::Leader {
            term,
            node: NodeId(n)
        }),
    ];
    let changes = prop::collection::vec((server.clone(), health, 0..9u64), 0..5);
    prop_oneof![
        2 => any_token_command(),
        2 => (0..6u64, 0..6u8)
            .prop_map(|(base, servers)| configure(RevisionId(base), shop(servers))),
        1 => (0..3u64).prop_map(|base| configure(RevisionId(base), Config::default())),
        3 => (server, admin).prop_map(|(server, admin)| set_admin("shop", &server, admin)),
        8 => (authority, changes).prop_map(|(authority, changes)| {
            let change = |(server, health, at): (String, Health, u64)| {
                change("shop", &server, "web", health, "seen", START_MS + at * 10_000)
            };
            reported(authority, changes.into_iter().map(change).collect())
        }),
        3 => any_report(),
        3 => any_drill_command(),
        2 => (0..4u64, 0..3u64, 0..2u32, any::<bool>()).prop_map(any_record),
        1 => (0..4u128).prop_map(|page| Command::Acknowledge {
            taken: Taken::Pages([PageId(page)].into()),
            by: "ada".to_owned(),
        }),
        1 => (0..4u128).prop_map(|page| Command::Resolve {
            pages: [PageId(page)].into(),
            by: "ada".to_owned(),
            why: String::new(),
        }),
    ]
}

fn any_record((bundle, more, round, well): (u64, u64, u32, bool)) -> Command {
    let outcome = match well {
        true => DeliveryOutcome::Delivered,
        false => DeliveryOutcome::Failed("no".to_owned()),
    };
    Command::RecordDelivery(DeliveryRecord {
        contact: name("ops"),
        bundle,
        through: bundle + more,
        round,
        by: NodeId(1),
        tries: vec![ChannelTry {
            channel: ChannelKind::Mail,
            outcome,
        }],
        forlorn: false,
    })
}

fn any_drill_command() -> impl Strategy<Value = Command> {
    let order = |until: u64| DrillOrder {
        kind: DrillKind::OwnerCrash,
        target: None,
        outside: false,
        typed: None,
        bounds: None,
        by: "ada".to_owned(),
        scheduled: None,
        until: UnixMillis(START_MS + until),
    };
    let author = || Author("ada".to_owned());
    let run = || (0..4u64).prop_map(RunId);
    prop_oneof![
        2 => (0..60_000u64).prop_map(move |until| Command::BeginDrill(Box::new(order(until)))),
        2 => run().prop_map(|run| Command::DrillInjecting {
            run,
            radius: DrillRadius {
                nodes: [NodeId(1)].into(),
                vips: [name("front")].into(),
                members: [Parent::Server(name("shop"), name("s1"))].into(),
            },
        }),
        1 => run().prop_map(|run| Command::DrillUndone { run }),
        2 => run().prop_map(|run| Command::OpenDrillPage { run, contacts: [].into() }),
        1 => run().prop_map(|run| Command::AbortDrill { run, who: "ada".to_owned() }),
        1 => Just(Command::LockDrills { author: author(), why: "fair".to_owned() }),
        2 => Just(Command::UnlockDrills { author: author() }),
    ]
}

fn any_token_command() -> impl Strategy<Value = Command> {
    let node = (1..5u8).prop_map(|n| balancer(&format!("lb{n}"), n));
    prop_oneof![
        node.clone().prop_map(init),
        (0..4u8).prop_map(|n| Command::CreateToken(token(START_MS, [n; 32], NodeRole::Balancer))),
        (0..4u8, 0..2u8, node).prop_map(|(n, key, node)| Command::ClaimToken {
            hash: [n; 32],
            key: [key; 32],
            node,
        }),
        (0..5u64).prop_map(|n| Command::FinishJoin(NodeId(n))),
        (0..5u64).prop_map(|n| Command::RemoveNode {
            node: NodeId(n),
            lease_key: LeaseKey([7; 32]),
        }),
    ]
}

fn any_report() -> impl Strategy<Value = Command> {
    prop_oneof![
        (1..5u64, any::<bool>()).prop_map(|(node, reachable)| Command::ReportNode {
            node: NodeId(node),
            reachable,
            reason: "gone".to_owned(),
        }),
        (1..5u64, 0..9u64).prop_map(|(node, counter)| Command::ReportVip {
            vip: name("front"),
            ballot: Ballot {
                counter,
                node: NodeId(node)
            },
        }),
        (0..9u64, 0..9u64).prop_map(|(lost, regained)| Command::ReportQuorum {
            lost: UnixMillis(START_MS + lost),
            regained: UnixMillis(START_MS + regained),
            by: None,
        }),
    ]
}

/// Lets a command about the n-th page be about one that there is.
fn aimed(state: &State, mut command: Command) -> Command {
    let nth = |page: PageId| {
        let nth = usize::try_from(page.0).ok();
        let found = nth.and_then(|nth| state.pages.iter().nth(nth));
        found.map_or(page, |found| found.id)
    };
    if let Command::Acknowledge { taken, .. } = &mut command
        && let Taken::Pages(pages) = taken
    {
        *pages = pages.iter().copied().map(nth).collect();
    }
    if let Command::Resolve { pages, .. } = &mut command {
        *pages = pages.iter().copied().map(nth).collect();
    }
    command
}

/// Whatever is due waits in exactly the bundle that it says, and nothing else waits there.
pub(super) fn assert_bundles(state: &State) {
    let mut waiting = std::collections::BTreeSet::new();
    for due in state.due_messages() {
        assert!(!due.open.pages.is_empty(), "no message without a page");
        for sequence in &due.open.pages {
            let page = state.pages.at(*sequence).expect("it is remembered");
            let delivery = &page.deliveries[due.contact];
            assert_eq!(
                (delivery.bundle, delivery.round),
                (due.bundle, due.open.round)
            );
            assert!(waiting.insert((due.contact.clone(), *sequence)), "once");
        }
    }
    let due = state.pages.iter().flat_map(|page| {
        let due = page.deliveries.iter().filter(|(_, made)| made.is_due());
        due.map(|(contact, _)| (contact.clone(), page.sequence))
    });
    assert_eq!(due.collect::<std::collections::BTreeSet<_>>(), waiting);
}

/// What must hold after every step.
fn assert_sound(state: &State) {
    let cluster = state.cluster.as_ref().map(|cluster| cluster.id);
    for page in state.pages.iter() {
        let cluster = cluster.expect("pages are written by a cluster");
        assert_eq!(page.id, page_id(cluster, &page.subject, page.transition));
        assert_eq!(state.pages.get(&page.id), Some(page));
    }
    for (subject, id) in state.incidents.iter() {
        let page = state.pages.get(id).expect("open incidents keep their page");
        assert_eq!(
            (&page.subject, page.kind, page.over),
            (subject, PageKind::Down, None)
        );
    }
    assert_bundles(state);
    let open = state
        .pages
        .iter()
        .filter(|page| page.over.is_none())
        .count();
    assert_eq!(
        open,
        state.incidents.len(),
        "a Down page is over when its incident is"
    );
    assert!(
        state
            .health
            .keys()
            .all(|key| { state.config.target(key).is_some() })
    );
    assert!(state.nodes.keys().all(|id| *id <= state.last_node));
    assert_eq!(
        state.config.faults(&state.nodes),
        [],
        "whatever was applied is valid"
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn any_sequence_is_sound(commands in prop::collection::vec((any_command(), 0..2u64), 0..40)) {
        // `House::order` compares two copies, and what a refusal left behind.
        let mut house = House::full();
        for (command, terms) in commands {
            house.term += terms;
            let command = aimed(&house.state, command);
            let _ = house.order(command);
            assert_sound(&house.state);
        }
    }

    #[test]
    fn a_retry_changes_nothing_twice(commands in prop::collection::vec(any_command(), 1..20)) {
        let mut house = House::full();
        for command in commands {
            let answer = house.order(command.clone());
            let after = house.state.clone();
            let id = RequestId(house.requests);
            let retry = Proposal { id, at: UnixMillis(house.at), command };
            let again = house.state.apply(house.term, retry);
            prop_assert_eq!(again, answer);
            prop_assert_eq!(&after, &house.state);
        }
    }
}
