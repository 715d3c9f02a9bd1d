//! Addresses that a machine can have.

use std::net::{IpAddr, Ipv4Addr};

use super::{AddressClass, FaultKind};

/// Whether an address can be that of a server, a VIP or a gateway.
pub(super) fn ordinary(address: IpAddr) -> Result<(), FaultKind> {
    match class(address) {
        Some(class) => Err(FaultKind::Address { address, class }),
        None => Ok(()),
    }
}

/// Whether an address can be a node's own: as [`ordinary`], and loopback for a trial on one
/// machine.
pub(super) fn own(address: IpAddr) -> Result<(), FaultKind> {
    match class(address) {
        None | Some(AddressClass::Loopback) => Ok(()),
        Some(class) => Err(FaultKind::Address { address, class }),
    }
}

/// Why an address is not an ordinary one. **Source**: RFC 6890.
fn class(address: IpAddr) -> Option<AddressClass> {
    if address.is_unspecified() {
        return Some(AddressClass::Unspecified);
    }
    if address.is_loopback() {
        return Some(AddressClass::Loopback);
    }
    if address.is_multicast() {
        return Some(AddressClass::Multicast);
    }
    match address {
        IpAddr::V4(Ipv4Addr::BROADCAST) => Some(AddressClass::Broadcast),
        IpAddr::V4(v4) if v4.octets()[0] == 0 || v4.octets()[0] >= 240 => {
            Some(AddressClass::Reserved)
        }
        IpAddr::V4(_) => None,
        IpAddr::V6(v6) if v6.to_ipv4_mapped().is_some() => Some(AddressClass::MappedV4),
        IpAddr::V6(v6) if v6.is_unicast_link_local() => Some(AddressClass::LinkLocal),
        IpAddr::V6(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_ordinary_addresses_from_others() {
        for (text, wanted) in [
            ("10.0.0.1", None),
            ("169.254.3.4", None),
            ("2001:db8::1", None),
            ("fd00::1", None),
            ("0.0.0.0", Some(AddressClass::Unspecified)),
            ("::", Some(AddressClass::Unspecified)),
            ("127.8.0.1", Some(AddressClass::Loopback)),
            ("::1", Some(AddressClass::Loopback)),
            ("224.0.0.1", Some(AddressClass::Multicast)),
            ("ff02::1", Some(AddressClass::Multicast)),
            ("255.255.255.255", Some(AddressClass::Broadcast)),
            ("0.1.2.3", Some(AddressClass::Reserved)),
            ("240.0.0.1", Some(AddressClass::Reserved)),
            ("fe80::1", Some(AddressClass::LinkLocal)),
            ("::ffff:10.0.0.1", Some(AddressClass::MappedV4)),
        ] {
            assert_eq!(class(text.parse().expect("an address")), wanted, "{text}");
        }
    }

    #[test]
    fn a_node_may_try_itself_out_on_loopback_but_a_server_may_not() {
        let loopback: IpAddr = "127.0.0.1".parse().expect("an address");
        assert_eq!(own(loopback), Ok(()));
        assert!(ordinary(loopback).is_err());
        assert!(own("224.0.0.1".parse().expect("an address")).is_err());
    }
}
