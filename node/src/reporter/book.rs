//! PURE. What our probes saw, check by check, beside what the state says.
//!
//! A verdict stays until the state shows it, until a newer one takes its place, or until this node
//! may no longer report the farm. One that was paged by our own word is *owed*: the log must hear
//! of it before any newer one, so that its pages get the ids that we used. One that answers a
//! question (a page waits for it) is told although the state says the same, while it is asked. What
//! a server's own page asks for is told as well; nobody is ever paged for it.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::{Duration, Instant, SystemTime};

use farmux_netplane::plan::{Advice as Asked, Health as Seen, ProbeKey};
use farmux_netplane::probe::Verdict;
use farmux_raft::id::UnixMillis;
use farmux_raft::state::{
    Advice, Authority, CheckKey, Command, Health, HealthChange, State, is_probed,
};

/// By what right this node reports a check now, if by any.
type Right<'a> = &'a dyn Fn(&State, &CheckKey) -> Option<Authority>;

/// See the file's head.
#[derive(Debug, Default)]
pub(super) struct Book {
    entries: BTreeMap<CheckKey, Entry>,
    owed: Owed,
}

/// Paged by our own word and not in the log yet; oldest first.
#[derive(Debug, Default)]
struct Owed {
    changes: VecDeque<HealthChange>,
    /// How many there are of each check.
    count: BTreeMap<CheckKey, usize>,
}

impl Owed {
    fn push(&mut self, change: HealthChange) {
        *self.count.entry(change.check.clone()).or_insert(0) += 1;
        self.changes.push_back(change);
    }

    fn pop(&mut self) {
        let Some(change) = self.changes.pop_front() else {
            return;
        };
        if let Some(count) = self.count.get_mut(&change.check) {
            *count -= 1;
            if *count == 0 {
                self.count.remove(&change.check);
            }
        }
    }
}

#[derive(Debug)]
struct Entry {
    newest: HealthChange,
    /// Since when the state has lacked it.
    lacking: Option<Instant>,
    /// Whether the state lacks what the server asks for.
    advises: bool,
    /// The question that it answers and that is still open.
    answers: Option<u64>,
}

impl Entry {
    /// Whether there is anything to tell.
    fn is_open(&self) -> bool {
        self.lacking.is_some() || self.advises || self.answers.is_some()
    }

    /// What the log is told.
    fn change(&self) -> HealthChange {
        HealthChange {
            answers: self.answers.unwrap_or(0),
            ..self.newest.clone()
        }
    }
}

impl Book {
    /// The newest of each check counts; what is only said again has been so since it was said.
    pub(super) fn take(&mut self, verdict: &Verdict, now: Instant) {
        // Names that came from a plan are names; anything else would be our own mistake.
        let Some(newest) = change_of(verdict) else {
            return;
        };
        match self.entries.get_mut(&newest.check) {
            Some(entry) => {
                let said_again = entry.lacking.is_some() && entry.newest.health == newest.health;
                let at = if said_again {
                    entry.newest.at
                } else {
                    newest.at
                };
                entry.newest = HealthChange { at, ..newest };
                entry.lacking.get_or_insert(now);
                entry.answers = verdict.answers.or(entry.answers);
            }
            None => {
                let entry = Entry {
                    newest,
                    lacking: Some(now),
                    advises: false,
                    answers: verdict.answers,
                };
                self.entries.insert(entry.newest.check.clone(), entry);
            }
        }
    }

    /// Compares everything with the state.
    pub(super) fn settle(&mut self, state: &State, right: Right<'_>, now: Instant) {
        self.entries
            .retain(|key, _| right_to(state, key, right).is_some());
        while let Some(owed) = self.owed.changes.front()
            && (!self.entries.contains_key(&owed.check)
                || state.check_health(&owed.check) == owed.health)
        {
            self.owed.pop();
        }
        for (key, entry) in &mut self.entries {
            // Once the log has heard it, nobody waits for it any more; a newer question is not
            // answered by what was seen before it was asked.
            entry.answers = entry
                .answers
                .filter(|answers| state.is_waited_for(key, *answers));
            entry.advises = state.check_advice(key) != entry.newest.advice;
            let owed = self.owed.count.contains_key(key);
            if !owed && state.check_health(key) == entry.newest.health {
                entry.lacking = None;
            } else {
                entry.lacking.get_or_insert(now);
            }
        }
    }

