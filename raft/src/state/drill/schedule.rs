//! Schedules: which drill is run by itself, week by week, and when it is due.
//!
//! ```text
//!   [[drill]] weekly = "Tue 03:00", tz = "Europe/Berlin"
//!   due at 03:00 there ──within the hour, once──▶ BeginDrill or SkipDrill: settled
//!                      └─later: nobody was there; it waits for the next week
//! ```
//!
//! The zones come with this program. Two releases may know different ones, so that whether one
//! exists is asked where somebody writes it, and whether something is due by whoever leads: never
//! in `apply`, which must end equal everywhere.

use std::fmt;
use std::str::FromStr;

use jiff::tz::TimeZone;
use jiff::{Span, Timestamp};
use serde::{Deserialize, Serialize};

use super::{DrillKind, Scheduled, record};
use crate::id::{DrillName, UnixMillis};
use crate::state::fault::Faults;
use crate::state::text::plain;
use crate::state::word::words;
use crate::state::{Config, FaultKind, State, Word as _};

/// A drill that is run by itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Drill {
    /// Which.
    pub kind: DrillKind,
    /// Whom to hit; `None`: the plan chooses.
    pub target: Option<String>,
    /// When.
    pub weekly: Weekly,
    /// Whose time that is.
    pub tz: ZoneName,
}

/// A time of the week.
///
/// **Shape**: `Tue 03:00`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Weekly {
    /// On which day.
    pub day: Weekday,
    /// Minutes after midnight, below 1,440.
    pub minute: u16,
}

/// A day of the week.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Weekday {
    /// Monday.
    Monday,
    /// Tuesday.
    Tuesday,
    /// Wednesday.
    Wednesday,
    /// Thursday.
    Thursday,
    /// Friday.
    Friday,
    /// Saturday.
    Saturday,
    /// Sunday.
    Sunday,
}

words!(Weekday {
    Monday => "Mon",
    Tuesday => "Tue",
    Wednesday => "Wed",
    Thursday => "Thu",
    Friday => "Fri",
    Saturday => "Sat",
    Sunday => "Sun",
});

/// A time zone, as the IANA calls it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ZoneName(String);

/// Why a text is no time of a schedule.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ScheduleError {
    /// No weekday and time.
    #[error("no time of the week; write it as \"Tue 03:00\": Mon, Tue, Wed, Thu, Fri, Sat or Sun")]
    Weekly,
    /// No zone of this name.
    #[error("no time zone that is known here; write it as \"Europe/Berlin\" or \"UTC\"")]
    Zone,
}

/// A drill that shall begin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DueDrill {
    /// Which time of which schedule.
    pub scheduled: Scheduled,
    /// Which drill.
    pub kind: DrillKind,
    /// Whom to hit.
    pub target: Option<String>,
}

impl FromStr for Weekly {
    type Err = ScheduleError;

    fn from_str(text: &str) -> Result<Self, ScheduleError> {
        let read = || {
            let (day, time) = text.split_once(' ')?;
            let (_, day) = Weekday::WORDS.iter().find(|(word, _)| *word == day)?;
            let (hours, minutes) = time.split_once(':')?;
            let number = |text: &str, below: u16| {
                let digits = text.len() == 2 && text.bytes().all(|b| b.is_ascii_digit());
                let number = text.parse::<u16>().ok().filter(|number| *number < below);
                number.filter(|_| digits)
            };
            Some(Weekly {
                day: *day,
                minute: number(hours, 24)? * 60 + number(minutes, 60)?,
            })
        };
        read().ok_or(ScheduleError::Weekly)
    }
}

impl fmt::Display for Weekly {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Weekly { day, minute } = self;
        write!(f, "{day} {:02}:{:02}", minute / 60, minute % 60)
    }
}

impl FromStr for ZoneName {
    type Err = ScheduleError;

    fn from_str(text: &str) -> Result<Self, ScheduleError> {
        TimeZone::get(text).map_err(|_| ScheduleError::Zone)?;
        Ok(ZoneName(text.to_owned()))
    }
}

impl fmt::Display for ZoneName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl ZoneName {
    /// That of nobody in particular.
    pub fn utc() -> ZoneName {
        ZoneName("UTC".to_owned())
    }

