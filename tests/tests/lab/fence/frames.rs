//! Frames, byte by byte, as a neighbour might send them.

use std::net::{Ipv4Addr, Ipv6Addr};

pub(super) type Mac = [u8; 6];

pub(super) const BROADCAST: Mac = [0xff; 6];
pub(super) const ARP: u16 = 0x0806;
pub(super) const IP4: u16 = 0x0800;
pub(super) const IP6: u16 = 0x86dd;

pub(super) const REQUEST: u8 = 1;
pub(super) const REPLY: u8 = 2;

/// Flags of TCP.
pub(super) const SYN: u8 = 0x02;
pub(super) const ACK: u8 = 0x10;

/// A frame without its last bytes, which tell one from another.
#[derive(Debug, Clone)]
pub(super) struct Frame {
    pub(super) protocol: u16,
    pub(super) bytes: Vec<u8>,
}

fn ethernet(protocol: u16, to: Mac, from: Mac, payload: &[u8]) -> Frame {
    let mut bytes = Vec::new();
    bytes.extend(to);
    bytes.extend(from);
    bytes.extend(protocol.to_be_bytes());
    bytes.extend(payload);
    Frame { protocol, bytes }
}

/// `(MAC, address)` of whoever speaks and of whoever is spoken of.
pub(super) fn arp(operation: u8, sender: (Mac, Ipv4Addr), target: Ipv4Addr) -> Frame {
    let mut payload = vec![0, 1, 8, 0, 6, 4, 0, operation];
    payload.extend(sender.0);
    payload.extend(sender.1.octets());
    payload.extend([0; 6]);
    payload.extend(target.octets());
    ethernet(ARP, BROADCAST, sender.0, &payload)
}

/// A packet of IPv4 that carries `protocol` and `payload`.
fn ip4(to: Mac, from: Ipv4Addr, at: Ipv4Addr, head: Head4, payload: &[u8]) -> Frame {
    let length = u16::try_from(20 + 4 * head.options + payload.len()).expect("short");
    let words = u8::try_from(5 + head.options).expect("few");
    let mut packet = vec![0x40 | words, 0];
    packet.extend(length.to_be_bytes());
    packet.extend([0, 1]);
    packet.extend(head.fragment.to_be_bytes());
    packet.extend([64, head.protocol, 0, 0]);
    packet.extend(from.octets());
    packet.extend(at.octets());
    // No-operation, four to a word.
    packet.extend(vec![1; 4 * head.options]);
    let sum = checksum(&packet);
    packet[10..12].copy_from_slice(&sum.to_be_bytes());
    packet.extend(payload);
    ethernet(IP4, to, [2, 0, 0, 0, 9, 9], &packet)
}

/// Of a header whose own is zero (RFC 791); a bridge that filters drops what has a wrong one.
fn checksum(header: &[u8]) -> u16 {
    let words = header
        .chunks(2)
        .map(|pair| u32::from(u16::from_be_bytes([pair[0], pair[1]])));
    let mut sum: u32 = words.sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !u16::try_from(sum).expect("folded")
}

#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Head4 {
    pub(super) protocol: u8,
    pub(super) fragment: u16,
    pub(super) options: usize,
}

fn tcp(flags: u8) -> Vec<u8> {
    let mut segment = vec![0x80, 0, 0, 80, 0, 0, 0, 1, 0, 0, 0, 0, 0x50, flags];
    segment.extend([0xff, 0xff, 0, 0, 0, 0]);
    segment
}

pub(super) fn udp4(to: Mac, from: Ipv4Addr, at: Ipv4Addr) -> Frame {
    let head = Head4 {
        protocol: 17,
        ..Head4::default()
    };
    ip4(to, from, at, head, &[0x80, 0, 0, 9, 0, 8, 0, 0])
}

pub(super) fn tcp4(to: Mac, at: Ipv4Addr, flags: u8, head: Head4) -> Frame {
    let head = Head4 {
        protocol: 6,
        ..head
    };
    ip4(to, Ipv4Addr::new(10, 0, 0, 200), at, head, &tcp(flags))
}

