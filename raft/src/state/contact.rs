//! Contacts: who is paged, and through what.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Somebody who is paged.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Contact {
    /// By mail.
    pub mail: MailChannel,
}

/// Mail through one relay.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MailChannel {
    /// Recipients, 1 to 20, each an RFC 5321 mailbox.
    pub to: Vec<String>,
    /// The sender; `farmux@<cluster>` where there is none.
    pub from: Option<String>,
    /// Who takes the mail.
    pub relay: Relay,
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

/// A text that is written, never shown.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Secret(String);

impl Secret {
    /// Takes a text into custody.
    pub fn new(text: String) -> Self {
        Secret(text)
    }

    /// The text itself, for the one who must send it.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}
