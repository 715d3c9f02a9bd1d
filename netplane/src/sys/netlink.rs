//! Addresses and interfaces, by rtnetlink.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;
use std::{fmt, io};

use futures_util::TryStreamExt;
use rtnetlink::packet_route::AddressFamily;
use rtnetlink::packet_route::address::{
    AddressAttribute, AddressFlags, AddressHeaderFlags, AddressMessage, CacheInfo,
};
use rtnetlink::packet_route::link::{LinkAttribute, LinkFlags, LinkMessage};
use rtnetlink::{AddressMessageBuilder, Handle};
use tokio::task::JoinHandle;

/// A netlink socket of the network namespace in which it was opened.
#[derive(Debug)]
pub struct Netlink {
    pub(super) handle: Handle,
    connection: JoinHandle<()>,
}

/// An interface.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// The kernel's number for it.
    pub index: u32,
    /// Its link-layer address; `None` where that is not six bytes long.
    pub mac: Option<[u8; 6]>,
    /// Whether it is up and sees a carrier.
    pub carrier: bool,
}

/// An address with the size of the network around it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Subnet {
    /// The machine's own address in it.
    pub address: IpAddr,
    /// Leading bits that all its addresses share.
    pub prefix: u8,
}

impl Subnet {
    /// Whether an address belongs to it.
    pub fn contains(&self, other: IpAddr) -> bool {
        let (own, other, bits) = match (self.address, other) {
            (IpAddr::V4(own), IpAddr::V4(other)) => {
                (u128::from(own.to_bits()), u128::from(other.to_bits()), 32)
            }
            (IpAddr::V6(own), IpAddr::V6(other)) => (own.to_bits(), other.to_bits(), 128),
            (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => return false,
        };
        let host_bits = bits - u32::from(self.prefix).min(bits);
        (own ^ other).checked_shr(host_bits).unwrap_or_default() == 0
    }
}

impl fmt::Display for Subnet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.prefix)
    }
}

/// Where an address is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Placed {
    /// Which address.
    pub address: IpAddr,
    /// The number of the interface.
    pub index: u32,
    /// Leading bits.
    pub prefix: u8,
    /// As floating addresses are: one host wide, and gone by itself after a while.
    pub lent: bool,
}

/// Why the kernel did not do it.
#[derive(Debug, thiserror::Error)]
pub enum NetlinkError {
    /// There is no such interface (any more): look it up again.
    #[error("the interface is missing")]
    NoInterface,
    /// There is no such address: it is gone already.
    #[error("the address is not there")]
    NoAddress,
    /// Not allowed: the daemon needs `CAP_NET_ADMIN`.
    #[error("not allowed: CAP_NET_ADMIN is missing")]
    Forbidden,
    /// Anything else.
    #[error("{0}")]
    Other(String),
}

impl Netlink {
    /// Opens a socket; its traffic is moved by a task on the current runtime.
    ///
    /// **Errors**: the system gives no netlink socket.
    ///
    /// **Panics**: outside of a runtime.
    pub fn open() -> io::Result<Netlink> {
        let (connection, handle, _) = rtnetlink::new_connection()?;
        Ok(Netlink {
            handle,
            connection: tokio::spawn(connection),
        })
    }

    /// The interface of this name.
    ///
    /// **Errors**: [`NetlinkError::NoInterface`] where there is none.
    pub async fn link(&self, name: &str) -> Result<Link, NetlinkError> {
        let mut found = self
            .handle
            .link()
            .get()
            .match_name(name.to_owned())
            .execute();
        let message = found.try_next().await.map_err(refused)?;
        message
            .map(|message| link(&message))
            .ok_or(NetlinkError::NoInterface)
    }

    /// Adds a floating address, or gives the one that is there another lifetime: a host route of
    /// its own, no duplicate detection, never a source by choice, gone by itself after `lifetime`.
    ///
    /// **Errors**: [`NetlinkError`]; [`NetlinkError::NoInterface`] where the index means nothing.
    pub async fn lend(
        &self,
        index: u32,
        address: IpAddr,
        lifetime: Duration,
    ) -> Result<(), NetlinkError> {
        let bits = if address.is_ipv4() { 32 } else { 128 };
        let mut request = self.handle.address().add(index, address, bits).replace();
        let message = request.message_mut();
        message.header.flags |= AddressHeaderFlags::Nodad;
        // A broadcast address that is the VIP itself would be of no use to anybody.
        message
            .attributes
            .retain(|each| !matches!(each, AddressAttribute::Broadcast(_)));
        message
            .attributes
            .push(AddressAttribute::Flags(AddressFlags::Nodad));
        let ifa_valid = u32::try_from(lifetime.as_secs()).unwrap_or(u32::MAX);
        let mut times = CacheInfo::default();
        (times.ifa_preferred, times.ifa_valid) = (0, ifa_valid);
        message.attributes.push(AddressAttribute::CacheInfo(times));
        request.execute().await.map_err(refused)
    }

    /// Removes a floating address.
    ///
    /// **Errors**: [`NetlinkError::NoAddress`] or [`NetlinkError::NoInterface`] where it is gone.
    pub async fn withdraw(&self, index: u32, address: IpAddr) -> Result<(), NetlinkError> {
        let prefix = if address.is_ipv4() { 32 } else { 128 };
        self.remove(index, address, prefix).await
    }

