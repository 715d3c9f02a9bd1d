//! PURE. What every channel says of pages: words for their kinds, counts, names, one line each.
//!
//! Everything that a server or a relay could have written is cleaned and bounded here once more,
//! however it came into the state.

use farmux_raft::id::{PageId, UnixMillis};
use farmux_raft::state::{Page, PageKind, REASON_CHARS_MAX, clean, page_id, span_text};
use time::OffsetDateTime;
use time::format_description::BorrowedFormatItem;
use time::macros::format_description;

use super::call::{Call, Said, Word};

/// How one kind of page looks in each channel; the one place that names them all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Look {
    /// In subject lines, and a syslog line's MSGID.
    pub(super) word: &'static str,
    /// Among several pages the worst one names them all; 0 is worst.
    pub(super) rank: u8,
    /// Whether it goes on until another page ends it.
    pub(super) lasts: bool,
    /// **Source**: RFC 5424, 6.2.1.
    pub(super) syslog: u8,
    /// PagerDuty's word.
    pub(super) severity: &'static str,
    /// Of ntfy, 5 is the most urgent.
    pub(super) priority: u8,
    /// ntfy's name of a picture.
    pub(super) tag: &'static str,
}

/// How a kind of page looks.
pub(super) fn look(kind: PageKind) -> Look {
    let all = |word, rank, syslog, severity, priority, tag| Look {
        word,
        rank,
        lasts: rank < 2,
        syslog,
        severity,
        priority,
        tag,
    };
    match kind {
        PageKind::Down => all("DOWN", 0, 2, "critical", 5, "rotating_light"),
        PageKind::Flapping => all("FLAPPING", 0, 3, "error", 4, "warning"),
        PageKind::Degraded => all("DEGRADED", 1, 4, "warning", 4, "warning"),
        PageKind::Notice => all("NOTICE", 2, 5, "info", 3, "information_source"),
        PageKind::Up => all("UP", 3, 5, "info", 3, "white_check_mark"),
    }
}

/// A text of anybody's as one harmless line.
pub(super) fn one_line(text: &str) -> String {
    clean(text, REASON_CHARS_MAX)
}

/// `DOWN shop/s2: connection refused`, marked where a drill did it.
pub(super) fn line(page: &Page) -> String {
    format!("{}{}", page.mark(), bare_line(page))
}

/// The same where the mark stands elsewhere.
pub(super) fn bare_line(page: &Page) -> String {
    let (word, title, cause) = (
        look(page.kind).word,
        one_line(&page.title),
        one_line(&page.cause),
    );
    match cause.is_empty() {
        true => format!("{word} {title}"),
        false => format!("{word} {title}: {cause}"),
    }
}

/// How many there are of each kind, the worst first; none of what is not there.
pub(super) fn counts<'a>(pages: impl IntoIterator<Item = &'a Page>) -> Vec<(Look, usize)> {
    let mut counts: Vec<(Look, usize)> = Vec::new();
    for page in pages {
        let look = look(page.kind);
        match counts.iter_mut().find(|(have, _)| *have == look) {
            Some((_, count)) => *count += 1,
            None => counts.push((look, 1)),
        }
    }
    counts.sort_by_key(|(look, _)| look.rank);
    counts
}

/// `143 down, 2 up`.
pub(super) fn counted<'a>(pages: impl IntoIterator<Item = &'a Page>) -> String {
    let counts = counts(pages);
    let words = counts
        .iter()
        .map(|(look, count)| format!("{count} {}", look.word.to_ascii_lowercase()));
    words.collect::<Vec<_>>().join(", ")
}

/// As many names as fit behind `head`, the worst first; ` … and 120 more` where some do not.
pub(super) fn named(head: &str, pages: &[&Page], chars_max: usize) -> String {
    let mut ordered: Vec<&&Page> = pages.iter().collect();
    ordered.sort_by_key(|page| look(page.kind).rank);
    let mut text = head.to_owned();
    let mut length = text.chars().count();
    for (place, page) in ordered.iter().enumerate() {
        let title = one_line(&page.title);
        let gap = if place == 0 { ": " } else { ", " };
        let left = ordered.len() - place - 1;
        let needed = gap.len() + title.chars().count();
        let tail = if left == 0 {
            0
        } else {
            more(left).chars().count()
        };
        if length + needed + tail > chars_max {
            text.push_str(&more(left + 1));
            return text;
        }
        text.push_str(gap);
        text.push_str(&title);
        length += needed;
    }
    text
}

fn more(count: usize) -> String {
    format!(" … and {count} more")
}

