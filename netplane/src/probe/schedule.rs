//! PURE. When which probe starts: evenly spread, a little shaken, never twice at once.
//!
//! ```text
//!   first           grid: one slot an interval, at a phase of its own
//!     |--------------|----~-----------|--~-------------|
//!     soon           slot + jitter    slot + jitter
//! ```
//!
//! A key that runs is not in here; it comes back with [`Schedule::again`] when its probe ended.
//! So no probe can overlap itself, and one that hangs delays nothing but its own next start.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

/// What is to start, and when.
#[derive(Debug)]
pub(super) struct Schedule<K> {
    due: BTreeSet<(Instant, K)>,
    places: BTreeMap<K, Place>,
    added: u64,
    random: u64,
}

/// Where on its grid a key stands.
#[derive(Debug, Clone, Copy)]
struct Place {
    /// The slot of the next start, without jitter.
    slot: Instant,
    interval: Duration,
    /// When it starts; `None` while it runs.
    start: Option<Instant>,
}

impl<K: Ord + Clone> Schedule<K> {
    /// Nothing to do; `seed` shakes the starts.
    pub(super) fn new(seed: u64) -> Self {
        Schedule {
            due: BTreeSet::new(),
            places: BTreeMap::new(),
            added: 0,
            random: seed,
        }
    }

    /// Takes in a new key: its first start is soon, the others follow on its grid.
    pub(super) fn add(&mut self, key: K, interval: Duration, now: Instant) {
        self.remove(&key);
        let phase = phase(self.added);
        self.added = self.added.wrapping_add(1);
        let first = now + part(interval.min(FIRST_WITHIN), phase);
        let mut slot = now + part(interval, phase);
        if slot < first + interval / 2 {
            slot += interval;
        }
        self.due.insert((first, key.clone()));
        self.places.insert(
            key,
            Place {
                slot,
                interval,
                start: Some(first),
            },
        );
    }

    /// Forgets a key, whether it runs or not.
    pub(super) fn remove(&mut self, key: &K) {
        if let Some(Place {
            start: Some(start), ..
        }) = self.places.remove(key)
        {
            self.due.remove(&(start, key.clone()));
        }
    }

    /// When the next probe starts, if any.
    pub(super) fn next(&self) -> Option<Instant> {
        self.due.first().map(|(start, _)| *start)
    }

    /// The next key that is due, and when it should have started; it runs from now on.
    pub(super) fn take(&mut self, now: Instant) -> Option<(K, Instant)> {
        if self.next()? > now {
            return None;
        }
        let (start, key) = self.due.pop_first()?;
        if let Some(place) = self.places.get_mut(&key) {
            place.start = None;
        }
        Some((key, start))
    }

    /// A key is probed out of turn: it runs from now on, whenever it was to start.
    pub(super) fn hold(&mut self, key: &K) {
        if let Some(place) = self.places.get_mut(key)
            && let Some(start) = place.start.take()
        {
            self.due.remove(&(start, key.clone()));
        }
    }

    /// The probe of a key ended: it starts again in its next slot. Slots that passed meanwhile
    /// are left out; they are not made good in a burst.
    pub(super) fn again(&mut self, key: &K, now: Instant) {
        let shake = self.draw();
        let Some(place) = self.places.get_mut(key) else {
            return;
        };
        if place.start.is_some() {
            return;
        }
        place.slot = not_long_gone(place.slot, place.interval, now);
        let jitter = part(place.interval / JITTER_PART, shake);
        let start = (place.slot + jitter).max(now);
        place.slot += place.interval;
        place.start = Some(start);
        self.due.insert((start, key.clone()));
    }

    /// A pseudo-random number: splitmix64, enough to keep probers out of step.
    fn draw(&mut self) -> u64 {
        self.random = self.random.wrapping_add(GOLDEN);
        let mut z = self.random;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }
}

/// The slot itself, or the last one of its grid that is not in the future: what was missed is
/// not made good.
fn not_long_gone(slot: Instant, interval: Duration, now: Instant) -> Instant {
    let late = now.saturating_duration_since(slot).as_nanos();
    let whole = late / interval.as_nanos().max(1) * interval.as_nanos();
    slot + Duration::from_nanos(u64::try_from(whole).unwrap_or(0))
}

/// `share / 2^64` of a duration, without a float.
fn part(whole: Duration, share: u64) -> Duration {
    let nanos = (whole.as_nanos() * u128::from(share >> 32)) >> 32;
    Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
}

/// The phase of the n-th key: multiples of the golden ratio fill an interval evenly, however many
/// there are (Knuth, TAOCP 3, 6.4, theorem S).
fn phase(n: u64) -> u64 {
    n.wrapping_mul(GOLDEN)
}

/// 2^64 divided by the golden ratio.
const GOLDEN: u64 = 0x9E37_79B9_7F4A_7C15;

/// A new check is probed first within a second, however long its interval: a server that is
/// unknown is not served, and one that was just taken over may have died with its last prober.
const FIRST_WITHIN: Duration = Duration::from_secs(1);

