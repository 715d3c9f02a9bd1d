//! The SNPP channel: a pager, through its provider's paging server.

use serde::{Deserialize, Serialize};

use crate::state::FaultKind;
use crate::state::check::host;
use crate::state::fault::Faults;
use crate::state::text::plain;
use crate::state::word::words;

/// A pager, through its provider's paging server. **Source**: RFC 1861.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SnppChannel {
    /// Name or address of the paging server, without brackets.
    pub host: String,
    /// 444 where none is given.
    pub port: u16,
    /// The pager's number.
    pub pager: String,
    /// What it can show.
    pub words: SnppWords,
}

/// What a pager can show.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SnppWords {
    /// Text, shaped to 80 characters.
    #[default]
    Text,
    /// Digits: the codes of the WebMux appliance.
    Codes,
}

words!(SnppWords { Text => "text", Codes => "codes" });

impl SnppChannel {
    pub(super) fn check(&self, at: &str, faults: &mut Faults) {
        faults.check(format!("{at}.server"), host(&self.host));
        if self.port == 0 {
            faults.add(format!("{at}.server"), FaultKind::PortZero);
        }
        let here = format!("{at}.pager");
        faults.check(&here, plain(&self.pager, 1, PAGER_CHARS_MAX));
        let allowed = |c: &char| c.is_ascii_alphanumeric() || "+-.@_".contains(*c);
        if let Some(c) = self.pager.chars().find(|c| !allowed(c)) {
            faults.add(&here, FaultKind::Character(c));
        }
    }
}

/// A telephone number, or an alias.
const PAGER_CHARS_MAX: usize = 64;
