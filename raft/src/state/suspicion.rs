//! Suspicion: so much fails at once for one node that it may be the node itself.
//!
//! ```text
//!   lb1: Suspect ──▶ Asking ──lb2 finds the sample well──▶ Path ──first verdict──▶ page of lb1
//!                      │ └────lb2 finds it unwell too─────▶ Servers ──the same───▶ a notice
//!                      └──nobody answers in time──────────▶ Alone
//!   lb1: Trust, or another node that probes instead ──▶ over; whoever is down then gets its page
//! ```
//! What is decided is said when something turns down, and not before: a moment's disturbance, after
//! which every check is well again, calls nobody.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::incident::{Event, back_after};
use super::text::duration_text;
use super::{
    AdminState, Applied, CheckKey, Found, Health, HoldKind, Now, Opinion, PageVerdict, Parent,
    Reject, State, Subject,
};
use crate::id::{FarmName, NodeId, UnixMillis};

/// What a node says that suspects itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Suspected {
    /// Tells this suspicion of the node from its other ones.
    pub id: u64,
    /// Checks that began to fail.
    pub failed: u32,
    /// Checks that it makes.
    pub total: u32,
    /// Within this time.
    pub within: Duration,
    /// Some of those that fail, at most 20.
    pub sample: Vec<CheckKey>,
}

/// A node that suspects itself, and what became of that.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Suspicion {
    /// Its number for ever, from the same row as those of holds.
    pub number: u64,
    /// What it told.
    pub id: u64,
    /// See [`Suspected`].
    pub failed: u32,
    /// See [`Suspected`].
    pub total: u32,
    /// See [`Suspected`].
    pub within: Duration,
    /// What the checks of the sample are of.
    #[serde(default)]
    pub sample: BTreeSet<Parent>,
    /// How far it is.
    pub stage: SuspicionStage,
}

/// See [`Suspicion`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum SuspicionStage {
    /// Another node probes a sample.
    Asking {
        /// Who.
        asked: NodeId,
        /// What it has not answered yet.
        unheard: BTreeSet<CheckKey>,
        /// Of the sample: what it found well.
        well: u32,
        /// And what not.
        unwell: u32,
    },
    /// It was found out.
    Decided {
        /// Whose fault it is.
        culprit: Culprit,
        /// Who said so.
        asked: Option<NodeId>,
        /// Of the sample: what that one found well.
        well: u32,
        /// And what not.
        unwell: u32,
        /// Whether a human was told.
        told: bool,
    },
}

/// Whose fault it is that so much fails at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Culprit {
    /// The node's own path.
    Path,
    /// The servers'.
    Servers,
    /// Nobody else could say.
    Alone,
}

impl Suspicion {
    /// What of the sample this node has still to answer.
    pub(super) fn asks(&self, node: NodeId) -> Option<&BTreeSet<CheckKey>> {
        match &self.stage {
            SuspicionStage::Asking { asked, unheard, .. } => (*asked == node).then_some(unheard),
            SuspicionStage::Decided { .. } => None,
        }
    }

    /// What was found out; `None`: not yet.
    pub fn culprit(&self) -> Option<Culprit> {
        match self.stage {
            SuspicionStage::Asking { .. } => None,
            SuspicionStage::Decided { culprit, .. } => Some(culprit),
        }
    }

    /// Whether all have been answered, and nothing decided yet.
    pub(super) fn is_heard(&self) -> bool {
        match &self.stage {
            SuspicionStage::Asking { unheard, .. } => unheard.is_empty(),
            SuspicionStage::Decided { .. } => false,
        }
    }

    /// Whether the node's word is worth nothing for now.
    fn blinds(&self) -> bool {
        match self.culprit() {
            None | Some(Culprit::Path) => true,
            Some(Culprit::Servers | Culprit::Alone) => false,
        }
    }

    /// Whose fault it is by what was heard so far.
    fn decide(&mut self) {
        if let SuspicionStage::Asking {
            asked,
            well,
            unwell,
            ..
        } = self.stage
        {
            let culprit = match (well, unwell) {
                (0, 0) => Culprit::Alone,
                (well, unwell) if well > unwell => Culprit::Path,
                _ => Culprit::Servers,
            };
            self.stage = SuspicionStage::Decided {
                culprit,
                asked: Some(asked),
                well,
                unwell,
                told: false,
            };
        }
    }
}

