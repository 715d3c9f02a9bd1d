//! The webhook channel: an HTTP request to somebody's program.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::Secret;
use crate::state::FaultKind;
use crate::state::check::host;
use crate::state::fault::Faults;
use crate::state::text::plain;
use crate::state::word::words;

/// An HTTP request to somebody's program.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WebhookChannel {
    /// Where to.
    pub url: WebUrl,
    /// What is sent.
    pub shape: WebhookShape,
    /// The key of the signature, the routing key, or the token, as the shape has it; shown nowhere.
    pub secret: Option<Secret>,
    /// Whether it may go to a loopback or link-local address.
    pub allow_local: bool,
}

/// Whose shape a webhook has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum WebhookShape {
    /// Our own, as documented.
    #[default]
    Farmux,
    /// PagerDuty's Events API, version 2.
    Pagerduty,
    /// A message of ntfy.
    Ntfy,
}

words!(WebhookShape {
    Farmux => "farmux",
    Pagerduty => "pagerduty",
    Ntfy => "ntfy",
});

/// Where an HTTP request goes. **Source**: RFC 9110, 4.2.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WebUrl {
    /// Whether it is https.
    pub tls: bool,
    /// Name or address, without brackets.
    pub host: String,
    /// 80 or 443 where none is given.
    pub port: u16,
    /// Path and query; starts with `/`.
    pub path: String,
}

impl fmt::Display for WebUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (scheme, customary) = match self.tls {
            true => ("https", 443),
            false => ("http", 80),
        };
        match self.host.contains(':') {
            true => write!(f, "{scheme}://[{}]", self.host)?,
            false => write!(f, "{scheme}://{}", self.host)?,
        }
        if self.port != customary {
            write!(f, ":{}", self.port)?;
        }
        f.write_str(&self.path)
    }
}

impl WebUrl {
    pub(in crate::state) fn check(&self, at: &str, faults: &mut Faults) {
        faults.check(at, host(&self.host));
        if self.port == 0 {
            faults.add(at, FaultKind::PortZero);
        }
        faults.check(at, plain(&self.path, 1, PATH_CHARS_MAX));
        let strange = |c: &char| !c.is_ascii_graphic() || *c == '#';
        if let Some(c) = self.path.chars().find(strange) {
            faults.add(at, FaultKind::Character(c));
        }
        if !self.path.starts_with('/') {
            faults.add(at, FaultKind::Path);
        }
    }
}

impl WebhookChannel {
    pub(super) fn check(&self, at: &str, faults: &mut Faults) {
        self.url.check(&format!("{at}.url"), faults);
        let here = format!("{at}.secret");
        match (&self.secret, self.shape) {
            (None, WebhookShape::Pagerduty) => faults.add(&here, FaultKind::Missing),
            (None, WebhookShape::Farmux | WebhookShape::Ntfy) => {}
            (Some(secret), _) => {
                let checked = plain(secret.reveal(), 1, SECRET_CHARS_MAX);
                faults.check(&here, checked.map_err(FaultKind::unnamed));
                // Only a signature may travel in the clear.
                if !self.url.tls && self.shape != WebhookShape::Farmux {
                    faults.add(&here, FaultKind::SecretInClear);
                }
            }
        }
    }
}

/// Longer ones are refused by common servers.
const PATH_CHARS_MAX: usize = 1_024;

/// Longer than any generated key.
const SECRET_CHARS_MAX: usize = 255;
