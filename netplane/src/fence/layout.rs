//! PURE. How the fence's maps are laid out: the twin of `netplane/bpf/fence.c`.
//!
//! ```text
//!   places   address (16 bytes) ─▶ slot, interface
//!   slots    slot ─▶ eight words: deadline, opening, hold, refusal │ last claim, its MAC, how many
//!   macs     MAC (8 bytes) ─▶ 1
//!   drops    slot x 8 + reason ─▶ how many, on each core
//! ```

use std::net::{IpAddr, Ipv6Addr};

use crate::sys::MapShape;

/// The number of this layout and of what it means; another one has pins of its own.
pub(super) const LAYOUT: u32 = 1;
/// How many VIPs there is room for; a configuration may have 100.
pub(super) const SLOTS: u32 = 128;
/// Words of a slot.
pub(super) const WORDS: usize = 8;
/// How many interfaces of this machine are known by their MAC.
pub(super) const MACS: u32 = 1024;

/// The maps, as the kernel must have them.
pub(super) const SHAPES: [MapShape; 4] = [
    shape("places", 16, 8, SLOTS),
    shape("slots", 4, 64, SLOTS),
    shape("macs", 8, 4, MACS),
    shape("drops", 4, 8, SLOTS * REASONS),
];

const fn shape(name: &'static str, key: u32, value: u32, entries: u32) -> MapShape {
    MapShape {
        name,
        key_bytes: key,
        value_bytes: value,
        entries,
    }
}

/// A word of a slot; times are nanoseconds of `CLOCK_BOOTTIME`, and 0 is never.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Word {
    /// The deadline; once it is past, the fence is closed.
    Until,
    /// Before it only announcements get out.
    OpenFrom,
    /// Since when a hold lasts; a claim from then on ends it.
    AloneSince,
    /// Until then no new connection begins.
    RefuseUntil,
    /// The last claim by another machine. Written by the program, as are the next two.
    ClaimAt,
    /// Its MAC, as six bytes stand in memory.
    ClaimMac,
    /// How many there were.
    Claims,
}

impl Word {
    /// Which of the slot's words it is.
    pub(super) fn index(self) -> usize {
        match self {
            Word::Until => 0,
            Word::OpenFrom => 1,
            Word::AloneSince => 2,
            Word::RefuseUntil => 3,
            Word::ClaimAt => 4,
            Word::ClaimMac => 5,
            Word::Claims => 6,
        }
    }
}

/// Why a frame was dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DropReason {
    /// A packet to the VIP, while the fence was closed.
    PacketIn,
    /// ARP or a neighbour solicitation that asked for it, while it was closed.
    Asked,
    /// A packet from the VIP, while it was closed.
    PacketOut,
    /// ARP or a neighbour advertisement that announced it, while it was closed.
    Announced,
    /// ARP or neighbour discovery about it on an interface that is not its own.
    Elsewhere,
    /// A new connection while none may begin.
    NewRefused,
}

impl DropReason {
    /// All of them, in the order of their counters.
    pub const ALL: [DropReason; 6] = [
        DropReason::PacketIn,
        DropReason::Asked,
        DropReason::PacketOut,
        DropReason::Announced,
        DropReason::Elsewhere,
        DropReason::NewRefused,
    ];

    /// What it is called in metrics and reports.
    pub fn name(self) -> &'static str {
        match self {
            DropReason::PacketIn => "packet-in",
            DropReason::Asked => "asked",
            DropReason::PacketOut => "packet-out",
            DropReason::Announced => "announced",
            DropReason::Elsewhere => "elsewhere",
            DropReason::NewRefused => "new-refused",
        }
    }

    /// Where the counter of a slot stands in `drops`.
    pub(super) fn key(self, slot: u32) -> u32 {
        let reason = match self {
            DropReason::PacketIn => 0,
            DropReason::Asked => 1,
            DropReason::PacketOut => 2,
            DropReason::Announced => 3,
            DropReason::Elsewhere => 4,
            DropReason::NewRefused => 5,
        };
        slot * REASONS + reason
    }
}

/// Room for reasons in `drops`, whatever of it is used.
const REASONS: u32 = 8;

/// What the fence lets through.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Stand {
    /// Nothing.
    #[default]
    Closed,
    /// This machine's own announcements.
    Claiming,
    /// Everything.
    Open,
}

/// What the program makes of a slot at a time: the twin of `state_of`.
pub(super) fn stand(word: impl Fn(Word) -> u64, now: u64) -> Stand {
    let alone_since = word(Word::AloneSince);
    let claimed = alone_since != 0 && word(Word::ClaimAt) >= alone_since;
    if word(Word::Until) <= now || claimed {
        return Stand::Closed;
    }
    if word(Word::OpenFrom) <= now {
        Stand::Open
    } else {
        Stand::Claiming
    }
}

