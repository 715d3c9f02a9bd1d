//! Frame by frame: what gets through in which state, by tcx and by clsact.

use std::net::{Ipv4Addr, Ipv6Addr};

use farmux_netplane::fence::{DropReason, FenceMode, HookChoice, Stand};
use farmux_netplane::sys::boottime_ns;
use farmux_tests::lab::{CLIENT, VIP, node_address};

use super::frames::{
    ACK, BROADCAST, Frame, Head4, REPLY, REQUEST, SYN, advertisement, arp, solicitation, tcp4,
    tcp6, udp4, udp6,
};
use super::yard::{OTHER, OTHER6, VIP6, Way, Yard, lent};

const STRANGER: [u8; 6] = [2, 0, 0, 0, 9, 9];
const NOBODY: Ipv4Addr = Ipv4Addr::UNSPECIFIED;

type Row = (&'static str, Frame, Option<DropReason>);

/// A fence for each way of attaching it.
fn both(test: impl Fn(Yard)) {
    for (hook, mode) in [
        (HookChoice::Best, FenceMode::Tcx),
        (HookChoice::Clsact, FenceMode::Clsact),
    ] {
        let yard = Yard::new(hook);
        yard.assert_mode(mode);
        test(yard);
    }
}

fn check(yard: &mut Yard, way: Way, rows: Vec<Row>) {
    for (what, frame, expected) in rows {
        let fate = yard.fate(way, &frame);
        assert_eq!(fate, expected, "{way:?}, {what}: {frame:x?}");
    }
}

fn asks(target: Ipv4Addr) -> Frame {
    arp(REQUEST, (STRANGER, CLIENT), target)
}

/// What reaches the machine, and what becomes of it while the fence is not open.
fn coming(to: [u8; 6], drops: bool) -> Vec<Row> {
    let dropped = |reason| drops.then_some(reason);
    let (packet, asked) = (dropped(DropReason::PacketIn), dropped(DropReason::Asked));
    let from6 = Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, 200);
    vec![
        ("a packet", udp4(to, CLIENT, VIP), packet),
        ("with a priority", udp4(to, CLIENT, VIP).tagged(0), packet),
        (
            "with two",
            udp4(to, CLIENT, VIP).tagged(0).tagged(0),
            packet,
        ),
        ("in another VLAN", udp4(to, CLIENT, VIP).tagged(7), None),
        ("to another", udp4(to, CLIENT, OTHER), None),
        ("IPv6", udp6(to, from6, VIP6), packet),
        ("IPv6 to another", udp6(to, from6, OTHER6), None),
        ("who has it?", asks(VIP), asked),
        ("with a priority", asks(VIP).tagged(0), asked),
        ("in another VLAN", asks(VIP).tagged(7), None),
        ("a probe", arp(REQUEST, (STRANGER, NOBODY), VIP), asked),
        ("who has another?", asks(OTHER), None),
        ("an answer to it", arp(REPLY, (STRANGER, OTHER), VIP), None),
        ("a solicitation", solicitation(from6, VIP6, &[]), asked),
        ("behind options", solicitation(from6, VIP6, &[0, 60]), asked),
        (
            "a DAD probe",
            solicitation(Ipv6Addr::UNSPECIFIED, VIP6, &[]),
            asked,
        ),
        ("for another", solicitation(from6, OTHER6, &[]), None),
    ]
}

/// What the machine itself would send; `silent` while it may not even announce.
fn going(own: [u8; 6], drops: bool, silent: bool) -> Vec<Row> {
    let packet = drops.then_some(DropReason::PacketOut);
    let announced = silent.then_some(DropReason::Announced);
    let mine = node_address(1);
    let mine6 = Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, 11);
    vec![
        ("a packet from it", udp4(BROADCAST, VIP, CLIENT), packet),
        (
            "with a priority",
            udp4(BROADCAST, VIP, CLIENT).tagged(0),
            packet,
        ),
        ("from another", udp4(BROADCAST, mine, CLIENT), None),
        ("a drill to it", udp4(BROADCAST, mine, VIP), None),
        ("IPv6 from it", udp6(BROADCAST, VIP6, OTHER6), packet),
        ("IPv6 from another", udp6(BROADCAST, mine6, VIP6), None),
        ("an announcement", arp(REQUEST, (own, VIP), VIP), announced),
        ("as a reply", arp(REPLY, (own, VIP), VIP), announced),
        ("an answer", arp(REPLY, (own, VIP), CLIENT), announced),
        (
            "asked in its name",
            arp(REQUEST, (own, VIP), CLIENT),
            announced,
        ),
        ("a probe for it", arp(REQUEST, (own, NOBODY), VIP), None),
        ("asked for it", arp(REQUEST, (own, mine), VIP), None),
        (
            "an answer for itself",
            arp(REPLY, (own, mine), CLIENT),
            None,
        ),
        (
            "an advertisement",
            advertisement(own, VIP6, Some(own)),
            announced,
        ),
        ("of another", advertisement(own, OTHER6, Some(own)), None),
        (
            "a solicitation for it",
            solicitation(mine6, VIP6, &[]),
            None,
        ),
    ]
}

