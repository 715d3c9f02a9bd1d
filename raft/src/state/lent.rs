//! What is lent as one: a VIP alone, or a group of VIPs that move together.
//!
//! ```text
//!   vip front  group web ─┐
//!   vip front6 group web ─┴─▶ lease web.5b1c09aa: front, front6
//!   vip back              ──▶ lease back
//! ```
//!
//! A group's lease is called by the group and by who belongs to it: where that changes, it is
//! another lease, which is lent only after those that it takes the place of have run out. Under the
//! same name, a node that knows of the change already and one that does not would both own a VIP
//! that came or went.

use std::collections::{BTreeMap, BTreeSet};

use super::fault::Faults;
use super::{Config, FaultKind, Node, OnQuorumLoss, Vip};
use crate::id::{NAME_BYTES_MAX, NodeId, NodeName, VipGroupName, VipName};

/// What is lent as one.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LentVips {
    /// The VIPs.
    pub vips: BTreeSet<VipName>,
    /// Who takes it first where all are equally fit, by name.
    pub prefer: Option<NodeName>,
    /// What its owner does when no majority answers.
    pub on_quorum_loss: OnQuorumLoss,
    /// The first of the VIPs that has a gateway: by it the network is asked about.
    pub reference: Option<VipName>,
}

impl Config {
    /// Everything that is lent, by the name of its lease.
    pub fn lent(&self) -> BTreeMap<VipName, LentVips> {
        let mut groups: BTreeMap<&VipGroupName, BTreeSet<&VipName>> = BTreeMap::new();
        for (name, vip) in &self.vips {
            if let Some(group) = &vip.group {
                groups.entry(group).or_default().insert(name);
            }
        }
        // Alone in its group is alone.
        groups.retain(|_, vips| vips.len() > 1);
        let lone = self.vips.iter().filter(|(_, vip)| {
            let group = vip.group.as_ref();
            group.is_none_or(|group| !groups.contains_key(group))
        });
        let mut lent: BTreeMap<VipName, LentVips> = lone
            .map(|(name, vip)| {
                let alone = LentVips {
                    vips: [name.clone()].into(),
                    prefer: vip.prefer.clone(),
                    on_quorum_loss: vip.on_quorum_loss,
                    reference: Some(name.clone()),
                };
                (name.clone(), alone)
            })
            .collect();
        for (group, vips) in groups {
            let prefer = vips.iter().find_map(|name| self.vips[*name].prefer.clone());
            let mut asked = vips
                .iter()
                .filter(|name| self.vips[**name].gateway.is_some());
            let reference = asked.next().copied().cloned();
            let policy = reference
                .as_ref()
                .map(|name| self.vips[name].on_quorum_loss);
            let together = LentVips {
                vips: vips.iter().copied().cloned().collect(),
                prefer,
                on_quorum_loss: policy.unwrap_or_default(),
                reference,
            };
            lent.insert(lease_name(group, &together.vips), together);
        }
        lent
    }

    /// The VIPs that move together with one, itself among them.
    pub fn lent_with(&self, vip: &VipName) -> BTreeSet<VipName> {
        let lent = self.lent().into_values();
        let mut own = lent.filter(|lent| lent.vips.contains(vip));
        own.next().map(|lent| lent.vips).unwrap_or_default()
    }

    /// VIPs that move together want the same.
    pub(super) fn check_leases(&self, faults: &mut Faults) {
        let mut first: BTreeMap<&VipGroupName, (&VipName, &Vip)> = BTreeMap::new();
        let mut asks: BTreeMap<&VipGroupName, (&VipName, &Vip)> = BTreeMap::new();
        for (name, vip) in &self.vips {
            let Some(group) = &vip.group else { continue };
            let disagrees = |other: &VipName| FaultKind::GroupDisagrees(format!("VIP {other}"));
            let (other, known) = *first.entry(group).or_insert((name, vip));
            if vip.prefer != known.prefer {
                faults.add(format!("vip[{name}].prefer"), disagrees(other));
            }
            // One without a gateway has nobody to ask, and goes with those that have.
            if vip.gateway.is_none() {
                continue;
            }
            let (other, known) = *asks.entry(group).or_insert((name, vip));
            if vip.on_quorum_loss != known.on_quorum_loss {
                faults.add(format!("vip[{name}].on_quorum_loss"), disagrees(other));
            }
        }
    }
}

impl LentVips {
    /// The preferred node, if there is one of that name.
    pub fn preferred(&self, nodes: &BTreeMap<NodeId, Node>) -> Option<NodeId> {
        let prefer = self.prefer.as_ref()?;
        let mut found = nodes.iter().filter(|(_, node)| node.name == *prefer);
        found.next().map(|(id, _)| *id)
    }
}

/// The group's name, cut where it is long, and a digest of who belongs to it.
fn lease_name(group: &VipGroupName, vips: &BTreeSet<VipName>) -> VipName {
    let mut bytes = group.as_str().as_bytes().to_vec();
    for vip in vips {
        // No name contains a zero byte.
        bytes.push(0);
        bytes.extend(vip.as_str().as_bytes());
    }
    let digest = ring::digest::digest(&ring::digest::SHA256, &bytes);
    let digest = digest.as_ref().iter().take(DIGEST_BYTES);
    let digest: String = digest.map(|byte| format!("{byte:02x}")).collect();
    // Names are ASCII.
    let room = NAME_BYTES_MAX - 1 - digest.len();
    let group: String = group.as_str().chars().take(room).collect();
    let name = format!("{group}.{digest}");
    name.parse().expect("a name, a dot and digits are a name")
}

/// 32 bits: two sets of one group that were ever configured are told apart for certain, in effect.
const DIGEST_BYTES: usize = 4;
