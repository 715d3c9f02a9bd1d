//! Mail, pager messages and lines of syslog, made from names and causes of anybody's: nothing gets
//! out of its field, and every mail has the same fields.

use std::collections::BTreeMap;
use std::sync::Arc;

use farmux_node::pager::seam::{letter, snpp, syslog};
use farmux_node::pager::{Call, Mail, Said, Word, call_mail};
use farmux_raft::id::{ClusterId, PageId, UnixMillis};
use farmux_raft::state::{
    MailChannel, Page, PageKind, PageVerdict, REASON_CHARS_MAX, SnppWords, Subject,
};

use super::meter::Meter;

/// The input is texts with a line feed of its own between them, `0xff`.
const BETWEEN: u8 = 0xff;

/// Every field of a mail that is no answer to another; To may be repeated.
const FIELDS: [&str; 9] = [
    "auto-submitted",
    "content-transfer-encoding",
    "content-type",
    "date",
    "from",
    "message-id",
    "mime-version",
    "subject",
    "to",
];

/// Longest line of a mail without its end. **Source**: RFC 5322, 2.1.1.
const LINE_BYTES_MAX: usize = 998;

pub(super) fn mail(meter: &Meter, input: &[u8]) {
    let texts: Vec<String> = input
        .split(|byte| *byte == BETWEEN)
        .map(|text| String::from_utf8_lossy(text).into_owned())
        .collect();
    let text = |at: usize| texts.get(at).cloned().unwrap_or_default();
    let number = |at: usize| {
        let first = text(at)
            .bytes()
            .take(8)
            .fold(0, |number, byte| number << 8 | u64::from(byte));
        UnixMillis(first)
    };
    let call = call(&texts, number(6));
    let channel = MailChannel {
        to: vec![some(text(7), "ops@example.com")],
        from: Some(text(8)).filter(|from| !from.is_empty()),
        relays: vec![],
    };
    let composed = meter.within(|| call_mail(&call, &channel, number(9)));
    assert!(composed.subject.chars().count() <= 2_000);
    written(meter, &composed);
    // No text of a page has a longer word: the encoder folds between words only.
    let short = |at: usize| -> String { text(at).chars().take(REASON_CHARS_MAX).collect() };
    // The encoder alone, with texts that nobody cleaned.
    written(
        meter,
        &Mail {
            subject: short(0),
            body: text(1),
            message_id: format!("<{}>", short(2)),
            in_reply_to: Some(short(3)).filter(|id| !id.is_empty()),
            ..composed
        },
    );
    for words in [SnppWords::Text, SnppWords::Codes] {
        let said = meter.within(|| snpp(&call, words, number(9)));
        assert!(said.len() <= 80 && said.bytes().all(|byte| (b' '..=b'~').contains(&byte)));
    }
    for line in meter.within(|| syslog(&call, &text(5), number(9))) {
        let line = String::from_utf8(line).expect("UTF-8");
        assert!(
            line.len() <= 2_048 && !line.chars().any(char::is_control),
            "{line:?}"
        );
    }
}

fn some(text: String, otherwise: &str) -> String {
    match text.is_empty() {
        true => otherwise.to_owned(),
        false => text,
    }
}

/// What a contact is told of one page, or of two.
fn call(texts: &[String], at: UnixMillis) -> Call {
    let text = |place: usize| texts.get(place).cloned().unwrap_or_default();
    let page = |transition: u64| Page {
        id: PageId(7),
        subject: Subject::Watch("web1".parse().expect("a name")),
        title: text(0),
        target: None,
        sequence: transition,
        transition,
        kind: if transition == 1 {
            PageKind::Up
        } else {
            PageKind::Down
        },
        at,
        cause: text(1),
        left: text(2),
        evidence: texts.iter().skip(3).take(20).cloned().collect(),
        verdict: Some(PageVerdict::ServerDown),
        over: None,
        deliveries: BTreeMap::new(),
        replaces: None,
        silenced: None,
        acknowledged: None,
        resolved: None,
        drill: None,
    };
    let several = texts.len().is_multiple_of(2);
    let pages = (0..=u64::from(several)).map(|number| Arc::new(page(number)));
    let cluster = text(10).parse().ok();
    Call {
        cluster: ClusterId(7),
        cluster_name: cluster.unwrap_or_else(|| "prod".parse().expect("a name")),
        contact: "ops".parse().expect("a name"),
        id: PageId(9),
        said: Said::Pages {
            pages: pages.collect(),
            word: Word::Uncommitted { by: text(5) },
        },
        reminder: u32::from(texts.len().is_multiple_of(3)),
        links: vec![text(4)],
    }
}

/// A mail that can be written has its fields and no other, and no line that breaks a rule.
fn written(meter: &Meter, mail: &Mail) {
    let Ok(bytes) = meter.within(|| letter(mail)) else {
        return;
    };
    // Its last line break is the one that SMTP ends it with.
    let text = String::from_utf8(bytes).expect("UTF-8 at most") + "\r\n";
    // An address beyond ASCII stands as it is, and needs a relay that says SMTPUTF8 (RFC 6531).
    let plain = mail
        .to
        .iter()
        .chain([&mail.from])
        .all(|address| address.is_ascii());
    assert!(text.is_ascii() || !plain, "{text:?}");
    let (head, body) = text.split_once("\r\n\r\n").expect("head and body");
    for part in [head, body] {
        for line in part.split("\r\n") {
            assert!(!line.contains(['\r', '\n', '\0']), "{line:?}");
            assert!(line.len() <= LINE_BYTES_MAX, "{line}");
        }
    }
    let unfolded = head.replace("\r\n ", " ").replace("\r\n\t", " ");
    let mut names: Vec<String> = unfolded
        .split("\r\n")
        .map(|line| {
            line.split(':')
                .next()
                .unwrap_or_default()
                .to_ascii_lowercase()
        })
        .collect();
    names.sort();
    names.dedup();
    let answers = |name: &String| mail.in_reply_to.is_some() && is_answer(name);
    names.retain(|name| !answers(name));
    assert_eq!(names, FIELDS, "{head}");
}

fn is_answer(name: &str) -> bool {
    matches!(name, "in-reply-to" | "references")
}
