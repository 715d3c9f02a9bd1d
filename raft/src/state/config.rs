//! The configuration: everything an operator decides, as one value that a revision replaces.

use std::collections::BTreeMap;

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use super::drill::Drill;
use super::fault::Faults;
use super::{Contact, Farm, Fault, FaultKind, Group, Ladder, Node, Paging, Vip, Watch};
use crate::id::{
    ContactName, DrillName, FarmName, GroupName, LadderName, NodeId, VipName, WatchName,
};

/// Everything an operator decides; one revision replaces the whole of it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Config {
    /// Floating addresses.
    pub vips: BTreeMap<VipName, Vip>,
    /// Farms.
    pub farms: BTreeMap<FarmName, Farm>,
    /// What watches have in common.
    pub groups: BTreeMap<GroupName, Group>,
    /// What is checked and not balanced.
    pub watches: BTreeMap<WatchName, Watch>,
    /// Who is paged.
    pub contacts: BTreeMap<ContactName, Contact>,
    /// Who is paged after whom.
    pub ladders: BTreeMap<LadderName, Ladder>,
    /// How failures become calls.
    pub paging: Paging,
    /// What is rehearsed by itself.
    #[serde(default)]
    pub drills: BTreeMap<DrillName, Drill>,
}

impl Config {
    /// What is wrong with it, by itself and beside these nodes; at most [`super::FAULTS_MAX`].
    ///
    /// **Shape**: places are written `farm[shop].server[s1].address`.
    pub fn faults(&self, nodes: &BTreeMap<NodeId, Node>) -> Vec<Fault> {
        // What is looked at one by one below is bounded by these counts.
        let excess = self.excess();
        if !excess.is_empty() {
            return excess;
        }
        let mut faults = Faults::default();
        for (name, vip) in &self.vips {
            vip.check(&format!("vip[{name}]"), &mut faults);
        }
        for (name, farm) in &self.farms {
            farm.check(&format!("farm[{name}]"), &mut faults);
        }
        for (name, group) in &self.groups {
            group.check(&format!("group[{name}]"), &mut faults);
        }
        for (name, watch) in &self.watches {
            self.check_watch(&format!("watch[{name}]"), watch, &mut faults);
        }
        for (name, contact) in &self.contacts {
            contact.check(&format!("contact[{name}]"), &mut faults);
        }
        self.paging.check("paging", &mut faults);
        self.check_ladders(&mut faults);
        for (name, drill) in &self.drills {
            drill.check(&format!("drill[{name}]"), &mut faults);
        }
        self.check_references(&mut faults);
        self.check_addresses(nodes, &mut faults);
        self.check_ports(&mut faults);
        faults.into_vec()
    }

    /// Of what there is more than we promise to handle.
    fn excess(&self) -> Vec<Fault> {
        let mut faults = Faults::default();
        let services = self.farms.values().map(|farm| farm.services.len()).sum();
        let servers = self.farms.values().map(|farm| farm.servers.len()).sum();
        let more_vips = self.farms.values().map(|farm| farm.more_vips.len()).max();
        let more_vips = more_vips.unwrap_or(0);
        let counts = [
            ("vip", self.vips.len(), VIPS_MAX),
            ("farm", self.farms.len(), FARMS_MAX),
            ("farm.service", services, SERVICES_MAX),
            ("farm.server", servers, SERVERS_MAX),
            ("farm.more_vips", more_vips, FARM_VIPS_MAX),
            ("group", self.groups.len(), GROUPS_MAX),
            ("watch", self.watches.len(), WATCHES_MAX),
            ("contact", self.contacts.len(), CONTACTS_MAX),
            ("ladder", self.ladders.len(), LADDERS_MAX),
            ("drill", self.drills.len(), DRILLS_MAX),
        ];
        for (at, have, max) in counts.into_iter().filter(|(_, have, max)| have > max) {
            faults.add(at, FaultKind::TooMany { have, max });
        }
        faults.into_vec()
    }

