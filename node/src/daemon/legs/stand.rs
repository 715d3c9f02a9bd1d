//! PURE. From what is seen to legs.

use std::collections::BTreeMap;

use farmux_raft::id::{FarmName, VipName};
use farmux_raft::lease::Legs;

/// What this node sees. What is not known stands for well: whoever has just started, or has nobody
/// to ask, is no worse than others.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Seen {
    /// Whether the interface of each VIP is there and sees a carrier.
    pub(super) carriers: BTreeMap<VipName, bool>,
    /// Whether the gateway of each VIP answers.
    pub(super) gateways: BTreeMap<VipName, bool>,
    /// Whether any server of each farm that was sampled is reached.
    pub(super) farms: BTreeMap<FarmName, bool>,
}

/// The legs of this node.
///
/// They are a node's, not a VIP's: where one network of several fails here, all VIPs do better on
/// a node where none does.
pub(super) fn stand(seen: &Seen) -> Legs {
    let legs = [
        (Legs::CARRIER, all(&seen.carriers)),
        (Legs::GATEWAY, all(&seen.gateways)),
        (Legs::SERVER, all(&seen.farms)),
    ];
    let missing = legs.into_iter().filter(|(_, well)| !well);
    missing.fold(Legs::ALL, |legs, (leg, _)| legs.without(leg))
}

fn all<K>(answers: &BTreeMap<K, bool>) -> bool {
    answers.values().all(|well| *well)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Names, and whether each is well.
    type Words<'a> = &'a [(&'a str, bool)];

    #[test]
    fn every_leg_by_itself_and_what_is_not_known() {
        fn of<K: std::str::FromStr<Err: std::fmt::Debug> + Ord>(
            words: Words<'_>,
        ) -> BTreeMap<K, bool> {
            let one = |(name, well): &(&str, bool)| (name.parse().expect("a name"), *well);
            words.iter().map(one).collect()
        }
        let (well, one_of_two) = ([("a", true)], [("a", true), ("b", false)]);
        let table: [(Words<'_>, Words<'_>, Words<'_>, Legs); 6] = [
            (&[], &[], &[], Legs::ALL),
            (&well, &well, &well, Legs::ALL),
            (&one_of_two, &well, &well, Legs::ALL.without(Legs::CARRIER)),
            (&well, &one_of_two, &well, Legs::ALL.without(Legs::GATEWAY)),
            (&well, &[], &one_of_two, Legs::ALL.without(Legs::SERVER)),
            (&one_of_two, &one_of_two, &one_of_two, Legs::RUNTIMES),
        ];
        for (carriers, gateways, farms, expected) in table {
            let seen = Seen {
                carriers: of(carriers),
                gateways: of(gateways),
                farms: of(farms),
            };
            assert_eq!(stand(&seen), expected, "{seen:?}");
        }
    }
}
