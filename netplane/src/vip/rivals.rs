//! PURE. Other machines that claim a VIP which is ours: who they are, and when we defend it.
//!
//! ```text
//!   the fence's last claim --note--> rivals (MAC, since, times)      told to people, once a MAC
//!                               \--> defend: one announcement, at most once in 10 s
//! ```
//!
//! Only an owner has rivals: a stand-by hears the owner's own announcements as claims. While it
//! holds without a majority it defends nothing: there, the claim ends the hold.
//!
//! **Source**: `vip-protocol.md`, sections 6 and 7; RFC 5227, section 2.4.

use std::collections::BTreeMap;
use std::time::Duration;

use super::{Claim, Lent, nanos};

/// A machine that claims a VIP of ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rival {
    /// Its link-layer address.
    pub mac: [u8; 6],
    /// How often it was found to have claimed since it began; what it sends between two looks
    /// counts once.
    pub times: u64,
}

/// A link-layer address as people write it: `02:00:00:00:00:07`.
pub fn mac_text(mac: [u8; 6]) -> String {
    mac.map(|byte| format!("{byte:02x}")).join(":")
}

/// The rivals for one VIP.
#[derive(Debug, Clone, Default)]
pub(super) struct Rivals {
    /// Since when the VIP is ours.
    ours_since_ns: Option<u64>,
    /// The newest claim that was taken note of.
    heard_ns: u64,
    /// The newest claim that is not answered yet.
    open: bool,
    defended_ns: Option<u64>,
    /// By MAC: times, and the last of them.
    known: BTreeMap<[u8; 6], (u64, u64)>,
}

impl Rivals {
    /// Takes note of the last claim that the kernel heard; whether to announce the VIP now.
    pub(super) fn note(&mut self, now_ns: u64, lent: Option<Lent>, claim: Option<Claim>) -> bool {
        let Some(lent) = lent.filter(|lent| lent.until_ns > now_ns) else {
            *self = Rivals {
                heard_ns: claim.map_or(self.heard_ns, |claim| claim.at_ns),
                ..Rivals::default()
            };
            return false;
        };
        let since = *self.ours_since_ns.get_or_insert(now_ns);
        if let Some(claim) = claim.filter(|claim| claim.at_ns > self.heard_ns) {
            self.heard_ns = claim.at_ns;
            if claim.at_ns >= since.saturating_add(nanos(GRACE)) {
                self.open = true;
                self.remember(claim);
            }
        }
        let quiet = |last: u64| now_ns.saturating_sub(last) >= nanos(QUIET);
        self.known.retain(|_, (_, last)| !quiet(*last));
        let rested = |at: u64| now_ns.saturating_sub(at) >= nanos(DEFENCE_GAP);
        let defend =
            self.open && lent.alone_since_ns.is_none() && self.defended_ns.is_none_or(rested);
        if defend {
            (self.open, self.defended_ns) = (false, Some(now_ns));
        }
        defend
    }

    fn remember(&mut self, claim: Claim) {
        let full = self.known.len() >= RIVALS_MAX;
        match self.known.get_mut(&claim.mac) {
            Some((times, last)) => (*times, *last) = (*times + 1, claim.at_ns),
            None if full => {}
            None => {
                self.known.insert(claim.mac, (1, claim.at_ns));
            }
        }
    }

    /// Those that claimed within the last minutes.
    pub(super) fn known(&self) -> Vec<Rival> {
        let known = self.known.iter();
        known
            .map(|(mac, (times, _))| Rival {
                mac: *mac,
                times: *times,
            })
            .collect()
    }
}

