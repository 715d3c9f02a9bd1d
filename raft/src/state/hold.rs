//! Holds: why something that is down has no page of its own, or none yet.
//!
//! ```text
//!   fails ─────────────────────────────────────────▶ Doubted ──heard, or time is over──▶ page
//!   fails, and has parents ──▶ Asking ──all are well, or time is over──▶ the same
//!                                │ one of them is down
//!   fails, parent is down ──▶ Shadowed ──parent is back──▶ Recovering ──time is over──▶ page
//!                                                              │ up
//!   (up at any time: no hold, no page)                         ▼ nothing
//! ```
//! Parents are what an operator said ([`super::Parent`]), near or far; and things of one address
//! are each other's parents by themselves: of those that fail together, the first gets the page.
//! What is down by itself waits for a second opinion (`opinion`), which is asked for together with
//! the parents; and where its reporter suspects itself, for what becomes of that (`suspicion`).
//! How long a hold lasts is the leader's clock's business: it ends a hold by its number.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::opinion::DOUBT_MAX;
use super::{
    AdminState, Applied, CheckKey, Config, Doubt, Health, Now, OnParentDown, Parent, Reject, State,
};
use crate::id::{FarmName, NodeId, ServerName};

/// Why something that is down has no page of its own, or none yet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hold {
    /// Its number for ever; rises.
    pub number: u64,
    /// Why.
    pub kind: HoldKind,
}

/// See [`Hold`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum HoldKind {
    /// Its parents are being asked.
    Asking {
        /// Checks that have not answered yet.
        unconfirmed: BTreeSet<CheckKey>,
        /// Meanwhile another node is asked.
        doubt: Option<Doubt>,
    },
    /// What is down too, and had its page.
    Shadowed(Parent),
    /// What was down and is back; this may still be coming back.
    Recovering(Parent),
    /// It is down by itself, and another node is asked.
    Doubted(Doubt),
    /// Only a node says so that may not see, or does not.
    Blind {
        /// Which.
        node: NodeId,
    },
    /// The node that did not see sees again, or another one does; this may be coming back.
    Sighted {
        /// Which did not.
        node: NodeId,
    },
}

impl HoldKind {
    /// What casts its shadow.
    pub(super) fn shadow(&self) -> Option<&Parent> {
        match self {
            HoldKind::Shadowed(cause) => Some(cause),
            HoldKind::Asking { .. }
            | HoldKind::Recovering(_)
            | HoldKind::Doubted(_)
            | HoldKind::Blind { .. }
            | HoldKind::Sighted { .. } => None,
        }
    }

    /// The checks of parents that are waited for.
    pub(super) fn unconfirmed(&self) -> Option<&BTreeSet<CheckKey>> {
        match self {
            HoldKind::Asking { unconfirmed, .. } => Some(unconfirmed),
            HoldKind::Shadowed(_)
            | HoldKind::Recovering(_)
            | HoldKind::Doubted(_)
            | HoldKind::Blind { .. }
            | HoldKind::Sighted { .. } => None,
        }
    }
}

impl Hold {
    /// Whether an answer to this question, or an older one, is what it waits for.
    fn waits_for(&self, key: &CheckKey, answers: u64) -> bool {
        let unconfirmed = self.kind.unconfirmed();
        self.number <= answers && unconfirmed.is_some_and(|asked| asked.contains(key))
    }
}

/// How what a server depends on sways its use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sway {
    /// Its checks decide.
    None,
    /// It is used, whatever its checks say.
    Kept,
    /// It is not used, whatever its checks say.
    Removed,
}

/// What became of a thing that fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Blame {
    /// It gets a page of its own now.
    Itself,
    /// It is held.
    Held,
}

impl State {
    /// Why something is unreachable rather than down: what it depends on, which is down or was.
    pub fn cause_of(&self, member: &Parent) -> Option<Parent> {
        match self.holds.get(member)? {
            HoldKind::Asking { .. }
            | HoldKind::Doubted(_)
            | HoldKind::Blind { .. }
            | HoldKind::Sighted { .. } => None,
            HoldKind::Shadowed(_) => Some(self.root_of(member)),
            HoldKind::Recovering(cause) => Some(cause.clone()),
        }
    }

