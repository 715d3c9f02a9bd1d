//! PURE. The mail that carries a call: its subject line, its body, and the ids by which receivers
//! fold it. What is common to all channels is in [`super::brief`].

use farmux_raft::id::{PageId, UnixMillis};
use farmux_raft::state::drill::RunId;
use farmux_raft::state::{MailChannel, Page, PageKind, PageVerdict, Subject, clean};

use super::brief::{counted, headline, line, look, moment, one_line, parent};
use super::call::{Call, Occasion, Said, Word};
use super::mail::Mail;

/// The mail that carries a call through a channel; `now` dates reminders.
///
/// A digest of several pages has a subject that counts, and a body that names each.
pub fn call_mail(call: &Call, channel: &MailChannel, now: UnixMillis) -> Mail {
    let from = channel.from.clone();
    let mail = Mail {
        from: from.unwrap_or_else(|| format!("farmux@{}", call.cluster_name)),
        to: channel.to.clone(),
        subject: headline(call, now, SUBJECT_CHARS_MAX),
        body: body(call),
        message_id: message_id(call, call.id),
        in_reply_to: None,
        date: now,
    };
    match &call.said {
        Said::Test { at, .. } => Mail { date: *at, ..mail },
        Said::Pages { pages, .. } => {
            // A reminder is new; what is repeated because nobody recorded it is as old as its news.
            let newest = pages.iter().map(|page| page.at).max();
            let date = newest.filter(|_| call.reminder == 0).unwrap_or(now);
            let before = match pages.as_slice() {
                [page] => parent(call, page).map(|id| message_id(call, id)),
                _ => None,
            };
            Mail {
                date,
                in_reply_to: before,
                ..mail
            }
        }
    }
}

fn body(call: &Call) -> String {
    let mut lines = match &call.said {
        Said::Test { node, occasion, .. } => test_lines(call, node, *occasion),
        Said::Pages { pages, word } => {
            let pages: Vec<&Page> = pages.iter().map(AsRef::as_ref).collect();
            let mut lines = match pages.as_slice() {
                [page] => page_lines(page),
                several => digest_lines(several),
            };
            if let Word::Uncommitted { by } = word {
                lines.extend(uncommitted_lines(by));
            }
            lines.push(String::new());
            lines.push("To look further:".to_owned());
            lines.extend(
                commands(&pages)
                    .iter()
                    .map(|command| format!("  {command}")),
            );
            lines
        }
    };
    lines.push(String::new());
    if !call.links.is_empty() {
        let link = |link: &String| format!("Acknowledge: {}", clean(link, LINK_CHARS_MAX));
        lines.extend(call.links.iter().map(link));
        lines.push(String::new());
    }
    let (cluster, contact) = (&call.cluster_name, &call.contact);
    match &call.said {
        Said::Pages { pages, .. } => {
            let word = match pages.len() {
                1 => "page",
                _ => "message",
            };
            lines.push(format!(
                "Cluster {cluster}, {word} {}, contact {contact}",
                call.id
            ));
        }
        Said::Test { .. } => {
            lines.push(format!("Pages for contact {contact} take the same way."));
        }
    }
    lines.push(String::new());
    lines.join("\n")
}

fn test_lines(call: &Call, node: &str, occasion: Occasion) -> Vec<String> {
    let (cluster, contact, node) = (&call.cluster_name, &call.contact, one_line(node));
    let text = match occasion {
        Occasion::Ordered => format!(
            "This is a test. Nothing is wrong.\n\n\
             Node {node} of cluster {cluster} sends it, because somebody ordered\n\n  \
             farmux contact test {contact}"
        ),
        Occasion::Canary => format!(
            "This is the daily canary. Nothing is wrong.\n\n\
             Node {node} of cluster {cluster} sends it through every channel of {contact} each\n\
             day: should it fail to come, so would a page."
        ),
    };
    vec![text]
}

/// A page in full.
fn page_lines(page: &Page) -> Vec<String> {
    let title = one_line(&page.marked_title());
    let what = match page.kind {
        PageKind::Down if matches!(page.subject, Subject::Trouble(_)) => {
            format!("{title}: TROUBLE that goes on.")
        }
        PageKind::Down => format!("{title} is DOWN."),
        PageKind::Degraded => format!("{title} is DEGRADED: it works, with too few servers."),
        PageKind::Flapping => format!("{title} is FLAPPING: it goes down and comes back."),
        PageKind::Up if matches!(page.subject, Subject::Strength(_)) => {
            format!("{title} has enough servers again.")
        }
        PageKind::Up if matches!(page.subject, Subject::Trouble(_)) => {
            format!("{title}: the trouble is over.")
        }
        PageKind::Up => format!("{title} is UP again."),
        PageKind::Notice => format!("{title}: something to know."),
    };
    let mut lines = vec![what, String::new()];
    lines.extend(page.drill.map(drill_words));
    lines.push(format!("Since:    {}", moment(page.at)));
    let mut line = |name: &str, text: &str| {
        let text = one_line(text);
        if !text.is_empty() {
            lines.push(format!("{name:<9} {text}"));
        }
    };
    line("Cause:", &page.cause);
    if let Some(verdict) = page.verdict {
        line("Verdict:", verdict_words(verdict));
    }
    // Of a watch nothing is left over; it says who else suffers.
    let left = match &page.subject {
        Subject::Watch(_) => "Affects:",
        Subject::Server(..)
        | Subject::Farm(_)
        | Subject::Strength(_)
        | Subject::Node(_)
        | Subject::Vip(_)
        | Subject::Channel(..)
        | Subject::Path(_)
        | Subject::Trouble(_)
        | Subject::Drill(_)
        | Subject::Rehearsal(_)
        | Subject::Quorum => "Left:",
    };
    line(left, &page.left);
    let evidence = page.evidence.iter().take(EVIDENCE_LINES_MAX);
    let evidence: Vec<String> = evidence.map(|text| one_line(text)).collect();
    if !evidence.is_empty() {
        lines.push("Evidence:".to_owned());
        lines.extend(evidence.iter().map(|text| format!("  {text}")));
        if evidence.len() == EVIDENCE_LINES_MAX {
            lines.push("  (no more than this fits; the commands below have the rest)".to_owned());
        }
    }
    lines
}