    /// As text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Drill {
    pub(in crate::state) fn check(&self, at: &str, faults: &mut Faults) {
        if let Some(target) = &self.target
            && let Err(kind) = plain(target, 1, record::TEXT_CHARS_MAX)
        {
            faults.add(format!("{at}.target"), kind);
        }
        let zone = &self.tz.0;
        let odd = |c: &char| !c.is_ascii_alphanumeric() && !"/_+-".contains(*c);
        if let Err(kind) = plain(zone, 1, ZONE_CHARS_MAX) {
            faults.add(format!("{at}.tz"), kind);
        } else if let Some(odd) = zone.chars().find(odd) {
            faults.add(format!("{at}.tz"), FaultKind::Character(odd));
        }
        if self.weekly.minute >= DAY_MINUTES {
            let (have, min, max) = (self.weekly.minute.into(), 0, u64::from(DAY_MINUTES - 1));
            faults.add(format!("{at}.weekly"), FaultKind::Range { have, min, max });
        }
        // Nobody is there who would type the cluster's name.
        if self.kind == DrillKind::QuorumLoss {
            faults.add(format!("{at}.kind"), FaultKind::DrillByHand(self.kind));
        }
    }

    /// The newest time of it up to `now`.
    ///
    /// `None`: this version does not know the zone, or the time is none.
    pub fn last_due(&self, now: UnixMillis) -> Option<UnixMillis> {
        let this_week = self.near(now, 0)?;
        match this_week <= now {
            true => Some(this_week),
            false => self.near(now, -7),
        }
    }

    /// The next time of it after `now`; `None` as for [`Drill::last_due`].
    pub fn next_due(&self, now: UnixMillis) -> Option<UnixMillis> {
        let this_week = self.near(now, 0)?;
        match this_week > now {
            true => Some(this_week),
            false => self.near(now, 7),
        }
    }

    /// The time of it on its weekday among today and the six days before, and so many days later.
    fn near(&self, now: UnixMillis, later: i64) -> Option<UnixMillis> {
        let zone = TimeZone::get(&self.tz.0).ok()?;
        let here = Timestamp::from_millisecond(i64::try_from(now.0).ok()?).ok()?;
        let here = here.to_zoned(zone.clone());
        let today = i64::from(here.weekday().to_monday_zero_offset());
        let since = (today - self.weekly.day.number()).rem_euclid(7);
        let days = Span::new().try_days(later - since).ok()?;
        let date = here.date().checked_add(days).ok()?;
        let part = |number: u16| i8::try_from(number).ok();
        let (hour, minute) = (self.weekly.minute / 60, self.weekly.minute % 60);
        // An hour that a change of the clocks leaves out is the one behind it; of one that comes
        // twice it is the first.
        let at = date.at(part(hour)?, part(minute)?, 0, 0);
        let at = at.to_zoned(zone).ok()?.timestamp().as_millisecond();
        u64::try_from(at).ok().map(UnixMillis)
    }
}

impl Weekday {
    /// 0 is Monday.
    fn number(self) -> i64 {
        match self {
            Weekday::Monday => 0,
            Weekday::Tuesday => 1,
            Weekday::Wednesday => 2,
            Weekday::Thursday => 3,
            Weekday::Friday => 4,
            Weekday::Saturday => 5,
            Weekday::Sunday => 6,
        }
    }
}

impl State {
    /// The first drill that is due at `now`, and was not for longer than an hour.
    ///
    /// Whoever leads begins it, or passes it over; both settle it.
    pub fn due_drill(&self, now: UnixMillis) -> Option<DueDrill> {
        let due = |(name, drill): (&DrillName, &Drill)| {
            let due = drill.last_due(now)?;
            let settled = self.drills.settled.get(name);
            let open = settled.is_none_or(|settled| *settled < due);
            let fresh = now.0 - due.0 <= MISSED_AFTER_MS;
            (open && fresh).then(|| DueDrill {
                scheduled: Scheduled {
                    name: name.clone(),
                    due,
                },
                kind: drill.kind,
                target: drill.target.clone(),
            })
        };
        self.config.drills.iter().find_map(due)
    }

    /// A schedule that is new or another one now begins with its next time; those that are gone are
    /// forgotten.
    pub(in crate::state) fn settle_drills(&mut self, old: &Config, now: UnixMillis) {
        let config = &self.config;
        let settled = &mut self.drills.settled;
        settled.retain(|name, _| config.drills.contains_key(name));
        for (name, drill) in &config.drills {
            if old.drills.get(name) != Some(drill) {
                settled.insert(name.clone(), now);
            }
        }
    }
}

