//! PURE. Neighbour advertisements that announce an address: what gratuitous ARP is in IPv6.
//!
//! **Source**: RFC 4861, sections 4.4 and 7.2.6 (unsolicited, to all nodes, with the override
//! flag); RFC 4443, section 2.3 (checksum); `vip-protocol.md`, section 7.

use std::net::Ipv6Addr;

/// An announcement as bytes: Ethernet, IPv6 and ICMPv6.
pub type Frame = [u8; FRAME_BYTES];

/// Whose an address is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Advertisement {
    /// The machine.
    pub mac: [u8; 6],
    /// Its address.
    pub address: Ipv6Addr,
}

impl Advertisement {
    /// The frame, to all nodes.
    pub fn frame(&self) -> Frame {
        let mut frame = [0; FRAME_BYTES];
        let source = self.address.octets();
        frame[..6].copy_from_slice(&ALL_NODES_MAC);
        frame[6..12].copy_from_slice(&self.mac);
        frame[12..14].copy_from_slice(&ETHERTYPE_IPV6);
        frame[14] = 6 << 4;
        frame[18..20].copy_from_slice(&ICMP_BYTES.to_be_bytes());
        // The hop limit tells a neighbour that nobody farther away has sent it.
        (frame[20], frame[21]) = (ICMPV6, 255);
        frame[22..38].copy_from_slice(&source);
        frame[38..54].copy_from_slice(&ALL_NODES.octets());
        frame[54] = ADVERTISEMENT;
        frame[58] = OVERRIDE;
        frame[62..78].copy_from_slice(&source);
        (frame[78], frame[79]) = (TARGET_MAC, 1);
        frame[80..86].copy_from_slice(&self.mac);
        let sum = checksum(&frame[22..54], &frame[54..]);
        frame[56..58].copy_from_slice(&sum.to_be_bytes());
        frame
    }

    /// The advertisement in a frame, whoever it goes to; `None` where it is something else, is
    /// damaged, or does not override.
    pub fn parse(frame: &[u8]) -> Option<Advertisement> {
        let frame = frame.first_chunk::<FRAME_BYTES>()?;
        let is_one = frame[12..14] == ETHERTYPE_IPV6
            && (frame[20], frame[21]) == (ICMPV6, 255)
            && frame[54] == ADVERTISEMENT
            && frame[58] & OVERRIDE != 0
            && (frame[78], frame[79]) == (TARGET_MAC, 1)
            && checksum(&frame[22..54], &frame[54..]) == 0;
        let target = <[u8; 16]>::try_from(&frame[62..78]).ok()?;
        is_one.then_some(Advertisement {
            mac: frame[80..86].try_into().ok()?,
            address: target.into(),
        })
    }
}

/// The Internet checksum over both addresses, length, protocol and message; zero over a message
/// that holds its own.
fn checksum(addresses: &[u8], message: &[u8]) -> u16 {
    let words = |bytes: &[u8]| -> u32 {
        let pairs = bytes.chunks_exact(2);
        pairs
            .map(|pair| u32::from(u16::from_be_bytes([pair[0], pair[1]])))
            .sum()
    };
    let sum = words(addresses) + words(message) + u32::from(ICMP_BYTES) + u32::from(ICMPV6);
    let folded = (sum & 0xffff) + (sum >> 16);
    let folded = (folded & 0xffff) + (folded >> 16);
    !u16::try_from(folded).expect("two folds leave 16 bits")
}

/// 14 of Ethernet, 40 of IPv6, 24 of the message, 8 of its option.
const FRAME_BYTES: usize = 86;
/// The message and its option.
const ICMP_BYTES: u16 = 32;
const ETHERTYPE_IPV6: [u8; 2] = [0x86, 0xdd];
const ICMPV6: u8 = 58;
/// `ff02::1`.
const ALL_NODES: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1);
/// **Source**: RFC 2464, section 7: 33:33 and the last four bytes of the group.
const ALL_NODES_MAC: [u8; 6] = [0x33, 0x33, 0, 0, 0, 1];
const ADVERTISEMENT: u8 = 136;
/// Whoever knows another MAC for the address is to forget it.
const OVERRIDE: u8 = 0x20;
/// Option 2, target link-layer address.
const TARGET_MAC: u8 = 2;

#[cfg(test)]
mod tests {
    use super::*;

    const OURS: Advertisement = Advertisement {
        mac: [2, 0, 0, 0, 0, 7],
        address: Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, 0x100),
    };

    #[test]
    fn byte_by_byte() {
        let mut expected = vec![0x33, 0x33, 0, 0, 0, 1, 2, 0, 0, 0, 0, 7, 0x86, 0xdd];
        expected.extend([0x60, 0, 0, 0, 0, 32, 58, 255]);
        expected.extend([0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0]);
        expected.extend([0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]);
        // fd00 + 0100 + ff02 + 1 + 20 + 3a + 8800 + 2000 + fd00 + 100 + 201 + 200 + 0 + 7, folded
        // and inverted.
        expected.extend([136, 0, 0x58, 0x97, 0x20, 0, 0, 0]);
        expected.extend([0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0]);
        expected.extend([2, 1, 2, 0, 0, 0, 0, 7]);
        assert_eq!(OURS.frame().to_vec(), expected);
    }

    #[test]
    fn the_checksum_is_the_one_another_library_computes() {
        let frame = OURS.frame();
        let message = etherparse::Icmpv6Slice::from_slice(&frame[54..]).expect("ICMPv6");
        let source = OURS.address.octets();
        assert!(message.is_checksum_valid(source, ALL_NODES.octets()));
    }

    #[test]
    fn what_is_read_and_what_is_not() {
        let frame = OURS.frame();
        assert_eq!(Advertisement::parse(&frame), Some(OURS));
        assert_eq!(Advertisement::parse(&frame[..85]), None, "cut off");
        for at in [12, 20, 21, 54, 58, 70, 78, 85] {
            let mut changed = frame;
            changed[at] ^= 0xff;
            assert_eq!(Advertisement::parse(&changed), None, "byte {at}");
        }
    }
}
