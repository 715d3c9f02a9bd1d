//! PURE. What happens again and again: counted, and called an episode until it has been quiet.

use std::collections::VecDeque;
use std::time::Duration;

use super::nanos;

/// Times at which something happened, in nanoseconds of `CLOCK_BOOTTIME`.
#[derive(Debug, Clone, Default)]
pub(super) struct Repeats {
    total: u64,
    /// Those of the last [`WITHIN`], the newest [`TIMES`].
    recent: VecDeque<u64>,
    /// How often in the episode that goes on; zero: none does.
    episode: u64,
}

impl Repeats {
    /// It happened.
    pub(super) fn note(&mut self, now_ns: u64) {
        self.pass(now_ns);
        self.total += 1;
        self.recent.push_back(now_ns);
        if self.recent.len() > TIMES {
            self.recent.pop_front();
        }
        if self.episode > 0 {
            self.episode += 1;
        } else if self.recent.len() == TIMES {
            self.episode = u64::try_from(TIMES).unwrap_or(u64::MAX);
        }
    }

    /// Time passed.
    pub(super) fn pass(&mut self, now_ns: u64) {
        let is_old = |at: &u64| now_ns.saturating_sub(*at) >= nanos(WITHIN);
        while self.recent.front().is_some_and(is_old) {
            self.recent.pop_front();
        }
        if self.recent.is_empty() {
            self.episode = 0;
        }
    }

    /// How often it happened at all.
    pub(super) fn total(&self) -> u64 {
        self.total
    }

    /// How often in the episode that goes on.
    pub(super) fn episode(&self) -> Option<u64> {
        (self.episode > 0).then_some(self.episode)
    }
}

/// Once is an accident and put right; twice may be one clumsy hand; three times is a program.
const TIMES: usize = 3;
/// Configuration tools look after their machine every few minutes; what they do again within this
/// time is one quarrel, and after as long without it the quarrel is over.
const WITHIN: Duration = Duration::from_secs(600);

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: u64 = 60_000_000_000;

    fn after(minutes: &[u64]) -> Repeats {
        let mut repeats = Repeats::default();
        minutes.iter().for_each(|at| repeats.note(at * MINUTE));
        repeats
    }

    #[test]
    fn three_times_in_ten_minutes_are_an_episode() {
        let table: &[(&[u64], Option<u64>)] = &[
            (&[], None),
            (&[1], None),
            (&[1, 2], None),
            (&[1, 2, 3], Some(3)),
            (&[1, 2, 3, 4], Some(4)),
            (&[1, 2, 10], Some(3)),
            (&[1, 2, 11], None),
            (&[0, 11, 22, 33], None),
            (&[0, 0, 0], Some(3)),
        ];
        for (minutes, expected) in table {
            let repeats = after(minutes);
            assert_eq!(repeats.episode(), *expected, "{minutes:?}");
            assert_eq!(
                repeats.total(),
                u64::try_from(minutes.len()).expect("few"),
                "{minutes:?}"
            );
        }
    }

    #[test]
    fn an_episode_lasts_until_ten_quiet_minutes_have_passed() {
        let mut repeats = after(&[1, 2, 3]);
        repeats.pass(12 * MINUTE);
        assert_eq!(repeats.episode(), Some(3), "nine minutes are not ten");
        repeats.note(12 * MINUTE);
        assert_eq!(repeats.episode(), Some(4), "the same quarrel");
        repeats.pass(22 * MINUTE);
        assert_eq!(repeats.episode(), None, "quiet for ten minutes");
        repeats.note(23 * MINUTE);
        assert_eq!(repeats.episode(), None, "a new one begins with three");
        assert_eq!(repeats.total(), 5);
    }
}
