//! All interfaces of the network namespace at once, as far as a fence asks about them.

use futures_util::TryStreamExt;
use rtnetlink::packet_route::link::{
    InfoKind, LinkAttribute, LinkInfo, LinkLayerType, LinkMessage,
};

use super::netlink::{Netlink, NetlinkError, refused};

/// An interface among others.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Interface {
    /// The kernel's number for it.
    pub index: u32,
    /// What it is called.
    pub name: String,
    /// Whether frames on it are Ethernet's, which the loopback's are in form only.
    pub ethernet: bool,
    /// The addresses that it sends from or was made with.
    pub macs: Vec<[u8; 6]>,
    /// The interface that it is a part of: a bond, a bridge, a VRF.
    pub part_of: Option<u32>,
    /// The interface that it stands on and shares the frames of: a macvlan's.
    pub shares: Option<u32>,
    /// Whether it is a VRF, whose parts have networks of their own.
    pub vrf: bool,
}

impl Netlink {
    /// All interfaces.
    ///
    /// **Errors**: [`NetlinkError`].
    pub async fn links(&self) -> Result<Vec<Interface>, NetlinkError> {
        let found = self.handle.link().get().execute();
        let messages: Vec<LinkMessage> = found.try_collect().await.map_err(refused)?;
        Ok(messages.iter().map(interface).collect())
    }
}

fn interface(message: &LinkMessage) -> Interface {
    let mut found = Interface {
        index: message.header.index,
        ethernet: message.header.link_layer_type == LinkLayerType::Ether,
        ..Interface::default()
    };
    let mut stands_on = None;
    let (mut elsewhere, mut kind) = (false, None);
    for attribute in &message.attributes {
        if let LinkAttribute::IfName(name) = attribute {
            found.name.clone_from(name);
        } else if let LinkAttribute::Address(bytes) | LinkAttribute::PermAddress(bytes) = attribute
        {
            found.macs.extend(<[u8; 6]>::try_from(bytes.as_slice()));
        } else if let LinkAttribute::Controller(index) = attribute {
            found.part_of = Some(*index);
        } else if let LinkAttribute::Link(index) = attribute {
            stands_on = Some(*index);
        } else if let LinkAttribute::LinkNetNsId(_) = attribute {
            // What it stands on has its number in another network namespace.
            elsewhere = true;
        } else if let LinkAttribute::LinkInfo(infos) = attribute {
            kind = infos.iter().find_map(kind_of);
        }
    }
    let is = |kinds: &[InfoKind]| kind.as_ref().is_some_and(|kind| kinds.contains(kind));
    found.vrf = is(&[InfoKind::Vrf]);
    let shares = is(&[
        InfoKind::MacVlan,
        InfoKind::MacVtap,
        InfoKind::IpVlan,
        InfoKind::IpVtap,
    ]);
    found.shares = stands_on.filter(|_| shares && !elsewhere);
    found
}

fn kind_of(info: &LinkInfo) -> Option<InfoKind> {
    let LinkInfo::Kind(kind) = info else {
        return None;
    };
    Some(kind.clone())
}
