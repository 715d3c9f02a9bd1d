//! PURE. What a page says: its subject line, its body, and the ids by which receivers fold it.
//!
//! Everything that a server or a relay could have written is cleaned and bounded here once more,
//! however it came into the state.

use farmux_raft::id::{PageId, UnixMillis};
use farmux_raft::state::{MailChannel, Page, PageKind, REASON_CHARS_MAX, Subject, clean, page_id};
use time::OffsetDateTime;
use time::macros::format_description;

use super::call::{Call, Said, Word};
use super::mail::Mail;

/// The mail that carries a call through a channel.
///
/// A digest of several pages has a subject that counts, and a body that names each.
pub fn call_mail(call: &Call, channel: &MailChannel) -> Mail {
    let from = channel.from.clone();
    let head = Mail {
        from: from.unwrap_or_else(|| format!("farmux@{}", call.cluster_name)),
        to: channel.to.clone(),
        subject: String::new(),
        body: String::new(),
        message_id: message_id(call, call.id),
        in_reply_to: None,
        date: UnixMillis(0),
    };
    match &call.said {
        Said::Test { node, at } => Mail {
            subject: format!("[TEST] {} contact {}", call.cluster_name, call.contact),
            body: test_body(call, node),
            date: *at,
            ..head
        },
        Said::Pages { pages, word } => {
            let Some(page) = pages.first() else {
                return head;
            };
            Mail {
                subject: subject(call, page, word),
                body: body(call, page, word),
                in_reply_to: parent(call, page).map(|id| message_id(call, id)),
                date: page.at,
                ..head
            }
        }
    }
}

/// What comes back answers the page that said it went away; that had the number before.
fn parent(call: &Call, page: &Page) -> Option<PageId> {
    let before = match page.kind {
        PageKind::Up => page.transition.checked_sub(1),
        PageKind::Down | PageKind::Degraded | PageKind::Flapping | PageKind::Notice => None,
    };
    before.map(|before| page_id(call.cluster, &page.subject, before))
}

fn test_body(call: &Call, node: &str) -> String {
    let (cluster, contact) = (&call.cluster_name, &call.contact);
    format!(
        "This is a test. Nothing is wrong.\n\n\
         Node {node} of cluster {cluster} sends it, because somebody ordered\n\n  \
         farmux contact test {contact}\n\n\
         Pages for contact {contact} take the same way.\n"
    )
}

/// `[DOWN] prod shop/s2: connection refused (3 of 4 up)`.
fn subject(call: &Call, page: &Page, word: &Word) -> String {
    let kind = match page.kind {
        PageKind::Down => "DOWN",
        PageKind::Degraded => "DEGRADED",
        PageKind::Flapping => "FLAPPING",
        PageKind::Up => "UP",
        PageKind::Notice => "NOTICE",
    };
    let mark = match word {
        Word::Committed => "",
        Word::Uncommitted { .. } => "[UNCOMMITTED] ",
    };
    let title = one_line(&page.title);
    let mut line = format!("[{kind}] {mark}{} {title}", call.cluster_name);
    let (cause, left) = (one_line(&page.cause), one_line(&page.left));
    if !cause.is_empty() {
        line = format!("{line}: {cause}");
    }
    if !left.is_empty() {
        line = format!("{line} ({left})");
    }
    line
}