/// Extension headers before what a packet of IPv6 carries, by number.
fn extended(headers: &[u8], last: u8, payload: &[u8]) -> (u8, Vec<u8>) {
    let mut bytes = Vec::new();
    for (index, header) in headers.iter().enumerate() {
        let next = headers.get(index + 1).copied().unwrap_or(last);
        match header {
            // A first fragment, of which more would follow.
            44 => bytes.extend([next, 0, 0, 1, 0, 0, 0, 7]),
            // An authentication header of 12 + 4 bytes.
            51 => bytes.extend([[next, 2, 0, 0], [0; 4], [0; 4], [0; 4]].concat()),
            // Eight bytes, six of them padding (PadN).
            _ => bytes.extend([next, 0, 1, 4, 0, 0, 0, 0]),
        }
    }
    bytes.extend(payload);
    (headers.first().copied().unwrap_or(last), bytes)
}

fn ip6(to: Mac, from: Ipv6Addr, at: Ipv6Addr, next: u8, payload: &[u8], source: Mac) -> Frame {
    let mut packet = vec![0x60, 0, 0, 0];
    packet.extend(u16::try_from(payload.len()).expect("short").to_be_bytes());
    packet.extend([next, 255]);
    packet.extend(from.octets());
    packet.extend(at.octets());
    packet.extend(payload);
    ethernet(IP6, to, source, &packet)
}

pub(super) fn udp6(to: Mac, from: Ipv6Addr, at: Ipv6Addr) -> Frame {
    let datagram = [0x80, 0, 0, 9, 0, 8, 0, 0];
    ip6(to, from, at, 17, &datagram, [2, 0, 0, 0, 9, 9])
}

pub(super) fn tcp6(to: Mac, at: Ipv6Addr, flags: u8, headers: &[u8]) -> Frame {
    let (next, payload) = extended(headers, 6, &tcp(flags));
    let from = Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, 200);
    ip6(to, from, at, next, &payload, [2, 0, 0, 0, 9, 9])
}

/// A neighbour solicitation or advertisement about `target`.
fn neighbour(kind: u8, target: Ipv6Addr, rest: &[u8]) -> Vec<u8> {
    let mut message = vec![kind, 0, 0, 0, 0x20, 0, 0, 0];
    message.extend(target.octets());
    message.extend(rest);
    message
}

pub(super) fn solicitation(from: Ipv6Addr, target: Ipv6Addr, headers: &[u8]) -> Frame {
    let source = [2, 0, 0, 0, 9, 9];
    let message = neighbour(135, target, &[]);
    let (next, payload) = extended(headers, 58, &message);
    let group = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 1, 0xff00, target.segments()[7]);
    ip6(
        [0x33, 0x33, 0, 0, 0, 1],
        from,
        group,
        next,
        &payload,
        source,
    )
}

/// An advertisement from `source`, with the MAC of its option where it has one.
pub(super) fn advertisement(source: Mac, target: Ipv6Addr, option: Option<Mac>) -> Frame {
    let option = option.map_or(Vec::new(), |mac| [&[2, 1][..], &mac[..]].concat());
    let message = neighbour(136, target, &option);
    let all = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1);
    ip6([0x33, 0x33, 0, 0, 0, 1], target, all, 58, &message, source)
}

impl Frame {
    /// The same within a VLAN, or with a priority (0) only.
    pub(super) fn tagged(mut self, vlan: u16) -> Frame {
        let mut tag = vec![0x81, 0];
        // Priority 5 beside the number.
        tag.extend((0xa000 | vlan).to_be_bytes());
        self.bytes.splice(12..12, tag);
        self
    }

    /// The same as sent by that machine.
    pub(super) fn from(mut self, mac: Mac) -> Frame {
        self.bytes[6..12].copy_from_slice(&mac);
        self
    }
}
