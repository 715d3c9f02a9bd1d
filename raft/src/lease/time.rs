//! PURE. Boot time, and the times of the lease protocol, each with its reason.

use std::ops::Add;
use std::time::Duration;

/// A moment on this machine's boot clock; never compared with another machine's.
///
/// **Units**: nanoseconds of `CLOCK_BOOTTIME`, which goes on while the machine is suspended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct BootTime(pub u64);

impl BootTime {
    /// How long it is from `earlier` to here; zero when `earlier` is later.
    pub fn since(self, earlier: BootTime) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }
}

impl BootTime {
    /// The moment so long before this one; the boot itself when that is later.
    pub(crate) fn before(self, span: Duration) -> BootTime {
        let nanos = u64::try_from(span.as_nanos()).unwrap_or(u64::MAX);
        BootTime(self.0.saturating_sub(nanos))
    }
}

impl Add<Duration> for BootTime {
    type Output = BootTime;

    fn add(self, span: Duration) -> BootTime {
        let nanos = u64::try_from(span.as_nanos()).unwrap_or(u64::MAX);
        BootTime(self.0.saturating_add(nanos))
    }
}

/// The times that a cluster can choose, with the margins that follow from them.
///
/// **Source**: `vip-protocol.md`, head and sections 3 and 4.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timing {
    lease: Duration,
    renewal: Duration,
    margins: Margins,
}

/// The margins and rules on which safety rests; only tests and the simulator make others, to see
/// them fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Margins {
    /// Silence of a started acceptor, in percent of the largest T.
    pub silence_percent: u32,
    /// Time an owner owns, in percent of T.
    pub own_percent: u32,
    /// Whether who hears somebody hold proposes nothing (H4).
    pub heeds_holding: bool,
}

/// A T outside of what acceptors take.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a lease lasts from {LEASE_MIN:?} to {LEASE_MAX:?}, not {0:?}")]
pub struct LeaseTimeError(pub Duration);

impl Default for Timing {
    fn default() -> Self {
        Timing {
            lease: LEASE_DEFAULT,
            renewal: LEASE_DEFAULT / RENEWALS,
            margins: MARGINS,
        }
    }
}

impl Timing {
    /// Timing for a lease of `lease`; it is renewed five times in that.
    ///
    /// **Errors**: [`LeaseTimeError`] when an acceptor would not take it; the caller asks again.
    pub fn new(lease: Duration) -> Result<Timing, LeaseTimeError> {
        if !(LEASE_MIN..=LEASE_MAX).contains(&lease) {
            return Err(LeaseTimeError(lease));
        }
        Ok(Timing {
            lease,
            renewal: lease / RENEWALS,
            margins: MARGINS,
        })
    }

    /// T: how long an acceptor holds what it accepted.
    pub fn lease(&self) -> Duration {
        self.lease
    }

    /// R: from the start of one renewal to the start of the next.
    pub fn renewal(&self) -> Duration {
        self.renewal
    }

    /// S: how long an acceptor is silent after its start, whatever T it had accepted before.
    pub fn silence(&self) -> Duration {
        LEASE_MAX * self.margins.silence_percent / 100
    }

    /// How long after the start of a won round an owner owns.
    pub fn own(&self) -> Duration {
        self.lease * self.margins.own_percent / 100
    }

    /// How long a proposer proposes nothing after its start, so that whoever owns is heard first.
    pub fn start_quiet(&self) -> Duration {
        self.lease * 3
    }

    /// How long a proposer proposes nothing after it heard somebody hold.
    pub fn holding_quiet(&self) -> Duration {
        self.lease * 2
    }

    /// Whether it proposes nothing while it hears somebody hold.
    pub(crate) fn heeds_holding(&self) -> bool {
        self.margins.heeds_holding
    }

    /// The same with other margins.
    #[doc(hidden)]
    pub fn with_margins(self, margins: Margins) -> Timing {
        Timing { margins, ..self }
    }
}

/// 150 ms: a killed owner is followed within 200 ms, and four renewals in a row may be lost.
const LEASE_DEFAULT: Duration = Duration::from_millis(150);
/// 50 ms: below it, the scheduler of a busy machine ends leases that nobody lost.
pub const LEASE_MIN: Duration = Duration::from_millis(50);
/// 1 s: the longest that anybody has to wait for, a started acceptor above all.
pub const LEASE_MAX: Duration = Duration::from_secs(1);
/// Five renewals in T: R = 30 ms where T = 150 ms.
const RENEWALS: u32 = 5;
impl Default for Margins {
    fn default() -> Margins {
        MARGINS
    }
}

/// An acceptor's T on a clock that is 5 % fast lasts 0.952 T; an owner's 0.9 T on one that is 5 %
/// slow lasts 0.945 T. A silence of 1.1 T outlasts a T by another's clock in the same way.
const MARGINS: Margins = Margins {
    silence_percent: 110,
    own_percent: 90,
    heeds_holding: true,
};
/// An unanswered request is sent again after this: three times in a renewal of 30 ms, which makes
/// 20 % loss harmless.
pub(crate) const RESEND: Duration = Duration::from_millis(10);
/// Stand-bys start this far apart, by rank: a round trip and some scheduling, so that the first
/// is through before the second asks.
pub(crate) const RANK_STEP: Duration = Duration::from_millis(8);
/// The shortest pause between two attempts; a random time up to as much again is added.
pub(crate) const BACK_OFF_MIN: Duration = Duration::from_millis(10);
/// The longest pause between two attempts while nobody answers.
pub(crate) const BACK_OFF_MAX: Duration = Duration::from_secs(1);
/// Legs heard longer ago than this no longer count.
pub(crate) const LEGS_FRESH: Duration = Duration::from_secs(1);
/// After a move by legs this long must pass before the next: no VIP swings between two bad nodes.
pub(crate) const LEGS_MOVE_GAP: Duration = Duration::from_secs(30);
/// One of a pair that starts alone waits so long for the other: a reboot of both after a power cut.
pub(crate) const COLD_WAIT: Duration = Duration::from_secs(30);
/// And the one that comes second so much longer, so that two that do not hear each other do not
/// take at once.
pub(crate) const COLD_RANK_STEP: Duration = Duration::from_secs(2);
