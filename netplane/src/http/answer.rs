//! PURE. The answers that farmux gives itself: small, closed, and with a date.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::write::decimal;

/// Writes an answer of our own; after it the connection is closed.
///
/// `reason` is the name of the refusal or failure, for whoever reads the body; `head` leaves the
/// body out, as an answer to `HEAD` must.
pub fn write(out: &mut Vec<u8>, status: u16, reason: &str, head: bool, now: SystemTime) {
    let phrase = phrase(status);
    let body = format!("{status} {phrase}: {reason}\n");
    out.extend_from_slice(b"HTTP/1.1 ");
    decimal(out, u64::from(status));
    out.push(b' ');
    out.extend_from_slice(phrase.as_bytes());
    out.extend_from_slice(b"\r\nDate: ");
    out.extend_from_slice(date(now).as_bytes());
    out.extend_from_slice(b"\r\nContent-Type: text/plain\r\nContent-Length: ");
    decimal(out, body.len() as u64);
    out.extend_from_slice(b"\r\nConnection: close\r\n\r\n");
    if !head {
        out.extend_from_slice(body.as_bytes());
    }
}

/// The registered words for a status that we send.
fn phrase(status: u16) -> &'static str {
    match status {
        400 => "Bad Request",
        408 => "Request Timeout",
        417 => "Expectation Failed",
        431 => "Request Header Fields Too Large",
        501 => "Not Implemented",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        504 => "Gateway Timeout",
        505 => "HTTP Version Not Supported",
        _ => "Error",
    }
}

/// An IMF-fixdate.
///
/// **Source**: RFC 9110 section 5.6.7; the calendar is Howard Hinnant's `civil_from_days`.
fn date(now: SystemTime) -> String {
    const WEEKDAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
    const MONTHS: [&str; 12] = [
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
    ];
    let seconds = now
        .duration_since(UNIX_EPOCH)
        .unwrap_or(Duration::ZERO)
        .as_secs();
    let (days, time) = (seconds / 86_400, seconds % 86_400);
    // Days since 1 March 0000, in eras of 400 years.
    let shifted = days + 719_468;
    let (era, of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let month_index = (month + 2) % 12;
    let year = era * 400 + year_of_era + u64::from(month_index < 2);
    let place = |number: u64| usize::try_from(number).unwrap_or_default();
    format!(
        "{}, {day:02} {} {year:04} {:02}:{:02}:{:02} GMT",
        WEEKDAYS[place(days % 7)],
        MONTHS[place(month_index)],
        time / 3600,
        time / 60 % 60,
        time % 60,
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::refusal::{Failure, Refusal};

    #[test]
    fn dates() {
        for (seconds, wanted) in [
            (0, "Thu, 01 Jan 1970 00:00:00 GMT"),
            (784_111_777, "Sun, 06 Nov 1994 08:49:37 GMT"),
            (951_782_400, "Tue, 29 Feb 2000 00:00:00 GMT"),
            (1_709_251_199, "Thu, 29 Feb 2024 23:59:59 GMT"),
            (4_107_542_399, "Sun, 28 Feb 2100 23:59:59 GMT"),
        ] {
            assert_eq!(date(UNIX_EPOCH + Duration::from_secs(seconds)), wanted);
        }
    }

    #[test]
    fn every_answer_has_words_and_the_right_length() {
        let refusals = Refusal::ALL
            .iter()
            .map(|reason| (reason.status(), reason.name()));
        let failures = Failure::ALL
            .iter()
            .map(|reason| (reason.status(), reason.name()));
        for (status, name) in refusals.chain(failures) {
            assert_ne!(phrase(status), "Error", "{status}");
            let mut out = Vec::new();
            write(&mut out, status, name, false, UNIX_EPOCH);
            let text = String::from_utf8(out).expect("text");
            let (head, body) = text.split_once("\r\n\r\n").expect("a head");
            assert!(
                head.contains(&format!("Content-Length: {}\r\n", body.len())),
                "{text}"
            );
            assert!(body.contains(name));
            let mut out = Vec::new();
            write(&mut out, status, name, true, UNIX_EPOCH);
            assert!(out.ends_with(b"\r\n\r\n"));
        }
    }
}