#[test]
fn closed_nothing_of_the_vip_gets_in_or_out() {
    both(|mut yard| {
        let mac = yard.eth0.mac;
        yard.stand(Stand::Closed);
        check(&mut yard, Way::In, coming(mac, true));
        check(&mut yard, Way::Out, going(mac, true, true));
    });
}

#[test]
fn claiming_only_announcements_get_out() {
    both(|mut yard| {
        let mac = yard.eth0.mac;
        yard.stand(Stand::Claiming);
        check(&mut yard, Way::In, coming(mac, true));
        check(&mut yard, Way::Out, going(mac, true, false));
    });
}

#[test]
fn open_everything_gets_through() {
    both(|mut yard| {
        let mac = yard.eth0.mac;
        yard.stand(Stand::Open);
        check(&mut yard, Way::In, coming(mac, false));
        check(&mut yard, Way::Out, going(mac, false, false));
    });
}

#[test]
fn a_deadline_closes_by_itself() {
    both(|mut yard| {
        let slot = yard.slot("front");
        yard.stand(Stand::Open);
        let frame = udp4(yard.eth0.mac, CLIENT, VIP);
        assert_eq!(yard.fate(Way::In, &frame), None);
        let mut soon = lent(None);
        soon.until_ns = boottime_ns() + 1_000_000;
        slot.extend(soon);
        while boottime_ns() <= soon.until_ns {
            std::thread::yield_now();
        }
        assert_eq!(yard.fate(Way::In, &frame), Some(DropReason::PacketIn));
    });
}

#[test]
fn elsewhere_nothing_is_said_about_a_vip() {
    both(|mut yard| {
        yard.stand(Stand::Open);
        let (own, mine) = (yard.eth1.mac, node_address(1));
        let mine6 = Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, 11);
        let elsewhere = Some(DropReason::Elsewhere);
        let rows: Vec<Row> = vec![
            ("who has it?", asks(VIP), elsewhere),
            ("an announcement", arp(REPLY, (own, VIP), VIP), elsewhere),
            ("asked for it", arp(REQUEST, (own, mine), VIP), elsewhere),
            (
                "a probe for it",
                arp(REQUEST, (own, NOBODY), VIP),
                elsewhere,
            ),
            ("a solicitation", solicitation(mine6, VIP6, &[]), elsewhere),
            (
                "an advertisement",
                advertisement(own, VIP6, None),
                elsewhere,
            ),
            ("who has another?", asks(OTHER), None),
            ("a packet", udp4(own, CLIENT, VIP), None),
        ];
        for way in [Way::In, Way::Out] {
            for (what, frame, expected) in &rows {
                let fate = yard.fate_elsewhere(way, frame);
                assert_eq!(fate, *expected, "{way:?}, {what}");
            }
        }
        assert_eq!(yard.status("front").claims, 0, "nobody there is believed");
    });
}

#[test]
fn new_connections_are_refused_and_counted() {
    both(|mut yard| {
        yard.stand(Stand::Open);
        let to = yard.eth0.mac;
        let plain = Head4::default();
        let options = Head4 {
            options: 3,
            ..plain
        };
        let rows = |refused: Option<DropReason>| -> Vec<Row> {
            let later = Head4 {
                fragment: 0x2001,
                ..plain
            };
            vec![
                ("SYN", tcp4(to, VIP, SYN, plain), refused),
                ("behind options", tcp4(to, VIP, SYN, options), refused),
                ("with ECN", tcp4(to, VIP, SYN | 0xc0, plain), refused),
                ("SYN and ACK", tcp4(to, VIP, SYN | ACK, plain), None),
                ("ACK", tcp4(to, VIP, ACK, plain), None),
                ("a later fragment", tcp4(to, VIP, SYN, later), None),
                ("to another", tcp4(to, OTHER, SYN, plain), None),
                ("no TCP", udp4(to, CLIENT, VIP), None),
                ("IPv6", tcp6(to, VIP6, SYN, &[]), refused),
                (
                    "behind all",
                    tcp6(to, VIP6, SYN, &[0, 60, 43, 51, 44]),
                    refused,
                ),
                ("IPv6 ACK", tcp6(to, VIP6, ACK, &[]), None),
            ]
        };
        for vip in ["front", "six"] {
            yard.slot(vip).refuse_until(boottime_ns() + 60_000_000_000);
        }
        check(&mut yard, Way::In, rows(Some(DropReason::NewRefused)));
        for vip in ["front", "six"] {
            yard.slot(vip).refuse_until(0);
        }
        check(&mut yard, Way::In, rows(None));
        let counted = yard.status("front").drops[&DropReason::NewRefused];
        assert_eq!(counted, 3, "each one is counted");
    });
}

