//! An interface that carries VIPs: its number, its link-layer address, its ARP socket.

use std::net::IpAddr;

use super::advertisement::Advertisement;
use crate::arp::{Claim, Form};
use crate::sys::{Link, Netlink, NetlinkError, PacketSocket, quiet_arp};

/// An interface, ready for a VIP.
#[derive(Debug)]
pub(super) struct Port {
    pub(super) link: Link,
    mac: [u8; 6],
    socket: PacketSocket,
    /// What could not be set on it, in an operator's words.
    pub(super) advice: Option<String>,
}

/// Why an interface cannot carry a VIP.
#[derive(Debug, thiserror::Error)]
pub(super) enum PortError {
    #[error("interface {0}: {1}")]
    Netlink(String, NetlinkError),
    #[error("interface {0} is no Ethernet interface")]
    NotEthernet(String),
    #[error("interface {0}: no raw socket for ARP: {1}")]
    Socket(String, std::io::Error),
}

impl Port {
    /// Looks an interface up and makes it ready.
    ///
    /// **Errors**: [`PortError`]; it may be well the next time.
    pub(super) async fn open(netlink: &Netlink, name: &str) -> Result<Port, PortError> {
        let link = netlink.link(name).await;
        Port::ready(
            link.map_err(|error| PortError::Netlink(name.to_owned(), error))?,
            name,
        )
    }

    /// Looks an interface up again; the port as it was where nothing changed.
    ///
    /// **Errors**: [`PortError`]; whatever was on it is gone.
    pub(super) async fn look(mut self, netlink: &Netlink, name: &str) -> Result<Port, PortError> {
        let link = match netlink.link(name).await {
            Ok(link) => link,
            Err(error @ NetlinkError::NoInterface) => {
                return Err(PortError::Netlink(name.to_owned(), error));
            }
            // The kernel was too busy to say: what was known a moment ago holds until it does.
            Err(error) => {
                tracing::debug!(interface = name, %error, "the interface was not looked at");
                return Ok(self);
            }
        };
        if (link.index, link.mac) != (self.link.index, self.link.mac) {
            return Port::ready(link, name);
        }
        self.link = link;
        Ok(self)
    }

    fn ready(link: Link, name: &str) -> Result<Port, PortError> {
        let mac = link
            .mac
            .ok_or_else(|| PortError::NotEthernet(name.to_owned()))?;
        let socket = PacketSocket::arp(link.index);
        let socket = socket.map_err(|error| PortError::Socket(name.to_owned(), error))?;
        let advice = quiet_arp(name).err().map(|error| {
            format!(
                "cannot set arp_ignore=1 and arp_announce=2 on {name}: {error}; do it by sysctl"
            )
        });
        Ok(Port {
            link,
            mac,
            socket,
            advice,
        })
    }

    /// Announces an address: by ARP in both forms, in IPv6 by an advertisement.
    ///
    /// **Errors**: the interface is down or gone; the next announcement may be heard.
    pub(super) fn announce(&self, address: IpAddr) -> std::io::Result<()> {
        match address {
            IpAddr::V4(address) => [Form::Request, Form::Reply]
                .into_iter()
                .try_for_each(|form| {
                    self.socket.send(
                        &Claim {
                            form,
                            mac: self.mac,
                            address,
                        }
                        .frame(),
                    )
                }),
            IpAddr::V6(address) => {
                let mac = self.mac;
                let frame = Advertisement { mac, address }.frame();
                self.socket.send_ipv6(&frame)
            }
        }
    }
}
