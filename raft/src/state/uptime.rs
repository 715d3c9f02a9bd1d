//! Uptime: how long everything that is checked was up, down and neither, month by month (UTC).
//!
//! ```text
//!   a verdict turns --turn--> the span since the last one, added to the months that it touches
//!   somebody asks   --months_of(now)--> the same, with the span that is running
//! ```
//!
//! Spans are of the wall clock. Where it jumps backwards a span is empty, never negative, and
//! counting goes on from there.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::health::probed_checks;
use super::{CheckKey, Config, Health};
use crate::id::UnixMillis;

/// Uptime of all checks.
///
/// A verdict changes one of 64 parts, so that copies of the state share the rest.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Uptime(Vec<Arc<BTreeMap<CheckKey, Account>>>);

/// One check: what it was since when, and the months before.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Account {
    health: Health,
    since: UnixMillis,
    /// Oldest first, at most 13; months in which nothing was counted are missing.
    months: Vec<MonthUptime>,
}

/// A month of one check.
///
/// **Units**: milliseconds; a month has 2.7 billion at most.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct MonthUptime {
    /// Which.
    pub month: Month,
    /// How long it was up.
    pub up_ms: u32,
    /// How long it was down.
    pub down_ms: u32,
    /// How long there was no verdict.
    pub unknown_ms: u32,
    /// How often it went down.
    pub downs: u32,
}

/// A month of the calendar: months since January of the year 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Month(u32);

impl Month {
    /// The month of a moment, UTC.
    pub fn of(at: UnixMillis) -> Month {
        let days = (at.0 / DAY_MS).min(DAYS_MAX);
        // Source: Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms", civil_from_days;
        // eras of 400 years that begin in March.
        let shifted = days + 719_468;
        let (era, of_era) = (shifted / 146_097, shifted % 146_097);
        let year = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
        let of_year = of_era - (365 * year + year / 4 - year / 100);
        let march = (5 * of_year + 2) / 153;
        let months = (era * 400 + year) * 12 + march + 2;
        Month(u32::try_from(months).unwrap_or(u32::MAX))
    }

    /// Its first millisecond.
    pub fn start(self) -> UnixMillis {
        // days_from_civil of the same source, on the first of the month.
        let from_march = u64::from(self.0).saturating_sub(2);
        let (year, month) = (from_march / 12, from_march % 12);
        let (era, of_era) = (year / 400, year % 400);
        let of_year = (153 * month + 2) / 5;
        let days = era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year;
        UnixMillis(days.saturating_sub(719_468) * DAY_MS)
    }

    /// So many months later.
    pub fn later(self, months: u32) -> Month {
        Month(self.0.saturating_add(months))
    }

    /// So many months earlier.
    pub fn earlier(self, months: u32) -> Month {
        Month(self.0.saturating_sub(months))
    }
}

impl std::fmt::Display for Month {
    /// `2026-03`.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:04}-{:02}", self.0 / 12, self.0 % 12 + 1)
    }
}

impl MonthUptime {
    fn new(month: Month) -> MonthUptime {
        MonthUptime {
            month,
            up_ms: 0,
            down_ms: 0,
            unknown_ms: 0,
            downs: 0,
        }
    }

    /// Up in parts of a hundred thousand of the time with a verdict; `None`: there was none.
    pub fn up_per_100_000(&self) -> Option<u32> {
        let (up, down) = (u64::from(self.up_ms), u64::from(self.down_ms));
        let share = (up * 100_000).checked_div(up + down)?;
        u32::try_from(share).ok()
    }
}

impl Account {
    fn new(health: Health, since: UnixMillis) -> Account {
        Account {
            health,
            since,
            months: Vec::new(),
        }
    }

    fn month(&mut self, month: Month) -> &mut MonthUptime {
        let place = match self.months.binary_search_by_key(&month, |one| one.month) {
            Ok(place) => place,
            Err(place) => {
                self.months.insert(place, MonthUptime::new(month));
                place
            }
        };
        &mut self.months[place]
    }

