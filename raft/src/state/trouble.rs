//! Trouble that a node sees and no check does: another machine's claim, another program's hands, a
//! loose cable, a full disk. Each opens an incident of its own, and closes it when the node has not
//! seen it for a while.
//!
//! ```text
//!   netplane/vip --status--> node/daemon/report/troubles --ReportTrouble--> incident
//!   store --------Room-----> node/daemon/report/room -----ReportTrouble-----> incident
//! ```

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::incident::{Event, back_after};
use super::text::{REASON_CHARS_MAX, clean};
use super::{Applied, Now, Reject, State, Subject};
use crate::id::{NodeId, VipName};

/// What a node sees.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Trouble {
    /// A machine that is no owner claims a VIP.
    Claim(VipName, Mac),
    /// Another program on a node changes addresses of VIPs again and again.
    Meddling(NodeId),
    /// An interface of VIPs on a node loses its carrier again and again.
    Carrier(NodeId),
    /// The disk on which a node keeps the log is full.
    Disk(NodeId),
}

/// A link-layer address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Mac(pub [u8; 6]);

impl fmt::Display for Mac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.map(|byte| format!("{byte:02x}")).join(":"))
    }
}

impl Trouble {
    /// The VIP that is claimed.
    fn claims(&self) -> Option<&VipName> {
        match self {
            Trouble::Claim(vip, _) => Some(vip),
            Trouble::Meddling(_) | Trouble::Carrier(_) | Trouble::Disk(_) => None,
        }
    }
}

impl Subject {
    /// What a node sees around its VIPs, where it is about that.
    pub fn trouble(&self) -> Option<&Trouble> {
        match self {
            Subject::Trouble(trouble) => Some(trouble),
            Subject::Server(..)
            | Subject::Watch(_)
            | Subject::Farm(_)
            | Subject::Strength(_)
            | Subject::Node(_)
            | Subject::Vip(_)
            | Subject::Quorum
            | Subject::Channel(..)
            | Subject::Drill(_)
            | Subject::Rehearsal(_)
            | Subject::Path(_) => None,
        }
    }
}

impl State {
    /// A node sees trouble (`Some`: what of it), or none any more.
    pub(super) fn report_trouble(
        &mut self,
        now: Now,
        node: NodeId,
        trouble: Trouble,
        reason: Option<&str>,
    ) -> Result<Applied, Reject> {
        if !self.nodes.contains_key(&node) {
            return Err(Reject::UnknownNode(node));
        }
        if let Trouble::Claim(vip, _) = &trouble
            && !self.config.vips.contains_key(vip)
        {
            return Err(Reject::UnknownVip(vip.clone()));
        }
        let subject = Subject::Trouble(trouble.clone());
        let open = self.incidents.get(&subject).copied();
        match (reason, open) {
            (Some(_), None) if self.is_one_too_many(&trouble) => Ok(Applied::Unchanged),
            (Some(reason), None) => {
                let evidence = self.trouble_evidence(node, &trouble);
                let event = Event {
                    left: self.nodes_left(),
                    evidence,
                    ..Event::plain(now.at, clean(reason, REASON_CHARS_MAX))
                };
                self.open_incident(subject, event);
                Ok(Applied::Done)
            }
            (None, Some(page)) => {
                let since = self.pages.get(&page).map_or(now.at, |page| page.at);
                let what = match &trouble {
                    Trouble::Claim(_, mac) => format!("{mac} claims it no more"),
                    Trouble::Meddling(_) => "nobody changes its addresses any more".to_owned(),
                    Trouble::Carrier(_) => "its carrier is steady again".to_owned(),
                    Trouble::Disk(_) => "there is room again".to_owned(),
                };
                self.close_incident(
                    subject,
                    Event::plain(now.at, back_after(&what, since, now.at)),
                );
                Ok(Applied::Done)
            }
            (Some(_), Some(_)) | (None, None) => Ok(Applied::Unchanged),
        }
    }

    fn trouble_evidence(&self, node: NodeId, trouble: &Trouble) -> Vec<String> {
        let name = self.node_name(node);
        match trouble {
            Trouble::Claim(vip, _) => {
                let address = self.config.vips.get(vip).map(|vip| vip.address);
                let address = address.map_or_else(String::new, |address| format!(" ({address})"));
                vec![
                    format!("seen by {name}, which owns {vip}{address}"),
                    format!(
                        "{name} announces it again, at most once in 10s, while its lease lives"
                    ),
                ]
            }
            Trouble::Meddling(_) => vec![format!("{name} put each of them right at once")],
            Trouble::Carrier(_) => vec![],
            Trouble::Disk(_) => vec![disk_evidence(&name)],
        }
    }

    /// Whether so many machines claim a VIP that one more is no news.
    fn is_one_too_many(&self, trouble: &Trouble) -> bool {
        let Trouble::Claim(vip, _) = trouble else {
            return false;
        };
        let troubles = self.incidents.keys().filter_map(Subject::trouble);
        let of_it = troubles.filter(|trouble| trouble.claims() == Some(vip));
        of_it.count() >= CLAIMS_MAX
    }

    /// Trouble in words, as things are called now.
    pub(super) fn trouble_title(&self, trouble: &Trouble) -> String {
        match trouble {
            Trouble::Claim(vip, mac) => format!("VIP {vip} claimed by {mac}"),
            Trouble::Meddling(node) => format!("addresses of {}", self.node_name(*node)),
            Trouble::Carrier(node) => format!("carrier of {}", self.node_name(*node)),
            Trouble::Disk(node) => format!("disk of {}", self.node_name(*node)),
        }
    }

    /// A node is gone: nobody will say that its trouble is over.
    pub(super) fn forget_troubles(&mut self, now: Now, node: NodeId) {
        let gone = [
            Trouble::Meddling(node),
            Trouble::Carrier(node),
            Trouble::Disk(node),
        ];
        let gone = gone.map(Subject::Trouble);
        for subject in &gone {
            self.forget_incident(subject, now.at);
        }
        Arc::make_mut(&mut self.transitions).retain(|subject| !gone.contains(subject));
    }
}

/// What else is to be said of a full disk, also where it is not the log that says it.
pub fn disk_evidence(node: &str) -> String {
    format!("what {node} serves it goes on serving; it keeps no change until there is room again")
}

/// Each is a page: whoever makes MACs up calls nobody a fifth time.
const CLAIMS_MAX: usize = 4;
