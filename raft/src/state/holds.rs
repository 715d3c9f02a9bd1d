//! All holds, and who of them waits for what: found by check and by cause, without a look at the
//! others, so that a thousand failures behind one parent cost a thousand looks and no million.
//!
//! ```text
//!   by_member  thing ─▶ Hold                       what is stored
//!   asking     check ─▶ things that wait for it    ┐ found again from it
//!   shadows    cause ─▶ things in its shadow       ┘
//! ```

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{CheckKey, Doubt, Hold, HoldKind, Parent};

/// All holds.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(from = "Stored", into = "Stored")]
pub struct Holds {
    last: u64,
    by_member: Arc<BTreeMap<Parent, Hold>>,
    asking: Index<CheckKey>,
    shadows: Index<Parent>,
}

/// What is stored of them.
#[derive(Serialize, Deserialize)]
#[serde(rename = "Holds")]
struct Stored {
    last: u64,
    by_member: Arc<BTreeMap<Parent, Hold>>,
}

/// Which things stand under something.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Index<K>(Arc<BTreeMap<K, BTreeSet<Parent>>>);

impl<K> Default for Index<K> {
    fn default() -> Index<K> {
        Index(Arc::default())
    }
}

impl<K: Ord + Clone> Index<K> {
    fn under(&self, key: &K) -> impl Iterator<Item = &Parent> {
        self.0.get(key).into_iter().flatten()
    }

    fn put(&mut self, key: &K, member: &Parent) {
        let all = Arc::make_mut(&mut self.0);
        all.entry(key.clone()).or_default().insert(member.clone());
    }

    fn take(&mut self, key: &K, member: &Parent) {
        let all = Arc::make_mut(&mut self.0);
        if let Some(members) = all.get_mut(key) {
            members.remove(member);
            if members.is_empty() {
                all.remove(key);
            }
        }
    }
}

impl From<Stored> for Holds {
    fn from(Stored { last, by_member }: Stored) -> Holds {
        let mut holds = Holds {
            last,
            ..Holds::default()
        };
        for (member, hold) in by_member.iter() {
            holds.note(member, &hold.kind);
        }
        holds.by_member = by_member;
        holds
    }
}

impl From<Holds> for Stored {
    fn from(holds: Holds) -> Stored {
        Stored {
            last: holds.last,
            by_member: holds.by_member,
        }
    }
}

impl Holds {
    /// The hold on one thing.
    pub fn get(&self, member: &Parent) -> Option<&HoldKind> {
        self.by_member.get(member).map(|hold| &hold.kind)
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = (&Parent, &Hold)> {
        self.by_member.iter()
    }

    /// A number that was never given out.
    pub(super) fn next_number(&mut self) -> u64 {
        self.last += 1;
        self.last
    }

    /// The second opinion that is waited for on something.
    pub(super) fn doubt_mut(&mut self, member: &Parent) -> Option<&mut Doubt> {
        let held = Arc::make_mut(&mut self.by_member).get_mut(member);
        held.and_then(|hold| hold.kind.doubt_mut())
    }

    pub(super) fn set(&mut self, member: Parent, kind: HoldKind) {
        self.remove(&member);
        self.note(&member, &kind);
        let number = self.next_number();
        Arc::make_mut(&mut self.by_member).insert(member, Hold { number, kind });
    }

    pub(super) fn remove(&mut self, member: &Parent) -> Option<HoldKind> {
        if !self.by_member.contains_key(member) {
            return None;
        }
        let hold = Arc::make_mut(&mut self.by_member).remove(member)?;
        self.unnote(member, &hold.kind);
        Some(hold.kind)
    }

    /// Who waits for the verdict of a check.
    pub(super) fn waiting_for(&self, key: &CheckKey) -> impl Iterator<Item = (&Parent, &Hold)> {
        let members = self.asking.under(key);
        members.filter_map(|member| self.by_member.get_key_value(member))
    }

    /// Who is in the shadow of something.
    pub(super) fn in_shadow_of(&self, cause: &Parent) -> impl Iterator<Item = &Parent> {
        self.shadows.under(cause)
    }

    /// Something waits for a check no longer; whether it waits for none at all now.
    pub(super) fn answer(&mut self, member: &Parent, key: &CheckKey) -> bool {
        let Some(hold) = Arc::make_mut(&mut self.by_member).get_mut(member) else {
            return false;
        };
        let HoldKind::Asking { unconfirmed, .. } = &mut hold.kind else {
            return false;
        };
        let last = unconfirmed.remove(key) && unconfirmed.is_empty();
        self.asking.take(key, member);
        last
    }

    fn note(&mut self, member: &Parent, kind: &HoldKind) {
        for key in kind.unconfirmed().into_iter().flatten() {
            self.asking.put(key, member);
        }
        if let Some(cause) = kind.shadow() {
            self.shadows.put(cause, member);
        }
    }

    fn unnote(&mut self, member: &Parent, kind: &HoldKind) {
        for key in kind.unconfirmed().into_iter().flatten() {
            self.asking.take(key, member);
        }
        if let Some(cause) = kind.shadow() {
            self.shadows.take(cause, member);
        }
    }

    /// The same, as it would be read back.
    #[cfg(test)]
    pub(super) fn read_back(&self) -> Holds {
        Stored::from(self.clone()).into()
    }
}