    /// Adds the time up to a moment to the months that it touches.
    fn advance(&mut self, until: UnixMillis) {
        let newest = Month::of(until);
        let oldest = newest.earlier(MONTHS_MAX - 1);
        let mut from = self.since.max(oldest.start());
        while from < until {
            let month = Month::of(from);
            let end = month.later(1).start().min(until);
            let span = u32::try_from(end.0.saturating_sub(from.0)).unwrap_or(u32::MAX);
            let health = self.health;
            let one = self.month(month);
            let sum = match health {
                Health::Up => &mut one.up_ms,
                Health::Down => &mut one.down_ms,
                Health::Unknown => &mut one.unknown_ms,
            };
            *sum = sum.saturating_add(span);
            if end <= from {
                break;
            }
            from = end;
        }
        self.since = until;
        self.months.retain(|one| one.month >= oldest);
    }

    fn turn(&mut self, health: Health, at: UnixMillis) {
        self.advance(at);
        if health == Health::Down && self.health != Health::Down {
            let one = self.month(Month::of(at));
            one.downs = one.downs.saturating_add(1);
        }
        self.health = health;
    }
}

impl Uptime {
    /// The months of a check, the newest first, the running one up to now.
    pub fn months_of(&self, key: &CheckKey, now: UnixMillis) -> Vec<MonthUptime> {
        let part = self.0.get(part_of(key));
        let Some(mut account) = part.and_then(|part| part.get(key)).cloned() else {
            return Vec::new();
        };
        // Of a clock that is behind nothing is to be added.
        account.advance(now.max(account.since));
        account.months.into_iter().rev().collect()
    }

    /// How many checks are accounted for.
    pub fn len(&self) -> usize {
        self.0.iter().map(|part| part.len()).sum()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// A verdict turned.
    pub(super) fn turn(&mut self, key: &CheckKey, health: Health, at: UnixMillis) {
        let part = self.part_mut(key);
        match part.get_mut(key) {
            Some(account) => account.turn(health, at),
            None => {
                let mut account = Account::new(Health::Unknown, at);
                account.turn(health, at);
                part.insert(key.clone(), account);
            }
        }
    }

    /// The configuration changed: whoever is gone is forgotten, whoever is new or has lost its
    /// verdict is unknown from now on.
    pub(super) fn carry(
        &mut self,
        config: &Config,
        at: UnixMillis,
        health: impl Fn(&CheckKey) -> Health,
    ) {
        for part in &mut self.0 {
            if part.keys().any(|key| !exists(config, key)) {
                Arc::make_mut(part).retain(|key, _| exists(config, key));
            }
        }
        for key in probed_checks(config) {
            self.settle(&key, health(&key), at);
        }
        let suspended = self.0.iter().flat_map(|part| part.iter());
        let suspended = suspended.filter(|(key, account)| {
            account.health != Health::Unknown && !super::is_probed(config, key)
        });
        let suspended: Vec<CheckKey> = suspended.map(|(key, _)| key.clone()).collect();
        for key in suspended {
            self.settle(&key, Health::Unknown, at);
        }
    }

    fn settle(&mut self, key: &CheckKey, health: Health, at: UnixMillis) {
        let known = self.0.get(part_of(key)).and_then(|part| part.get(key));
        if known.is_none_or(|account| account.health != health) {
            self.turn(key, health, at);
        }
    }

    fn part_mut(&mut self, key: &CheckKey) -> &mut BTreeMap<CheckKey, Account> {
        if self.0.is_empty() {
            self.0.resize_with(PARTS, Arc::default);
        }
        Arc::make_mut(&mut self.0[part_of(key)])
    }
}

fn exists(config: &Config, key: &CheckKey) -> bool {
    config.check(key).is_some() && config.has(&key.member())
}

/// Which part a check belongs to. **Source**: FNV-1a, draft-eastlake-fnv, section 2.
fn part_of(key: &CheckKey) -> usize {
    let name = key.to_string();
    let hash = name.bytes().fold(0x811c_9dc5_u32, |hash, byte| {
        (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193)
    });
    usize::try_from(hash).unwrap_or_default() % PARTS
}

/// Of 5,000 checks 80 are copied for a verdict, some 30 KB.
const PARTS: usize = 64;

/// This month and the year before it.
const MONTHS_MAX: u32 = 13;

const DAY_MS: u64 = 24 * 3_600 * 1_000;

/// Some three hundred thousand years; a clock that says more is wrong, and nothing overflows.
const DAYS_MAX: u64 = 100_000_000;

#[cfg(test)]
mod tests {
    use super::*;

