//! PURE. On which interfaces the fence stands, and which MACs are this machine's own.

use std::collections::BTreeSet;
use std::fmt;

use crate::sys::Interface;

/// Where the fence stands, and where it would as well if there were fewer interfaces.
#[derive(Debug, Default)]
pub(super) struct Chosen<'a> {
    pub(super) fenced: Vec<&'a Interface>,
    pub(super) cut: Vec<&'a Interface>,
}

/// The interfaces to fence: those of the VIPs, and every other one with a network of its own. What
/// is too much is cut, and never that of a VIP.
///
/// A part of a bond or a bridge has none: its frames go on to what it is a part of, and dropping
/// ARP there would take the VIP off its own interface. The same goes for what a macvlan with a VIP
/// stands on.
pub(super) fn choose<'a>(links: &'a [Interface], vips: &BTreeSet<u32>) -> Chosen<'a> {
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
    let (mut fenced, others): (Vec<_>, Vec<_>) = links
        .iter()
        .filter(|link| vips.contains(&link.index) || own_network(link))
        .partition(|link| vips.contains(&link.index));
    let room = FENCED_MAX.saturating_sub(fenced.len()).min(others.len());
    let (more, cut) = others.split_at(room);
    fenced.extend(more);
    Chosen {
        fenced,
        cut: cut.to_vec(),
    }
}

impl Chosen<'_> {
    /// What is not fenced, in an operator's words; `None`: all of it is.
    pub(super) fn trouble(&self) -> Option<String> {
        let cut = (!self.cut.is_empty()).then_some(self)?;
        Some(cut.to_string())
    }
}

impl fmt::Display for Chosen<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = self.cut.iter().take(NAMES_MAX);
        let mut names: Vec<&str> = names.map(|link| link.name.as_str()).collect();
        names.extend((self.cut.len() > NAMES_MAX).then_some("..."));
        write!(
            f,
            "the fence stands on {} interfaces, those of the VIPs among them, and not on {} more \
             ({}): there are more than {FENCED_MAX}. On those this kernel may answer for its VIPs. \
             sysctl -w net.ipv4.conf.all.arp_ignore=1 (FMX-121)",
            self.fenced.len(),
            self.cut.len(),
            names.join(", ")
        )
    }
}

/// All MACs that this machine sends from.
pub(super) fn own_macs(links: &[Interface]) -> BTreeSet<[u8; 6]> {
    let macs = links.iter().flat_map(|link| link.macs.iter().copied());
    macs.filter(|mac| *mac != [0; 6]).collect()
}

/// A machine with more interfaces of its own runs something else than a load balancer; looking at
/// them twice a second must stay cheap.
const FENCED_MAX: usize = 256;
/// Who reads a few knows which kind they are.
const NAMES_MAX: usize = 5;

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
        let chosen = choose(links, &vips);
        assert_eq!((chosen.cut.len(), chosen.trouble()), (0, None));
        chosen.fenced.into_iter().map(|link| link.index).collect()
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
    fn what_is_too_much_is_cut_and_said_and_a_vip_never_is() {
        let links: Vec<Interface> = (1..=300).map(link).collect();
        let full = choose(&links[..FENCED_MAX], &[256].into());
        assert_eq!((full.fenced.len(), full.trouble()), (FENCED_MAX, None));
        assert_eq!(full.fenced[0].index, 256, "that of the VIP comes first");

        let vips = [299, 300].into();
        let chosen = choose(&links, &vips);
        assert_eq!((chosen.fenced.len(), chosen.cut.len()), (FENCED_MAX, 44));
        let stands = |index| chosen.fenced.iter().any(|link| link.index == index);
        assert!(stands(299) && stands(300) && stands(254) && !stands(255));
        let trouble = chosen.trouble().expect("it is said");
        let expected = "256 interfaces, those of the VIPs among them, and not on 44 more (if255, ";
        assert!(trouble.contains(expected), "{trouble}");
        assert!(trouble.contains("if259, ...): there are"), "{trouble}");

        let all = (1..=300).collect();
        let vips_alone = choose(&links, &all);
        assert_eq!((vips_alone.fenced.len(), vips_alone.cut.len()), (300, 0));
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
