//! PURE. What leads from the addresses that are here to those that should be.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Arc;

/// An address on an interface.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Spot {
    /// The interface's name.
    pub interface: Arc<str>,
    /// The floating address.
    pub address: IpAddr,
}

/// One step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Take an address away.
    Withdraw(Spot),
    /// Add an address, and announce it.
    Show(Spot),
}

/// The steps from `have` to `want`: all that goes, goes before anything comes, so that an address
/// that moves between interfaces is never on two.
pub fn diff(have: &BTreeSet<Spot>, want: &BTreeSet<Spot>) -> Vec<Step> {
    let gone = have.difference(want).cloned().map(Step::Withdraw);
    let new = want.difference(have).cloned().map(Step::Show);
    gone.chain(new).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spot(text: &str) -> Spot {
        let (interface, address) = text.split_once(' ').expect("interface and address");
        Spot {
            interface: interface.into(),
            address: address.parse().expect("an address"),
        }
    }

    fn spots(texts: &[&str]) -> BTreeSet<Spot> {
        texts.iter().map(|text| spot(text)).collect()
    }

    #[test]
    fn every_pair_of_worlds() {
        let (a, b) = ("eth0 10.0.0.1", "eth0 10.0.0.2");
        let (moved, six) = ("eth1 10.0.0.1", "eth0 2001:db8::1");
        let withdraw = |text| Step::Withdraw(spot(text));
        let show = |text| Step::Show(spot(text));
        let table: &[(&[&str], &[&str], Vec<Step>)] = &[
            (&[], &[], vec![]),
            (&[], &[a], vec![show(a)]),
            (&[a], &[], vec![withdraw(a)]),
            (&[a], &[a], vec![]),
            (&[a], &[a, b], vec![show(b)]),
            (&[a, b], &[b], vec![withdraw(a)]),
            (&[b], &[a], vec![withdraw(b), show(a)]),
            (&[a], &[moved], vec![withdraw(a), show(moved)]),
            (&[moved], &[a], vec![withdraw(moved), show(a)]),
            (&[a], &[a, six], vec![show(six)]),
        ];
        for (have, want, steps) in table {
            assert_eq!(
                diff(&spots(have), &spots(want)),
                *steps,
                "{have:?} -> {want:?}"
            );
        }
    }
}
