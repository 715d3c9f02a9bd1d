//! PURE. A page as a line of syslog.
//!
//! ```text
//!   <26>1 2026-11-27T00:00:00.000Z lb1 farmux - DOWN [farmux@32473 id="…" …] BOM text
//! ```
//!
//! **Source**: RFC 5424, 6. The number 32473 is for documentation (RFC 5612), as long as the
//! project has none of its own.

use farmux_raft::id::{PageId, UnixMillis};
use farmux_raft::state::Page;

use super::super::brief::{bare_line, cut, headline, look, one_line, rfc3339};
use super::super::call::{Call, Said, Word};
use super::super::webhook::subject;

/// The lines that carry a call, one a page.
pub(in crate::pager) fn lines(call: &Call, node: &str, now: UnixMillis) -> Vec<Vec<u8>> {
    let node = hostname(node);
    match &call.said {
        Said::Test { occasion, .. } => {
            let text = format!("{}: nothing is wrong", headline(call, now, TEXT_CHARS_MAX));
            let parts = Parts {
                severity: INFORMATIONAL,
                at: now,
                word: occasion.word(),
                id: call.id,
                subject: String::new(),
                text,
            };
            vec![parts.written(call, &node)]
        }
        Said::Pages { pages, word } => {
            let one = |page: &Page| Parts::of(call, page, word).written(call, &node);
            pages.iter().map(|page| one(page)).collect()
        }
    }
}

struct Parts {
    severity: u8,
    at: UnixMillis,
    word: &'static str,
    id: PageId,
    subject: String,
    text: String,
}

impl Parts {
    fn of(call: &Call, page: &Page, word: &Word) -> Parts {
        let look = look(page.kind);
        let still = match call.reminder {
            0 => String::new(),
            number => format!("STILL (reminder {number}) "),
        };
        let mark = match word {
            Word::Committed => "",
            Word::Uncommitted { .. } => "UNCOMMITTED ",
        };
        let left = one_line(&page.left);
        let left = match left.is_empty() {
            true => left,
            false => format!(" ({left})"),
        };
        Parts {
            severity: look.syslog,
            at: page.at,
            word: look.word,
            id: page.id,
            subject: subject(&page.subject),
            text: format!(
                "{}{still}{mark}{} {}{left}",
                page.mark(),
                call.cluster_name,
                bare_line(page)
            ),
        }
    }

    fn written(&self, call: &Call, node: &str) -> Vec<u8> {
        let priority = DAEMON * 8 + self.severity;
        let (at, word) = (rfc3339(self.at), self.word);
        let (id, subject) = (self.id, escaped(&self.subject));
        let contact = escaped(call.contact.as_str());
        let head = format!(
            "<{priority}>1 {at} {node} farmux - {word} \
             [farmux@32473 id=\"{id}\" subject=\"{subject}\" contact=\"{contact}\"] \u{feff}"
        );
        let room = LINE_BYTES_MAX.saturating_sub(head.len());
        let mut bytes = head.into_bytes();
        bytes.extend_from_slice(cut(&self.text, room).as_bytes());
        bytes
    }
}

/// **Source**: RFC 5424, 6.3.3: three characters carry a backslash.
fn escaped(text: &str) -> String {
    let mut escaped = String::new();
    for c in one_line(text).chars() {
        if matches!(c, '"' | '\\' | ']') {
            escaped.push('\\');
        }
        escaped.push(c);
    }
    escaped
}

/// **Source**: RFC 5424, 6: at most 255 printable ASCII characters, `-` for nothing.
fn hostname(node: &str) -> String {
    let name: String = node
        .chars()
        .filter(char::is_ascii_graphic)
        .take(255)
        .collect();
    match name.is_empty() {
        true => "-".to_owned(),
        false => name,
    }
}

/// **Source**: RFC 5424, 6.2.1: system daemons.
const DAEMON: u8 = 3;

/// **Source**: RFC 5424, 6.2.1.
const INFORMATIONAL: u8 = 6;

/// **Source**: RFC 5424, 6.1: "SHOULD be able to accept messages of up to 2048 octets".
const LINE_BYTES_MAX: usize = 2_048;

/// Of a test's text.
const TEXT_CHARS_MAX: usize = 200;
