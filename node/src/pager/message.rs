//! PURE. What a page says: its subject line, its body, and the ids by which receivers fold it.
//!
//! Everything that a server or a relay could have written is cleaned and bounded here once more,
//! however it came into the state.

use farmux_raft::id::{ContactName, PageId, UnixMillis};
use farmux_raft::state::{
    Cluster, MailChannel, Page, PageKind, REASON_CHARS_MAX, Subject, clean, page_id,
};
use time::OffsetDateTime;
use time::macros::format_description;

use super::mail::Mail;

/// By whose word a page goes out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mark<'a> {
    /// The log's.
    Committed,
    /// That of one node, which could not reach a majority.
    Uncommitted {
        /// The node's name.
        by: &'a str,
    },
}

/// The mail that carries a page to a contact.
pub fn page_mail(
    cluster: &Cluster,
    page: &Page,
    contact: &ContactName,
    channel: &MailChannel,
    mark: Mark<'_>,
) -> Mail {
    // What comes back answers the page that said it went away; that had the number before.
    let parent = match page.kind {
        PageKind::Up => page.transition.checked_sub(1),
        PageKind::Down | PageKind::Degraded | PageKind::Notice => None,
    };
    let parent = parent.map(|before| page_id(cluster.id, &page.subject, before));
    Mail {
        from: sender(cluster, channel),
        to: channel.to.clone(),
        subject: subject(cluster, page, mark),
        body: body(cluster, page, contact, mark),
        message_id: message_id(cluster, page.id, contact),
        in_reply_to: parent.map(|id| message_id(cluster, id, contact)),
        date: page.at,
    }
}

/// A mail that only shows that mail arrives; `unique` tells it from other tests.
pub(super) fn test_mail(
    cluster: &Cluster,
    contact: &ContactName,
    channel: &MailChannel,
    node: &str,
    unique: u128,
    now: UnixMillis,
) -> Mail {
    let body = format!(
        "This is a test. Nothing is wrong.\n\n\
         Node {node} of cluster {} sends it, because somebody ordered\n\n  \
         farmux contact test {contact}\n\n\
         Pages for contact {contact} take the same way.\n",
        cluster.name
    );
    Mail {
        from: sender(cluster, channel),
        to: channel.to.clone(),
        subject: format!("[TEST] {} contact {contact}", cluster.name),
        body,
        message_id: message_id(cluster, PageId(unique), contact),
        in_reply_to: None,
        date: now,
    }
}

/// `[DOWN] prod shop/s2: connection refused (3 of 4 up)`.
fn subject(cluster: &Cluster, page: &Page, mark: Mark<'_>) -> String {
    let word = match page.kind {
        PageKind::Down => "DOWN",
        PageKind::Degraded => "DEGRADED",
        PageKind::Up => "UP",
        PageKind::Notice => "NOTICE",
    };
    let mark = match mark {
        Mark::Committed => "",
        Mark::Uncommitted { .. } => "[UNCOMMITTED] ",
    };
    let mut line = format!("[{word}] {mark}{} {}", cluster.name, one_line(&page.title));
    let (cause, left) = (one_line(&page.cause), one_line(&page.left));
    if !cause.is_empty() {
        line = format!("{line}: {cause}");
    }
    if !left.is_empty() {
        line = format!("{line} ({left})");
    }
    line
}

fn body(cluster: &Cluster, page: &Page, contact: &ContactName, mark: Mark<'_>) -> String {
    let title = one_line(&page.title);
    let what = match page.kind {
        PageKind::Down => format!("{title} is DOWN."),
        PageKind::Degraded => format!("{title} is DEGRADED: it works, with too few servers."),
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
        | Subject::Quorum => "Left:",
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
    if let Mark::Uncommitted { by } = mark {
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
        "Cluster {}, page {}, contact {contact}",
        cluster.name, page.id
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
        Subject::Node(_) | Subject::Vip(_) | Subject::Quorum => "farmux status".to_owned(),
    }];
    commands.push(format!("farmux page show {}", page.id));
    if matches!(page.kind, PageKind::Down | PageKind::Degraded) {
        commands.push(format!("farmux page ack {}", page.id));
    }
    commands
}

/// From the page's id and the contact alone, so that every sender writes the same for ever.
///
/// A dot would be fine in most names, but two in a row are not (RFC 5322, 3.2.3).
fn message_id(cluster: &Cluster, page: PageId, contact: &ContactName) -> String {
    let flat = |name: &str| name.replace('.', "-");
    format!(
        "<{page}.{}@{}.farmux>",
        flat(contact.as_str()),
        flat(cluster.name.as_str())
    )
}

fn sender(cluster: &Cluster, channel: &MailChannel) -> String {
    channel
        .from
        .clone()
        .unwrap_or_else(|| format!("farmux@{}", cluster.name))
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
