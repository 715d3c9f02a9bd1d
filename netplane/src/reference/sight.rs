//! What is seen of a VIP's network: written by its task, read by the lease thread, without a lock.

use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, AtomicU64, Ordering};

use tokio::sync::Notify;

/// How a VIP's network looks. Boot-clock nanoseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Sight {
    /// Questions to the reference that it did not answer, in a row.
    pub missed: u32,
    /// When the last question that it answered was asked.
    pub answered_ns: Option<u64>,
    /// That nobody answers for the VIP, if that was asked and is so.
    pub vacant: Option<Vacant>,
    /// Whether the interface is up and sees a carrier.
    pub carrier: bool,
    /// Asked from the VIP it is silent, and it answers this machine: somebody else has the VIP.
    pub elsewhere: bool,
}

/// Nobody answered for an address: two probes, 30 ms apart, and 30 ms after them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Vacant {
    /// When the first of the two was sent.
    pub from_ns: u64,
    /// When it was clear that nobody answered.
    pub to_ns: u64,
}

/// How closely somebody has to look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Wanted {
    /// The reference, once a second.
    #[default]
    Nothing,
    /// The reference, every 30 ms, from this machine's own address.
    Echoes,
    /// That, and whether anybody answers for the VIP.
    Probes,
    /// The reference, every 30 ms, from the VIP: it is held alone.
    EchoesFromVip,
}

impl Wanted {
    /// All of them.
    const ALL: [Wanted; 4] = [
        Wanted::Nothing,
        Wanted::Echoes,
        Wanted::Probes,
        Wanted::EchoesFromVip,
    ];

    /// As it stands on a [`Board`]; whoever reads it there looks for who has this code.
    fn code(self) -> u8 {
        match self {
            Wanted::Nothing => 0,
            Wanted::Echoes => 1,
            Wanted::Probes => 2,
            Wanted::EchoesFromVip => 3,
        }
    }
}

impl Sight {
    /// Whether the reference answers; `None` while that is not known.
    ///
    /// So many misses say no: at once a second, one lost packet is no outage.
    pub fn answers(&self) -> Option<bool> {
        match (self.missed, self.answered_ns) {
            (MISSED_MAX.., _) => Some(false),
            (_, Some(_)) => Some(true),
            (_, None) => None,
        }
    }
}

/// Where a [`Sight`] is written.
#[derive(Debug, Default)]
pub(super) struct Board {
    wanted: AtomicU8,
    missed: AtomicU32,
    /// Zero: never, here and below; the boot clock is past it.
    answered_ns: AtomicU64,
    vacant_from_ns: AtomicU64,
    vacant_to_ns: AtomicU64,
    carrier: AtomicBool,
    elsewhere: AtomicBool,
    /// Somebody wants something else.
    pub(super) woken: Notify,
}

impl Board {
    /// Says how closely to look; wakes the task where that is another wish.
    pub(super) fn want(&self, wanted: Wanted) {
        let code = wanted.code();
        if self.wanted.swap(code, Ordering::Relaxed) != code {
            self.woken.notify_one();
        }
    }

    pub(super) fn wanted(&self) -> Wanted {
        let code = self.wanted.load(Ordering::Relaxed);
        let coded = |wanted: &Wanted| wanted.code() == code;
        Wanted::ALL.into_iter().find(coded).unwrap_or_default()
    }

    pub(super) fn write(&self, sight: &Sight) {
        let (from, to) = sight
            .vacant
            .map_or((0, 0), |vacant| (vacant.from_ns, vacant.to_ns));
        let answered = sight.answered_ns.unwrap_or(0);
        self.answered_ns.store(answered, Ordering::Relaxed);
        self.carrier.store(sight.carrier, Ordering::Relaxed);
        // Before the misses that it explains.
        self.elsewhere.store(sight.elsewhere, Ordering::Relaxed);
        self.missed.store(sight.missed, Ordering::Release);
        // Whoever reads between the two sees a span that reaches from an old time to a new one, and
        // takes it for asked too early; or one that ends at an old time, and takes it for stale.
        self.vacant_from_ns.store(from, Ordering::Release);
        self.vacant_to_ns.store(to, Ordering::Release);
    }

    pub(super) fn sight(&self) -> Sight {
        let time = |at: &AtomicU64| Some(at.load(Ordering::Acquire)).filter(|ns| *ns > 0);
        let (from, to) = (time(&self.vacant_from_ns), time(&self.vacant_to_ns));
        Sight {
            missed: self.missed.load(Ordering::Acquire),
            answered_ns: time(&self.answered_ns),
            vacant: from
                .zip(to)
                .map(|(from_ns, to_ns)| Vacant { from_ns, to_ns }),
            carrier: self.carrier.load(Ordering::Relaxed),
            elsewhere: self.elsewhere.load(Ordering::Relaxed),
        }
    }
}

/// As many as end a hold (`vip-protocol.md`, section 5, H3).
const MISSED_MAX: u32 = 5;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let board = Board::default();
        assert_eq!(board.sight(), Sight::default());
        assert_eq!(board.sight().answers(), None);
        let sight = Sight {
            missed: 2,
            answered_ns: Some(7),
            vacant: Some(Vacant {
                from_ns: 8,
                to_ns: 9,
            }),
            carrier: true,
            elsewhere: true,
        };
        board.write(&sight);
        assert_eq!(board.sight(), sight);
        assert_eq!(sight.answers(), Some(true));
        let silent = Sight { missed: 5, ..sight };
        assert_eq!(silent.answers(), Some(false));
        let occupied = Sight {
            vacant: None,
            ..sight
        };
        board.write(&occupied);
        assert_eq!(board.sight(), occupied);
        for wanted in Wanted::ALL.into_iter().rev() {
            board.want(wanted);
            assert_eq!(board.wanted(), wanted);
        }
    }
}
