//! PURE. PagerDuty's shape of a webhook: one event for each incident.
//!
//! A page that opens an incident triggers one under its own id; the page that says it is over
//! resolves it under the id of the first. So each incident of ours is one of theirs, also when a
//! storm was told in one call: events go one after another, at most 100; what is behind them
//! is named in one more event, which a person resolves.
//!
//! **Source**: PagerDuty, Events API v2: "Send an alert event".

use farmux_raft::id::{PageId, UnixMillis};
use farmux_raft::state::{Page, PageKind, Secret};
use hyper::Method;
use serde_json::{Value, json};

use super::super::brief::{
    bare_line, counted, headline, line, look, named, one_line, parent, rfc3339,
};
use super::super::call::{Call, Said, Word};
use super::super::web::Ask;
use super::farmux::subject;
use super::header;

/// The requests that carry a call.
pub(super) fn asks(
    call: &Call,
    secret: Option<&Secret>,
    now: UnixMillis,
) -> Result<Vec<Ask>, String> {
    let key = secret.ok_or("PagerDuty wants a routing key: set secret")?;
    let events = events(call, now);
    let ask = |mut event: Value| {
        event["routing_key"] = key.reveal().into();
        Ok(Ask {
            method: Method::POST,
            headers: vec![header("content-type", "application/json")?],
            body: event.to_string().into_bytes(),
        })
    };
    events.into_iter().map(ask).collect()
}

/// The events, without the key.
pub(super) fn events(call: &Call, now: UnixMillis) -> Vec<Value> {
    let Said::Pages { pages, word } = &call.said else {
        return test_events(call, now);
    };
    let by = match word {
        Word::Committed => None,
        Word::Uncommitted { by } => Some(one_line(by)),
    };
    let (first, behind) = pages.split_at(pages.len().min(EVENTS_MAX));
    let mut events: Vec<Value> = first
        .iter()
        .flat_map(|page| {
            let ended = page.replaces.map(resolved);
            ended.into_iter().chain([event(call, page, by.as_deref())])
        })
        .collect();
    let behind: Vec<&Page> = behind.iter().map(AsRef::as_ref).collect();
    if let Some(first) = behind.first() {
        let head = format!(
            "{}{}: {} more than {EVENTS_MAX} events: {}",
            call.mark(),
            call.cluster_name,
            behind.len(),
            counted(behind.iter().copied())
        );
        let summary = named(&head, &behind, SUMMARY_CHARS_MAX);
        let severity = behind.iter().map(|page| look(page.kind));
        let severity = severity.min_by_key(|look| look.rank);
        let lines: Vec<String> = behind
            .iter()
            .take(LINES_MAX)
            .map(|page| line(page))
            .collect();
        events.push(json!({
            "event_action": "trigger",
            "dedup_key": call.id.to_string(),
            "payload": {
                "summary": summary,
                "source": call.cluster_name.as_str(),
                "severity": severity.map_or("info", |look| look.severity),
                "timestamp": rfc3339(first.at),
                "custom_details": { "what_happened": lines, "contact": call.contact.as_str() },
            },
        }));
    }
    events
}

/// The incident of a page is over.
fn resolved(id: PageId) -> Value {
    json!({ "event_action": "resolve", "dedup_key": id.to_string() })
}

fn event(call: &Call, page: &Page, by: Option<&str>) -> Value {
    let key = match page.kind {
        PageKind::Up => parent(call, page).unwrap_or(page.id),
        PageKind::Down | PageKind::Degraded | PageKind::Flapping | PageKind::Notice => page.id,
    };
    if page.kind == PageKind::Up {
        return resolved(key);
    }
    let mark = by.map_or("", |_| "[UNCOMMITTED] ");
    let drill = page.mark();
    let mut summary = format!("{drill}{mark}{} {}", call.cluster_name, bare_line(page));
    let left = one_line(&page.left);
    if !left.is_empty() {
        summary = format!("{summary} ({left})");
    }
    let evidence: Vec<String> = page.evidence.iter().map(|text| one_line(text)).collect();
    let mut event = json!({
        "event_action": "trigger",
        "dedup_key": key.to_string(),
        "client": "farmux",
        "payload": {
            "summary": bounded(&summary),
            "source": one_line(&page.title),
            "severity": look(page.kind).severity,
            "timestamp": rfc3339(page.at),
            "class": look(page.kind).word.to_ascii_lowercase(),
            "custom_details": {
                "page": page.id.to_string(),
                "subject": subject(&page.subject),
                "cause": one_line(&page.cause),
                "left": left,
                "evidence": evidence,
                "contact": call.contact.as_str(),
                "reminder": call.reminder,
                "uncommitted_by": by,
            },
        },
    });
    let link = |link: &String| json!({ "href": link, "text": "Acknowledge in farmux" });
    if !call.links.is_empty() {
        event["links"] = call.links.iter().map(link).collect();
    }
    event
}

/// A test opens an incident and closes it at once, so that nobody is left with one.
fn test_events(call: &Call, now: UnixMillis) -> Vec<Value> {
    let key = PageId::to_string(&call.id);
    let trigger = json!({
        "event_action": "trigger",
        "dedup_key": key,
        "client": "farmux",
        "payload": {
            "summary": format!("{}: nothing is wrong", headline(call, now, SUMMARY_CHARS_MAX)),
            "source": call.cluster_name.as_str(),
            "severity": "info",
            "timestamp": rfc3339(now),
        },
    });
    vec![
        trigger,
        json!({ "event_action": "resolve", "dedup_key": key }),
    ]
}

fn bounded(text: &str) -> String {
    text.chars().take(SUMMARY_CHARS_MAX).collect()
}

/// **Source**: PagerDuty, Events API v2: "The maximum permitted length of this property is 1024
/// characters".
const SUMMARY_CHARS_MAX: usize = 1_024;

/// Events of one call: PagerDuty takes some hundred a minute for one key.
const EVENTS_MAX: usize = 100;

/// Of what is behind them; an event has at most 512 KB.
const LINES_MAX: usize = 400;