    fn check_references(&self, faults: &mut Faults) {
        for (name, farm) in &self.farms {
            for (place, vip) in farm.vips().enumerate() {
                let field = if place == 0 { "vip" } else { "more_vips" };
                let here = format!("farm[{name}].{field}");
                if !self.vips.contains_key(vip) {
                    let (what, wanted) = ("VIP".to_owned(), vip.to_string());
                    faults.add(&here, FaultKind::Dangling { what, name: wanted });
                }
                if farm.vips().take(place).any(|before| before == vip) {
                    faults.add(&here, FaultKind::Twice(vip.to_string()));
                }
            }
        }
        self.check_leases(faults);
        self.check_parents(faults);
    }

    /// A floating address is nobody else's.
    fn check_addresses(&self, nodes: &BTreeMap<NodeId, Node>, faults: &mut Faults) {
        let mut owners: BTreeMap<IpAddr, String> = BTreeMap::new();
        for node in nodes.values() {
            let sockets = node.peer_addresses.iter().chain([&node.admin_address]);
            owners.extend(sockets.map(|socket| (socket.ip(), format!("node {}", node.name))));
        }
        for (farm_name, farm) in &self.farms {
            let servers = farm.servers.iter();
            owners.extend(
                servers
                    .map(|(name, server)| (server.address, format!("server {farm_name}/{name}"))),
            );
        }
        let watches = self.watches.iter();
        owners.extend(watches.map(|(name, watch)| (watch.address, format!("watch {name}"))));
        for (name, vip) in &self.vips {
            let taken = owners.insert(vip.address, format!("VIP {name}"));
            if let Some(owner) = taken {
                let kind = FaultKind::AddressTaken {
                    address: vip.address,
                    owner,
                };
                faults.add(format!("vip[{name}].address"), kind);
            }
        }
    }

    /// One listener for each address and port.
    fn check_ports(&self, faults: &mut Faults) {
        let mut owners: BTreeMap<&VipName, BTreeMap<u16, (u16, String)>> = BTreeMap::new();
        for (farm_name, farm) in &self.farms {
            for vip in farm.vips() {
                take_ports(owners.entry(vip).or_default(), (farm_name, farm), faults);
            }
        }
    }
}

/// Takes the ports of a farm's services on one VIP.
fn take_ports(
    taken: &mut BTreeMap<u16, (u16, String)>,
    (farm_name, farm): (&FarmName, &Farm),
    faults: &mut Faults,
) {
    for (name, service) in &farm.services {
        for range in service.ports() {
            // Ranges that are here do not overlap, so that the last one that starts before our end
            // is the only one that can reach into ours.
            let before = taken.range(..=range.last).next_back();
            let owner = before.filter(|(_, (last, _))| *last >= range.first);
            if let Some((first, (_, owner))) = owner {
                let (port, owner) = (range.first.max(*first), owner.clone());
                let at = format!("farm[{farm_name}].service[{name}].port");
                faults.add(at, FaultKind::PortTaken { port, owner });
                continue;
            }
            taken.insert(range.first, (range.last, format!("{farm_name}/{name}")));
        }
    }
}

/// Each VIP has its own lease, renewed 33 times a second with every voter.
const VIPS_MAX: usize = 100;

/// Both families, and as much again for a network in which addresses are being changed.
const FARM_VIPS_MAX: usize = 7;

/// A large hosting site; each farm is judged as a whole when something of it changes.
const FARMS_MAX: usize = 500;

/// Each is a listening socket on each core of each node.
const SERVICES_MAX: usize = 1_000;

/// So many checks at an interval of 5 s are a thousand probes a second.
const SERVERS_MAX: usize = 5_000;

/// As many as farms: a group is what a farm would be, were it balanced.
const GROUPS_MAX: usize = 500;

/// As many as servers: probes cost the same for both.
pub const WATCHES_MAX: usize = 5_000;

/// Each gets every page.
const CONTACTS_MAX: usize = 50;

/// One for each team and time of day that has its own.
const LADDERS_MAX: usize = 100;

/// Every drill on every weekday would be more than anybody reads.
const DRILLS_MAX: usize = 50;
