//! Five thousand watches at once: nothing here may take time by the square of their number.

use std::collections::{BTreeMap, BTreeSet};
use std::num::{NonZeroU16, NonZeroU32};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use farmux_netplane::plan::{Advice, Health as Seen, ProbeKey};
use farmux_netplane::probe::Verdict;
use farmux_raft::id::{NodeId, WatchName};
use farmux_raft::state::{
    Authority, Check, CheckKey, CheckKind, Command, Health, NodeRole, Parent, State, Watch,
};

use super::book::Book;
use crate::pager::LocalPages;
use crate::pager::testing::{self, TERM, apply};
use crate::plan::{Standpoint, plan};

const WATCHES: usize = 5_000;

fn leader(_: &State, _: &CheckKey) -> Option<Authority> {
    Some(Authority::Leader {
        term: TERM,
        node: NodeId(1),
    })
}

fn name(number: usize) -> WatchName {
    format!("w{number}").parse().expect("a name")
}

/// Watches w0, w1, …, each of which depends on `parent`, if there is one.
fn state(parent: Option<usize>) -> State {
    let mut state = testing::state(1, &[]);
    let rule = Check {
        kind: CheckKind::Tcp,
        interval: Duration::from_secs(1),
        timeout: Duration::from_secs(1),
        fall: NonZeroU32::new(3).expect("not zero"),
        rise: NonZeroU32::new(2).expect("not zero"),
    };
    let config = Arc::make_mut(&mut state.config);
    for number in 0..WATCHES {
        let [.., high, low] = number.to_be_bytes();
        let parents = parent.filter(|parent| *parent != number);
        let watch = Watch {
            ladder: None,
            address: [10, 77, high, low].into(),
            port: NonZeroU16::new(80),
            labels: BTreeMap::new(),
            group: None,
            check: Some(rule.clone()),
            depends_on: parents
                .map(|parent| Parent::Watch(name(parent)))
                .into_iter()
                .collect(),
        };
        config.watches.insert(name(number), watch);
    }
    state
}

fn verdicts(health: Seen, at_s: u64) -> impl Iterator<Item = Verdict> {
    (0..WATCHES).map(move |number| Verdict {
        key: ProbeKey::Watch(name(number).shared()),
        health,
        advice: Advice::None,
        reached: true,
        reason: "connection refused".to_owned(),
        at: SystemTime::UNIX_EPOCH + Duration::from_secs(at_s),
        answers: None,
    })
}

/// Reports until the state lacks nothing; how many reports that took, and the slowest of them.
fn settle_all(book: &mut Book, state: &mut State) -> (usize, Duration) {
    let (mut reports, mut slowest) = (0, Duration::ZERO);
    loop {
        book.settle(state, &leader, Instant::now());
        let Some(report) = book.report(state, &leader) else {
            return (reports, slowest);
        };
        reports += 1;
        // As in a node, which published the last one.
        let _published = state.clone();
        let begun = Instant::now();
        apply(state, report);
        slowest = slowest.max(begun.elapsed());
    }
}

/// All go down while the log is gone, are paged by our own word, and looked at again and again:
/// by the square of their number this would take minutes.
#[test]
fn five_thousand_overdue_verdicts_are_no_work() {
    let mut state = state(None);
    let (mut book, mut pages) = (Book::default(), LocalPages::default());
    let start = Instant::now();
    for verdict in verdicts(Seen::Down, 900) {
        book.take(&verdict, start);
    }
    let late = start + Duration::from_secs(6);
    let mut said = BTreeSet::new();
    for _ in 0..60 {
        book.settle(&state, &leader, late);
        for local in pages.overdue(&state, &book.overdue(late), 100) {
            said.insert(local.page.title);
            book.owe(local.because);
        }
    }
    assert_eq!(said.len(), WATCHES, "each of them once");
    let (reports, _) = settle_all(&mut book, &mut state);
    assert_eq!(reports, WATCHES / 1_000);
    assert_eq!(state.incidents.len(), WATCHES);
}

/// Prints what each step takes; `cargo nextest run --release -p farmux-node --run-ignored only
/// -E 'test(what_five_thousand)' --no-capture`.
#[test]
#[ignore = "prints times, and asserts nothing about them"]
#[expect(clippy::print_stdout, reason = "that is what it is for")]
fn what_five_thousand_take() {
    for parent in [None, Some(0), Some(WATCHES - 1)] {
        let (mut state, mut book) = (state(parent), Book::default());
        for (step, health) in [(1, Seen::Up), (2, Seen::Down), (3, Seen::Up)] {
            let begun = Instant::now();
            for verdict in verdicts(health, step * 100) {
                book.take(&verdict, begun);
            }
            println!("parent {parent:?} {health:?}: take {:?}", begun.elapsed());
            let begun = Instant::now();
            book.settle(&state, &leader, begun);
            println!("  settle {:?}", begun.elapsed());
            let begun = Instant::now();
            let report = book.report(&state, &leader);
            println!("  report {:?} {}", begun.elapsed(), report.is_some());
            let begun = Instant::now();
            let (reports, slowest) = settle_all(&mut book, &mut state);
            println!(
                "  {reports} reports {:?}, slowest apply {slowest:?}",
                begun.elapsed()
            );
            let ours = BTreeMap::new();
            let (seen, interfaces) = (BTreeMap::new(), BTreeMap::new());
            let stand = Standpoint {
                me: NodeId(1),
                role: NodeRole::Balancer,
                held: &ours,
                seen: &seen,
                interfaces: &interfaces,
                leads: Some(TERM),
            };
            let begun = Instant::now();
            let planned = plan(&state, &stand);
            println!("  plan {:?} {}", begun.elapsed(), planned.probes.len());
            let down = state.config.watches.keys().filter(|watch| {
                state.check_health(&CheckKey::Watch((*watch).clone())) == Health::Down
            });
            println!(
                "  down {}, incidents {}",
                down.count(),
                state.incidents.len()
            );
            let end = state.holds.iter().map(|(_, hold)| hold.number).collect();
            let end = Command::EndHolds(end);
            let begun = Instant::now();
            let holds = state.holds.iter().count();
            apply(&mut state, end);
            println!("  {holds} holds end {:?}", begun.elapsed());
        }
    }
}
