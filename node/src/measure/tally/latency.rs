//! PURE. How long answers took: a histogram of fixed size.
//!
//! Each octave of microseconds has 32 steps, so that a percentile is too long by at most 3 %, and
//! never too short.

use std::time::Duration;

/// How long answers took.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Latency {
    counts: Vec<u64>,
    count: u64,
    longest_us: u64,
    shortest_us: u64,
}

/// The usual ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Percentiles {
    /// The shortest.
    pub shortest: Duration,
    /// Half took no longer.
    pub half: Duration,
    /// Nine of ten took no longer.
    pub ninety: Duration,
    /// Ninety-nine of a hundred.
    pub ninety_nine: Duration,
    /// 999 of a thousand.
    pub thousandth: Duration,
    /// The longest.
    pub longest: Duration,
}

impl Default for Latency {
    fn default() -> Latency {
        Latency {
            counts: vec![0; STEPS],
            count: 0,
            longest_us: 0,
            shortest_us: u64::MAX,
        }
    }
}

impl Latency {
    /// One more answer.
    pub fn add(&mut self, took: Duration) {
        let us = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        if let Some(count) = self.counts.get_mut(step(us)) {
            *count += 1;
        }
        self.count += 1;
        self.longest_us = self.longest_us.max(us);
        self.shortest_us = self.shortest_us.min(us);
    }

    /// All of them; `None` without an answer.
    pub fn percentiles(&self) -> Option<Percentiles> {
        if self.count == 0 {
            return None;
        }
        Some(Percentiles {
            shortest: Duration::from_micros(self.shortest_us),
            half: self.within(500),
            ninety: self.within(900),
            ninety_nine: self.within(990),
            thousandth: self.within(999),
            longest: Duration::from_micros(self.longest_us),
        })
    }

    /// The time within which so many of a thousand were answered.
    pub fn within(&self, thousandths: u64) -> Duration {
        // The nearest rank: the smallest that is not too few.
        let rank = (self.count * thousandths).div_ceil(1_000).max(1);
        let mut seen = 0;
        for (step, count) in self.counts.iter().enumerate() {
            seen += count;
            if seen >= rank {
                let us = match step == STEPS - 1 {
                    true => self.longest_us,
                    false => longest_of(step).clamp(self.shortest_us, self.longest_us),
                };
                return Duration::from_micros(us);
            }
        }
        Duration::from_micros(self.longest_us)
    }
}

/// Below this each microsecond has a step of its own.
const EXACT: u64 = 64;

/// Steps of an octave.
const OF_OCTAVE: usize = 32;

/// The exact ones and 26 octaves, up to 2^32 µs (71 minutes); the last one has no upper end.
const STEPS: usize = 64 + 26 * OF_OCTAVE;

fn step(us: u64) -> usize {
    if us < EXACT {
        return usize::try_from(us).unwrap_or(0);
    }
    // At least 6: 64 is 2^6.
    let octave = us.ilog2();
    let within = usize::try_from(us >> (octave - 5)).unwrap_or(OF_OCTAVE) - OF_OCTAVE;
    let octaves = usize::try_from(octave - 6).unwrap_or(usize::MAX);
    (64 + octaves * OF_OCTAVE + within).min(STEPS - 1)
}

/// The longest time of a step.
fn longest_of(step: usize) -> u64 {
    let Some(beyond) = step.checked_sub(64) else {
        return u64::try_from(step).unwrap_or(u64::MAX);
    };
    let octave = u32::try_from(beyond / OF_OCTAVE).unwrap_or(0) + 6;
    let within = u64::try_from(beyond % OF_OCTAVE + OF_OCTAVE).unwrap_or(0);
    ((within + 1) << (octave - 5)) - 1
}