/// An address as the key of `places`: IPv4 as `::ffff:a.b.c.d`.
pub(super) fn place_key(address: IpAddr) -> [u8; 16] {
    match address {
        IpAddr::V4(address) => address.to_ipv6_mapped().octets(),
        IpAddr::V6(address) => address.octets(),
    }
}

/// The address that a key of `places` stands for.
pub(super) fn address_of(key: [u8; 16]) -> IpAddr {
    IpAddr::V6(Ipv6Addr::from(key)).to_canonical()
}

/// A value of `places`.
pub(super) fn place_value(slot: u32, interface: u32) -> [u8; 8] {
    let mut value = [0; 8];
    value[..4].copy_from_slice(&slot.to_ne_bytes());
    value[4..].copy_from_slice(&interface.to_ne_bytes());
    value
}

/// The slot and the interface of a value of `places`.
pub(super) fn place_of(value: [u8; 8]) -> (u32, u32) {
    let [a, b, c, d, e, f, g, h] = value;
    (
        u32::from_ne_bytes([a, b, c, d]),
        u32::from_ne_bytes([e, f, g, h]),
    )
}

/// A MAC as the key of `macs`.
pub(super) fn mac_key(mac: [u8; 6]) -> [u8; 8] {
    let [a, b, c, d, e, f] = mac;
    [a, b, c, d, e, f, 0, 0]
}

/// The MAC in the word [`Word::ClaimMac`].
pub(super) fn mac_of(word: u64) -> [u8; 6] {
    let [a, b, c, d, e, f, _, _] = word.to_ne_bytes();
    [a, b, c, d, e, f]
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `(until, open_from, alone_since, claim_at)` at time 100.
    fn at_100(words: [u64; 4]) -> Stand {
        let [until, open_from, alone_since, claim_at] = words;
        let word = |word: Word| match word {
            Word::Until => until,
            Word::OpenFrom => open_from,
            Word::AloneSince => alone_since,
            Word::ClaimAt => claim_at,
            Word::RefuseUntil | Word::ClaimMac | Word::Claims => 7,
        };
        stand(word, 100)
    }

    #[test]
    fn what_the_words_mean() {
        let table = [
            ([0, 0, 0, 0], Stand::Closed, "never lent"),
            ([100, 0, 0, 0], Stand::Closed, "at the deadline"),
            ([101, 0, 0, 0], Stand::Open, "before it"),
            ([101, 100, 0, 0], Stand::Open, "from its opening on"),
            ([200, 101, 0, 0], Stand::Claiming, "before it"),
            ([200, u64::MAX, 0, 0], Stand::Claiming, "not yet announced"),
            ([90, 101, 0, 0], Stand::Closed, "the deadline comes first"),
            ([200, 0, 0, 99], Stand::Open, "a claim ends no live lease"),
            ([200, 0, 50, 49], Stand::Open, "a claim before the hold"),
            ([200, 0, 50, 50], Stand::Closed, "a claim ends a hold"),
            ([200, 0, 50, 99], Stand::Closed, "also a later one"),
            ([200, 101, 50, 99], Stand::Closed, "and silences it"),
        ];
        for (words, expected, why) in table {
            assert_eq!(at_100(words), expected, "{why}: {words:?}");
        }
    }

    #[test]
    fn keys_and_values_there_and_back() {
        for text in ["10.0.0.100", "fd00::100", "::fffe:0:1"] {
            let address: IpAddr = text.parse().expect("an address");
            assert_eq!(address_of(place_key(address)), address);
        }
        let mapped = place_key(IpAddr::from([10, 0, 0, 100]));
        assert_eq!(mapped[8..], [0, 0, 0xff, 0xff, 10, 0, 0, 100]);
        assert_eq!(place_of(place_value(3, 77)), (3, 77));
        let mac = [2, 0, 0, 0, 0, 7];
        assert_eq!(mac_of(u64::from_ne_bytes(mac_key(mac))), mac);
    }

    #[test]
    fn counters_do_not_overlap() {
        let mut keys: Vec<u32> = (0..SLOTS)
            .flat_map(|slot| DropReason::ALL.map(|reason| reason.key(slot)))
            .collect();
        keys.sort_unstable();
        let count = keys.len();
        keys.dedup();
        assert_eq!(keys.len(), count);
        assert!(keys.iter().all(|key| *key < SLOTS * REASONS));
    }
}