    /// Removes an address, whoever gave it.
    ///
    /// **Errors**: [`NetlinkError::NoAddress`] or [`NetlinkError::NoInterface`] where it is gone.
    pub async fn remove(
        &self,
        index: u32,
        address: IpAddr,
        prefix: u8,
    ) -> Result<(), NetlinkError> {
        let message = match address {
            IpAddr::V4(v4) => AddressMessageBuilder::<Ipv4Addr>::new()
                .index(index)
                .address(v4, prefix)
                .build(),
            IpAddr::V6(v6) => AddressMessageBuilder::<Ipv6Addr>::new()
                .index(index)
                .address(v6, prefix)
                .build(),
        };
        self.handle
            .address()
            .del(message)
            .execute()
            .await
            .map_err(refused)
    }

    /// The subnets that an interface has an address in; those lent as host routes are in it too.
    ///
    /// **Errors**: [`NetlinkError`].
    pub async fn subnets(&self, index: u32) -> Result<Vec<Subnet>, NetlinkError> {
        let subnet = |message: &AddressMessage| {
            Some(Subnet {
                address: local(message)?,
                prefix: message.header.prefix_len,
            })
        };
        Ok(self
            .addresses(index)
            .await?
            .iter()
            .filter_map(subnet)
            .collect())
    }

    /// The addresses on an interface that will vanish by themselves: those that were lent, not
    /// those that an administrator configured.
    ///
    /// **Errors**: [`NetlinkError`].
    pub async fn lent(&self, index: u32) -> Result<Vec<IpAddr>, NetlinkError> {
        let messages = self.addresses(index).await?;
        Ok(messages
            .iter()
            .filter(|message| is_lent(message))
            .filter_map(local)
            .collect())
    }

    /// Everywhere that some addresses are, on whatever interface.
    ///
    /// **Errors**: [`NetlinkError`].
    pub async fn places(&self, of: &BTreeSet<IpAddr>) -> Result<Vec<Placed>, NetlinkError> {
        let found = self.handle.address().get().execute();
        let messages: Vec<AddressMessage> = found.try_collect().await.map_err(refused)?;
        let placed = |message: &AddressMessage| {
            Some(Placed {
                address: local(message).filter(|address| of.contains(address))?,
                index: message.header.index,
                prefix: message.header.prefix_len,
                lent: is_lent(message),
            })
        };
        Ok(messages.iter().filter_map(placed).collect())
    }

    /// What an interface is called.
    ///
    /// **Errors**: [`NetlinkError::NoInterface`] where there is none of this number.
    pub async fn name(&self, index: u32) -> Result<String, NetlinkError> {
        let mut found = self.handle.link().get().match_index(index).execute();
        let message = found.try_next().await.map_err(refused)?;
        let attributes = message.map(|message| message.attributes);
        let name = attributes.into_iter().flatten().find_map(|attribute| {
            let LinkAttribute::IfName(name) = attribute else {
                return None;
            };
            Some(name)
        });
        name.ok_or(NetlinkError::NoInterface)
    }

    async fn addresses(&self, index: u32) -> Result<Vec<AddressMessage>, NetlinkError> {
        let found = self
            .handle
            .address()
            .get()
            .set_link_index_filter(index)
            .execute();
        found.try_collect().await.map_err(refused)
    }
}

impl Drop for Netlink {
    fn drop(&mut self) {
        self.connection.abort();
    }
}

fn link(message: &LinkMessage) -> Link {
    let mac = message.attributes.iter().find_map(|attribute| {
        let LinkAttribute::Address(bytes) = attribute else {
            return None;
        };
        <[u8; 6]>::try_from(bytes.as_slice()).ok()
    });
    Link {
        index: message.header.index,
        mac,
        carrier: has_carrier(message),
    }
}

/// Whether an interface is up and sees a carrier.
pub(super) fn has_carrier(message: &LinkMessage) -> bool {
    let flags = message.header.flags;
    flags.contains(LinkFlags::Running | LinkFlags::Up)
}

/// Whether an address is one host wide, deprecated from the start and has an end.
pub(super) fn is_lent(message: &AddressMessage) -> bool {
    let bits = if message.header.family == AddressFamily::Inet {
        32
    } else {
        128
    };
    let ends = |attribute: &AddressAttribute| {
        matches!(attribute, AddressAttribute::CacheInfo(times)
            if times.ifa_preferred == 0 && times.ifa_valid != u32::MAX)
    };
    message.header.prefix_len == bits && message.attributes.iter().any(ends)
}

/// The address itself: for IPv4 the local one of a pair that is equal here, for IPv6 the only one.
pub(super) fn local(message: &AddressMessage) -> Option<IpAddr> {
    message.attributes.iter().find_map(|attribute| {
        let AddressAttribute::Address(address) = attribute else {
            return None;
        };
        Some(*address)
    })
}

pub(super) fn refused(error: rtnetlink::Error) -> NetlinkError {
    let code = if let rtnetlink::Error::NetlinkError(message) = &error {
        message.raw_code().abs()
    } else {
        0
    };
    match code {
        libc::ENODEV | libc::ENXIO => NetlinkError::NoInterface,
        libc::EADDRNOTAVAIL => NetlinkError::NoAddress,
        libc::EPERM | libc::EACCES => NetlinkError::Forbidden,
        _ => NetlinkError::Other(error.to_string()),
    }
}
