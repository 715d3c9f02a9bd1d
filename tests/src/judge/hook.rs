//! PURE. What a webhook's request says, in the shape of our own: which transitions it names.

use serde::Deserialize;

use super::letter::{Said, Turn};

/// The body of a request, read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hook {
    /// The same in each repeat.
    pub id: String,
    /// What it names; none: it is about something else.
    pub says: Vec<Said>,
}

/// What of it counts here.
#[derive(Debug, Deserialize)]
struct Body {
    id: String,
    pages: Vec<BodyPage>,
}

#[derive(Debug, Deserialize)]
struct BodyPage {
    kind: String,
    title: String,
}

impl Hook {
    /// Reads a body; `None`: it is none of ours.
    pub fn read(body: &[u8]) -> Option<Hook> {
        let Body { id, pages } = serde_json::from_slice(body).ok()?;
        let says = pages.into_iter().filter_map(|page| {
            let turn = match page.kind.as_str() {
                "down" => Turn::Down,
                "up" => Turn::Up,
                _ => return None,
            };
            let what = page.title;
            Some(Said { turn, what })
        });
        Some(Hook {
            id,
            says: says.collect(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_names_what_went_and_what_came() {
        let page = |kind: &str, title: &str| {
            format!("{{\"kind\":\"{kind}\",\"title\":\"{title}\",\"open\":true}}")
        };
        let pages = [
            page("down", "http-000"),
            page("notice", "VIP front"),
            page("up", "shop/s2"),
        ];
        let body = format!(
            "{{\"version\":1,\"id\":\"ab\",\"kind\":\"pages\",\"pages\":[{}]}}",
            pages.join(",")
        );
        let said = |turn, what: &str| Said {
            turn,
            what: what.to_owned(),
        };
        let wanted = Hook {
            id: "ab".to_owned(),
            says: vec![said(Turn::Down, "http-000"), said(Turn::Up, "shop/s2")],
        };
        assert_eq!(Hook::read(body.as_bytes()), Some(wanted));
        assert_eq!(Hook::read(b"{}"), None);
    }
}
