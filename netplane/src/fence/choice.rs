//! PURE. On which interfaces the fence stands, and which MACs are this machine's own.

use std::collections::BTreeSet;

use crate::sys::Interface;

/// The interfaces to fence: those of the VIPs, and every other one with a network of its own.
///
/// A part of a bond or a bridge has none: its frames go on to what it is a part of, and dropping
/// ARP there would take the VIP off its own interface. The same goes for what a macvlan with a VIP
/// stands on.
pub(super) fn fenced<'a>(links: &'a [Interface], vips: &BTreeSet<u32>) -> Vec<&'a Interface> {
    let vrfs: BTreeSet<u32> = links
        .iter()
        .filter(|link| link.vrf)
        .map(|link| link.index)
        .collect();
    let shared: BTreeSet<u32> = links
        .iter()
        .filter(|link| vips.contains(&link.index))
        .filter_map(|link| link.shares)
        .collect();
    let own_network = |link: &&Interface| {
        let part = link.part_of.is_some_and(|whole| !vrfs.contains(&whole));
        link.ethernet && !part && !shared.contains(&link.index)
    };
    links
        .iter()
        .filter(|link| vips.contains(&link.index) || own_network(link))
        .take(FENCED_MAX)
        .collect()
}

/// All MACs that this machine sends from.
pub(super) fn own_macs(links: &[Interface]) -> BTreeSet<[u8; 6]> {
    let macs = links.iter().flat_map(|link| link.macs.iter().copied());
    macs.filter(|mac| *mac != [0; 6]).collect()
}

/// A machine with more interfaces of its own runs something else than a load balancer; looking at
/// them twice a second must stay cheap.
const FENCED_MAX: usize = 256;

#[cfg(test)]
mod tests {
    use super::*;

    fn link(index: u32) -> Interface {
        Interface {
            index,
            name: format!("if{index}"),
            ethernet: true,
            ..Interface::default()
        }
    }

    fn chosen(links: &[Interface], vips: &[u32]) -> Vec<u32> {
        let vips = vips.iter().copied().collect();
        let chosen = fenced(links, &vips);
        chosen.into_iter().map(|link| link.index).collect()
    }

    #[test]
    fn every_ethernet_interface_but_the_loopback() {
        let loopback = Interface {
            ethernet: false,
            ..link(1)
        };
        assert_eq!(chosen(&[loopback, link(2), link(3)], &[2]), [2, 3]);
    }

    #[test]
    fn a_bond_is_fenced_and_its_parts_are_not() {
        let part = |index| Interface {
            part_of: Some(4),
            ..link(index)
        };
        assert_eq!(chosen(&[part(2), part(3), link(4)], &[4]), [4]);
        assert_eq!(
            chosen(&[part(2), part(3), link(4)], &[2]),
            [2, 4],
            "as asked"
        );
    }

    #[test]
    fn parts_of_a_vrf_have_networks_of_their_own() {
        let vrf = Interface {
            vrf: true,
            ethernet: false,
            ..link(4)
        };
        let part = Interface {
            part_of: Some(4),
            ..link(3)
        };
        assert_eq!(chosen(&[link(2), part, vrf], &[2]), [2, 3]);
    }

    #[test]
    fn what_a_macvlan_stands_on_lets_its_arp_pass() {
        let macvlan = Interface {
            shares: Some(2),
            ..link(3)
        };
        let links = [link(2), macvlan];
        assert_eq!(chosen(&links, &[3]), [3]);
        assert_eq!(
            chosen(&links, &[2]),
            [2, 3],
            "the VIP is below: above is another"
        );
    }

    #[test]
    fn own_macs_without_the_loopbacks() {
        let mut one = link(2);
        one.macs = vec![[2, 0, 0, 0, 0, 7], [2, 0, 0, 0, 0, 8]];
        let mut loopback = link(1);
        loopback.macs = vec![[0; 6]];
        let macs = own_macs(&[loopback, one]);
        assert_eq!(macs, [[2, 0, 0, 0, 0, 7], [2, 0, 0, 0, 0, 8]].into());
    }
}
