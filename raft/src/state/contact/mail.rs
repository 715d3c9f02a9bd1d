//! The mail channel: recipients, a sender, and relays in the order in which they are tried.

use std::fmt;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use super::Secret;
use crate::state::FaultKind;
use crate::state::check::host;
use crate::state::fault::Faults;
use crate::state::text::plain;
use crate::state::word::words;

/// Mail.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MailChannel {
    /// Recipients, 1 to 20, each an RFC 5321 mailbox.
    pub to: Vec<String>,
    /// The sender; `farmux@<cluster>` where there is none.
    pub from: Option<String>,
    /// Who takes the mail, 1 to 5; the next is tried when one fails.
    pub relays: Vec<Relay>,
}

/// A mail relay: `smtp://`, `smtp+starttls://` or `smtps://`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Relay {
    /// Name or address.
    pub host: String,
    /// 25, 587 or 465 where none is given.
    pub port: u16,
    /// How the connection is protected.
    pub security: RelaySecurity,
    /// Login name, where the relay wants one.
    pub user: Option<String>,
    /// Login password; shown nowhere.
    pub password: Option<Secret>,
}

/// How the connection to a relay is protected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RelaySecurity {
    /// In the clear; never with a password.
    None,
    /// Upgraded before the login, or nothing is sent.
    Starttls,
    /// From the first byte.
    Tls,
}

words!(RelaySecurity { None => "smtp", Starttls => "smtp+starttls", Tls => "smtps" });

impl MailChannel {
    /// What is wrong with it.
    pub(super) fn check(&self, at: &str, faults: &mut Faults) {
        let MailChannel { to, from, relays } = self;
        let here = format!("{at}.to");
        if to.is_empty() {
            faults.add(&here, FaultKind::Missing);
        }
        if to.len() > RECIPIENTS_MAX {
            faults.add(
                &here,
                FaultKind::TooMany {
                    have: to.len(),
                    max: RECIPIENTS_MAX,
                },
            );
        }
        for address in to.iter().filter(|address| !is_mailbox(address)) {
            faults.add(&here, FaultKind::Mailbox(address.clone()));
        }
        for address in from.iter().filter(|address| !is_mailbox(address)) {
            faults.add(format!("{at}.from"), FaultKind::Mailbox(address.clone()));
        }
        let here = format!("{at}.relay");
        let (have, max) = (relays.len(), RELAYS_MAX);
        if have == 0 {
            faults.add(&here, FaultKind::Missing);
        }
        if have > max {
            faults.add(&here, FaultKind::TooMany { have, max });
        }
        for relay in relays {
            relay.check(&here, faults);
        }
    }
}

impl fmt::Display for Relay {
    /// Without user and password: `smtps://mail.example.com:465`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = self.security;
        match self.host.contains(':') {
            true => write!(f, "{scheme}://[{}]:{}", self.host, self.port),
            false => write!(f, "{scheme}://{}:{}", self.host, self.port),
        }
    }
}

impl Relay {
    fn check(&self, at: &str, faults: &mut Faults) {
        // Colons make sense in an address only.
        if self.host.parse::<IpAddr>().is_err() {
            let strange = self.host.chars().find(|c| ":[]".contains(*c));
            faults.check(
                at,
                strange.map_or_else(|| host(&self.host), |c| Err(FaultKind::Character(c))),
            );
        }
        if self.port == 0 {
            faults.add(at, FaultKind::PortZero);
        }
        if self.user.is_some() != self.password.is_some() {
            faults.add(at, FaultKind::HalfLogin);
        }
        if self.password.is_some() && self.security == RelaySecurity::None {
            faults.add(at, FaultKind::PasswordInClear);
        }
        if let Some(user) = &self.user {
            faults.check(format!("{at}.user"), plain(user, 1, LOGIN_CHARS_MAX));
        }
        if let Some(password) = &self.password {
            let checked = plain(password.reveal(), 1, LOGIN_CHARS_MAX);
            faults.check(
                format!("{at}.password"),
                checked.map_err(FaultKind::unnamed),
            );
        }
    }
}

/// Whether mail can go to a text, and nothing else be said with it.
///
/// **Source**: the dot-string form of RFC 5321, 4.1.2; quoted strings and address literals are not
/// taken, since nobody's pager has one.
fn is_mailbox(text: &str) -> bool {
    let Some((local, domain)) = text.rsplit_once('@') else {
        return false;
    };
    let atom = |part: &str| {
        let allowed = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-/=?^_`{|}~".contains(&b);
        !part.is_empty() && part.bytes().all(allowed)
    };
    let label = |part: &str| {
        let allowed = |b: u8| b.is_ascii_alphanumeric() || b == b'-';
        !part.is_empty() && part.len() <= 63 && !part.starts_with('-') && part.bytes().all(allowed)
    };
    let short = local.len() <= 64 && text.len() <= 254;
    short && local.split('.').all(atom) && domain.split('.').all(label)
}

/// Each may take seconds to fail.
const RELAYS_MAX: usize = 5;

/// More belong on a mailing list.
const RECIPIENTS_MAX: usize = 20;

/// Longer than any generated password.
const LOGIN_CHARS_MAX: usize = 255;