/// What the last owner sent while it still was one may arrive for so long; a hold that overlaps
/// ours ends within 200 ms.
const GRACE: Duration = Duration::from_secs(1);
/// **Source**: RFC 5227, section 1.1, `DEFEND_INTERVAL`: two that defend against each other more
/// often would flood the network.
const DEFENCE_GAP: Duration = Duration::from_secs(10);
/// A machine that was set up wrongly answers whenever somebody asks, and neighbours ask again at
/// least every minute or so: after five without a word it has gone.
const QUIET: Duration = Duration::from_secs(300);
/// Each is a page: whoever sends under ever new addresses calls nobody a fifth time.
const RIVALS_MAX: usize = 4;

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000_000;
    const ALIVE: Option<Lent> = Some(Lent {
        until_ns: u64::MAX,
        alone_since_ns: None,
        taken: false,
    });
    const ALONE: Option<Lent> = Some(Lent {
        until_ns: u64::MAX,
        alone_since_ns: Some(0),
        taken: false,
    });

    fn claim(seconds: u64, last: u8) -> Option<Claim> {
        Some(Claim {
            at_ns: seconds * SECOND,
            mac: [2, 0, 0, 0, 0, last],
        })
    }

    fn macs(rivals: &Rivals) -> Vec<(u8, u64)> {
        let known = rivals.known();
        known.iter().map(|one| (one.mac[5], one.times)).collect()
    }

    #[test]
    fn one_defence_in_ten_seconds_while_the_lease_lives() {
        // Seconds, the lease, the claim; whether the VIP is defended, and who is known then.
        type Row = (u64, Option<Lent>, Option<Claim>, bool, &'static [(u8, u64)]);
        let table: &[Row] = &[
            (100, ALIVE, None, false, &[]),
            (105, ALIVE, claim(105, 7), true, &[(7, 1)]),
            (105, ALIVE, claim(105, 7), false, &[(7, 1)]),
            (106, ALIVE, claim(106, 7), false, &[(7, 2)]),
            (114, ALIVE, claim(114, 9), false, &[(7, 2), (9, 1)]),
            (115, ALIVE, claim(114, 9), true, &[(7, 2), (9, 1)]),
            (126, ALIVE, claim(114, 9), false, &[(7, 2), (9, 1)]),
            (127, ALIVE, claim(127, 9), true, &[(7, 2), (9, 2)]),
            // Five quiet minutes after its last claim a rival is forgotten.
            (405, ALIVE, None, false, &[(7, 2), (9, 2)]),
            (406, ALIVE, None, false, &[(9, 2)]),
            (427, ALIVE, None, false, &[]),
        ];
        let mut rivals = Rivals::default();
        for (at, lent, claim, defended, known) in table {
            let defend = rivals.note(at * SECOND, *lent, *claim);
            assert_eq!((defend, macs(&rivals)), (*defended, known.to_vec()), "{at}");
        }
    }

    #[test]
    fn nobody_is_a_rival_of_a_stand_by_and_an_old_claim_is_none() {
        let mut rivals = Rivals::default();
        assert!(!rivals.note(50 * SECOND, None, claim(50, 7)));
        assert!(
            !rivals.note(60 * SECOND, ALIVE, claim(50, 7)),
            "heard before"
        );
        assert!(
            !rivals.note(60 * SECOND, ALIVE, claim(60, 7)),
            "the last owner's"
        );
        assert_eq!(macs(&rivals), []);
        assert!(rivals.note(62 * SECOND, ALIVE, claim(62, 7)));
        let over = Some(Lent {
            until_ns: 63 * SECOND,
            alone_since_ns: None,
            taken: false,
        });
        assert!(
            !rivals.note(63 * SECOND, over, claim(63, 7)),
            "ours no more"
        );
        assert_eq!(macs(&rivals), []);
    }

    #[test]
    fn whoever_holds_alone_defends_nothing() {
        let mut rivals = Rivals::default();
        assert!(!rivals.note(10 * SECOND, ALONE, None));
        assert!(!rivals.note(12 * SECOND, ALONE, claim(12, 7)));
        assert_eq!(macs(&rivals), [(7, 1)], "but it is told of");
        assert!(
            rivals.note(13 * SECOND, ALIVE, claim(12, 7)),
            "a majority is back"
        );
    }

    #[test]
    fn ever_new_addresses_call_nobody_a_fifth_time() {
        let mut rivals = Rivals::default();
        rivals.note(0, ALIVE, None);
        for last in 1..=9 {
            rivals.note(
                SECOND * 2 * u64::from(last),
                ALIVE,
                claim(2 * u64::from(last), last),
            );
        }
        assert_eq!(macs(&rivals), [(1, 1), (2, 1), (3, 1), (4, 1)]);
    }
}