    /// How what a server depends on sways its use.
    pub fn sway(&self, farm: &FarmName, server: &ServerName) -> Sway {
        let Some(rules) = self.config.farms.get(farm) else {
            return Sway::None;
        };
        let member = Parent::Server(farm.clone(), server.clone());
        let ancestors = self.config.ancestors_of(&member);
        let down = ancestors.iter().any(|parent| self.is_down(parent));
        let (inherited, own) = match self.holds.get(&member) {
            Some(HoldKind::Shadowed(cause) | HoldKind::Recovering(cause)) => {
                let inherited = ancestors.contains(cause);
                (inherited, !inherited)
            }
            Some(
                HoldKind::Asking { .. }
                | HoldKind::Doubted(_)
                | HoldKind::Blind { .. }
                | HoldKind::Sighted { .. },
            ) => (false, false),
            None => (false, self.incidents.contains_key(&member.subject())),
        };
        let unknown = self.member_health(&member) == Health::Unknown;
        match rules.on_parent_down {
            OnParentDown::Remove if down => Sway::Removed,
            OnParentDown::Keep if (down || inherited) && !own && !unknown => Sway::Kept,
            OnParentDown::Remove | OnParentDown::Keep
                if self.would_leave_nothing(farm, &member) =>
            {
                Sway::Kept
            }
            OnParentDown::Remove | OnParentDown::Keep => Sway::None,
        }
    }

    /// How long a hold may last before its thing gets a page of its own; `None`: it does not end by
    /// time.
    pub fn hold_lasts(&self, member: &Parent, hold: &HoldKind) -> Option<Duration> {
        match hold {
            HoldKind::Asking { .. } => Some(ASKING_MAX),
            HoldKind::Shadowed(_) | HoldKind::Blind { .. } => None,
            // Its time is that of its question, which began earlier.
            HoldKind::Doubted(_) => None,
            HoldKind::Recovering(_) | HoldKind::Sighted { .. } => {
                let keys = self.config.checks_of(member);
                let checks = keys.filter_map(|key| self.config.check(&key).cloned());
                let slowest = checks
                    .map(|check| check.interval * (check.rise.get() + 1))
                    .max();
                Some(slowest.unwrap_or_default() + ASKING_MAX)
            }
        }
    }

    /// Everything that ends by time, by its number: holds, doubts and suspicions; `None`: this one
    /// does not.
    pub fn deadlines(&self) -> impl Iterator<Item = (u64, Option<Duration>)> {
        let holds = self.holds.iter().flat_map(|(member, hold)| {
            let doubt = hold.kind.doubt().filter(|doubt| doubt.is_open());
            let doubt = doubt.map(|doubt| (doubt.number, Some(DOUBT_MAX)));
            [(hold.number, self.hold_lasts(member, &hold.kind))]
                .into_iter()
                .chain(doubt)
        });
        let wait = self.config.paging.suspect_wait;
        let asking = self.suspicions.values();
        let asking = asking.filter(|suspicion| suspicion.culprit().is_none());
        holds.chain(asking.map(move |suspicion| (suspicion.number, Some(wait))))
    }

    /// The checks that are asked out of turn, each with the number of the newest hold that waits
    /// for it: one that rises is a new question.
    pub fn questions(&self) -> BTreeMap<&CheckKey, u64> {
        let mut asked = BTreeMap::new();
        for (_, hold) in self.holds.iter() {
            for key in hold.kind.unconfirmed().into_iter().flatten() {
                let newest = asked.entry(key).or_insert(0);
                *newest = hold.number.max(*newest);
            }
        }
        asked
    }

    /// Whether a question of somebody who still waits is answered by an answer to this one.
    pub fn is_waited_for(&self, key: &CheckKey, answers: u64) -> bool {
        let mut waiting = self.holds.waiting_for(key);
        waiting.any(|(_, hold)| hold.waits_for(key, answers))
    }

