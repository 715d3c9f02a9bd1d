//! Words with a meaning of their own: durations.

use std::time::Duration;

/// A text that is no duration.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is not a duration; write a whole number and ms, s, m, h or d, as in \"500ms\" or \"2s\""
)]
pub struct DurationError(pub String);

/// A duration as operators write it.
///
/// **Shape**: digits, then `ms`, `s`, `m`, `h` or `d`; `2s`, `500ms`.
///
/// **Errors**: [`DurationError`] for anything else, and for more than `u64::MAX` milliseconds.
pub fn parse_duration(text: &str) -> Result<Duration, DurationError> {
    let error = || DurationError(text.to_owned());
    let split = text.find(|c: char| !c.is_ascii_digit()).ok_or_else(error)?;
    let (digits, unit) = text.split_at(split);
    let count: u64 = digits.parse().map_err(|_| error())?;
    let unit_ms = match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return Err(error()),
    };
    count
        .checked_mul(unit_ms)
        .map(Duration::from_millis)
        .ok_or_else(error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_durations_and_nothing_else() {
        for (text, millis) in [
            ("0s", 0),
            ("500ms", 500),
            ("2s", 2_000),
            ("5m", 300_000),
            ("1h", 3_600_000),
            ("7d", 604_800_000),
        ] {
            assert_eq!(
                parse_duration(text),
                Ok(Duration::from_millis(millis)),
                "{text}"
            );
        }
        for text in [
            "",
            "5",
            "s",
            "-1s",
            "+1s",
            "1.5s",
            "1 s",
            "1s ",
            "1S",
            "1sec",
            "99999999999999999999s",
        ] {
            assert_eq!(
                parse_duration(text),
                Err(DurationError(text.to_owned())),
                "{text}"
            );
        }
        assert!(
            parse_duration("18446744073709551615d").is_err(),
            "an overflow is no duration"
        );
    }
}
