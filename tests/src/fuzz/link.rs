//! Frames of the LAN: what claims an address says which, and to whom it belongs.

use std::net::Ipv4Addr;

use farmux_netplane::arp::{self, owner, question};
use farmux_netplane::vip::advertisement::Advertisement;

use super::meter::Meter;

/// 14 bytes of Ethernet and 28 of ARP.
const ARP_BYTES: usize = 42;

pub(super) fn frame(meter: &Meter, input: &[u8]) {
    if let Some(claim) = meter.within(|| arp::Claim::parse(input)) {
        assert!(!claim.address.is_unspecified());
        assert_eq!(arp::Claim::parse(&claim.frame()), Some(claim));
        assert_eq!(arp::Claim::parse(&input[..ARP_BYTES]), Some(claim));
        // The two readers of ARP say the same.
        assert_eq!(owner(input, claim.address), Some(claim.mac));
    }
    if let Some(told) = meter.within(|| Advertisement::parse(input)) {
        assert_eq!(Advertisement::parse(&told.frame()), Some(told));
    }
    let Some(sender) = input.get(28..32).and_then(<[u8]>::first_chunk::<4>) else {
        return;
    };
    let sender = Ipv4Addr::from(*sender);
    if let Some(mac) = meter.within(|| owner(input, sender)) {
        let asked = question(mac, sender, Ipv4Addr::new(10, 0, 0, 100));
        assert_eq!(owner(&asked, sender), Some(mac));
        assert_eq!(
            arp::Claim::parse(&asked).is_some(),
            sender.octets() == [10, 0, 0, 100]
        );
    }
}
