//! Links in messages: what they are about, and one button that acknowledges it.
//!
//! ```text
//!   GET  /ack/TOKEN   what it is; changes nothing, because mail scanners follow links
//!   POST /ack/TOKEN   acknowledges in the contact's name; again: says who has it
//! ```
//!
//! The caller has no certificate. The token is all that is believed; nothing of the request is
//! written into an answer, and everything that is comes escaped.

use std::fmt::Write;
use std::sync::Arc;

use axum::extract::{Path, State as Shared};
use axum::http::{HeaderName, StatusCode, header};
use axum::response::{Html, IntoResponse, Response};
use farmux_raft::state::{Command, Page, State, Taken};

use super::{Daemon, change};
use crate::api::types::Moment;
use crate::daemon::Node;
use crate::markup::escaped;
use crate::pager::Ticket;

/// `GET /ack/TOKEN`.
pub(crate) async fn look(Shared(node): Daemon, Path(token): Path<String>) -> Response {
    match read(&node, &token) {
        Ok((_, message)) => written(StatusCode::OK, &message.html("")),
        Err(refusal) => *refusal,
    }
}

/// `POST /ack/TOKEN`.
pub(crate) async fn acknowledge(Shared(node): Daemon, Path(token): Path<String>) -> Response {
    let (ticket, message) = match read(&node, &token) {
        Ok(read) => read,
        Err(refusal) => return *refusal,
    };
    if message.pages.iter().all(|page| page.acknowledged.is_some()) {
        return written(StatusCode::OK, &message.html("It was acknowledged before."));
    }
    let command = Command::Acknowledge {
        taken: Taken::Message {
            contact: ticket.contact.clone(),
            bundle: ticket.bundle,
        },
        by: format!("{} by link", ticket.contact),
    };
    if let Err(fault) = change(&node, command).await {
        tracing::warn!(
            code = fault.code,
            "an acknowledgement by link was not recorded"
        );
        let words = "It could not be recorded now. Try again, or use the other link.";
        return written(StatusCode::SERVICE_UNAVAILABLE, &message.html(words));
    }
    match read(&node, &token) {
        Ok((_, message)) => written(StatusCode::OK, &message.html("Thank you: it is yours.")),
        Err(refusal) => *refusal,
    }
}

/// What a link is about.
struct Linked {
    cluster: String,
    pages: Vec<Arc<Page>>,
}

fn read(node: &Arc<Node>, token: &str) -> Result<(Ticket, Linked), Box<Response>> {
    let unknown = || {
        let words = "<p>This is no link of this cluster. Nothing was changed.</p>";
        Box::new(written(StatusCode::NOT_FOUND, words))
    };
    let member = node.member().ok_or_else(unknown)?;
    let state = member.state();
    let ticket = Ticket::read(&state, token).ok_or_else(unknown)?;
    let pages = linked(&state, &ticket);
    if pages.is_empty() {
        let words = "<p>What this link was about is so old that it was forgotten.</p>";
        return Err(Box::new(written(StatusCode::GONE, words)));
    }
    let name = state
        .cluster
        .as_ref()
        .map(|cluster| cluster.name.to_string());
    let cluster = name.unwrap_or_default();
    Ok((ticket, Linked { cluster, pages }))
}

/// The pages of the message, provided that its first one is still what the link says.
fn linked(state: &State, ticket: &Ticket) -> Vec<Arc<Page>> {
    let first = state.pages.get(&ticket.page);
    let delivery = first.and_then(|page| page.deliveries.get(&ticket.contact));
    if delivery.is_none_or(|delivery| delivery.bundle != ticket.bundle) {
        return vec![];
    }
    let pages = state.message_pages(&ticket.contact, ticket.bundle);
    let pages = pages.into_iter();
    pages
        .filter_map(|sequence| state.pages.shared_at(sequence))
        .collect()
}

impl Linked {
    fn html(&self, words: &str) -> String {
        let mut text = String::new();
        if !words.is_empty() {
            let _ = writeln!(text, "<p><strong>{}</strong></p>", escaped(words));
        }
        let _ = writeln!(text, "<p>Cluster {}</p>\n<ul>", escaped(&self.cluster));
        for page in self.pages.iter().take(SHOWN_MAX) {
            let at = Moment(page.at).to_the_second();
            let taken = page.acknowledged.as_ref().map(|taken| {
                let at = Moment(taken.at).to_the_second();
                format!(" Acknowledged by {}, {at} UTC.", taken.by)
            });
            let over = page.over.map_or("", |_| " It is over.");
            let line = format!(
                "{:?} {}: {}, {at} UTC.{over}{}",
                page.kind,
                page.marked_title(),
                page.cause,
                taken.unwrap_or_default()
            );
            let _ = writeln!(text, "<li>{}</li>", escaped(&line));
        }
        if self.pages.len() > SHOWN_MAX {
            let more = self.pages.len() - SHOWN_MAX;
            let _ = writeln!(text, "<li>and {more} more</li>");
        }
        text.push_str("</ul>\n");
        if self.pages.iter().any(|page| page.acknowledged.is_none()) {
            text.push_str("<form method=\"post\"><button>Acknowledge</button></form>\n");
        }
        text
    }
}

fn written(status: StatusCode, body: &str) -> Response {
    let page = format!(
        "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width\">\
         <title>farmux</title></head><body>\n{body}</body></html>\n"
    );
    let headers: [(HeaderName, &str); 5] = [
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::CACHE_CONTROL, "no-store"),
        (header::X_FRAME_OPTIONS, "DENY"),
    ];
    (status, headers, Html(page)).into_response()
}

/// No script, no style, no picture, no frame; the one form goes back to where it came from.
const POLICY: &str =
    "default-src 'none'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'";

/// As many lines as a telephone scrolls through.
const SHOWN_MAX: usize = 100;