    /// 2026-03-01 00:00:00 UTC.
    const MARCH: u64 = 1_772_323_200_000;
    const HOUR: u64 = 3_600_000;

    fn key() -> CheckKey {
        CheckKey::Watch("w1".parse().expect("a name"))
    }

    #[test]
    fn months_are_those_of_the_calendar() {
        for (at, month, start) in [
            (0, "1970-01", 0),
            (951_782_400_000, "2000-02", 949_363_200_000),
            (951_868_800_000, "2000-03", 951_868_800_000),
            (MARCH - 1, "2026-02", 1_769_904_000_000),
            (MARCH, "2026-03", MARCH),
            (4_107_542_400_000, "2100-03", 4_107_542_400_000),
        ] {
            let found = Month::of(UnixMillis(at));
            assert_eq!(found.to_string(), month);
            assert_eq!(found.start(), UnixMillis(start), "{month}");
        }
        let mut month = Month::of(UnixMillis(0));
        for _ in 0..5_000 {
            let next = month.later(1);
            assert_eq!(Month::of(month.start()), month);
            assert_eq!(Month::of(UnixMillis(next.start().0 - 1)), month);
            month = next;
        }
        assert!(Month::of(UnixMillis(u64::MAX)).start().0 > 0);
    }

    #[test]
    fn a_span_over_a_month_end_is_split() {
        let mut uptime = Uptime::default();
        uptime.turn(&key(), Health::Up, UnixMillis(MARCH - 10 * HOUR));
        uptime.turn(&key(), Health::Down, UnixMillis(MARCH - HOUR));
        uptime.turn(&key(), Health::Up, UnixMillis(MARCH + 2 * HOUR));
        let months = uptime.months_of(&key(), UnixMillis(MARCH + 5 * HOUR));
        let all: Vec<_> = months
            .iter()
            .map(|one| (one.month.to_string(), one.up_ms, one.down_ms, one.downs))
            .collect();
        let hours = |n: u32| n * 3_600_000;
        assert_eq!(
            all,
            [
                ("2026-03".to_owned(), hours(3), hours(2), 0),
                ("2026-02".to_owned(), hours(9), hours(1), 1),
            ]
        );
        assert_eq!(months[0].up_per_100_000(), Some(60_000));
        assert_eq!(months[1].up_per_100_000(), Some(90_000));
    }

    #[test]
    fn a_clock_that_jumps_back_never_makes_time_negative() {
        let mut uptime = Uptime::default();
        uptime.turn(&key(), Health::Up, UnixMillis(MARCH + 10 * HOUR));
        uptime.turn(&key(), Health::Down, UnixMillis(MARCH + 4 * HOUR));
        uptime.turn(&key(), Health::Up, UnixMillis(MARCH + 5 * HOUR));
        let now = uptime.months_of(&key(), UnixMillis(MARCH));
        assert_eq!(now.len(), 1);
        let hour = 3_600_000;
        assert_eq!((now[0].up_ms, now[0].down_ms, now[0].downs), (0, hour, 1));
    }

    #[test]
    fn thirteen_months_are_kept() {
        let mut uptime = Uptime::default();
        uptime.turn(&key(), Health::Up, UnixMillis(MARCH));
        let later = Month::of(UnixMillis(MARCH)).later(40).start();
        let months = uptime.months_of(&key(), later);
        assert_eq!(months.len(), 12, "the thirteenth has begun this moment");
        let months = uptime.months_of(&key(), UnixMillis(later.0 + HOUR));
        assert_eq!(months.len(), 13);
        assert_eq!(months[0].up_ms, 3_600_000);
        assert_eq!(months[0].up_per_100_000(), Some(100_000));
        uptime.turn(&key(), Health::Down, UnixMillis(u64::MAX));
    }
}