/// One line for all of it, at most so long: `[DOWN] prod 143 down, 2 up: fs1, web1 … and 120 more`.
pub(super) fn headline(call: &Call, now: UnixMillis, chars_max: usize) -> String {
    let cluster = &call.cluster_name;
    match &call.said {
        Said::Test { occasion, .. } => {
            format!("[{}] {cluster} contact {}", occasion.word(), call.contact)
        }
        Said::Pages { pages, word } => {
            let pages: Vec<&Page> = pages.iter().map(AsRef::as_ref).collect();
            let Some(worst) = pages.iter().min_by_key(|page| look(page.kind).rank) else {
                return format!("{cluster}: nothing");
            };
            let kind = look(worst.kind).word;
            let still = if call.reminder > 0 { "STILL " } else { "" };
            let mark = match word {
                Word::Committed => "",
                Word::Uncommitted { .. } => "[UNCOMMITTED] ",
            };
            let drill = call.mark();
            let head = format!("{drill}[{still}{kind}] {mark}{cluster} ");
            let reminder = reminder(call, now);
            match pages.as_slice() {
                [page] => format!("{head}{}{reminder}", alone(page)),
                several => {
                    let head = format!("{head}{}", counted(several.iter().copied()));
                    let room = chars_max.saturating_sub(reminder.chars().count());
                    let text = named(&head, several, room);
                    format!("{}{reminder}", with_cause(text, several, room))
                }
            }
        }
    }
}

/// `shop/s2: connection refused (3 of 4 up)`.
fn alone(page: &Page) -> String {
    let mut text = one_line(&page.title);
    let (cause, left) = (one_line(&page.cause), one_line(&page.left));
    if !cause.is_empty() {
        text = format!("{text}: {cause}");
    }
    if !left.is_empty() {
        text = format!("{text} ({left})");
    }
    text
}

/// The cause behind it, where all that lasts has the same one and it fits.
fn with_cause(text: String, pages: &[&Page], chars_max: usize) -> String {
    let mut lasting = pages.iter().filter(|page| look(page.kind).lasts);
    let Some(first) = lasting.next() else {
        return text;
    };
    let cause = one_line(&first.cause);
    let fits = text.chars().count() + cause.chars().count() + 3 <= chars_max;
    match fits && !cause.is_empty() && lasting.all(|page| one_line(&page.cause) == cause) {
        true => format!("{text} ({cause})"),
        false => text,
    }
}

/// ` (reminder 2, since 4h)`; nothing the first time.
fn reminder(call: &Call, now: UnixMillis) -> String {
    let Said::Pages { pages, .. } = &call.said else {
        return String::new();
    };
    let since = pages.iter().map(|page| page.at.0).min();
    match (call.reminder, since) {
        (0, _) | (_, None) => String::new(),
        (number, Some(since)) => {
            let span = span_text(now.0.saturating_sub(since));
            format!(" (reminder {number}, since {span})")
        }
    }
}

/// The page that said that something went away, of one that says it is back; that had the number
/// before.
pub(super) fn parent(call: &Call, page: &Page) -> Option<PageId> {
    let before = match page.kind {
        PageKind::Up => page.transition.checked_sub(1),
        PageKind::Down | PageKind::Degraded | PageKind::Flapping | PageKind::Notice => None,
    };
    before.map(|before| page_id(call.cluster, &page.subject, before))
}

/// `2026-11-23 18:30:05 UTC`.
pub(super) fn moment(at: UnixMillis) -> String {
    written(
        at,
        format_description!("[year]-[month]-[day] [hour]:[minute]:[second] UTC"),
    )
}

/// `2026-11-23T18:30:05.120Z`. **Source**: RFC 3339.
pub(super) fn rfc3339(at: UnixMillis) -> String {
    written(
        at,
        format_description!("[year]-[month]-[day]T[hour]:[minute]:[second].[subsecond digits:3]Z"),
    )
}

fn written(at: UnixMillis, format: &[BorrowedFormatItem<'_>]) -> String {
    let nanos = i128::from(at.0) * 1_000_000;
    OffsetDateTime::from_unix_timestamp_nanos(nanos)
        .ok()
        .and_then(|moment| moment.format(format).ok())
        .unwrap_or_else(|| format!("{} ms after 1970", at.0))
}

/// Cuts a text to so many bytes, between two characters.
pub(super) fn cut(text: &str, bytes_max: usize) -> &str {
    let mut end = text.len().min(bytes_max);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.get(..end).unwrap_or_default()
}
