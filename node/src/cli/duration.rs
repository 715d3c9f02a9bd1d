//! Durations as people write them: `250ms`, `90s`, `5m`, `1h`, `7d`.

use std::time::Duration;

/// Reads a whole number and its unit: `ms`, `s`, `m`, `h` or `d`.
///
/// **Errors**: what is wrong, for people.
pub fn parse_duration(text: &str) -> Result<Duration, String> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let millis_of_unit = match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60 * 1_000,
        "h" => 60 * 60 * 1_000,
        "d" => 24 * 60 * 60 * 1_000,
        "" => return Err("the unit is missing: ms, s, m, h or d".to_owned()),
        unit => return Err(format!("{unit:?} is no unit: ms, s, m, h or d")),
    };
    let number: u64 = number
        .parse()
        .map_err(|_| "a whole number is needed".to_owned())?;
    let millis = number
        .checked_mul(millis_of_unit)
        .ok_or("that is too long")?;
    Ok(Duration::from_millis(millis))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_people_write_is_read() {
        let good = [
            ("250ms", 250),
            ("0s", 0),
            ("90s", 90_000),
            ("5m", 300_000),
            ("7d", 604_800_000),
        ];
        for (text, millis) in good {
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
            "-5s",
            "5 s",
            "1.5h",
            "5w",
            "99999999999999999999s",
        ] {
            assert!(parse_duration(text).is_err(), "{text}");
        }
        assert!(parse_duration("999999999999999999d").is_err(), "overflow");
    }
}
