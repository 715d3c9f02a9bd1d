//! Where the subject of a page is reached, for pagers that show digits only.

use std::net::SocketAddr;

use super::{CheckKey, Config, Health, Parent, State, Subject, Trouble};
use crate::id::{FarmName, ServerName};

impl State {
    /// Address and port of a subject: of a server, the check that failed, else its first; of a
    /// farm, its VIP and first service; of a VIP, port 0. Nothing for the majority.
    pub fn target_of(&self, subject: &Subject) -> Option<SocketAddr> {
        match subject {
            Subject::Server(farm, server) => self.server_target(farm, server),
            Subject::Watch(watch) => self.config.target(&CheckKey::Watch(watch.clone())),
            Subject::Farm(farm) | Subject::Strength(farm) => self.config.entrance(farm),
            Subject::Node(node)
            | Subject::Path(node)
            | Subject::Trouble(
                Trouble::Meddling(node) | Trouble::Carrier(node) | Trouble::Disk(node),
            ) => self.nodes.get(node)?.peer_addresses.first().copied(),
            Subject::Vip(vip) | Subject::Trouble(Trouble::Claim(vip, _)) => {
                let vip = self.config.vips.get(vip)?;
                Some(SocketAddr::new(vip.address, 0))
            }
            Subject::Quorum | Subject::Channel(..) | Subject::Drill(_) | Subject::Rehearsal(_) => {
                None
            }
        }
    }

    fn server_target(&self, farm: &FarmName, server: &ServerName) -> Option<SocketAddr> {
        let member = Parent::Server(farm.clone(), server.clone());
        let failed = self
            .member_records(&member)
            .find(|(_, record)| record.health == Health::Down)
            .map(|(key, _)| key.clone());
        if let Some(key) = failed.or_else(|| self.config.checks_of(&member).next()) {
            return self.config.target(&key);
        }
        let services = &self.config.farms.get(farm)?.services;
        let (service, _) = services.first_key_value()?;
        self.config.farms.get(farm)?.target(server, service)
    }
}

impl Config {
    /// Where clients find a farm: its VIP, at the port of its first service.
    fn entrance(&self, farm: &FarmName) -> Option<SocketAddr> {
        let farm = self.farms.get(farm)?;
        let vip = self.vips.get(&farm.vip)?;
        let port = farm.services.values().next();
        Some(SocketAddr::new(
            vip.address,
            port.map_or(0, |service| service.port.get()),
        ))
    }
}
