//! Second opinions: before a human is called about something, another node says what it sees.
//!
//! ```text
//!   lb1 reports: down ──▶ Doubt { reporter lb1, asked lb2 } ──GiveOpinions of lb2──▶ page
//!                                      └──────────── time is over ─────────────────▶ page
//! ```
//! Only the page waits: the verdict is in the log, and the farm goes on without the server, at
//! once. The doubt lives in the hold on its member (`hold`), so that it ends with it.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::incident::Event;
use super::text::{REASON_CHARS_MAX, clean};
use super::word::words;
use super::{
    Applied, CheckKey, Health, HealthRecord, Hold, HoldKind, NodeCondition, Now, Parent, Reject,
    State,
};
use crate::id::NodeId;

/// What a node found that was asked about a check of another one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Found {
    /// The target is well.
    Well,
    /// It is not.
    Unwell {
        /// Whether the probe got there at all.
        reached: bool,
    },
    /// Nothing can be said: the node that was asked is in trouble itself, or had too little time.
    Nothing,
}

/// What a node that was asked says of one check.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Opinion {
    /// Which check.
    pub check: CheckKey,
    /// The newest question ([`State::asked_of`]) that it answers.
    pub answers: u64,
    /// What was found.
    pub found: Found,
    /// Why, in words.
    pub reason: String,
}

/// Whose fault a page says it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PageVerdict {
    /// Two nodes see it: the server is down.
    ServerDown,
    /// Another node finds it well: the path of the one that reported it is down.
    PathDown,
    /// The one does not get there, and the other finds it unwell.
    Both,
    /// Nobody else could be asked, or nobody answered in time.
    Alone,
}

words!(PageVerdict {
    Alone => "no second opinion",
    ServerDown => "server down",
    PathDown => "path down",
    Both => "both",
});

/// A failure about which another node is asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Doubt {
    /// Its number for ever, from the same row as those of holds.
    pub number: u64,
    /// Who reported the failure.
    pub reporter: NodeId,
    /// Who is asked.
    pub asked: NodeId,
    /// What the page will begin with.
    pub(super) lead: String,
    /// Checks about which nothing was said yet.
    pub unheard: BTreeSet<CheckKey>,
    heard: BTreeMap<CheckKey, (Found, String)>,
}

impl Doubt {
    /// Whether an answer is still awaited.
    pub fn is_open(&self) -> bool {
        !self.unheard.is_empty()
    }

    /// Waits no longer.
    pub(super) fn close(&mut self) {
        self.unheard.clear();
    }

    /// Takes an opinion in; says whether it was waited for.
    fn hear(&mut self, node: NodeId, opinion: &Opinion) -> bool {
        let waited = self.asked == node
            && self.number <= opinion.answers
            && self.unheard.remove(&opinion.check);
        if waited {
            let reason = clean(&opinion.reason, REASON_CHARS_MAX);
            self.heard
                .insert(opinion.check.clone(), (opinion.found, reason));
        }
        waited
    }
}

impl HoldKind {
    /// The second opinion that is asked for, or was.
    pub(super) fn doubt(&self) -> Option<&Doubt> {
        match self {
            HoldKind::Asking { doubt, .. } => doubt.as_ref(),
            HoldKind::Doubted(doubt) => Some(doubt),
            HoldKind::Shadowed(_)
            | HoldKind::Recovering(_)
            | HoldKind::Blind { .. }
            | HoldKind::Sighted { .. } => None,
        }
    }

    pub(super) fn doubt_mut(&mut self) -> Option<&mut Doubt> {
        match self {
            HoldKind::Asking { doubt, .. } => doubt.as_mut(),
            HoldKind::Doubted(doubt) => Some(doubt),
            HoldKind::Shadowed(_)
            | HoldKind::Recovering(_)
            | HoldKind::Blind { .. }
            | HoldKind::Sighted { .. } => None,
        }
    }
}

impl PageVerdict {
    /// What two nodes amount to: whether the first one got there, and what the second one found.
    pub fn of(reached: bool, found: Found) -> PageVerdict {
        match (reached, found) {
            (_, Found::Well) => PageVerdict::PathDown,
            (_, Found::Nothing) => PageVerdict::Alone,
            (false, Found::Unwell { reached: true }) => PageVerdict::Both,
            (_, Found::Unwell { .. }) => PageVerdict::ServerDown,
        }
    }

