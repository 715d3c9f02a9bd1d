//! PURE. The answers that farmux gives itself: small, and with a date.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::write::decimal;

/// An answer of our own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Answer<'a> {
    /// The status, 200 to 599.
    pub status: u16,
    /// What it says.
    pub body: Body<'a>,
    /// It answers `HEAD`: the body is left out.
    pub head: bool,
    /// The connection is closed after it.
    pub close: bool,
    /// When the client should come again; told in seconds, rounded up, at least one.
    pub retry_after: Option<Duration>,
}

/// What an answer says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Body<'a> {
    /// The name of a refusal or failure, for whoever reads it.
    Reason(&'a str),
    /// HTML that an operator wrote.
    Page(&'a str),
}

impl<'a> Answer<'a> {
    /// A refusal or failure by its name, after which the connection is closed.
    pub fn closing(status: u16, reason: &'a str) -> Self {
        Answer {
            status,
            body: Body::Reason(reason),
            head: false,
            close: true,
            retry_after: None,
        }
    }
}

/// Writes the answer. No cache keeps it: it tells of now.
pub fn write(out: &mut Vec<u8>, answer: &Answer<'_>, now: SystemTime) {
    let status = answer.status;
    let phrase = phrase(status);
    out.extend_from_slice(b"HTTP/1.1 ");
    decimal(out, u64::from(status));
    out.push(b' ');
    out.extend_from_slice(phrase.as_bytes());
    out.extend_from_slice(b"\r\nDate: ");
    out.extend_from_slice(date(now).as_bytes());
    out.extend_from_slice(b"\r\nCache-Control: no-store\r\n");
    if let Some(after) = answer.retry_after {
        out.extend_from_slice(b"Retry-After: ");
        let seconds = after.as_secs() + u64::from(after.subsec_nanos() > 0);
        decimal(out, seconds.max(1));
        out.extend_from_slice(b"\r\n");
    }
    let line;
    let (kind, body) = match answer.body {
        Body::Reason(reason) => {
            line = format!("{status} {phrase}: {reason}\n");
            ("text/plain", line.as_str())
        }
        Body::Page(page) => ("text/html; charset=utf-8", page),
    };
    // RFC 9110 sections 15.3.5 and 15.4.5: these never have a body, nor say how long it is.
    let bodiless = matches!(status, 204 | 304);
    if !bodiless {
        out.extend_from_slice(b"Content-Type: ");
        out.extend_from_slice(kind.as_bytes());
        out.extend_from_slice(b"\r\nContent-Length: ");
        decimal(out, body.len() as u64);
        out.extend_from_slice(b"\r\n");
    }
    if answer.close {
        out.extend_from_slice(b"Connection: close\r\n");
    }
    out.extend_from_slice(b"\r\n");
    if !answer.head && !bodiless {
        out.extend_from_slice(body.as_bytes());
    }
}

/// The registered words for a status that we send, or that an operator is likely to choose.
fn phrase(status: u16) -> &'static str {
    match status {
        200..300 => "OK",
        404 => "Not Found",
        410 => "Gone",
        429 => "Too Many Requests",
        500 => "Internal Server Error",
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
            let answer = Answer::closing(status, name);
            write(&mut out, &answer, UNIX_EPOCH);
            let text = String::from_utf8(out).expect("text");
            let (head, body) = text.split_once("\r\n\r\n").expect("a head");
            assert!(
                head.contains(&format!("Content-Length: {}\r\n", body.len())),
                "{text}"
            );
            assert!(body.contains(name));
            let mut out = Vec::new();
            let head = Answer {
                head: true,
                ..answer
            };
            write(&mut out, &head, UNIX_EPOCH);
            assert!(out.ends_with(b"\r\n\r\n"));
        }
    }
    /// status, head, close, retry after ms -> the answer, but for its first two lines
    #[test]
    fn a_table_of_pages() {
        const CLOSE: &str = "Connection: close\r\n";
        for (status, head, close, retry, wanted) in [
            (200, false, false, None, page("", "", "<p>ü")),
            (503, false, true, None, page("", CLOSE, "<p>ü")),
            (503, true, false, None, page("", "", "")),
            (
                503,
                false,
                false,
                Some(0),
                page("Retry-After: 1\r\n", "", "<p>ü"),
            ),
            (
                503,
                false,
                false,
                Some(5000),
                page("Retry-After: 5\r\n", "", "<p>ü"),
            ),
            (
                503,
                false,
                false,
                Some(5001),
                page("Retry-After: 6\r\n", "", "<p>ü"),
            ),
            (
                204,
                false,
                false,
                None,
                "Cache-Control: no-store\r\n\r\n".to_owned(),
            ),
            (
                304,
                false,
                false,
                None,
                "Cache-Control: no-store\r\n\r\n".to_owned(),
            ),
        ] {
            let answer = Answer {
                status,
                body: Body::Page("<p>ü"),
                head,
                close,
                retry_after: retry.map(Duration::from_millis),
            };
            let mut out = Vec::new();
            write(&mut out, &answer, UNIX_EPOCH);
            let text = String::from_utf8(out).expect("text");
            assert!(text.starts_with(&format!("HTTP/1.1 {status} ")), "{text}");
            assert_eq!(text.splitn(3, "\r\n").nth(2), Some(wanted.as_str()));
        }
    }

    fn page(retry: &str, close: &str, body: &str) -> String {
        format!(
            "Cache-Control: no-store\r\n{retry}Content-Type: text/html; charset=utf-8\r\n\
             Content-Length: 5\r\n{close}\r\n{body}"
        )
    }
}
