//! PURE. Counting what the reference answered and missed, and whether anybody has the VIP.
//!
//! ```text
//!   turn: was the last question answered? -> missed      ask: by echo; by ARP too where it has to
//!   probe -- 30 ms -- probe -- 30 ms -- nobody: vacant, go on; somebody: not, and again in 1 s
//! ```

use std::collections::VecDeque;

use super::sight::{Sight, Vacant};

/// What is known of one VIP's network. Times are boot-clock nanoseconds.
#[derive(Debug, Default)]
pub(super) struct Tally {
    missed: u32,
    answered_ns: Option<u64>,
    /// Numbers and times of the newest echoes.
    asked: VecDeque<(u64, u64)>,
    /// The newest question waits for its answer.
    waiting: bool,
    last: u64,
    habit: Habit,
    /// Answers by ARP in a row, none by echo between.
    by_arp: u32,
    probing: Probing,
    vacant: Option<Vacant>,
    elsewhere: bool,
}

/// How the reference answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Habit {
    /// It was not seen to answer an echo.
    #[default]
    Unknown,
    /// An echo: then ARP alone is no answer, because it would not tell a VIP that was taken away.
    Echo,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Probing {
    #[default]
    Idle,
    /// One probe was sent.
    Once { from_ns: u64 },
    /// Both were.
    Twice { from_ns: u64, second_ns: u64 },
    /// Somebody answered.
    Occupied { until_ns: u64 },
}

impl Tally {
    /// What is known.
    pub(super) fn sight(&self, carrier: bool) -> Sight {
        Sight {
            missed: self.missed,
            answered_ns: self.answered_ns,
            vacant: self.vacant,
            carrier,
            elsewhere: self.elsewhere,
        }
    }

    /// A question is about to be sent: the one before is missed if nobody answered it. Its number,
    /// which the echo carries.
    pub(super) fn ask(&mut self, now_ns: u64) -> u64 {
        if self.waiting {
            self.missed = self.missed.saturating_add(1);
        }
        self.waiting = true;
        self.last += 1;
        self.asked.push_back((self.last, now_ns));
        if self.asked.len() > ASKED_MAX {
            self.asked.pop_front();
        }
        self.last
    }

    /// The question that was sent last is of no consequence: it was asked from another address.
    pub(super) fn forget_question(&mut self) {
        self.waiting = false;
        self.asked.clear();
    }

    /// Whether the reference has to be asked from this machine's own address as well as from the
    /// VIP: it may be silent towards the VIP alone.
    pub(super) fn asks_both(&self) -> bool {
        self.missed > 0
    }

    /// The echo of a question came back that this machine's own address asked beside the VIP.
    pub(super) fn echoed_beside(&mut self, now_ns: u64, number: u64) {
        self.elsewhere |= self.missed > 0 && self.is_in_time(now_ns, number);
    }

    /// Whether ARP has to be asked as well.
    pub(super) fn asks_arp(&self) -> bool {
        self.habit == Habit::Unknown || self.missed > 0
    }

    /// The echo of a question came back.
    pub(super) fn echoed(&mut self, now_ns: u64, number: u64) {
        if self.is_in_time(now_ns, number) {
            self.habit = Habit::Echo;
            self.by_arp = 0;
            self.answered(number);
        }
    }

    /// The reference answered by ARP. `relearn`: asked from this machine's own address, so that one
    /// which no longer answers echoes may be known by ARP again.
    pub(super) fn answered_arp(&mut self, relearn: bool) {
        self.by_arp = self.by_arp.saturating_add(1);
        if relearn && self.by_arp >= RELEARN_AFTER && self.missed >= RELEARN_AFTER {
            self.habit = Habit::Unknown;
        }
        if self.habit == Habit::Unknown {
            self.answered(self.last);
        }
    }

    /// Whether a probe for the VIP is to be sent now.
    pub(super) fn probe(&mut self, now_ns: u64) -> bool {
        match self.probing {
            Probing::Idle => {
                self.probing = Probing::Once { from_ns: now_ns };
                true
            }
            Probing::Once { from_ns } if now_ns >= from_ns + PROBE_GAP_NS => {
                let second_ns = now_ns;
                self.probing = Probing::Twice { from_ns, second_ns };
                true
            }
            Probing::Twice { from_ns, second_ns } if now_ns >= second_ns + PROBE_GAP_NS => {
                let to_ns = now_ns;
                self.vacant = Some(Vacant { from_ns, to_ns });
                self.probing = Probing::Once { from_ns: now_ns };
                true
            }
            Probing::Occupied { until_ns } if now_ns >= until_ns => {
                self.probing = Probing::Once { from_ns: now_ns };
                true
            }
            Probing::Once { .. } | Probing::Twice { .. } | Probing::Occupied { .. } => false,
        }
    }

    /// Somebody else says that the VIP is its own.
    pub(super) fn occupied(&mut self, now_ns: u64) {
        self.vacant = None;
        self.probing = Probing::Occupied {
            until_ns: now_ns + OCCUPIED_NS,
        };
    }

    /// Nobody wants to know whether the VIP is vacant.
    pub(super) fn stop_probing(&mut self) {
        // What was seen goes on to count for as long as whoever reads it thinks right; an answer
        // that is still on its way would not be heard.
        self.probing = Probing::Idle;
        self.vacant = None;
    }