    /// The next report: all that differs and may be reported by one and the same right; but first
    /// what is owed, in its order, so that the log makes the transitions that we paged.
    pub(super) fn report(&self, state: &State, right: Right<'_>) -> Option<Command> {
        let mut members = BTreeSet::new();
        let each_once = |owed: &&HealthChange| members.insert(owed.check.member());
        let owed = self.owed.changes.iter().take_while(each_once).cloned();
        let mut owed = owed.peekable();
        let open = self.entries.values().filter(|entry| entry.is_open());
        let open = open.map(Entry::change);
        match owed.peek().is_some() {
            true => one_report(owed, state, right),
            false => one_report(open, state, right),
        }
    }

    /// Verdicts that the state has lacked for too long.
    pub(super) fn overdue(&self, now: Instant) -> Vec<HealthChange> {
        let late = |entry: &&Entry| {
            entry
                .lacking
                .is_some_and(|since| now.saturating_duration_since(since) >= OVERDUE_AFTER)
        };
        self.entries
            .values()
            .filter(late)
            .map(|entry| entry.newest.clone())
            .collect()
    }

    /// This one was paged by our own word.
    pub(super) fn owe(&mut self, change: HealthChange) {
        if self.owed.changes.len() < OWED_MAX {
            self.owed.push(HealthChange {
                paged: true,
                ..change
            });
        }
    }

    /// Whether the state lacks anything.
    pub(super) fn is_open(&self) -> bool {
        self.entries.values().any(Entry::is_open)
    }
}

/// The first of these that may be reported by one and the same right.
fn one_report(
    candidates: impl Iterator<Item = HealthChange>,
    state: &State,
    right: Right<'_>,
) -> Option<Command> {
    let mut by: Option<Authority> = None;
    let allowed = candidates.filter(|change| {
        right_to(state, &change.check, right)
            .is_some_and(|authority| *by.get_or_insert(authority) == authority)
    });
    let changes = allowed.take(CHANGES_MAX).collect();
    by.map(|authority| Command::ReportHealth { authority, changes })
}

/// By what right we report a check that is there and not suspended.
fn right_to(state: &State, key: &CheckKey, right: Right<'_>) -> Option<Authority> {
    is_probed(&state.config, key)
        .then(|| right(state, key))
        .flatten()
}

/// The log's name for a check of the wire's; `None`: no name of a check.
pub(super) fn check_key(key: &ProbeKey) -> Option<CheckKey> {
    Some(match key {
        ProbeKey::Server {
            farm,
            server,
            service,
        } => CheckKey::Server {
            farm: farm.parse().ok()?,
            server: server.parse().ok()?,
            service: service.parse().ok()?,
        },
        ProbeKey::Watch(watch) => CheckKey::Watch(watch.parse().ok()?),
    })
}

fn change_of(verdict: &Verdict) -> Option<HealthChange> {
    let check = check_key(&verdict.key)?;
    let health = match verdict.health {
        Seen::Unknown => Health::Unknown,
        Seen::Up => Health::Up,
        Seen::Down => Health::Down,
    };
    let advice = match verdict.advice {
        Asked::None => Advice::None,
        Asked::Overload => Advice::Overload,
        Asked::Quiesce => Advice::Quiesce,
        Asked::Weight(weight) => Advice::Weight(weight),
    };
    let at = verdict
        .at
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default();
    let at = UnixMillis(u64::try_from(at.as_millis()).unwrap_or(u64::MAX));
    Some(HealthChange {
        check,
        health,
        reason: verdict.reason.clone(),
        at,
        advice,
        answers: 0,
        reached: verdict.reached,
        paged: false,
    })
}

/// **Source**: `vip-protocol.md`, section 9: "uncommitted for 5 s, the owner pages itself".
const OVERDUE_AFTER: Duration = Duration::from_secs(5);