/// A drill's page says so to whoever reads nothing else.
fn drill_words(run: RunId) -> String {
    format!("Drill:    {run}; this was done on purpose, and is undone by itself")
}

/// Whose fault it is, for a human who has just woken up; nothing where there was nobody to ask.
fn verdict_words(verdict: PageVerdict) -> &'static str {
    match verdict {
        PageVerdict::ServerDown => "server down: another node sees the same",
        PageVerdict::PathDown => "path down: another node finds it well",
        PageVerdict::Both => "both: the path of one node, and the server by the word of another",
        PageVerdict::Alone => "",
    }
}

/// Every page in one line, in order; where there is no more room for causes, in one name.
fn digest_lines(pages: &[&Page]) -> Vec<String> {
    let mut lines = vec![
        format!("{}.", counted(pages.iter().copied())),
        String::new(),
        "What happened:".to_owned(),
    ];
    let mut bytes = 0;
    for (place, page) in pages.iter().enumerate() {
        let full = line(page);
        let short = format!(
            "{} {}",
            look(page.kind).word,
            one_line(&page.marked_title())
        );
        let text = match bytes + full.len() < FULL_BYTES_MAX {
            true => full,
            false => short,
        };
        bytes += text.len() + 1;
        if bytes > NAMES_BYTES_MAX {
            lines.push(format!("… and {} more", pages.len() - place));
            break;
        }
        lines.push(text);
    }
    lines
}

fn uncommitted_lines(by: &str) -> Vec<String> {
    vec![
        String::new(),
        format!(
            "Node {} says so by itself: it could not reach a majority of",
            one_line(by)
        ),
        "the cluster to have it recorded. The same page may come once more.".to_owned(),
    ]
}

fn commands(pages: &[&Page]) -> Vec<String> {
    let [page] = pages else {
        let mut commands = vec!["farmux status".to_owned(), "farmux page list".to_owned()];
        if pages.iter().any(|page| look(page.kind).lasts) {
            commands.push("farmux page ack ID".to_owned());
        }
        return commands;
    };
    let mut commands = vec![match &page.subject {
        Subject::Server(farm, _) | Subject::Farm(farm) | Subject::Strength(farm) => {
            format!("farmux farm show {farm}")
        }
        Subject::Watch(watch) => format!("farmux watch show {watch}"),
        Subject::Channel(contact, _) => format!("farmux contact test {contact}"),
        Subject::Node(_)
        | Subject::Vip(_)
        | Subject::Quorum
        | Subject::Path(_)
        | Subject::Trouble(_) => "farmux status".to_owned(),
        Subject::Drill(_) | Subject::Rehearsal(_) => "farmux drill history".to_owned(),
    }];
    commands.push(format!("farmux page show {}", page.id));
    if look(page.kind).lasts {
        commands.push(format!("farmux page ack {}", page.id));
    }
    commands
}

/// From the call's id and the contact alone, so that every sender writes the same for ever.
///
/// A dot would be fine in most names, but two in a row are not (RFC 5322, 3.2.3).
fn message_id(call: &Call, id: PageId) -> String {
    let flat = |name: &str| name.replace('.', "-");
    let (contact, cluster) = (call.contact.as_str(), call.cluster_name.as_str());
    format!("<{id}.{}@{}.farmux>", flat(contact), flat(cluster))
}

/// What a list of mails shows, and some more; a page alone may take a little more for its cause.
const SUBJECT_CHARS_MAX: usize = 200;

/// The state keeps no more; a mail stays readable.
const EVIDENCE_LINES_MAX: usize = 20;

/// Hundreds of lines with their causes; a reader's telephone still opens it at once.
const FULL_BYTES_MAX: usize = 200_000;

/// Thousands of names; many relays take no mail of more than 1 MB.
const NAMES_BYTES_MAX: usize = 400_000;

/// A node's address, a path and a token of generous length.
const LINK_CHARS_MAX: usize = 1_000;

#[cfg(test)]
mod tests;
