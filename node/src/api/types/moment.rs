//! A point in time as the API writes it: RFC 3339 in UTC.

use std::fmt;
use std::str::FromStr;

use farmux_raft::id::UnixMillis;
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use time::format_description::BorrowedFormatItem;
use time::format_description::well_known::Rfc3339;
use time::macros::format_description;

/// A wall-clock time, for people.
///
/// **Shape** (JSON): `"2026-03-01T12:00:00.250Z"`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Moment(pub UnixMillis);

impl Moment {
    /// How long ago it was, in the largest unit that says enough: `3s`, `12m`, `5h`, `4d`.
    pub fn ago(self, now: UnixMillis) -> String {
        let seconds = now.0.saturating_sub(self.0.0) / 1_000;
        match seconds {
            0..=119 => format!("{seconds}s"),
            120..=7_199 => format!("{}m", seconds / 60),
            7_200..=172_799 => format!("{}h", seconds / 3_600),
            172_800.. => format!("{}d", seconds / 86_400),
        }
    }

    /// To the second, as a table shows it: `2026-03-01 12:00:00`.
    pub fn to_the_second(self) -> String {
        const SECOND: &[BorrowedFormatItem<'_>] =
            format_description!("[year]-[month]-[day] [hour]:[minute]:[second]");
        date(self.0)
            .format(SECOND)
            .unwrap_or_else(|_| self.0.0.to_string())
    }
}

impl From<UnixMillis> for Moment {
    fn from(at: UnixMillis) -> Moment {
        Moment(at)
    }
}

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const MILLI: &[BorrowedFormatItem<'_>] = format_description!(
            "[year]-[month]-[day]T[hour]:[minute]:[second].[subsecond digits:3]Z"
        );
        match date(self.0).format(MILLI) {
            Ok(text) => f.write_str(&text),
            Err(_) => write!(f, "{}", self.0.0),
        }
    }
}

impl From<Moment> for String {
    fn from(moment: Moment) -> String {
        moment.to_string()
    }
}

impl FromStr for Moment {
    type Err = time::error::Parse;

    fn from_str(text: &str) -> Result<Moment, time::error::Parse> {
        let date = OffsetDateTime::parse(text, &Rfc3339)?;
        let millis = date.unix_timestamp_nanos() / 1_000_000;
        Ok(Moment(UnixMillis(u64::try_from(millis).unwrap_or(0))))
    }
}

impl TryFrom<String> for Moment {
    type Error = time::error::Parse;

    fn try_from(text: String) -> Result<Moment, time::error::Parse> {
        text.parse()
    }
}

/// A time beyond the calendar (year 9999) is shown as 1970: it is some other node's mistake, and no
/// reason not to answer.
fn date(at: UnixMillis) -> OffsetDateTime {
    OffsetDateTime::from_unix_timestamp_nanos(i128::from(at.0) * 1_000_000)
        .unwrap_or(OffsetDateTime::UNIX_EPOCH)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_written_and_read() {
        let moment = Moment(UnixMillis(1_772_366_400_250));
        assert_eq!(moment.to_string(), "2026-03-01T12:00:00.250Z");
        assert_eq!(moment.to_the_second(), "2026-03-01 12:00:00");
        assert_eq!(moment.to_string().parse(), Ok(moment));
        assert_eq!(
            Moment(UnixMillis(u64::MAX)).to_the_second(),
            "1970-01-01 00:00:00"
        );
    }

    #[test]
    fn ages_take_the_largest_unit_that_says_enough() {
        let ages = [
            (0, "0s"),
            (119, "119s"),
            (120, "2m"),
            (7_200, "2h"),
            (172_800, "2d"),
        ];
        for (seconds, text) in ages {
            let now = UnixMillis(1_000_000 + seconds * 1_000);
            assert_eq!(Moment(UnixMillis(1_000_000)).ago(now), text);
        }
    }
}
