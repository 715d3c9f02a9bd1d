//! PURE. Who answered for an address, when, from the frames that a bridge saw.
//!
//! ```text
//!   A A A │ b B B B │ a …      capitals: frames from the address; small letters: claims of it
//!         ^         ^          a move: somebody else claims
//!   A A A │ b B A B            the A after b is *stale*: two machines answered for it
//! ```
//!
//! A claim (gratuitous ARP, unsolicited NA) by another machine than the one that answers is a
//! move; any other frame from the address by a machine that does not own it is stale. How far after
//! the claim it came is the overlap.

use std::collections::BTreeSet;
use std::time::Duration;

/// An Ethernet address.
pub type Mac = [u8; 6];

/// A frame that speaks for the address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Frame {
    /// When the bridge had it, since the tap was opened.
    pub at: Duration,
    /// Who sent it.
    pub from: Mac,
    /// What it is.
    pub kind: FrameKind,
}

/// What a frame that speaks for an address is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FrameKind {
    /// A gratuitous ARP or an unsolicited NA: "the address is mine".
    Claim,
    /// The answer to somebody's question where the address is.
    Answer,
    /// A packet from the address.
    Packet,
}

/// What the frames show.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Ownership {
    /// Times at which another machine claimed the address, with that machine; the first owner too.
    pub moves: Vec<(Duration, Mac)>,
    /// Frames of a machine after another had claimed the address.
    pub stale: Vec<Frame>,
    /// The longest time between a claim and a stale frame of whoever owned before.
    pub overlap: Duration,
}

impl Ownership {
    /// Reads `frames`, in the order in which they came. Machines that are not `ours` are strangers:
    /// their claims move nothing.
    pub fn of(frames: &[Frame], ours: &BTreeSet<Mac>) -> Ownership {
        let mut seen = Ownership::default();
        for frame in frames.iter().filter(|frame| ours.contains(&frame.from)) {
            let Some((since, owner)) = seen.moves.last().copied() else {
                seen.moves.push((frame.at, frame.from));
                continue;
            };
            if frame.from == owner {
                continue;
            }
            match frame.kind {
                FrameKind::Claim => seen.moves.push((frame.at, frame.from)),
                FrameKind::Answer | FrameKind::Packet => {
                    seen.overlap = seen.overlap.max(frame.at.saturating_sub(since));
                    seen.stale.push(*frame);
                }
            }
        }
        seen
    }

    /// How often it went from one machine to another.
    pub fn changes(&self) -> usize {
        self.moves.len().saturating_sub(1)
    }
}

/// Reads an Ethernet frame: what it says for `address`, if anything.
pub fn read(frame: &[u8], address: [u8; 4]) -> Option<(Mac, FrameKind)> {
    let from = Mac::try_from(frame.get(6..12)?).ok()?;
    let kind = match frame.get(12..14)? {
        [0x08, 0x06] => {
            let (operation, sender) = (frame.get(20..22)?, frame.get(28..32)?);
            let target = frame.get(38..42)?;
            match (sender == address, operation, target == address) {
                (true, [0, 1 | 2], true) => FrameKind::Claim,
                (true, ..) => FrameKind::Answer,
                (false, ..) => return None,
            }
        }
        [0x08, 0x00] if frame.get(26..30)? == address => FrameKind::Packet,
        _ => return None,
    };
    Some((from, kind))
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: Mac = [2, 0, 0, 0, 0, 1];
    const B: Mac = [2, 0, 0, 0, 0, 2];
    const STRANGER: Mac = [2, 0, 0, 0, 0, 9];
    const VIP: [u8; 4] = [10, 0, 0, 100];

    fn ownership(frames: &[(u64, Mac, FrameKind)]) -> Ownership {
        let frame = |(ms, from, kind): &(u64, Mac, FrameKind)| Frame {
            at: Duration::from_millis(*ms),
            from: *from,
            kind: *kind,
        };
        let frames: Vec<Frame> = frames.iter().map(frame).collect();
        Ownership::of(&frames, &[A, B].into())
    }

    #[test]
    fn a_move_is_a_claim_and_nothing_after_it() {
        use FrameKind::{Answer, Claim, Packet};
        let seen = ownership(&[
            (0, A, Claim),
            (10, A, Packet),
            (200, B, Claim),
            (201, B, Answer),
            (202, B, Packet),
            (400, A, Claim),
            (401, A, Packet),
        ]);
        assert_eq!((seen.changes(), seen.stale.len()), (2, 0));
    }

    #[test]
    fn whoever_goes_on_after_anothers_claim_is_a_second_owner() {
        use FrameKind::{Answer, Claim, Packet};
        let seen = ownership(&[
            (0, A, Claim),
            (200, B, Claim),
            (210, A, Packet),
            (230, A, Answer),
            (240, B, Packet),
        ]);
        assert_eq!(seen.stale.len(), 2);
        assert_eq!(seen.overlap, Duration::from_millis(30));
    }

    #[test]
    fn a_machine_that_never_claimed_is_stale_too() {
        let seen = ownership(&[(0, A, FrameKind::Claim), (5, B, FrameKind::Packet)]);
        assert_eq!(seen.stale.len(), 1);
    }

    #[test]
    fn strangers_move_nothing() {
        let seen = ownership(&[
            (0, A, FrameKind::Claim),
            (5, STRANGER, FrameKind::Claim),
            (6, A, FrameKind::Packet),
        ]);
        assert_eq!((seen.changes(), seen.stale.len()), (0, 0));
    }

    #[test]
    fn frames_are_read_by_what_they_say() {
        let mut arp = [0_u8; 42];
        arp[6..12].copy_from_slice(&A);
        arp[12..14].copy_from_slice(&[8, 6]);
        arp[21] = 2;
        arp[28..32].copy_from_slice(&VIP);
        assert_eq!(read(&arp, VIP), Some((A, FrameKind::Answer)));
        arp[38..42].copy_from_slice(&VIP);
        assert_eq!(read(&arp, VIP), Some((A, FrameKind::Claim)));
        arp[28..32].fill(0);
        assert_eq!(read(&arp, VIP), None, "a probe");
        let mut packet = [0_u8; 60];
        packet[6..12].copy_from_slice(&B);
        packet[12] = 8;
        packet[26..30].copy_from_slice(&VIP);
        assert_eq!(read(&packet, VIP), Some((B, FrameKind::Packet)));
        packet[29] = 1;
        assert_eq!(read(&packet, VIP), None, "from somewhere else");
        assert_eq!(read(&packet[..20], VIP), None, "cut off");
    }
}
