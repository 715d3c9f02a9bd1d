//! PURE. ntfy's shape of a webhook: a message for telephones, posted to the URL of a topic.
//!
//! **Source**: ntfy documentation, "Publishing": the headers Title, Priority, Tags and Click; a
//! body of up to 4,096 bytes, beyond which it becomes an attachment.

use farmux_raft::id::UnixMillis;
use farmux_raft::state::{Page, Secret};
use hyper::Method;
use hyper::header::{AUTHORIZATION, HeaderValue};

use super::super::brief::{cut, headline, line, look, one_line};
use super::super::call::{Call, Said, Word};
use super::super::web::Ask;
use super::header;

/// The request that carries a call.
pub(super) fn ask(call: &Call, secret: Option<&Secret>, now: UnixMillis) -> Result<Ask, String> {
    let (priority, tag) = urgency(call);
    let mut headers = vec![
        header(
            "title",
            &safe(&headline(call, now, TITLE_CHARS_MAX), TITLE_CHARS_MAX),
        )?,
        header("priority", &priority.to_string())?,
        header("tags", tag)?,
        header("farmux-event-id", &call.id.to_string())?,
    ];
    if let Some(link) = call.links.first() {
        headers.push(header("click", &safe(link, LINK_CHARS_MAX))?);
    }
    if let Some(secret) = secret {
        let bearer = format!("Bearer {}", secret.reveal());
        // The error would show the value.
        let mut value =
            HeaderValue::from_str(&bearer).map_err(|_| "the token would be no header")?;
        value.set_sensitive(true);
        headers.push((AUTHORIZATION, value));
    }
    Ok(Ask {
        method: Method::POST,
        headers,
        body: body(call).into_bytes(),
    })
}

/// That of the worst page.
fn urgency(call: &Call) -> (u8, &'static str) {
    match &call.said {
        Said::Test { .. } => (3, "test_tube"),
        Said::Pages { pages, .. } => {
            let worst = pages
                .iter()
                .map(|page| look(page.kind))
                .min_by_key(|look| look.rank);
            worst.map_or((3, "question"), |look| (look.priority, look.tag))
        }
    }
}

fn body(call: &Call) -> String {
    let mut lines = match &call.said {
        Said::Test { node, .. } => vec![format!(
            "Nothing is wrong. Node {} says so.",
            one_line(node)
        )],
        Said::Pages { pages, word } => {
            let pages: Vec<&Page> = pages.iter().map(AsRef::as_ref).collect();
            let mut lines: Vec<String> = pages.iter().map(|page| line(page)).collect();
            if let [page] = pages.as_slice() {
                let left = one_line(&page.left);
                lines.extend(Some(left).filter(|left| !left.is_empty()));
                lines.extend(page.evidence.iter().map(|text| one_line(text)));
            }
            if let Word::Uncommitted { by } = word {
                let by = one_line(by);
                lines.push(format!("Node {by} says so by itself, without a majority."));
            }
            lines
        }
    };
    let whole = lines.len();
    let mut bytes = 0;
    let fits = lines.iter().take_while(|line| {
        bytes += line.len() + 1;
        bytes <= BODY_BYTES_MAX
    });
    let fits = fits.count();
    lines.truncate(fits);
    if fits < whole {
        lines.push(format!("… and {} more", whole - fits));
    }
    cut(&lines.join("\n"), BODY_BYTES_MAX + 30).to_owned()
}

/// Printable ASCII, `?` for the rest: a header can carry no more everywhere.
fn safe(text: &str, chars_max: usize) -> String {
    let safe = |c: char| match c {
        '…' => "...".to_owned(),
        c if c.is_ascii_graphic() || c == ' ' => c.to_string(),
        _ => "?".to_owned(),
    };
    text.chars().take(chars_max).map(safe).collect()
}

/// A telephone shows less.
const TITLE_CHARS_MAX: usize = 200;

/// A node's address, a path and a token of generous length.
const LINK_CHARS_MAX: usize = 1_000;

/// With the line that says how much is missing it stays a message.
const BODY_BYTES_MAX: usize = 4_000;
