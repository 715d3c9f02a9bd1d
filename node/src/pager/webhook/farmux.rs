//! PURE. Our own shape of a webhook, version 1: JSON, with a signature.
//!
//! ```text
//!   Farmux-Signature: v1=hex(HMAC-SHA256(secret, Farmux-Timestamp + "." + body))
//! ```
//!
//! The timestamp is part of what is signed, so that nobody can send an old request again later: a
//! receiver refuses one that is minutes old. `Farmux-Event-Id` is the same in every repeat.

use farmux_raft::id::UnixMillis;
use farmux_raft::state::{Page, PageVerdict, Secret, Subject, Trouble, clean};
use hyper::Method;
use ring::hmac;
use serde::Serialize;

use super::super::brief::{counts, look, one_line, rfc3339};
use super::super::call::{Call, Occasion, Said, Word};
use super::super::web::Ask;
use super::header;

/// The body.
#[derive(Debug, Serialize)]
struct Body<'a> {
    version: u32,
    id: String,
    cluster: &'a str,
    contact: &'a str,
    kind: &'static str,
    reminder: u32,
    uncommitted_by: Option<String>,
    counts: serde_json::Map<String, serde_json::Value>,
    pages: Vec<BodyPage>,
    links: Vec<String>,
}

/// One page of it.
#[derive(Debug, Serialize)]
struct BodyPage {
    id: String,
    kind: String,
    subject: String,
    title: String,
    at: String,
    cause: String,
    left: String,
    evidence: Vec<String>,
    open: bool,
    acknowledged_by: Option<String>,
    verdict: Option<PageVerdict>,
    drill: Option<u64>,
}

/// The request that carries a call.
pub(super) fn ask(call: &Call, secret: Option<&Secret>, now: UnixMillis) -> Result<Ask, String> {
    let body = serde_json::to_vec(&body(call)).map_err(|error| error.to_string())?;
    let timestamp = (now.0 / 1_000).to_string();
    let mut headers = vec![
        header("content-type", "application/json")?,
        header("farmux-event-id", &call.id.to_string())?,
        header("farmux-timestamp", &timestamp)?,
    ];
    if let Some(secret) = secret {
        let signature = signature(secret, &timestamp, &body);
        headers.push(header("farmux-signature", &signature)?);
    }
    Ok(Ask {
        method: Method::POST,
        headers,
        body,
    })
}

/// `v1=` and 64 hexadecimal digits. **Source**: RFC 2104.
pub(super) fn signature(secret: &Secret, timestamp: &str, body: &[u8]) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.reveal().as_bytes());
    let mut context = hmac::Context::with_key(&key);
    context.update(timestamp.as_bytes());
    context.update(b".");
    context.update(body);
    let tag = context.sign();
    let digits: Vec<String> = tag.as_ref().iter().map(|b| format!("{b:02x}")).collect();
    format!("v1={}", digits.concat())
}

fn body(call: &Call) -> Body<'_> {
    let (kind, uncommitted_by, pages) = match &call.said {
        Said::Pages { pages, word } => {
            let by = match word {
                Word::Committed => None,
                Word::Uncommitted { by } => Some(one_line(by)),
            };
            ("pages", by, pages.as_slice())
        }
        Said::Test { occasion, .. } => match occasion {
            Occasion::Ordered => ("test", None, [].as_slice()),
            Occasion::Canary => ("canary", None, [].as_slice()),
        },
    };
    let counts = counts(pages.iter().map(AsRef::as_ref));
    let counts = counts
        .into_iter()
        .map(|(look, count)| (look.word.to_ascii_lowercase(), count.into()));
    let mut room = EVIDENCE_BYTES_MAX;
    Body {
        version: VERSION,
        id: call.id.to_string(),
        cluster: call.cluster_name.as_str(),
        contact: call.contact.as_str(),
        kind,
        reminder: call.reminder,
        uncommitted_by,
        counts: counts.collect(),
        pages: pages
            .iter()
            .map(|page| body_page(page, &mut room))
            .collect(),
        links: call
            .links
            .iter()
            .map(|link| clean(link, LINK_CHARS_MAX))
            .collect(),
    }
}

fn body_page(page: &Page, room: &mut usize) -> BodyPage {
    let mut evidence: Vec<String> = page.evidence.iter().map(|text| one_line(text)).collect();
    let bytes = evidence.iter().map(String::len).sum::<usize>();
    match room.checked_sub(bytes) {
        Some(left) => *room = left,
        None => evidence.clear(),
    }
    BodyPage {
        id: page.id.to_string(),
        kind: look(page.kind).word.to_ascii_lowercase(),
        subject: subject(&page.subject),
        title: one_line(&page.marked_title()),
        at: rfc3339(page.at),
        cause: one_line(&page.cause),
        left: one_line(&page.left),
        evidence,
        open: page.over.is_none(),
        acknowledged_by: page.acknowledged.as_ref().map(|taken| one_line(&taken.by)),
        verdict: page.verdict,
        drill: page.drill.map(|run| run.0),
    }
}

/// What a page is about, for programs: the same in every page about it.
pub(in crate::pager) fn subject(subject: &Subject) -> String {
    match subject {
        Subject::Server(farm, server) => format!("server:{farm}/{server}"),
        Subject::Watch(watch) => format!("watch:{watch}"),
        Subject::Farm(farm) => format!("farm:{farm}"),
        Subject::Strength(farm) => format!("strength:{farm}"),
        Subject::Node(node) => format!("node:{node}"),
        Subject::Path(node) => format!("path:{node}"),
        Subject::Vip(vip) => format!("vip:{vip}"),
        Subject::Channel(contact, kind) => format!("channel:{contact}/{kind}"),
        Subject::Trouble(Trouble::Claim(vip, mac)) => format!("claim:{vip}/{mac}"),
        Subject::Trouble(Trouble::Meddling(node)) => format!("meddling:{node}"),
        Subject::Trouble(Trouble::Carrier(node)) => format!("carrier:{node}"),
        Subject::Trouble(Trouble::Disk(node)) => format!("disk:{node}"),
        Subject::Quorum => "quorum".to_owned(),
        Subject::Drill(run) => format!("drill:{run}"),
        Subject::Rehearsal(kind) => format!("rehearsal:{kind}"),
    }
}

/// Of the body; it rises when a field changes its meaning, not when one is added.
const VERSION: u32 = 1;

/// Of all pages together: hundreds of pages keep below the megabyte that receivers take; those
/// behind it come without evidence.
const EVIDENCE_BYTES_MAX: usize = 256 * 1024;

/// A node's address, a path and a token of generous length.
const LINK_CHARS_MAX: usize = 1_000;
