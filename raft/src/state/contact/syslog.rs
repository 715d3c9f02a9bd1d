//! The syslog channel: a line for a log that somebody watches.

use serde::{Deserialize, Serialize};

use crate::state::FaultKind;
use crate::state::check::host;
use crate::state::fault::Faults;
use crate::state::word::words;

/// A line for a log that somebody watches. **Source**: RFC 5424.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SyslogChannel {
    /// Name or address of the collector, without brackets.
    pub host: String,
    /// 514 where none is given.
    pub port: u16,
    /// What carries it.
    pub transport: SyslogTransport,
}

/// What carries a line to a collector.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SyslogTransport {
    /// Datagrams, of which nobody says whether they arrived. **Source**: RFC 5426.
    #[default]
    Udp,
    /// A connection, with octet counting. **Source**: RFC 6587, 3.4.1.
    Tcp,
}

words!(SyslogTransport { Udp => "udp", Tcp => "tcp" });

impl SyslogChannel {
    pub(super) fn check(&self, at: &str, faults: &mut Faults) {
        faults.check(format!("{at}.server"), host(&self.host));
        if self.port == 0 {
            faults.add(format!("{at}.server"), FaultKind::PortZero);
        }
    }
}
