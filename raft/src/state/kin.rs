//! Kin: who shares an address with whom, and who depends on whom; derived from the configuration.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::{Arc, OnceLock};

use super::{Config, Parent, State};

/// Relations among everything that is checked, found when they are first asked for.
///
/// It is no state of its own: neither stored nor compared, and made anew with each configuration.
#[derive(Debug, Clone, Default)]
pub struct Kin(OnceLock<Arc<Family>>);

#[derive(Debug, Default)]
struct Family {
    by_address: BTreeMap<IpAddr, BTreeSet<Parent>>,
    children: BTreeMap<Parent, Vec<Parent>>,
}

impl PartialEq for Kin {
    fn eq(&self, _: &Kin) -> bool {
        true
    }
}

impl Eq for Kin {}

impl Family {
    fn of(config: &Config) -> Family {
        let mut family = Family::default();
        for member in config.members() {
            for parent in config.parents_of(&member) {
                let children = family.children.entry(parent).or_default();
                children.push(member.clone());
            }
            if let Some(address) = config.address_of(&member) {
                family.by_address.entry(address).or_default().insert(member);
            }
        }
        family
    }
}

impl State {
    fn family(&self) -> &Family {
        self.kin
            .0
            .get_or_init(|| Arc::new(Family::of(&self.config)))
    }

    /// Everything else of the same address.
    pub fn siblings_of<'a>(&'a self, member: &'a Parent) -> impl Iterator<Item = &'a Parent> {
        let address = self.config.address_of(member);
        let all = address.and_then(|address| self.family().by_address.get(&address));
        all.into_iter()
            .flatten()
            .filter(move |other| *other != member)
    }

    /// Everything that depends on something, near or far, by order of an operator.
    pub fn dependants_of(&self, parent: &Parent) -> BTreeSet<Parent> {
        let children = &self.family().children;
        let mut found = BTreeSet::new();
        let mut open = vec![parent];
        while let Some(next) = open.pop() {
            for child in children.get(next).into_iter().flatten() {
                if found.insert(child.clone()) {
                    open.push(child);
                }
            }
        }
        found
    }
}
