//! Pages that a node sends by its own word, because it could not have them committed.
//!
//! ```text
//!   reporter --overdue verdicts--> LocalPages (PURE) --LocalPage--> messenger --errand--> courier
//! ```
//!
//! A page gets the id that the log will give it: subject and next transition. So receivers fold it
//! with the committed one, provided that the log gets the same transitions later; the reporter sees
//! to that ([`crate::reporter`]). Rather twice than never. **Source**: `vip-protocol.md`, section
//! 9.

mod messenger;

use std::collections::BTreeMap;

use farmux_raft::id::{ContactName, NodeId, ServerName, UnixMillis};
use farmux_raft::state::drill::RunId;
use farmux_raft::state::{
    CheckKey, Delivery, Health, HealthChange, Page, PageKind, Parent, Progress, State, Subject,
    Trouble, disk_evidence, page_id,
};

pub use messenger::{Messenger, MessengerParts};

/// A page by our own word, with all contacts as they were last known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LocalPage {
    /// As the log would have opened it.
    pub page: Page,
    /// The verdict that says so; it must reach the log before any newer one.
    pub because: HealthChange,
}

/// PURE. What was said by our own word, and what has to be said now.
#[derive(Debug, Default)]
pub struct LocalPages {
    said: BTreeMap<Parent, Said>,
}

/// Verdicts that the log could not take: thousands of them while it is gone, looked up ten times a
/// second.
struct Overdue<'a> {
    by_check: BTreeMap<&'a CheckKey, &'a HealthChange>,
    by_member: BTreeMap<Parent, Vec<&'a HealthChange>>,
}

impl<'a> Overdue<'a> {
    fn of(changes: &'a [HealthChange]) -> Overdue<'a> {
        let mut by_member: BTreeMap<Parent, Vec<_>> = BTreeMap::new();
        for change in changes {
            by_member
                .entry(change.check.member())
                .or_default()
                .push(change);
        }
        Overdue {
            by_check: changes
                .iter()
                .map(|change| (&change.check, change))
                .collect(),
            by_member,
        }
    }

    /// A thing as a whole, by our own verdicts where we have some, else by the log's; judged as the
    /// log judges ([`State::member_health`]).
    fn health(&self, state: &State, member: &Parent) -> Health {
        let mut all = Health::Up;
        for key in state.config.checks_of(member) {
            let own = self.by_check.get(&key).map(|change| change.health);
            match own.unwrap_or_else(|| state.check_health(&key)) {
                Health::Down => return Health::Down,
                Health::Unknown => all = Health::Unknown,
                Health::Up => {}
            }
        }
        all
    }

    /// Why something has this health: the oldest of our verdicts that says so.
    fn because(&self, member: &Parent, health: Health) -> Option<&'a HealthChange> {
        let ours = self.by_member.get(member)?.iter().copied();
        let ours = ours.filter(|change| change.health == health);
        ours.min_by_key(|change| change.at)
    }
}

/// The last page by our own word about one thing.
#[derive(Debug, Clone, Copy)]
struct Said {
    kind: PageKind,
    transition: u64,
}

impl LocalPages {
    /// The pages that these verdicts, which the log could not take, ask for.
    ///
    /// They are all such verdicts, not only the new ones: a thing about which nothing is overdue
    /// any more is the log's again.
    /// At most `room` at once; the others come with the next call.
    pub fn overdue(
        &mut self,
        state: &State,
        overdue: &[HealthChange],
        room: usize,
    ) -> Vec<LocalPage> {
        let overdue = Overdue::of(overdue);
        self.said
            .retain(|member, _| overdue.by_member.contains_key(member));
        let members = overdue.by_member.keys();
        let pages = members.filter_map(|member| self.judge(state, &overdue, member));
        pages.take(room).collect()
    }

