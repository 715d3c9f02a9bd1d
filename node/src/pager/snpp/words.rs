//! PURE. A call in the 80 characters of a pager: as text, or as the digits of the WebMux appliance.
//!
//! ```text
//!   99 010000000021 00080     down: a server or a watch      00 … up again
//!   98 …                      down: a node or a VIP          01 … up again
//!   40 …                      down: a farm has no server     41 … serving again
//!   1111                      a test; before other codes: they are a drill's
//! ```
//!
//! A code is 19 digits: the kind, the IPv4 address with each octet in three digits, the port in
//! five. Codes are separated by `-`; four fit. Of more than four pages the first three are shown,
//! then, in fewer digits than a code has, how many more there are.
//!
//! An IPv6 address does not fit into 12 digits. Its last 32 bits stand there, each half in five
//! digits, behind `99`, with which no IPv4 address begins: `2001:db8::a:15` is `990001000021`. Two
//! addresses with the same end look the same. Where no address is known there are zeros.

use std::net::{IpAddr, SocketAddr};

use farmux_raft::id::UnixMillis;
use farmux_raft::state::{Page, PageKind, SnppWords, Subject};

use super::super::brief::{headline, look, named, one_line};
use super::super::call::{Call, Said, Word};

/// What stands on the pager.
pub(in crate::pager) fn message(call: &Call, words: SnppWords, now: UnixMillis) -> String {
    match words {
        SnppWords::Text => text(call, now),
        SnppWords::Codes => codes(call),
    }
}

/// `DOWN shop/s2: connection refused`; of several pages their counts and what names fit.
fn text(call: &Call, now: UnixMillis) -> String {
    let Said::Pages { pages, word } = &call.said else {
        return ascii(&headline(call, now, CHARS_MAX));
    };
    let pages: Vec<&Page> = pages.iter().map(AsRef::as_ref).collect();
    let still = if call.reminder > 0 { "STILL " } else { "" };
    let mark = match word {
        Word::Committed => "",
        Word::Uncommitted { .. } => "UNCOMMITTED ",
    };
    let drill = call.mark();
    let text = match pages.as_slice() {
        [page] => format!(
            "{drill}{still}{mark}{}",
            super::super::brief::bare_line(page)
        ),
        several => {
            let counts = super::super::brief::counted(several.iter().copied());
            // ` … and` becomes longer in ASCII.
            named(
                &format!("{drill}{still}{mark}{counts}"),
                several,
                CHARS_MAX - 2,
            )
        }
    };
    ascii(&text)
}

/// Seven bits, printable, at most 80. **Source**: RFC 1861, 4.5.1 (MESS).
fn ascii(text: &str) -> String {
    let text = one_line(text).replace('…', "...");
    let safe = |c: char| match c.is_ascii_graphic() || c == ' ' {
        true => c,
        false => '?',
    };
    text.chars().map(safe).take(CHARS_MAX).collect()
}

fn codes(call: &Call) -> String {
    let Said::Pages { pages, .. } = &call.said else {
        return TEST_CODE.to_owned();
    };
    let mut ordered: Vec<&Page> = pages.iter().map(AsRef::as_ref).collect();
    ordered.sort_by_key(|page| look(page.kind).rank);
    let room = CODES_MAX - usize::from(call.is_drill());
    let shown = match ordered.len() {
        all if all <= room => all,
        _ => room - 1,
    };
    let codes = ordered.iter().take(shown).map(|page| code(page));
    // A drill begins as a test does.
    let test = Some(TEST_CODE.to_owned()).filter(|_| call.is_drill());
    let mut groups: Vec<String> = test.into_iter().chain(codes).collect();
    if let Some(more) = ordered.len().checked_sub(shown).filter(|more| *more > 0) {
        groups.push(more.to_string());
    }
    groups.join("-")
}

fn code(page: &Page) -> String {
    let up = page.kind == PageKind::Up;
    let kind = match (&page.subject, up) {
        (Subject::Server(..) | Subject::Watch(_), false) => "99",
        (Subject::Server(..) | Subject::Watch(_), true) => "00",
        (
            Subject::Node(_)
            | Subject::Path(_)
            | Subject::Vip(_)
            | Subject::Trouble(_)
            | Subject::Quorum
            | Subject::Drill(_)
            | Subject::Rehearsal(_)
            | Subject::Channel(..),
            false,
        ) => "98",
        (
            Subject::Node(_)
            | Subject::Path(_)
            | Subject::Vip(_)
            | Subject::Trouble(_)
            | Subject::Quorum
            | Subject::Drill(_)
            | Subject::Rehearsal(_)
            | Subject::Channel(..),
            true,
        ) => "01",
        (Subject::Farm(_) | Subject::Strength(_), false) => "40",
        (Subject::Farm(_) | Subject::Strength(_), true) => "41",
    };
    match page.target {
        Some(target) => format!("{kind}{}{:05}", digits(target), target.port()),
        None => format!("{kind}{:017}", 0),
    }
}

/// Twelve digits.
fn digits(target: SocketAddr) -> String {
    match target.ip().to_canonical() {
        IpAddr::V4(ip) => {
            let octets = ip.octets().map(|octet| format!("{octet:03}"));
            octets.concat()
        }
        IpAddr::V6(ip) => {
            let [.., high, low] = ip.segments();
            format!("99{high:05}{low:05}")
        }
    }
}

/// **Source**: issue 4: "text shaped to 80 characters".
const CHARS_MAX: usize = 80;

/// Four codes and three separators are 79 characters.
const CODES_MAX: usize = 4;

/// Shorter than any code, and no count of pages that comes alone.
const TEST_CODE: &str = "1111";