/// Changes of one report; the state takes no more.
const CHANGES_MAX: usize = 1_000;

/// Pages by our own word while no majority answers: each of a large site's servers once. Whoever
/// sends more has lost its log for so long that folding repeats is the least of its worries.
const OWED_MAX: usize = 5_000;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pager::testing::{self, TERM, apply, check};
    use farmux_raft::id::{Ballot, NodeId};

    fn owner(_: &State, _: &CheckKey) -> Option<Authority> {
        Some(Authority::Owner(Ballot {
            counter: 1,
            node: NodeId(1),
        }))
    }

    fn leader(_: &State, _: &CheckKey) -> Option<Authority> {
        Some(Authority::Leader {
            term: TERM,
            node: NodeId(1),
        })
    }

    fn verdict(server: &str, health: Seen, at_ms: u64) -> Verdict {
        let key = ProbeKey::Server {
            farm: "shop".into(),
            server: server.into(),
            service: "web".into(),
        };
        let at = SystemTime::UNIX_EPOCH + Duration::from_millis(at_ms);
        Verdict {
            key,
            health,
            reason: "because".to_owned(),
            reached: true,
            at,
            advice: Asked::None,
            answers: None,
        }
    }

    fn reported(command: Option<Command>) -> Vec<(CheckKey, Health)> {
        match command {
            Some(Command::ReportHealth { changes, .. }) => changes
                .into_iter()
                .map(|change| (change.check, change.health))
                .collect(),
            Some(other) => panic!("not a report: {other:?}"),
            None => vec![],
        }
    }

    #[test]
    fn the_newest_that_differs_is_reported_until_the_state_shows_it() {
        let mut state = testing::state(3, &[]);
        let (mut book, now) = (Book::default(), Instant::now());
        book.take(&verdict("s1", Seen::Up, 5_000), now);
        book.take(&verdict("s2", Seen::Up, 5_000), now);
        book.take(&verdict("s2", Seen::Down, 6_000), now);
        book.settle(&state, &leader, now);
        let report = book.report(&state, &leader);
        assert_eq!(reported(report.clone()), [(check("s2"), Health::Down)]);
        assert!(book.is_open());
        apply(&mut state, report.expect("a report"));
        book.settle(&state, &leader, now);
        assert_eq!(book.report(&state, &leader), None);
        assert!(!book.is_open());

        // Whatever makes the state differ again: our word stands until there is a newer one.
        testing::report(&mut state, "s2", Health::Up, "elsewhere", 7_000);
        book.settle(&state, &leader, now);
        assert_eq!(
            reported(book.report(&state, &leader)),
            [(check("s2"), Health::Down)]
        );
    }

    #[test]
    fn what_is_said_again_has_been_so_since_it_was_said_first() {
        let state = testing::state(3, &[]);
        let (mut book, now) = (Book::default(), Instant::now());
        let since = |book: &Book| match book.report(&state, &leader) {
            Some(Command::ReportHealth { changes, .. }) => changes[0].at,
            Some(other) => panic!("not a report: {other:?}"),
            None => panic!("nothing to report"),
        };
        book.take(&verdict("s2", Seen::Down, 6_000), now);
        book.take(&verdict("s2", Seen::Down, 16_000), now);
        assert_eq!(since(&book), UnixMillis(6_000));
        book.take(&verdict("s2", Seen::Up, 17_000), now);
        book.take(&verdict("s2", Seen::Down, 18_000), now);
        assert_eq!(since(&book), UnixMillis(18_000), "down anew");
    }

    /// `s1` fails, and `s2` of the same address is asked: its answer is told although it is no
    /// news, and told once.
    #[test]
    fn an_answer_is_told_once_though_it_is_no_news() {
        let mut state = testing::state(3, &[]);
        let config = std::sync::Arc::make_mut(&mut state.config);
        let farm = config.farms.values_mut().next().expect("one farm");
        let address = farm.servers.values().next().expect("s1").address;
        for server in farm.servers.values_mut().take(2) {
            server.address = address;
        }
        let (mut book, now) = (Book::default(), Instant::now());
        testing::report(&mut state, "s1", Health::Down, "no route", 5_000);
        let question = *state.questions().get(&check("s2")).expect("it is asked");

        let mut answer = verdict("s2", Seen::Up, 6_000);
        book.take(&answer, now);
        book.settle(&state, &leader, now);
        assert_eq!(book.report(&state, &leader), None, "it answers nobody");

        answer.answers = Some(question);
        book.take(&answer, now);
        book.settle(&state, &leader, now);
        assert!(book.is_open());
        assert_eq!(
            book.overdue(now + OVERDUE_AFTER * 2),
            [],
            "no page by our own word"
        );
        let report = book.report(&state, &leader).expect("a report");
        assert_eq!(reported(Some(report.clone())), [(check("s2"), Health::Up)]);
        apply(&mut state, report);
        assert_eq!(
            testing::newest(&state).title,
            "shop/s1",
            "its page waited for it"
        );
        book.settle(&state, &leader, now);
        assert_eq!(book.report(&state, &leader), None);
        assert!(!book.is_open());
    }

    /// A page that says something else is told until the state has it, and never paged.
    #[test]
    fn advice_alone_is_told_and_never_overdue() {
        let mut state = testing::state(3, &[]);
        let (mut book, now) = (Book::default(), Instant::now());
        let mut asked = verdict("s1", Seen::Up, 5_000);
        book.take(&asked, now);
        book.settle(&state, &leader, now);
        assert_eq!(book.report(&state, &leader), None, "it is up already");
        for advice in [Asked::Quiesce, Asked::Overload, Asked::None] {
            asked.advice = advice;
            book.take(&asked, now);
            book.settle(&state, &leader, now);
            assert!(book.is_open());
            assert_eq!(book.overdue(now + OVERDUE_AFTER * 2), []);
            let report = book.report(&state, &leader).expect("a report");
            assert_eq!(reported(Some(report.clone())), [(check("s1"), Health::Up)]);
            apply(&mut state, report);
            let record = &state.health[&check("s1")];
            assert_eq!(Some(record.advice), change_of(&asked).map(|own| own.advice));
            book.settle(&state, &leader, now);
            assert!(!book.is_open());
        }
        assert_eq!(state.pages.len(), 0);
    }

    #[test]
    fn who_lost_the_right_reports_nothing_any_more() {
        let state = testing::state(3, &[]);
        let (mut book, now) = (Book::default(), Instant::now());
        book.take(&verdict("s2", Seen::Down, 5_000), now);
        book.settle(&state, &|_, _| None, now);
        book.settle(&state, &owner, now);
        assert_eq!(
            book.report(&state, &owner),
            None,
            "a new right begins with new probes"
        );
    }

    #[test]
    fn overdue_after_five_seconds_and_owed_in_order() {
        let mut state = testing::state(3, &[]);
        let (mut book, start) = (Book::default(), Instant::now());
        book.take(&verdict("s2", Seen::Down, 5_000), start);
        book.settle(&state, &leader, start);
        let short = start + OVERDUE_AFTER - Duration::from_millis(1);
        assert_eq!(book.overdue(short), []);
        let late = start + OVERDUE_AFTER;
        let overdue = book.overdue(late);
        assert_eq!(overdue.len(), 1);
        book.owe(overdue.into_iter().next().expect("one"));
        book.take(&verdict("s2", Seen::Up, 15_000), late);
        for change in book.overdue(late) {
            book.owe(change);
        }
        let mut seen = Vec::new();
        for _ in 0..4 {
            book.settle(&state, &leader, late);
            let Some(report) = book.report(&state, &leader) else {
                break;
            };
            seen.extend(
                reported(Some(report.clone()))
                    .into_iter()
                    .map(|(_, health)| health),
            );
            apply(&mut state, report);
        }
        assert_eq!(
            seen,
            [Health::Down, Health::Up],
            "what was paged becomes history"
        );
        assert_eq!(state.pages.len(), 2);
    }
}
