//! PURE. ARP questions, and who answers them.
//!
//! **Source**: RFC 826; RFC 5227, 2.1.1 (a probe carries no sender address, so that it changes
//! nobody's table).

use std::net::Ipv4Addr;

/// A question as bytes: Ethernet header and ARP, without padding.
pub type Frame = [u8; FRAME_BYTES];

/// Asks everybody who has `address`; a probe where `sender` is unspecified.
pub fn question(mac: [u8; 6], sender: Ipv4Addr, address: Ipv4Addr) -> Frame {
    let mut frame = [0; FRAME_BYTES];
    frame[..6].copy_from_slice(&[0xff; 6]);
    frame[6..12].copy_from_slice(&mac);
    frame[12..20].copy_from_slice(&ETHERNET_ARP);
    frame[21] = 1;
    frame[22..28].copy_from_slice(&mac);
    frame[28..32].copy_from_slice(&sender.octets());
    frame[38..42].copy_from_slice(&address.octets());
    frame
}

/// Who says by this frame that `address` is its own: the sender of an answer, of an announcement,
/// or of a question that carries it.
pub fn owner(frame: &[u8], address: Ipv4Addr) -> Option<[u8; 6]> {
    let frame = frame.first_chunk::<FRAME_BYTES>()?;
    let says = frame[12..20] == ETHERNET_ARP && frame[28..32] == address.octets();
    let known = frame[20] == 0 && matches!(frame[21], 1 | 2);
    let mac = <[u8; 6]>::try_from(&frame[22..28]).ok()?;
    (says && known).then_some(mac)
}

/// 14 of Ethernet and 28 of ARP.
pub const FRAME_BYTES: usize = 42;
/// Ethertype ARP; hardware Ethernet, protocol IPv4, lengths 6 and 4.
const ETHERNET_ARP: [u8; 8] = [0x08, 0x06, 0, 1, 0x08, 0, 6, 4];

#[cfg(test)]
mod tests {
    use super::*;

    const MAC: [u8; 6] = [2, 0, 0, 0, 0, 7];
    const VIP: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 100);

    #[test]
    fn a_probe_byte_by_byte() {
        let expected = [
            255, 255, 255, 255, 255, 255, 2, 0, 0, 0, 0, 7, 8, 6, 0, 1, 8, 0, 6, 4, 0, 1, 2, 0, 0,
            0, 0, 7, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 10, 0, 0, 100,
        ];
        assert_eq!(question(MAC, Ipv4Addr::UNSPECIFIED, VIP), expected);
    }

    #[test]
    fn who_owns() {
        let own = Ipv4Addr::new(10, 0, 0, 11);
        let asked = question(MAC, own, VIP);
        assert_eq!(owner(&asked, VIP), None, "a question is no answer");
        assert_eq!(owner(&asked, own), Some(MAC), "but says who asks");
        let probe = question(MAC, Ipv4Addr::UNSPECIFIED, VIP);
        assert_eq!(owner(&probe, VIP), None);
        let mut answer = question(MAC, VIP, own);
        answer[21] = 2;
        assert_eq!(owner(&answer, VIP), Some(MAC));
        assert_eq!(owner(&answer, own), None);
        answer[21] = 3;
        assert_eq!(owner(&answer, VIP), None, "RARP");
        assert_eq!(owner(&answer[..41], VIP), None, "cut off");
    }
}