    /// Of several checks of one thing the worst counts: its path alone is down where every check
    /// that fails is well for the other node.
    fn weight(self) -> u8 {
        match self {
            PageVerdict::ServerDown => 3,
            PageVerdict::Both => 2,
            PageVerdict::Alone => 1,
            PageVerdict::PathDown => 0,
        }
    }
}

impl State {
    /// The checks about which a node is asked for its opinion, each with the number of the newest
    /// question: one that rises is a new question.
    pub fn asked_of(&self, node: NodeId) -> BTreeMap<&CheckKey, u64> {
        let doubts = self.holds.iter().filter_map(|(_, hold)| hold.kind.doubt());
        let doubts = doubts
            .filter(|doubt| doubt.asked == node)
            .flat_map(|doubt| doubt.unheard.iter().map(|key| (key, doubt.number)));
        let suspicions = self.suspicions.values().flat_map(|suspicion| {
            let unheard = suspicion.asks(node).into_iter().flatten();
            unheard.map(|key| (key, suspicion.number))
        });
        let mut asked = BTreeMap::new();
        for (key, number) in doubts.chain(suspicions) {
            let newest = asked.entry(key).or_insert(0);
            *newest = number.max(*newest);
        }
        asked
    }

    /// Whether somebody still waits for this opinion.
    pub fn awaits(&self, node: NodeId, check: &CheckKey, answers: u64) -> bool {
        let hold = self.holds.get(&check.member());
        let doubted = hold.and_then(HoldKind::doubt).is_some_and(|doubt| {
            doubt.asked == node && doubt.number <= answers && doubt.unheard.contains(check)
        });
        let suspected = || {
            self.suspicions.values().any(|suspicion| {
                let asks = suspicion.asks(node);
                suspicion.number <= answers && asks.is_some_and(|keys| keys.contains(check))
            })
        };
        doubted || suspected()
    }

    /// Takes in what a node says that was asked.
    pub(super) fn give_opinions(
        &mut self,
        now: Now,
        node: NodeId,
        opinions: &[Opinion],
    ) -> Result<Applied, Reject> {
        if opinions.len() > OPINIONS_MAX {
            return Err(Reject::TooManyChanges {
                have: opinions.len(),
                max: OPINIONS_MAX,
            });
        }
        if !self.nodes.contains_key(&node) {
            return Err(Reject::UnknownNode(node));
        }
        let (mut heard, mut over) = (false, Vec::new());
        for opinion in opinions {
            if !self.awaits(node, &opinion.check, opinion.answers) {
                continue;
            }
            heard = true;
            let member = opinion.check.member();
            let doubt = self.holds.doubt_mut(&member);
            let decided = doubt.is_some_and(|d| d.hear(node, opinion) && !d.is_open());
            if decided && let Some(kind @ HoldKind::Doubted(_)) = self.holds.get(&member) {
                over.push((member.clone(), kind.clone()));
            }
            self.hear_of_sample(node, opinion);
        }
        if !heard {
            return Ok(Applied::Unchanged);
        }
        self.page_released(over, now.at);
        self.decide_suspicions(now.at, |suspicion| suspicion.is_heard());
        Ok(Applied::Done)
    }

    /// No second opinion is waited for under these numbers any more; says whether one was.
    pub(super) fn close_doubts(&mut self, numbers: &BTreeSet<u64>) -> bool {
        let over = |hold: &Hold| {
            let doubt = hold.kind.doubt();
            doubt.is_some_and(|doubt| doubt.is_open() && numbers.contains(&doubt.number))
        };
        let closed = self.holds.iter().filter(|(_, hold)| over(hold));
        let closed: Vec<Parent> = closed.map(|(member, _)| member.clone()).collect();
        for member in &closed {
            let doubt = self.holds.doubt_mut(member);
            doubt.expect("it is doubted, as seen above").close();
        }
        !closed.is_empty()
    }

    /// Who can be asked beside this node: of all that answer, the one with the lowest id, witness
    /// or not.
    pub fn other_node(&self, than: NodeId) -> Option<NodeId> {
        let joining = |id: &NodeId| {
            let mut tokens = self.tokens.values().filter(|token| !token.used);
            tokens.any(|token| token.claimed.is_some_and(|(_, node)| node == *id))
        };
        let answers = |id: &&NodeId| {
            let node = self.nodes.get(id);
            node.is_some_and(|node| node.condition == NodeCondition::Reachable)
        };
        let mut others = self.nodes.keys().filter(|id| **id != than);
        others.find(|id| answers(id) && !joining(id)).copied()
    }