    /// Something that fails: finds out whether it gets a page, and holds it otherwise. Whoever
    /// waits for its verdict comes back in `answered`, to be judged again.
    pub(super) fn blame(&mut self, member: &Parent, answered: &mut Vec<Parent>) -> Blame {
        let kind = match self.known_cause(member) {
            Some(cause) => HoldKind::Shadowed(cause),
            None => {
                let unconfirmed = self.askable(member);
                if unconfirmed.is_empty() {
                    answered.extend(self.asking(member));
                    return Blame::Itself;
                }
                // Both are asked at once, so that the page waits for the longer of the two only.
                let doubt = self.doubt(member, "");
                HoldKind::Asking { unconfirmed, doubt }
            }
        };
        self.holds.set(member.clone(), kind);
        answered.extend(self.asking(member));
        Blame::Held
    }

    /// Something that is down and was held: whatever explains it now holds it from now on.
    pub(super) fn blame_again(&mut self, member: &Parent) -> Blame {
        match self.known_cause(member) {
            // Of two that fail together the other one is in our shadow: the page is ours.
            None => Blame::Itself,
            Some(cause) => {
                self.holds.set(member.clone(), HoldKind::Shadowed(cause));
                Blame::Held
            }
        }
    }

    /// A check answered well: who waited for it alone waits no longer, and comes into `released`,
    /// to get a page, which may still wait for a second opinion. It answers questions up to this
    /// number. Says whether anybody waited.
    pub(super) fn confirm(
        &mut self,
        key: &CheckKey,
        answers: u64,
        released: &mut Vec<Parent>,
    ) -> bool {
        let waiting = self.holds.waiting_for(key);
        let waiting = waiting.filter(|(_, hold)| hold.waits_for(key, answers));
        let waiting: Vec<Parent> = waiting.map(|(member, _)| member.clone()).collect();
        for member in &waiting {
            if self.holds.answer(member, key) {
                released.push(member.clone());
            }
        }
        !waiting.is_empty()
    }

    /// Something is back, or in maintenance: whoever was in its shadow may come back too, unless
    /// something else explains it. What depends on it stays in its shadow through maintenance.
    pub(super) fn lift_shadow(&mut self, cause: &Parent) {
        let suspended = self.config.is_suspended(cause);
        let shadowed = self.holds.in_shadow_of(cause);
        let shadowed = shadowed
            .filter(|member| !(suspended && self.config.ancestors_of(member).contains(cause)));
        let shadowed: Vec<Parent> = shadowed.cloned().collect();
        for member in shadowed {
            let other = self.known_cause(&member);
            let kind =
                other.map_or_else(|| HoldKind::Recovering(cause.clone()), HoldKind::Shadowed);
            self.holds.set(member, kind);
        }
    }

    /// Holds whose time is over: each such thing gets a page of its own. Other numbers are those of
    /// holds that ended otherwise meanwhile.
    pub(super) fn end_holds(
        &mut self,
        now: Now,
        numbers: &BTreeSet<u64>,
    ) -> Result<Applied, Reject> {
        let closed = self.close_doubts(numbers);
        let decided =
            self.decide_suspicions(now.at, |suspicion| numbers.contains(&suspicion.number));
        let ends = |hold: &Hold| match &hold.kind {
            HoldKind::Asking { .. } | HoldKind::Recovering(_) | HoldKind::Sighted { .. } => {
                numbers.contains(&hold.number)
            }
            HoldKind::Doubted(doubt) => !doubt.is_open(),
            HoldKind::Shadowed(_) | HoldKind::Blind { .. } => false,
        };
        let over = self.holds.iter().filter(|(_, hold)| ends(hold));
        let over: Vec<(Parent, HoldKind)> = over
            .map(|(member, hold)| (member.clone(), hold.kind.clone()))
            .collect();
        if over.is_empty() && !closed && !decided {
            return Ok(Applied::Unchanged);
        }
        self.page_released(over, now.at);
        Ok(Applied::Done)
    }

