//! Watches: what is checked and not balanced, a file server first of all.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroU16;

use serde::{Deserialize, Serialize};

use super::fault::Faults;
use super::text::plain;
use super::{Check, CheckKind, FaultKind, Parent, address};
use crate::id::{GroupName, LadderName};

/// Something that is checked, not balanced.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Watch {
    /// Where it answers.
    pub address: IpAddr,
    /// At which port; `None`: at the check's customary one.
    pub port: Option<NonZeroU16>,
    /// Whose defaults it has.
    pub group: Option<GroupName>,
    /// What an operator knows it by, at most 20: `site = "berlin"`; its group's come on top, see
    /// [`super::Config::labels_of`].
    pub labels: BTreeMap<String, String>,
    /// The rule that decides whether it is up; `None`: its group's, see
    /// [`super::Config::check_of`].
    pub check: Option<Check>,
    /// What must be up for it to be up; its group's come on top.
    pub depends_on: BTreeSet<Parent>,
    /// Who is paged for it; the cluster's by default.
    pub ladder: Option<LadderName>,
}

impl Watch {
    /// Where its probes go under this rule.
    pub fn target(&self, check: &Check) -> SocketAddr {
        let port = self
            .port
            .map_or_else(|| port_of(&check.kind), NonZeroU16::get);
        SocketAddr::new(self.address, port)
    }

    /// What is wrong with it by itself, `effective` being its rule.
    pub(super) fn check(&self, at: &str, effective: Option<&Check>, faults: &mut Faults) {
        faults.check(format!("{at}.address"), address::ordinary(self.address));
        match effective {
            None => faults.add(format!("{at}.check"), FaultKind::CheckMissing),
            Some(check) if self.port.is_none() && port_of(&check.kind) == 0 => {
                faults.add(format!("{at}.port"), FaultKind::PortMissing);
            }
            Some(_) => {}
        }
        check_labels(&self.labels, at, faults);
        if let Some(own) = &self.check {
            own.check(&format!("{at}.check"), faults);
        }
    }
}

/// Labels that are too many, too long or not in one line.
pub(super) fn check_labels(labels: &BTreeMap<String, String>, at: &str, faults: &mut Faults) {
    let here = format!("{at}.labels");
    let have = labels.len();
    if have > LABELS_MAX {
        let max = LABELS_MAX;
        faults.add(&here, FaultKind::TooMany { have, max });
    }
    for (name, value) in labels {
        faults.check(format!("{here}.{name}"), plain(name, 1, LABEL_CHARS_MAX));
        faults.check(format!("{here}.{name}"), plain(value, 0, LABEL_CHARS_MAX));
    }
}

/// The port at which a kind of check usually finds somebody; 0: there is no such port, and for a
/// plugin none is needed.
fn port_of(kind: &CheckKind) -> u16 {
    match kind {
        CheckKind::Tcp => 0,
        CheckKind::Http(_) => 80,
        CheckKind::Ftp(_) => 21,
        CheckKind::Nfs(nfs) if nfs.portmapper => 111,
        CheckKind::Nfs(_) => 2049,
        CheckKind::Exec(_) | CheckKind::Icmp => NO_PORT,
        CheckKind::Https(_) => 443,
        CheckKind::Greeting(protocol) => protocol.port(),
        CheckKind::Dns(_) => 53,
        CheckKind::Udp(_) => 0,
    }
}

/// A plugin knows its own port, and an echo request needs none; they are told this one where none
/// is configured. RFC 863's discard.
const NO_PORT: u16 = 9;

/// More are a database.
const LABELS_MAX: usize = 20;

/// A word or two.
const LABEL_CHARS_MAX: usize = 63;