impl State {
    /// A node suspects itself: another one is asked.
    pub(super) fn suspect(
        &mut self,
        now: Now,
        node: NodeId,
        suspected: Suspected,
    ) -> Result<Applied, Reject> {
        if !self.nodes.contains_key(&node) {
            return Err(Reject::UnknownNode(node));
        }
        let have = suspected.sample.len();
        if have > SAMPLE_MAX {
            let max = SAMPLE_MAX;
            return Err(Reject::TooManyChanges { have, max });
        }
        let before = self.suspicions.get(&node);
        if before.is_some_and(|before| before.id == suspected.id) {
            return Ok(Applied::Unchanged);
        }
        if before.is_some_and(|before| before.culprit() == Some(Culprit::Path)) {
            // It began anew, and its path is down as it was.
            let known = Arc::make_mut(&mut self.suspicions).get_mut(&node);
            known.expect("found above").id = suspected.id;
            return Ok(Applied::Done);
        }
        let asked = self
            .config
            .paging
            .second_opinion
            .then(|| self.other_node(node));
        let number = self.holds.next_number();
        let suspicion = Suspicion {
            number,
            id: suspected.id,
            failed: suspected.failed,
            total: suspected.total,
            within: suspected.within,
            sample: suspected.sample.iter().map(CheckKey::member).collect(),
            stage: match asked.flatten() {
                Some(asked) => SuspicionStage::Asking {
                    asked,
                    unheard: suspected.sample.into_iter().collect(),
                    well: 0,
                    unwell: 0,
                },
                None => SuspicionStage::Decided {
                    culprit: Culprit::Alone,
                    asked: None,
                    well: 0,
                    unwell: 0,
                    told: false,
                },
            },
        };
        let blinds = suspicion.blinds();
        Arc::make_mut(&mut self.suspicions).insert(node, suspicion);
        match blinds {
            true => self.doubt_all_of(node),
            false => self.release_blind(node, now.at),
        }
        self.decide_suspicions(now.at, Suspicion::is_heard);
        Ok(Applied::Done)
    }

    /// What waits for a second opinion on the word of this node waits for a better one.
    fn doubt_all_of(&mut self, node: NodeId) {
        let doubted = self.holds.iter().filter(|(_, hold)| match &hold.kind {
            HoldKind::Doubted(doubt) => doubt.reporter == node,
            HoldKind::Asking { .. }
            | HoldKind::Shadowed(_)
            | HoldKind::Recovering(_)
            | HoldKind::Blind { .. }
            | HoldKind::Sighted { .. } => false,
        });
        let doubted: Vec<Parent> = doubted.map(|(member, _)| member.clone()).collect();
        for member in doubted {
            self.holds.set(member, HoldKind::Blind { node });
        }
    }

    /// A node reaches enough again, or another one (`by`) probes in its place.
    pub(super) fn trust(&mut self, now: Now, node: NodeId, by: NodeId) -> Result<Applied, Reject> {
        if !self.nodes.contains_key(&by) {
            return Err(Reject::UnknownNode(by));
        }
        let Some(suspicion) = Arc::make_mut(&mut self.suspicions).remove(&node) else {
            return Ok(Applied::Unchanged);
        };
        let subject = Subject::Path(node);
        if let Some(page) = self.told_down(&subject) {
            let since = self.pages.get(&page).map_or(now.at, |page| page.at);
            let what = match by == node {
                true => format!("{} reaches its targets again", self.node_name(node)),
                false => format!("{} probes in its place", self.node_name(by)),
            };
            let event = Event::plain(now.at, back_after(&what, since, now.at));
            self.close_incident(subject, event);
        }
        match suspicion.culprit() {
            Some(Culprit::Path) => self.see_again(node),
            Some(Culprit::Servers | Culprit::Alone) | None => self.release_blind(node, now.at),
        }
        Ok(Applied::Done)
    }

    /// A node is gone: nothing is held for its sake.
    pub(super) fn forget_suspicion(&mut self, node: NodeId, at: UnixMillis) {
        if self.suspicions.contains_key(&node) {
            Arc::make_mut(&mut self.suspicions).remove(&node);
            self.see_again(node);
        }
        self.forget_incident(&Subject::Path(node), at);
    }

    /// What was held for a node's blindness has as long to come back as its check needs.
    fn see_again(&mut self, node: NodeId) {
        for member in self.blind_members(node) {
            self.holds.set(member, HoldKind::Sighted { node });
        }
    }

    fn release_blind(&mut self, node: NodeId, at: UnixMillis) {
        let held = self.blind_members(node);
        let held = held
            .into_iter()
            .map(|member| (member, HoldKind::Blind { node }));
        self.page_released(held.collect(), at);
    }

    fn blind_members(&self, node: NodeId) -> Vec<Parent> {
        let blind = self
            .holds
            .iter()
            .filter(|(_, hold)| hold.kind == HoldKind::Blind { node });
        blind.map(|(member, _)| member.clone()).collect()
    }

    /// Takes in an opinion on a sample.
    pub(super) fn hear_of_sample(&mut self, node: NodeId, opinion: &Opinion) {
        let asked = |suspicion: &Suspicion| {
            let asks = suspicion.asks(node);
            suspicion.number <= opinion.answers
                && asks.is_some_and(|keys| keys.contains(&opinion.check))
        };
        if !self.suspicions.values().any(asked) {
            return;
        }
        let suspicions = Arc::make_mut(&mut self.suspicions).values_mut();
        for suspicion in suspicions.filter(|suspicion| asked(suspicion)) {
            if let SuspicionStage::Asking {
                unheard,
                well,
                unwell,
                ..
            } = &mut suspicion.stage
            {
                unheard.remove(&opinion.check);
                match opinion.found {
                    Found::Well => *well += 1,
                    Found::Unwell { .. } => *unwell += 1,
                    Found::Nothing => {}
                }
            }
        }
    }