    fn judge(
        &mut self,
        state: &State,
        overdue: &Overdue<'_>,
        member: &Parent,
    ) -> Option<LocalPage> {
        // Neither what is in maintenance nor what is gone has a check.
        state.config.checks_of(member).next()?;
        let seen = |other: &Parent| overdue.health(state, other);
        let subject = member.subject();
        // What flaps was told, and what is silenced is not.
        if state.flaps.is_flapping(&subject) || state.silence_of(&subject).is_some() {
            return None;
        }
        let before = self.said.get(member).copied();
        let down_before = match before {
            Some(Said { kind, .. }) => kind == PageKind::Down,
            None => state.incidents.contains_key(&subject),
        };
        let kind = match (seen(member), down_before) {
            (Health::Down, false) => PageKind::Down,
            (Health::Up, true) => PageKind::Up,
            (Health::Down, true) | (Health::Up, false) | (Health::Unknown, _) => return None,
        };
        let mut ancestors = state.config.ancestors_of(member).into_iter();
        if ancestors.any(|parent| seen(&parent) == Health::Down) {
            return None;
        }
        let transition = match before {
            Some(Said { transition, .. }) => transition + 1,
            None => state.transitions.next(&subject),
        };
        self.said.insert(member.clone(), Said { kind, transition });
        let opened = Opened {
            subject,
            kind,
            transition,
            left: left(state, overdue, member),
        };
        page(state, overdue, member, opened)
    }
}

/// The parts of a page that its transition settles.
struct Opened {
    subject: Subject,
    kind: PageKind,
    transition: u64,
    left: String,
}

/// How many servers of its farm are up; nothing for a watch, which is alone.
fn left(state: &State, overdue: &Overdue<'_>, member: &Parent) -> String {
    let Parent::Server(name, _) = member else {
        return String::new();
    };
    let servers = state.config.farms.get(name).map(|farm| &farm.servers);
    let all: Vec<&ServerName> = servers.into_iter().flat_map(BTreeMap::keys).collect();
    let up = all.iter().filter(|server| {
        let other = Parent::Server(name.clone(), (**server).clone());
        overdue.health(state, &other) == Health::Up
    });
    format!("{} of {} up", up.count(), all.len())
}

fn page(
    state: &State,
    overdue: &Overdue<'_>,
    member: &Parent,
    opened: Opened,
) -> Option<LocalPage> {
    let Opened {
        subject,
        kind,
        transition,
        left,
    } = opened;
    let wanted = match kind {
        PageKind::Down | PageKind::Degraded | PageKind::Flapping => Health::Down,
        PageKind::Up | PageKind::Notice => Health::Up,
    };
    let because = overdue.because(member, wanted)?.clone();
    let cause = match kind {
        PageKind::Down | PageKind::Degraded | PageKind::Flapping => because.reason.clone(),
        PageKind::Up | PageKind::Notice => "up again".to_owned(),
    };
    let drill = match kind {
        // As the page says whose end it tells, as far as the log has that one.
        PageKind::Up => state
            .incidents
            .get(&subject)
            .and_then(|id| state.pages.get(id))
            .map_or_else(|| state.drill_of(&subject, because.at), |down| down.drill),
        PageKind::Down | PageKind::Degraded | PageKind::Flapping | PageKind::Notice => {
            state.drill_of(&subject, because.at)
        }
    };
    let deliveries = due_to_first(state, &subject, drill);
    let page = Page {
        id: page_id(state.cluster.as_ref()?.id, &subject, transition),
        title: state.title(&subject),
        target: state.target_of(&subject),
        subject,
        sequence: 0,
        transition,
        kind,
        at: because.at,
        cause,
        left,
        evidence: vec![format!("check {}: {}", because.check, because.reason)],
        verdict: None,
        over: None,
        replaces: None,
        silenced: None,
        deliveries,
        acknowledged: None,
        resolved: None,
        drill,
    };
    Some(LocalPage { page, because })
}

/// Due to whoever hears first, as last known: nobody can be asked whether others have to.
fn due_to_first(
    state: &State,
    subject: &Subject,
    drill: Option<RunId>,
) -> BTreeMap<ContactName, Delivery> {
    let rungs = state.config.rungs_of(subject, drill).into_iter();
    let first = rungs.filter(|rung| rung.step == 0);
    let due = || Delivery {
        step: 0,
        bundle: 0,
        round: 0,
        told: None,
        progress: Progress::Due,
        doubled: 0,
    };
    first.map(|rung| (rung.contact, due())).collect()
}

/// PURE. The page that no majority answers since `lost`: nobody can commit it, so every node that
/// notices says it, with the id that the log will give it when a majority is back.
///
/// **Source**: `vip-protocol.md`, section 9.
pub fn no_quorum(state: &State, me: NodeId, lost: UnixMillis) -> Option<Page> {
    let evidence =
        "nothing can be changed, and no VIP can be taken over, until a majority is back".to_owned();
    let cause = "NO QUORUM: no majority of the nodes answers".to_owned();
    let subject = Subject::Quorum;
    let drill = state.drill_of(&subject, lost);
    let drill = drill.or_else(|| state.drill_severing(me, lost));
    own_word(state, (subject, drill), lost, cause, evidence)
}