/// Starts are shaken by up to a tenth of the interval, so that several probers, or a prober and a
/// server's cron, do not stay in step; HAProxy's customary `spread-checks` lies between 2 and 5 %.
const JITTER_PART: u32 = 10;

#[cfg(test)]
mod tests {
    use super::*;

    const INTERVAL: Duration = Duration::from_secs(5);

    /// Runs a schedule for some time on a clock of its own; each probe takes `takes(key)`.
    fn starts(
        keys: u32,
        span: Duration,
        takes: impl Fn(u32) -> Duration,
    ) -> BTreeMap<u32, Vec<(Duration, Duration)>> {
        let zero = Instant::now();
        let mut schedule = Schedule::new(7);
        for key in 0..keys {
            schedule.add(key, INTERVAL, zero);
        }
        let mut ends = BTreeSet::new();
        let mut seen: BTreeMap<u32, Vec<(Duration, Duration)>> = BTreeMap::new();
        loop {
            let end = ends.first().map(|(at, _)| *at);
            let Some(now) = schedule.next().into_iter().chain(end).min() else {
                return seen;
            };
            if now > zero + span {
                return seen;
            }
            if end == Some(now) {
                let (_, key) = ends.pop_first().expect("just seen");
                schedule.again(&key, now);
                continue;
            }
            let (key, planned) = schedule.take(now).expect("is due");
            assert_eq!(planned, now);
            ends.insert((now + takes(key), key));
            let list = seen.entry(key).or_default();
            list.push((now - zero, now - zero + takes(key)));
        }
    }

    #[test]
    fn first_soon_then_evenly_and_never_twice_at_once() {
        let all = starts(500, Duration::from_secs(30), |_| Duration::from_millis(3));
        assert_eq!(all.len(), 500);
        let mut in_second = [0u32; 31];
        for list in all.values() {
            assert!(list.first().expect("started").0 < FIRST_WITHIN);
            for ((start, end), (next, _)) in list.iter().zip(list.iter().skip(1)) {
                assert!(end <= next, "overlaps itself");
                let gap = *next - *start;
                assert!(
                    gap >= INTERVAL * 4 / 10 && gap <= INTERVAL * 16 / 10,
                    "gap {gap:?}"
                );
            }
            for (start, _) in list.iter().skip(1) {
                let second = usize::try_from(start.as_secs()).expect("small");
                *in_second.get_mut(second).expect("within the span") += 1;
            }
        }
        // 500 keys an interval of 5 s: 100 a second.
        for (second, count) in in_second.iter().enumerate().skip(8).take(22) {
            assert!(
                (80..=120).contains(count),
                "second {second}: {count} starts"
            );
        }
    }

    /// One that takes its whole interval is probed about as often, and the others do not notice.
    #[test]
    fn one_that_hangs_holds_up_nobody() {
        let quick = starts(50, Duration::from_secs(60), |_| Duration::from_millis(1));
        let mixed = starts(50, Duration::from_secs(60), |key| {
            if key == 9 {
                INTERVAL
            } else {
                Duration::from_millis(1)
            }
        });
        for (key, list) in &mixed {
            let usual = quick.get(key).expect("same keys").len();
            let least = if *key == 9 { 10 } else { usual - 1 };
            assert!(
                list.len() >= least,
                "key {key}: {} starts, usually {usual}",
                list.len()
            );
        }
    }

    #[test]
    fn missed_slots_are_left_out() {
        let zero = Instant::now();
        let mut schedule = Schedule::new(1);
        schedule.add("a", INTERVAL, zero);
        let (key, _) = schedule.take(zero + INTERVAL).expect("due");
        let late = zero + INTERVAL * 10 + INTERVAL / 2;
        schedule.again(&key, late);
        let next = schedule.next().expect("scheduled");
        assert!(next >= late && next <= late + INTERVAL);
        schedule.take(next).expect("due");
        schedule.again(&key, next);
        assert!(
            schedule.next().expect("scheduled") >= next + INTERVAL / 3,
            "no burst"
        );
    }

    #[test]
    fn what_is_held_comes_back_in_its_turn() {
        let zero = Instant::now();
        let mut schedule = Schedule::new(1);
        schedule.add("a", INTERVAL, zero);
        schedule.hold(&"a");
        assert_eq!(schedule.next(), None);
        schedule.hold(&"a");
        schedule.hold(&"stranger");
        schedule.again(&"a", zero);
        let next = schedule.next().expect("scheduled");
        assert!(next <= zero + INTERVAL * 2);
        assert_eq!(schedule.take(next), Some(("a", next)));
    }

    #[test]
    fn what_was_removed_never_starts_again() {
        let zero = Instant::now();
        let mut schedule = Schedule::new(1);
        schedule.add("a", INTERVAL, zero);
        schedule.take(zero + INTERVAL).expect("due");
        schedule.remove(&"a");
        schedule.again(&"a", zero + INTERVAL);
        assert_eq!(schedule.next(), None);
        schedule.add("b", INTERVAL, zero);
        schedule.remove(&"b");
        assert_eq!(schedule.next(), None);
    }
}
