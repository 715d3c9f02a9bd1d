//! PURE. What a server says of itself on a page that is obeyed: its first line, and nothing else.
//!
//! | first line  | the server                              |
//! |-------------|-----------------------------------------|
//! | `OK`        | is well                                 |
//! | `NOT OK`    | is not                                  |
//! | `OVERLOAD`  | is well, and wants no new work          |
//! | `QUIESCE`   | is well, and wants to finish and leave  |
//! | `WEIGHT=n`  | is well, and wants this share, 1 to 256 |
//!
//! In any case of letters, with blanks around it. Anything else is a failure: a server that has
//! learned to speak and says what nobody understands is not known to be well.
//!
//! **Source**: the convention of the WebMux appliance.

use std::num::NonZeroU32;

use super::outcome::Failure;
use crate::plan::Advice;

/// What the page says, once that is certain: `body` is what has come of it, and it is `over` when
/// nothing follows.
pub(super) fn read(body: &[u8], over: bool) -> Option<Result<Advice, Failure>> {
    let looked_at = body.get(..LINE_BYTES_MAX).unwrap_or(body);
    let line = match looked_at.iter().position(|byte| *byte == b'\n') {
        Some(end) => looked_at.get(..end).unwrap_or_default(),
        // A line that is cut off could say something else than it does: `WEIGHT=1|00`.
        None if body.len() > LINE_BYTES_MAX => return Some(Err(Failure::PageUnknown)),
        None if over => looked_at,
        None => return None,
    };
    Some(advice(line.trim_ascii()))
}

fn advice(line: &[u8]) -> Result<Advice, Failure> {
    let says = |word: &str| line.eq_ignore_ascii_case(word.as_bytes());
    if says("OK") {
        Ok(Advice::None)
    } else if says("NOT OK") {
        Err(Failure::PageNotOk)
    } else if says("OVERLOAD") {
        Ok(Advice::Overload)
    } else if says("QUIESCE") {
        Ok(Advice::Quiesce)
    } else {
        weight(line).map(Advice::Weight).ok_or(Failure::PageUnknown)
    }
}

fn weight(line: &[u8]) -> Option<NonZeroU32> {
    let (word, digits) = line.split_at_checked(WEIGHT.len())?;
    // `parse` alone would take `+7` as well.
    let plain = word.eq_ignore_ascii_case(WEIGHT) && digits.iter().all(u8::is_ascii_digit);
    let digits = std::str::from_utf8(digits).ok().filter(|_| plain)?;
    let weight: NonZeroU32 = digits.parse().ok()?;
    (weight.get() <= WEIGHT_MAX).then_some(weight)
}

const WEIGHT: &[u8] = b"WEIGHT=";

/// As much as a configured weight may be.
const WEIGHT_MAX: u32 = 256;

/// Many times the longest word with blanks around it; a page of HTML is known by less.
pub(super) const LINE_BYTES_MAX: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_and_much_that_is_none() {
        let weight = |n| Ok(Advice::Weight(NonZeroU32::new(n).expect("not 0")));
        let unknown = Err(Failure::PageUnknown);
        let blanks = " ".repeat(LINE_BYTES_MAX);
        let cut = format!("{}WEIGHT=100\n", &blanks[8..]);
        for (line, wanted) in [
            ("OK", Ok(Advice::None)),
            ("OK\n", Ok(Advice::None)),
            (" ok\t\r\nNOT OK\n", Ok(Advice::None)),
            ("NOT OK", Err(Failure::PageNotOk)),
            ("not ok\r\nOK", Err(Failure::PageNotOk)),
            ("OVERLOAD", Ok(Advice::Overload)),
            ("Overload\n", Ok(Advice::Overload)),
            ("QUIESCE\r\n", Ok(Advice::Quiesce)),
            ("WEIGHT=1", weight(1)),
            ("weight=256\n", weight(256)),
            ("WEIGHT=007", weight(7)),
            ("WEIGHT=0", unknown.clone()),
            ("WEIGHT=257", unknown.clone()),
            ("WEIGHT=99999999999999999999", unknown.clone()),
            ("WEIGHT=+7", unknown.clone()),
            ("WEIGHT=-1", unknown.clone()),
            ("WEIGHT=", unknown.clone()),
            ("WEIGHT", unknown.clone()),
            ("WEIGHT=1.5", unknown.clone()),
            ("NOTOK", unknown.clone()),
            ("NOT  OK", unknown.clone()),
            ("OK OK", unknown.clone()),
            ("OKAY", unknown.clone()),
            ("", unknown.clone()),
            ("\nOK", unknown.clone()),
            ("<html>\n", unknown.clone()),
            ("\u{feff}OK", unknown.clone()),
            ("\0OK", unknown.clone()),
            (&cut, unknown.clone()),
        ] {
            assert_eq!(read(line.as_bytes(), true), Some(wanted), "{line:?}");
        }
        let just = format!("{}OK\n", &blanks[3..]);
        assert_eq!(just.len(), LINE_BYTES_MAX);
        assert_eq!(read(just.as_bytes(), false), Some(Ok(Advice::None)));
        assert_eq!(read(b"\xff\xfe\n", false), Some(unknown.clone()));
        assert_eq!(read(blanks.as_bytes(), true), Some(unknown));
    }

    /// `OK` may still become `OKAY`, and `WEIGHT=1` `WEIGHT=12`.
    #[test]
    fn nothing_is_said_before_the_line_ends() {
        for line in ["", "OK", "WEIGHT=1", "NOT OK\r"] {
            assert_eq!(read(line.as_bytes(), false), None, "{line:?}");
        }
        let long = "x".repeat(LINE_BYTES_MAX);
        assert_eq!(read(long.as_bytes(), false), None);
        let longer = "x".repeat(LINE_BYTES_MAX + 1);
        assert_eq!(
            read(longer.as_bytes(), false),
            Some(Err(Failure::PageUnknown))
        );
    }
}