    /// Decides about those that are ripe; says whether there was any.
    pub(super) fn decide_suspicions(
        &mut self,
        at: UnixMillis,
        ripe: impl Fn(&Suspicion) -> bool,
    ) -> bool {
        let open = |suspicion: &Suspicion| suspicion.culprit().is_none() && ripe(suspicion);
        let ripe = self.suspicions.iter().filter(|(_, one)| open(one));
        let ripe: Vec<NodeId> = ripe.map(|(node, _)| *node).collect();
        for node in &ripe {
            let suspicions = Arc::make_mut(&mut self.suspicions);
            let suspicion = suspicions.get_mut(node).expect("listed above");
            suspicion.decide();
            match suspicion.culprit() {
                Some(Culprit::Path) if !self.blind_members(*node).is_empty() => {
                    self.tell_culprit(*node, None, at);
                }
                Some(Culprit::Path) | None => {}
                Some(Culprit::Servers | Culprit::Alone) => self.release_blind(*node, at),
            }
        }
        !ripe.is_empty()
    }

    /// The node on whose word alone something is called down, and whose word is worth nothing now.
    pub(super) fn blind_reporter(&self, member: &Parent) -> Option<NodeId> {
        let reporter = self.reporter_of(member)?;
        let suspicion = self.suspicions.get(&reporter)?;
        suspicion.blinds().then_some(reporter)
    }

    /// Something is down by the word of this node: if it suspected itself, a human hears once what
    /// was found out. That the servers are down needs no word where the page of `cause` says it.
    pub(super) fn tell_culprit(&mut self, node: NodeId, cause: Option<&Parent>, at: UnixMillis) {
        let Some(suspicion) = self.suspicions.get(&node) else {
            return;
        };
        let SuspicionStage::Decided {
            culprit,
            asked: Some(asked),
            well,
            unwell,
            told: false,
        } = suspicion.stage
        else {
            return;
        };
        let (name, other) = (self.node_name(node), self.node_name(asked));
        let (failed, total) = (suspicion.failed, suspicion.total);
        let within = duration_text(suspicion.within);
        let sample = well + unwell;
        let began = format!("{failed} of {total} targets of {name} began to fail within {within}");
        let event = |cause: String, found: String, verdict| Event {
            verdict: Some(verdict),
            evidence: vec![began, found],
            ..Event::plain(at, cause)
        };
        match culprit {
            Culprit::Path => {
                let cause = format!(
                    "{name} cannot reach {failed} of {total} targets; {other} can: its own path is \
                     down"
                );
                let found = format!("{other} finds {well} of {sample} of them well");
                let mut event = event(cause, found, PageVerdict::PathDown);
                let kept = "they leave their farms for now, but where nothing would be left they \
                            stay";
                event.evidence.push(kept.to_owned());
                self.mark_heard(node);
                self.open_incident(Subject::Path(node), event);
            }
            Culprit::Servers if cause.is_some_and(|cause| self.explains_all(cause, suspicion)) => {
                self.mark_heard(node);
            }
            Culprit::Servers => {
                let cause = format!(
                    "{failed} of {total} targets failed within {within}; {other} sees the same: \
                     they are down, not {name}'s path"
                );
                let found = format!("{other} finds {unwell} of {sample} of them unwell too");
                self.mark_heard(node);
                self.notice(
                    Subject::Path(node),
                    event(cause, found, PageVerdict::ServerDown),
                );
            }
            Culprit::Alone => {}
        }
    }

    /// Whether whatever was looked at is this, or depends on it.
    fn explains_all(&self, cause: &Parent, suspicion: &Suspicion) -> bool {
        let behind = |one: &Parent| one == cause || self.config.ancestors_of(one).contains(cause);
        suspicion.sample.iter().all(behind)
    }

    fn mark_heard(&mut self, node: NodeId) {
        let suspicion = Arc::make_mut(&mut self.suspicions).get_mut(&node);
        if let Some(Suspicion {
            stage: SuspicionStage::Decided { told, .. },
            ..
        }) = suspicion
        {
            *told = true;
        }
    }

    /// Whether taking out what a node with a broken path does not reach would leave a farm nothing.
    pub(super) fn would_leave_nothing(&self, farm: &FarmName, member: &Parent) -> bool {
        if !matches!(self.holds.get(member), Some(HoldKind::Blind { .. })) {
            return false;
        }
        let rules = self.config.farms.get(farm);
        let mut servers = rules.into_iter().flat_map(|rules| &rules.servers);
        !servers.any(|(server, ordered)| {
            ordered.admin == AdminState::Ready && self.server_health(farm, server) == Health::Up
        })
    }
}

/// All suspicions, by the node that suspects itself.
pub type Suspicions = Arc<BTreeMap<NodeId, Suspicion>>;

/// Enough to tell a path from its targets, and few enough to be probed in a moment.
const SAMPLE_MAX: usize = 20;