/// PURE. The page that no room is left on this node's disk, where nothing can be committed; `None`:
/// somebody silenced it, or there is no cluster.
pub fn full_disk(state: &State, me: NodeId, since: UnixMillis, cause: String) -> Option<Page> {
    let subject = Subject::Trouble(Trouble::Disk(me));
    if state.silence_of(&subject).is_some() {
        return None;
    }
    let evidence = disk_evidence(&state.node_name(me));
    let drill = state.drill_of(&subject, since);
    own_word(state, (subject, drill), since, cause, evidence)
}

fn own_word(
    state: &State,
    (subject, drill): (Subject, Option<RunId>),
    at: UnixMillis,
    cause: String,
    evidence: String,
) -> Option<Page> {
    let transition = state.transitions.next(&subject);
    let deliveries = due_to_first(state, &subject, drill);
    Some(Page {
        id: page_id(state.cluster.as_ref()?.id, &subject, transition),
        title: state.title(&subject),
        target: state.target_of(&subject),
        subject,
        sequence: 0,
        transition,
        kind: PageKind::Down,
        at,
        cause,
        left: String::new(),
        evidence: vec![evidence],
        verdict: None,
        over: None,
        replaces: None,
        silenced: None,
        deliveries,
        acknowledged: None,
        resolved: None,
        drill,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pager::testing::{TERM, apply, change, newest, state};
    use farmux_raft::state::{Authority, Command};

    /// Down, then back, by our own word; then the log hears of both: the same ids.
    #[test]
    fn own_pages_have_the_ids_that_the_log_gives_later() {
        let mut state = state(3, &[]);
        let mut pages = LocalPages::default();
        let down = change("s2", Health::Down, "connection refused", 900_000);
        let up = change("s2", Health::Up, "connected", 920_000);
        let first = pages.overdue(&state, std::slice::from_ref(&down), 9);
        assert_eq!(first.len(), 1);
        assert!(
            pages
                .overdue(&state, std::slice::from_ref(&down), 9)
                .is_empty(),
            "said once"
        );
        let second = pages.overdue(&state, std::slice::from_ref(&up), 9);
        assert_eq!(second.len(), 1);

        for (change, local) in [(down, &first), (up, &second)] {
            let authority = Authority::Leader {
                term: TERM,
                node: NodeId(1),
            };
            apply(
                &mut state,
                Command::ReportHealth {
                    authority,
                    changes: vec![change.clone()],
                },
            );
            let (ours, theirs) = (local.first().expect("one page"), newest(&state));
            assert_eq!(ours.page.id, theirs.id);
            assert_eq!(
                (ours.page.kind, &ours.page.title),
                (theirs.kind, &theirs.title)
            );
            assert_eq!((&ours.page.left, ours.page.at), (&theirs.left, theirs.at));
            assert_eq!(ours.because, change);
        }
        assert!(pages.overdue(&state, &[], 9).is_empty());
    }

    #[test]
    fn a_full_disk_told_by_our_own_word_has_the_id_of_the_log() {
        let mut state = state(3, &[]);
        let (me, cause) = (NodeId(2), "no room is left on the disk of /data".to_owned());
        let ours = full_disk(&state, me, UnixMillis(900_000), cause.clone()).expect("a page");
        let report = Command::ReportTrouble {
            node: me,
            trouble: Trouble::Disk(me),
            reason: Some(cause),
        };
        apply(&mut state, report);
        let theirs = newest(&state);
        assert_eq!(ours.id, theirs.id);
        assert_eq!((ours.kind, &ours.title), (theirs.kind, &theirs.title));
        assert_eq!(
            (&ours.cause, &ours.evidence),
            (&theirs.cause, &theirs.evidence)
        );
    }

    #[test]
    fn what_the_log_says_already_is_not_said_again() {
        let mut state = state(3, &[]);
        crate::pager::testing::report(&mut state, "s1", Health::Down, "x", 900_000);
        let mut pages = LocalPages::default();
        let still = change("s1", Health::Down, "y", 950_000);
        assert!(pages.overdue(&state, &[still], 9).is_empty());
        let unknown = change("s9", Health::Down, "y", 950_000);
        assert!(pages.overdue(&state, &[unknown], 9).is_empty());
    }
}