#[test]
fn only_another_machine_claims() {
    both(|mut yard| {
        let (own, second) = (yard.eth0.mac, yard.eth1.mac);
        yard.stand(Stand::Open);
        let none: Vec<(&str, Frame)> = vec![
            ("a probe", arp(REQUEST, (STRANGER, NOBODY), VIP)),
            ("a question", asks(VIP)),
            ("our own, looped back", arp(REQUEST, (own, VIP), VIP)),
            ("relayed", arp(REPLY, (own, VIP), VIP).from(STRANGER)),
            ("our second interface", arp(REPLY, (second, VIP), VIP)),
            (
                "in another VLAN",
                arp(REPLY, (STRANGER, VIP), VIP).tagged(7),
            ),
            (
                "a DAD probe",
                solicitation(Ipv6Addr::UNSPECIFIED, VIP6, &[]),
            ),
            ("our own", advertisement(own, VIP6, Some(own))),
            ("relayed", advertisement(STRANGER, VIP6, Some(own))),
            ("of another address", advertisement(STRANGER, OTHER6, None)),
        ];
        for (what, frame) in none {
            assert_eq!(yard.fate(Way::In, &frame), None, "{what}");
            let (front, six) = (yard.status("front"), yard.status("six"));
            assert_eq!((front.claims, six.claims), (0, 0), "{what} is no claim");
            assert_eq!((front.claim, six.claim), (None, None), "{what}");
        }
        let mut count = 0;
        for (what, frame) in [
            ("a request", arp(REQUEST, (STRANGER, VIP), VIP)),
            ("a reply", arp(REPLY, (STRANGER, VIP), CLIENT)),
            ("asking in its name", arp(REQUEST, (STRANGER, VIP), CLIENT)),
            (
                "with a priority",
                arp(REPLY, (STRANGER, VIP), VIP).tagged(0),
            ),
        ] {
            let before = boottime_ns();
            assert_eq!(yard.fate(Way::In, &frame), None, "{what}");
            let status = yard.status("front");
            let claim = status.claim.expect(what);
            assert_eq!(claim.mac, STRANGER, "{what}");
            assert!((before..boottime_ns()).contains(&claim.at_ns), "{what}");
            count += 1;
            assert_eq!(status.claims, count, "{what}");
        }
        let named = [2, 0, 0, 0, 8, 8];
        for (option, mac) in [(None, STRANGER), (Some(named), named)] {
            let frame = advertisement(STRANGER, VIP6, option);
            assert_eq!(yard.fate(Way::In, &frame), None);
            assert_eq!(yard.status("six").claim.expect("a claim").mac, mac);
        }
    });
}

#[test]
fn a_claim_ends_a_hold_and_no_lease() {
    both(|mut yard| {
        let claim = arp(REPLY, (STRANGER, VIP), VIP);
        let packet = udp4(yard.eth0.mac, CLIENT, VIP);
        let slot = yard.slot("front");
        yard.stand(Stand::Open);
        assert_eq!(yard.fate(Way::In, &claim), None);
        assert_eq!(
            yard.fate(Way::In, &packet),
            None,
            "a live lease defends itself"
        );

        slot.extend(lent(Some(boottime_ns())));
        assert_eq!(
            yard.fate(Way::In, &packet),
            None,
            "an older claim counts for nothing"
        );
        let probe = arp(REQUEST, (STRANGER, NOBODY), VIP);
        assert_eq!(yard.fate(Way::In, &probe), None);
        assert_eq!(yard.fate(Way::In, &packet), None, "nor does a probe");

        assert_eq!(yard.fate(Way::In, &claim), None);
        assert_eq!(yard.status("front").stand, Stand::Closed);
        assert_eq!(yard.fate(Way::In, &packet), Some(DropReason::PacketIn));
        let answer = udp4(BROADCAST, VIP, CLIENT);
        assert_eq!(yard.fate(Way::Out, &answer), Some(DropReason::PacketOut));

        slot.extend(lent(Some(boottime_ns() - 1_000_000_000)));
        let still = yard.fate(Way::In, &packet);
        assert_eq!(
            still,
            Some(DropReason::PacketIn),
            "holding on longer does not help"
        );
        slot.extend(lent(None));
        assert_eq!(yard.fate(Way::In, &packet), None, "a majority does");
    });
}