    /// After a change of the configuration: drops the holds of what is not there any more, and
    /// lifts shadows that nothing casts.
    pub(super) fn prune_holds(&mut self) {
        let config = Arc::clone(&self.config);
        let gone = self.holds.iter().filter(|(member, _)| !config.has(member));
        let gone: Vec<Parent> = gone.map(|(member, _)| member.clone()).collect();
        for member in &gone {
            self.holds.remove(member);
        }
        let explains = |cause: &Parent, member: &Parent| {
            let unwell = self.is_down(cause);
            let inherited = config.ancestors_of(member).contains(cause);
            (inherited && (unwell || config.is_suspended(cause)))
                || (unwell && self.siblings_of(member).any(|sibling| sibling == cause))
        };
        let lit = self
            .holds
            .iter()
            .filter_map(|(member, hold)| match &hold.kind {
                HoldKind::Shadowed(cause) if !explains(cause, member) => {
                    Some((member.clone(), cause.clone()))
                }
                HoldKind::Asking { .. }
                | HoldKind::Shadowed(_)
                | HoldKind::Recovering(_)
                | HoldKind::Doubted(_)
                | HoldKind::Blind { .. }
                | HoldKind::Sighted { .. } => None,
            });
        for (member, cause) in lit.collect::<Vec<_>>() {
            self.holds.set(member, HoldKind::Recovering(cause));
        }
    }

    /// Whether something is down and not in maintenance.
    pub(super) fn is_down(&self, member: &Parent) -> bool {
        !self.config.is_suspended(member) && self.member_health(member) == Health::Down
    }

    /// What is down already and explains a failure: first what it depends on, then what shares its
    /// address.
    fn known_cause(&self, member: &Parent) -> Option<Parent> {
        let known = |other: &Parent| {
            let told = self.incidents.contains_key(&other.subject());
            self.is_down(other) && (told || self.holds.get(other).is_some())
        };
        let ancestors = self.config.ancestors_of(member);
        let siblings = self.siblings_of(member);
        let mut causes = ancestors
            .iter()
            .chain(siblings)
            .filter(|other| known(other));
        causes.find(|cause| self.root_of(cause) != *member).cloned()
    }

    /// The checks whose verdict would explain a failure.
    fn askable(&self, member: &Parent) -> BTreeSet<CheckKey> {
        let mut others = self.config.ancestors_of(member);
        others.extend(self.siblings_of(member).cloned());
        let well = others.iter().filter(|other| !self.is_down(other));
        well.flat_map(|other| self.config.checks_of(other).collect::<Vec<_>>())
            .collect()
    }

    /// Who waits for the verdict of something.
    fn asking(&self, member: &Parent) -> Vec<Parent> {
        let keys: Vec<CheckKey> = self.config.checks_of(member).collect();
        let waiting = keys.iter().flat_map(|key| self.holds.waiting_for(key));
        let waiting = waiting.map(|(asker, _)| asker);
        // Who waits for several of them comes once.
        let askers: BTreeSet<&Parent> = waiting.filter(|asker| *asker != member).collect();
        askers.into_iter().cloned().collect()
    }

    /// The end of a chain of shadows.
    fn root_of(&self, member: &Parent) -> Parent {
        let mut root = member.clone();
        let mut seen = BTreeSet::from([root.clone()]);
        while let Some(HoldKind::Shadowed(cause)) = self.holds.get(&root) {
            if !seen.insert(cause.clone()) {
                break;
            }
            root = cause.clone();
        }
        root
    }
}

impl Config {
    /// Whether something is neither probed nor paged for, by order.
    pub fn is_suspended(&self, member: &Parent) -> bool {
        match member {
            Parent::Watch(_) => false,
            Parent::Server(farm, server) => {
                let ordered = self
                    .farms
                    .get(farm)
                    .and_then(|farm| farm.servers.get(server));
                ordered.is_some_and(|server| server.admin == AdminState::Maintenance)
            }
        }
    }
}

/// A page waits no longer for the verdict of what its subject depends on: whoever is on call must
/// hear of it within seconds.
const ASKING_MAX: Duration = Duration::from_secs(2);
