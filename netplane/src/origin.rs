//! Where something that farmux sends out itself may leave from: an own address, never a VIP.
//!
//! A VIP moves to another node, and the answer would go with it. The kernel normally picks an own
//! address by itself; whoever connects asks here whether it would, and binds where it would not.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};

/// The addresses of this node, told apart.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Origin {
    /// This node's own addresses.
    pub own: Vec<IpAddr>,
    /// The VIPs.
    pub never: BTreeSet<IpAddr>,
}

/// The kernel would pick a VIP, and no own address of that family is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("no own address leads there")]
pub struct NoOwnAddress;

impl Origin {
    /// The address to bind to before connecting; `None` where the kernel's own choice is no VIP.
    pub fn source_for(&self, target: SocketAddr) -> Result<Option<IpAddr>, NoOwnAddress> {
        if self.never.is_empty() || !kernels_choice(target).is_some_and(|ip| self.is_vip(ip)) {
            return Ok(None);
        }
        let fits = |ip: &&IpAddr| ip.is_ipv4() == target.is_ipv4() && !self.is_vip(**ip);
        self.own
            .iter()
            .find(fits)
            .copied()
            .map(Some)
            .ok_or(NoOwnAddress)
    }

    fn is_vip(&self, ip: IpAddr) -> bool {
        self.never.contains(&ip)
    }
}

/// Asks the routing table by connecting a datagram socket, which sends nothing.
fn kernels_choice(target: SocketAddr) -> Option<IpAddr> {
    let any: IpAddr = match target {
        SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    };
    let socket = UdpSocket::bind((any, 0)).ok()?;
    socket.connect(target).ok()?;
    Some(socket.local_addr().ok()?.ip())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_vip_is_never_the_source() {
        let target: SocketAddr = "127.0.0.1:9".parse().expect("an address");
        let (chosen, own): (IpAddr, IpAddr) = (
            "127.0.0.1".parse().expect("an address"),
            "127.0.0.2".parse().expect("an address"),
        );
        let origin = |own: &[IpAddr], never: &[IpAddr]| Origin {
            own: own.to_vec(),
            never: never.iter().copied().collect(),
        };
        assert_eq!(origin(&[own], &[]).source_for(target), Ok(None));
        assert_eq!(origin(&[chosen], &[own]).source_for(target), Ok(None));
        assert_eq!(
            origin(&[chosen, own], &[chosen]).source_for(target),
            Ok(Some(own))
        );
        assert_eq!(
            origin(&[chosen], &[chosen]).source_for(target),
            Err(NoOwnAddress)
        );
    }
}
