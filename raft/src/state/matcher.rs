//! Matchers: which things a silence is for.
//!
//! ```text
//!   watch=web* label:site=berlin      every word must match; * stands for anything
//! ```

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::text::plain;
use super::{Reject, State, Subject, Trouble};

/// Which things something is for: those that every term matches.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Matcher(pub Vec<Term>);

/// One word of a matcher.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Term {
    field: Field,
    pattern: String,
}

/// What a term looks at.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Field {
    /// A watch's name.
    Watch,
    /// A farm's name: the farm itself, and its servers.
    Farm,
    /// A server as `farm/server`.
    Server,
    /// A node's name.
    Node,
    /// A VIP's name.
    Vip,
    /// A label of a watch.
    Label(String),
}

/// A text that is no term.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} matches nothing: write watch=NAME, farm=NAME, server=FARM/NAME, node=NAME, vip=NAME or \
     label:NAME=VALUE; * stands for anything"
)]
pub struct TermError(String);

impl FromStr for Term {
    type Err = TermError;

    fn from_str(text: &str) -> Result<Term, TermError> {
        let wrong = || TermError(text.to_owned());
        let (field, pattern) = text.split_once('=').ok_or_else(wrong)?;
        let field = match field {
            "watch" => Field::Watch,
            "farm" => Field::Farm,
            "server" => Field::Server,
            "node" => Field::Node,
            "vip" => Field::Vip,
            other => {
                let label = other
                    .strip_prefix("label:")
                    .filter(|label| !label.is_empty());
                Field::Label(label.ok_or_else(wrong)?.to_owned())
            }
        };
        let length = plain(text, 1, TERM_CHARS_MAX);
        if pattern.is_empty() || length.is_err() {
            return Err(wrong());
        }
        Ok(Term {
            field,
            pattern: pattern.to_owned(),
        })
    }
}

impl TryFrom<String> for Term {
    type Error = TermError;

    fn try_from(text: String) -> Result<Term, TermError> {
        text.parse()
    }
}

impl From<Term> for String {
    fn from(term: Term) -> String {
        term.to_string()
    }
}

impl fmt::Display for Term {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let pattern = &self.pattern;
        match &self.field {
            Field::Watch => write!(f, "watch={pattern}"),
            Field::Farm => write!(f, "farm={pattern}"),
            Field::Server => write!(f, "server={pattern}"),
            Field::Node => write!(f, "node={pattern}"),
            Field::Vip => write!(f, "vip={pattern}"),
            Field::Label(label) => write!(f, "label:{label}={pattern}"),
        }
    }
}

impl fmt::Display for Matcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let terms: Vec<String> = self.0.iter().map(Term::to_string).collect();
        f.write_str(&terms.join(" "))
    }
}

impl Matcher {
    /// Whether it can be kept: it has a few terms, and not none, which would match everything.
    pub(super) fn check(&self) -> Result<(), Reject> {
        match (1..=TERMS_MAX).contains(&self.0.len()) {
            true => Ok(()),
            false => Err(Reject::MatcherTerms { max: TERMS_MAX }),
        }
    }
}

impl State {
    /// Whether a matcher is for something.
    pub fn matches(&self, matcher: &Matcher, subject: &Subject) -> bool {
        !matcher.0.is_empty() && matcher.0.iter().all(|term| self.holds_for(term, subject))
    }

    fn holds_for(&self, term: &Term, subject: &Subject) -> bool {
        let is = |text: &str| is_like(&term.pattern, text);
        match (&term.field, subject) {
            (Field::Watch, Subject::Watch(watch)) => is(watch.as_str()),
            (Field::Farm, Subject::Server(farm, _))
            | (Field::Farm, Subject::Farm(farm) | Subject::Strength(farm)) => is(farm.as_str()),
            (Field::Server, Subject::Server(farm, server)) => is(&format!("{farm}/{server}")),
            (
                Field::Node,
                Subject::Node(node)
                | Subject::Trouble(
                    Trouble::Meddling(node) | Trouble::Carrier(node) | Trouble::Disk(node),
                ),
            ) => is(&self.node_name(*node)),
            (Field::Vip, Subject::Vip(vip) | Subject::Trouble(Trouble::Claim(vip, _))) => {
                is(vip.as_str())
            }
            (Field::Label(label), Subject::Watch(watch)) => {
                let watch = self.config.watches.get(watch);
                let value = watch.and_then(|watch| watch.labels.get(label));
                value.is_some_and(|value| is(value))
            }
            (
                Field::Watch
                | Field::Farm
                | Field::Server
                | Field::Node
                | Field::Vip
                | Field::Label(_),
                _,
            ) => false,
        }
    }
}

/// Whether a text is like a pattern, in which `*` stands for anything. Linear in both: it goes back
/// to the last `*` only.
fn is_like(pattern: &str, text: &str) -> bool {
    let mut parts = pattern.split('*');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = text.strip_prefix(first) else {
        return false;
    };
    let mut parts = parts.peekable();
    if parts.peek().is_none() {
        return rest.is_empty();
    }
    while let Some(part) = parts.next() {
        if parts.peek().is_none() {
            return rest.ends_with(part);
        }
        match rest.find(part) {
            Some(at) => rest = rest.get(at + part.len()..).unwrap_or_default(),
            None => return false,
        }
    }
    true
}

/// A label and its value.
const TERM_CHARS_MAX: usize = 140;

/// More would hardly match anything.
const TERMS_MAX: usize = 10;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_anything() {
        for (pattern, text, wanted) in [
            ("web1", "web1", true),
            ("web1", "web12", false),
            ("web*", "web12", true),
            ("*", "", true),
            ("*1", "web1", true),
            ("*1", "web12", false),
            ("w*b*2", "web12", true),
            ("w*b*b", "wb", false),
            ("a*a", "a", false),
            ("*a*b*", "xaxbx", true),
            ("*b*a*", "xaxbx", false),
            ("**", "x", true),
        ] {
            assert_eq!(is_like(pattern, text), wanted, "{pattern} {text}");
        }
    }

    #[test]
    fn terms_are_read_and_written_again() {
        for text in [
            "watch=web*",
            "farm=shop",
            "server=shop/s1",
            "node=lb1",
            "vip=front",
            "label:site=berlin=mitte",
        ] {
            let term: Term = text.parse().expect(text);
            assert_eq!(term.to_string(), text);
        }
        for text in [
            "",
            "web",
            "web=",
            "=x",
            "label:=x",
            "site=berlin",
            "watch=a\nb",
        ] {
            assert!(text.parse::<Term>().is_err(), "{text}");
        }
    }
}
