//! PURE. The epoch of a cluster: how often it was recovered, and by whose hand.
//!
//! It travels as one number, so that the first epoch of every cluster is 0: the low half counts the
//! recoveries, the high half is drawn at random with each. Two survivors that were recovered apart
//! from each other have equal counts and different tags: neither is newer.
//!
//! **Source**: `vip-protocol.md`, section 5, `cluster recover`.

/// An epoch as it travels and is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Epoch(pub u64);

/// What one epoch is to another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Era {
    /// The same.
    Same,
    /// A later one of the same cluster: what was before is over.
    Newer,
    /// An earlier one: it is over.
    Older,
    /// Recovered as often, by another hand: neither knows what the other did.
    Rival,
}

impl Epoch {
    /// How often the cluster was recovered.
    pub fn count(self) -> u32 {
        u32::try_from(self.0 & LOW).expect("32 bits")
    }

    /// What this one is to `other`.
    pub fn beside(self, other: Epoch) -> Era {
        match self.count().cmp(&other.count()) {
            std::cmp::Ordering::Less => Era::Older,
            std::cmp::Ordering::Greater => Era::Newer,
            std::cmp::Ordering::Equal if self == other => Era::Same,
            std::cmp::Ordering::Equal => Era::Rival,
        }
    }

    /// The next one, with a tag drawn at random. `None` after four thousand million recoveries.
    pub fn next(self, tag: u32) -> Option<Epoch> {
        let count = self.count().checked_add(1)?;
        Some(Epoch(u64::from(tag) << 32 | u64::from(count)))
    }
}

const LOW: u64 = 0xffff_ffff;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_decide_and_tags_part_equals() {
        let first = Epoch(0);
        let (one, other) = (first.next(7).expect("next"), first.next(8).expect("next"));
        assert_eq!(one.0, 7 << 32 | 1);
        assert_eq!((one.count(), other.count()), (1, 1));
        for (a, b, wanted) in [
            (one, one, Era::Same),
            (one, first, Era::Newer),
            (first, one, Era::Older),
            (one, other, Era::Rival),
            (other, one, Era::Rival),
            (one.next(1).expect("next"), other, Era::Newer),
            (other, one.next(1).expect("next"), Era::Older),
        ] {
            assert_eq!(a.beside(b), wanted, "{a:?} beside {b:?}");
        }
        assert_eq!(Epoch(LOW).next(1), None);
    }
}