fn body(call: &Call, page: &Page, word: &Word) -> String {
    let title = one_line(&page.title);
    let what = match page.kind {
        PageKind::Down => format!("{title} is DOWN."),
        PageKind::Degraded => format!("{title} is DEGRADED: it works, with too few servers."),
        PageKind::Flapping => format!("{title} is FLAPPING: it goes down and comes back."),
        PageKind::Up if matches!(page.subject, Subject::Strength(_)) => {
            format!("{title} has enough servers again.")
        }
        PageKind::Up => format!("{title} is UP again."),
        PageKind::Notice => format!("{title}: something to know."),
    };
    let mut lines = vec![what, String::new()];
    lines.push(format!("Since:    {}", moment(page.at)));
    let mut line = |name: &str, text: &str| {
        let text = one_line(text);
        if !text.is_empty() {
            lines.push(format!("{name:<9} {text}"));
        }
    };
    line("Cause:", &page.cause);
    // Of a watch nothing is left over; it says who else suffers.
    let left = match &page.subject {
        Subject::Watch(_) => "Affects:",
        Subject::Server(..)
        | Subject::Farm(_)
        | Subject::Strength(_)
        | Subject::Node(_)
        | Subject::Vip(_)
        | Subject::Quorum
        | Subject::Channel(..) => "Left:",
    };
    line(left, &page.left);
    let evidence: Vec<String> = page
        .evidence
        .iter()
        .take(EVIDENCE_LINES_MAX)
        .map(|text| one_line(text))
        .collect();
    if !evidence.is_empty() {
        lines.push("Evidence:".to_owned());
        lines.extend(evidence.iter().map(|text| format!("  {text}")));
        if evidence.len() == EVIDENCE_LINES_MAX {
            lines.push("  (no more than this fits; the commands below have the rest)".to_owned());
        }
    }
    if let Word::Uncommitted { by } = word {
        lines.push(String::new());
        lines.push(format!(
            "Node {} says so by itself: it could not reach a majority of",
            one_line(by)
        ));
        lines.push("the cluster to have it recorded. The same page may come once more.".to_owned());
    }
    lines.push(String::new());
    lines.push("To look further:".to_owned());
    lines.extend(
        commands(page)
            .into_iter()
            .map(|command| format!("  {command}")),
    );
    lines.push(String::new());
    lines.push(format!(
        "Cluster {}, page {}, contact {}",
        call.cluster_name, page.id, call.contact
    ));
    lines.push(String::new());
    lines.join("\n")
}

fn commands(page: &Page) -> Vec<String> {
    let mut commands = vec![match &page.subject {
        Subject::Server(farm, _) | Subject::Farm(farm) | Subject::Strength(farm) => {
            format!("farmux farm show {farm}")
        }
        Subject::Watch(watch) => format!("farmux watch show {watch}"),
        Subject::Channel(contact, _) => format!("farmux contact test {contact}"),
        Subject::Node(_) | Subject::Vip(_) | Subject::Quorum => "farmux status".to_owned(),
    }];
    commands.push(format!("farmux page show {}", page.id));
    if matches!(
        page.kind,
        PageKind::Down | PageKind::Degraded | PageKind::Flapping
    ) {
        commands.push(format!("farmux page ack {}", page.id));
    }
    commands
}

/// From the page's id and the contact alone, so that every sender writes the same for ever.
///
/// A dot would be fine in most names, but two in a row are not (RFC 5322, 3.2.3).
fn message_id(call: &Call, page: PageId) -> String {
    let flat = |name: &str| name.replace('.', "-");
    let (contact, cluster) = (call.contact.as_str(), call.cluster_name.as_str());
    format!("<{page}.{}@{}.farmux>", flat(contact), flat(cluster))
}

fn one_line(text: &str) -> String {
    clean(text, REASON_CHARS_MAX)
}

/// `2026-11-23 18:30:05 UTC`.
fn moment(at: UnixMillis) -> String {
    let seconds = i64::try_from(at.0 / 1000).unwrap_or(i64::MAX);
    let format = format_description!("[year]-[month]-[day] [hour]:[minute]:[second] UTC");
    OffsetDateTime::from_unix_timestamp(seconds)
        .ok()
        .and_then(|moment| moment.format(&format).ok())
        .unwrap_or_else(|| format!("{} ms after 1970", at.0))
}

/// The state keeps no more; a mail stays readable.
const EVIDENCE_LINES_MAX: usize = 20;

#[cfg(test)]
mod tests;
