//! Texts from outside: cleaned when they come from servers, refused when operators write them.

use std::time::Duration;

use super::FaultKind;

/// Longest reason that is kept of a failed probe or delivery: one line of a mail.
pub const REASON_CHARS_MAX: usize = 200;

/// Makes a text that came from a server or a relay harmless: one line, printable, bounded.
///
/// Control characters, line and paragraph separators, and the marks that reorder or hide text on a
/// screen become a space; spaces in a row become one.
pub fn clean(text: &str, chars_max: usize) -> String {
    let mut cleaned = String::new();
    let mut count = 0;
    let mut gap = false;
    for c in text.chars() {
        if c.is_whitespace() || is_hidden(c) {
            gap = count > 0;
            continue;
        }
        let needed = if gap { 2 } else { 1 };
        if count + needed > chars_max {
            break;
        }
        if gap {
            cleaned.push(' ');
            gap = false;
        }
        cleaned.push(c);
        count += needed;
    }
    cleaned
}

/// Whether a character has no place in one line of text: control, separator, or direction mark.
fn is_hidden(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{00ad}' | '\u{061c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}')
}

/// Whether an operator's text is `min` to `max` characters without hidden ones.
pub(super) fn plain(text: &str, min: usize, max: usize) -> Result<(), FaultKind> {
    let have = text.chars().count();
    if have < min || have > max {
        return Err(FaultKind::Length { have, min, max });
    }
    match text.chars().find(|&c| is_hidden(c)) {
        Some(c) => Err(FaultKind::Character(c)),
        None => Ok(()),
    }
}

/// A duration as an operator writes it: `2s`, `500ms`, `5m`, `1h`.
pub fn duration_text(duration: Duration) -> String {
    let millis = duration.as_millis();
    if millis == 0 || !millis.is_multiple_of(1_000) {
        return format!("{millis}ms");
    }
    match millis / 1_000 {
        seconds if seconds.is_multiple_of(3_600) => format!("{}h", seconds / 3_600),
        seconds if seconds.is_multiple_of(60) => format!("{}m", seconds / 60),
        seconds => format!("{seconds}s"),
    }
}

/// A length of time for people, in its two largest units: `3m 12s`, `2d 4h`, `0.4s`.
pub fn span_text(millis: u64) -> String {
    if millis < 10_000 {
        return format!("{}.{}s", millis / 1_000, millis % 1_000 / 100);
    }
    let seconds = millis / 1_000;
    let units = [
        (seconds / 86_400, "d"),
        (seconds / 3_600 % 24, "h"),
        (seconds / 60 % 60, "m"),
        (seconds % 60, "s"),
    ];
    let first = units
        .iter()
        .position(|(count, _)| *count > 0)
        .unwrap_or(units.len() - 1);
    let shown = units[first..]
        .iter()
        .take(2)
        .filter(|(count, _)| *count > 0);
    let words: Vec<String> = shown
        .map(|(count, unit)| format!("{count}{unit}"))
        .collect();
    words.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cleans_what_could_deceive() {
        for (dirty, wanted) in [
            ("connection refused", "connection refused"),
            ("a\r\nBcc: x@y", "a Bcc: x@y"),
            ("  two\t\tgaps  ", "two gaps"),
            ("\u{202e}reversed", "reversed"),
            ("nul\0byte", "nul byte"),
            ("", ""),
            ("\r\n", ""),
        ] {
            assert_eq!(clean(dirty, 200), wanted, "{dirty:?}");
        }
    }

    #[test]
    fn bounds_by_characters_not_bytes() {
        assert_eq!(clean(&"ä".repeat(500), 200).chars().count(), 200);
        assert_eq!(clean("ab cd", 3), "ab", "no gap is left at the end");
        assert_eq!(clean("ab cd", 4), "ab c");
    }

    #[test]
    fn writes_durations_as_operators_do() {
        for (millis, text) in [
            (0, "0ms"),
            (500, "500ms"),
            (1_500, "1500ms"),
            (2_000, "2s"),
            (300_000, "5m"),
            (3_600_000, "1h"),
            (5_400_000, "90m"),
        ] {
            assert_eq!(duration_text(Duration::from_millis(millis)), text);
        }
    }

    #[test]
    fn writes_spans_as_people_say_them() {
        for (millis, text) in [
            (0, "0.0s"),
            (450, "0.4s"),
            (10_000, "10s"),
            (192_000, "3m 12s"),
            (180_000, "3m"),
            (3_605_000, "1h"),
            (187_200_000, "2d 4h"),
        ] {
            assert_eq!(span_text(millis), text);
        }
    }
}