    /// Asks another node about something that fails; `None`: nobody is to be asked, or can be.
    pub(super) fn doubt(&mut self, member: &Parent, lead: &str) -> Option<Doubt> {
        if !self.config.paging.second_opinion {
            return None;
        }
        let reporter = self.reporter_of(member)?;
        let asked = self.other_node(reporter)?;
        let unheard = self.failed(member).map(|(key, _)| key.clone()).collect();
        Some(Doubt {
            number: self.holds.next_number(),
            reporter,
            asked,
            lead: lead.to_owned(),
            unheard,
            heard: BTreeMap::new(),
        })
    }

    /// Who reported the first failure of something.
    pub(super) fn reporter_of(&self, member: &Parent) -> Option<NodeId> {
        let first = self.failed(member).min_by_key(|(_, record)| record.since);
        Some(first?.1.authority?.node())
    }

    fn failed<'a>(
        &'a self,
        member: &'a Parent,
    ) -> impl Iterator<Item = (&'a CheckKey, &'a HealthRecord)> {
        self.member_records(member)
            .filter(|(_, record)| record.health == Health::Down)
    }

    /// What the page says of who saw what.
    pub(super) fn weigh(&self, member: &Parent, doubt: Option<&Doubt>, event: &mut Event) {
        if !self.config.paging.second_opinion {
            return;
        }
        let Some(doubt) = doubt else {
            event.verdict = Some(PageVerdict::Alone);
            if self.nodes.len() > 1 {
                let line = "no second opinion: no other node answers".to_owned();
                event.evidence.push(line);
            }
            return;
        };
        let other = self.node_name(doubt.asked);
        let mut worst = PageVerdict::PathDown;
        let mut seen = Vec::new();
        for (key, record) in self.failed(member) {
            let heard = doubt.heard.get(key);
            let (found, reason) = match heard {
                Some((found, reason)) => (*found, reason.as_str()),
                None => (Found::Nothing, "did not answer in time"),
            };
            let verdict = PageVerdict::of(record.reached, found);
            if verdict.weight() > worst.weight() {
                worst = verdict;
            }
            let reporter = record
                .authority
                .map_or(doubt.reporter, |authority| authority.node());
            let reporter = self.node_name(reporter);
            seen.push(match found {
                Found::Nothing => format!("no second opinion on {key} by {other}: {reason}"),
                Found::Well | Found::Unwell { .. } => format!(
                    "{key} seen by {reporter}: {}; by {other}: {reason}",
                    record.reason
                ),
            });
        }
        let reporter = self.node_name(doubt.reporter);
        let reached = self.failed(member).any(|(_, record)| record.reached);
        let cause = std::mem::take(&mut event.cause);
        event.cause = match worst {
            PageVerdict::ServerDown | PageVerdict::Alone => cause,
            PageVerdict::PathDown if reached => {
                format!("node {reporter} finds {member} unwell, {other} does not: {cause}")
            }
            PageVerdict::PathDown => {
                format!("node {reporter} cannot reach {member}, {other} can: {cause}")
            }
            PageVerdict::Both => {
                let found = doubt
                    .heard
                    .values()
                    .find(|(found, _)| PageVerdict::of(false, *found) == PageVerdict::Both);
                let found = found.map_or("unwell", |(_, reason)| reason.as_str());
                format!("{found}, and node {reporter} does not even reach it: {cause}")
            }
        };
        event.verdict = Some(worst);
        event
            .evidence
            .truncate(EVIDENCE_LINES_MAX.saturating_sub(seen.len()));
        // What was seen comes before who suffers from it.
        let checks = seen.len().min(event.evidence.len());
        event.evidence.splice(checks..checks, seen);
        event.evidence.truncate(EVIDENCE_LINES_MAX);
    }
}

/// A page waits no longer for a second opinion. The probe of the node that is asked takes half a
/// second at most; the rest is for the ways of question and answer through the log, and what is
/// left of a second for the mail.
pub(super) const DOUBT_MAX: Duration = Duration::from_millis(800);

/// One entry of the log stays below some hundred KiB.
const OPINIONS_MAX: usize = 1_000;

/// As in every page (`event`).
const EVIDENCE_LINES_MAX: usize = 20;