    fn is_in_time(&self, now_ns: u64, number: u64) -> bool {
        let sent = self.asked.iter().find(|(asked, _)| *asked == number);
        sent.is_some_and(|(_, at)| now_ns.saturating_sub(*at) <= LATE_NS)
    }

    fn answered(&mut self, number: u64) {
        self.missed = 0;
        self.elsewhere = false;
        self.waiting = false;
        let sent = self.asked.iter().find(|(asked, _)| *asked == number);
        self.answered_ns = sent.map_or(self.answered_ns, |(_, at)| Some(*at));
    }
}

/// Nanoseconds in a millisecond.
const MS: u64 = 1_000_000;
/// As many as can come back in time at one every 30 ms.
const ASKED_MAX: usize = 4;
/// 100 ms: a reference that answers later is not there (`vip-protocol.md`, section 5).
const LATE_NS: u64 = 100 * MS;
/// 30 ms between the probes, and as long for the answer to the second.
const PROBE_GAP_NS: u64 = 30 * MS;
/// 1 s: somebody has the VIP; to ask more often than that would be a flood.
const OCCUPIED_NS: u64 = 1_000 * MS;
/// So many echoes unanswered and ARP answered: the reference was told not to answer echoes.
const RELEARN_AFTER: u32 = 10;

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(millis: u64) -> u64 {
        millis * MS
    }

    #[test]
    fn misses_are_counted_in_a_row_and_an_answer_ends_them() {
        let mut tally = Tally::default();
        let first = tally.ask(ms(0));
        assert_eq!(tally.sight(true).missed, 0);
        tally.echoed(ms(1), first);
        for turn in 1..=5u64 {
            tally.ask(ms(30 * turn));
        }
        assert_eq!(
            tally.sight(true).missed,
            4,
            "the fifth may still be answered"
        );
        let last = tally.ask(ms(180));
        assert_eq!(tally.sight(true).missed, 5);
        tally.echoed(ms(181), last);
        let sight = tally.sight(true);
        assert_eq!((sight.missed, sight.answered_ns), (0, Some(ms(180))));
    }

    #[test]
    fn a_reference_that_answers_beside_the_vip_and_not_the_vip_has_it_elsewhere() {
        let mut tally = Tally::default();
        let first = tally.ask(ms(0));
        assert!(!tally.asks_both());
        tally.echoed_beside(ms(1), first);
        assert!(!tally.sight(true).elsewhere, "nothing was missed");
        let second = tally.ask(ms(30));
        assert!(tally.asks_both());
        tally.echoed_beside(ms(131), second);
        assert!(!tally.sight(true).elsewhere, "too late to be an answer");
        let third = tally.ask(ms(140));
        tally.echoed_beside(ms(141), third);
        assert!(tally.sight(true).elsewhere);
        tally.echoed(ms(142), third);
        assert!(!tally.sight(true).elsewhere, "the VIP is answered as well");
    }

    #[test]
    fn what_comes_after_100_ms_or_was_not_asked_is_no_answer() {
        let mut tally = Tally::default();
        let late = tally.ask(ms(0));
        tally.ask(ms(30));
        tally.echoed(ms(101), late);
        tally.echoed(ms(40), 77);
        assert_eq!(tally.sight(true).answered_ns, None);
        tally.forget_question();
        tally.ask(ms(130));
        assert_eq!(
            tally.sight(true).missed,
            1,
            "the forgotten one is not missed"
        );
    }

    #[test]
    fn arp_counts_for_whoever_never_answered_an_echo() {
        let mut tally = Tally::default();
        tally.ask(ms(0));
        tally.answered_arp(false);
        assert_eq!(tally.sight(true).answered_ns, Some(ms(0)));
        let echo = tally.ask(ms(30));
        tally.echoed(ms(31), echo);
        assert!(!tally.asks_arp());
        for turn in 2..20u64 {
            tally.ask(ms(30 * turn));
            tally.answered_arp(false);
        }
        assert!(
            tally.sight(true).missed > 10,
            "the VIP was taken away, the MAC is still there"
        );
        for turn in 20..40u64 {
            tally.ask(ms(1_000 * turn));
            tally.answered_arp(true);
        }
        assert_eq!(tally.sight(true).missed, 0, "it answers no echoes any more");
    }

    #[test]
    fn vacant_is_two_probes_thirty_ms_apart_without_an_answer() {
        let mut tally = Tally::default();
        assert!(tally.probe(ms(10)));
        assert!(!tally.probe(ms(39)));
        assert!(tally.probe(ms(40)));
        assert_eq!(tally.sight(true).vacant, None);
        assert!(!tally.probe(ms(69)));
        assert!(tally.probe(ms(70)), "and the next pair begins");
        let vacant = Vacant {
            from_ns: ms(10),
            to_ns: ms(70),
        };
        assert_eq!(tally.sight(true).vacant, Some(vacant));
        tally.occupied(ms(71));
        assert_eq!(tally.sight(true).vacant, None);
        assert!(!tally.probe(ms(1_070)), "no flood");
        assert!(tally.probe(ms(1_071)));
        tally.stop_probing();
        assert!(tally.probe(ms(1_072)), "from the beginning");
        assert!(!tally.probe(ms(1_073)));
    }
}