/// Longer than any name that the IANA gives.
const ZONE_CHARS_MAX: usize = 64;

const DAY_MINUTES: u16 = 1_440;

/// **Source**: issue 7, as built: a time that was missed by more than an hour is passed over; who
/// wanted the night does not want the morning.
const MISSED_AFTER_MS: u64 = 3_600_000;

#[cfg(test)]
mod tests {
    use super::*;

    fn drill(weekly: &str, zone: &str) -> Drill {
        Drill {
            kind: DrillKind::OwnerCrash,
            target: None,
            weekly: weekly.parse().expect("a time of the week"),
            tz: zone.parse().expect("a zone"),
        }
    }

    fn at(text: &str) -> UnixMillis {
        let at: Timestamp = text.parse().expect("a time");
        UnixMillis(u64::try_from(at.as_millisecond()).expect("after 1970"))
    }

    #[test]
    fn it_is_due_at_the_hour_of_its_zone_also_where_clocks_change() {
        let berlin = "Europe/Berlin";
        // Weekly, zone; now; the newest time up to it, and the next.
        for (weekly, zone, now, last, next) in [
            // A Tuesday in summer: 03:00 there is 01:00 here.
            (
                "Tue 03:00",
                berlin,
                "2026-07-14T01:00:00Z",
                "2026-07-14T01:00:00Z",
                "2026-07-21T01:00:00Z",
            ),
            (
                "Tue 03:00",
                berlin,
                "2026-07-14T00:59:59Z",
                "2026-07-07T01:00:00Z",
                "2026-07-14T01:00:00Z",
            ),
            // Winter begins in between.
            (
                "Tue 03:00",
                berlin,
                "2026-10-26T12:00:00Z",
                "2026-10-20T01:00:00Z",
                "2026-10-27T02:00:00Z",
            ),
            // 02:30 is left out on 29 March: the same, an hour behind.
            (
                "Sun 02:30",
                berlin,
                "2026-03-29T12:00:00Z",
                "2026-03-29T01:30:00Z",
                "2026-04-05T00:30:00Z",
            ),
            // 02:30 comes twice on 25 October: the first.
            (
                "Sun 02:30",
                berlin,
                "2026-10-25T12:00:00Z",
                "2026-10-25T00:30:00Z",
                "2026-11-01T01:30:00Z",
            ),
            // Tomorrow there, today here.
            (
                "Wed 00:30",
                "Pacific/Kiritimati",
                "2026-07-14T11:00:00Z",
                "2026-07-14T10:30:00Z",
                "2026-07-21T10:30:00Z",
            ),
            (
                "Mon 23:59",
                "UTC",
                "2026-11-30T23:58:59.999Z",
                "2026-11-23T23:59:00Z",
                "2026-11-30T23:59:00Z",
            ),
        ] {
            let drill = drill(weekly, zone);
            assert_eq!(drill.last_due(at(now)), Some(at(last)), "{weekly} {now}");
            assert_eq!(drill.next_due(at(now)), Some(at(next)), "{weekly} {now}");
        }
    }

    #[test]
    fn times_are_read_and_written_again() {
        for text in ["Mon 00:00", "Tue 03:00", "Sun 23:59"] {
            let weekly: Weekly = text.parse().expect(text);
            assert_eq!(weekly.to_string(), text);
        }
        for text in [
            "",
            "Tue",
            "03:00",
            "tue 03:00",
            "Tue 24:00",
            "Tue 3:00",
            "Tue 03:60",
            "Tue 03:0a",
            "Tue  03:00",
            "Tuesday 03:00",
            "Tue +3:00",
        ] {
            assert_eq!(text.parse::<Weekly>(), Err(ScheduleError::Weekly), "{text}");
        }
        for text in ["", "Berlin", "Europe/Atlantis", "../etc/passwd"] {
            assert_eq!(text.parse::<ZoneName>(), Err(ScheduleError::Zone), "{text}");
        }
    }

    #[test]
    fn a_zone_that_is_not_known_is_never_due() {
        let mut drill = drill("Tue 03:00", "UTC");
        drill.tz = ZoneName("Mars/Olympus".to_owned());
        assert_eq!(drill.last_due(at("2026-07-14T01:00:00Z")), None);
        assert_eq!(drill.next_due(at("2026-07-14T01:00:00Z")), None);
        drill.tz = ZoneName::utc();
        for now in [0, u64::MAX] {
            let _ = drill.last_due(UnixMillis(now));
        }
    }
}
