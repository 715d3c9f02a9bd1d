//! Whether this machine has the addresses that `node.toml` names, and sits in the networks that the
//! VIPs live in.

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::net::{IpAddr, SocketAddr, UdpSocket};

use farmux_netplane::sys::{Netlink, Subnet};
use farmux_raft::id::{NetworkName, VipName};
use farmux_raft::state::{NodeRole, Vip};

use crate::settings::Settings;

/// An address of `node.toml` that this machine does not have.
#[derive(Debug, thiserror::Error)]
#[error("{field} = {address} is not on this machine, which has {}", .present.join(", "))]
pub struct AddressAbsent {
    /// Which line of `node.toml`: `peer` or `admin`.
    field: &'static str,
    address: IpAddr,
    /// Every address that is there.
    present: Vec<String>,
}

/// Checks that the peer and admin addresses are this machine's own.
///
/// It is refused at once and not waited for: whoever types `farmux run` sees why, and where an
/// address comes later at boot, the supervisor starts us again every second.
///
/// **Errors**: the first that is absent.
pub(super) async fn check_own(settings: &Settings) -> Result<(), AddressAbsent> {
    let peers = settings.peer.iter().map(|peer| ("peer", peer));
    let absent = peers
        .chain([("admin", &settings.admin)])
        .find(|(_, address)| is_absent(address));
    match absent {
        None => Ok(()),
        Some((field, address)) => Err(AddressAbsent {
            field,
            address: address.ip(),
            present: present().await,
        }),
    }
}

/// Whether the kernel does not know the address as one of ours; the port plays no part.
fn is_absent(address: &SocketAddr) -> bool {
    let bound = UdpSocket::bind((address.ip(), 0));
    bound.is_err_and(|error| error.kind() == ErrorKind::AddrNotAvailable)
}

/// The addresses of every interface, for people: what cannot be asked is left out.
async fn present() -> Vec<String> {
    let names = std::fs::read_to_string("/proc/net/dev").unwrap_or_default();
    let Ok(netlink) = Netlink::open() else {
        return Vec::new();
    };
    let mut present = Vec::new();
    for name in interfaces(&names) {
        let Ok(link) = netlink.link(name).await else {
            continue;
        };
        let subnets = netlink.subnets(link.index).await.unwrap_or_default();
        present.extend(
            subnets
                .iter()
                .map(|subnet| format!("{} ({name})", subnet.address)),
        );
    }
    present
}

/// PURE. The names in `/proc/net/dev`: two lines of header, then `name: counters`.
fn interfaces(table: &str) -> impl Iterator<Item = &str> {
    let lines = table.lines().skip(2);
    lines.filter_map(|line| Some(line.split_once(':')?.0.trim()))
}

/// Checks one network: it is in `node.toml`, its interface exists, and the VIP is on its LAN.
///
/// **Errors**: what is wrong, for people.
pub(super) async fn check(
    settings: &Settings,
    network: &NetworkName,
    vip: IpAddr,
) -> Result<(), String> {
    let Some(interface) = settings.networks.get(network) else {
        return Err(format!(
            "network {network} is not in node.toml: add `{network} = \"INTERFACE\"` under \
             [networks]"
        ));
    };
    let failed = |error: &dyn std::fmt::Display| {
        format!("interface {interface} (network {network}): {error}")
    };
    let netlink = Netlink::open().map_err(|error| failed(&error))?;
    let link = netlink
        .link(interface)
        .await
        .map_err(|error| failed(&error))?;
    let subnets = netlink
        .subnets(link.index)
        .await
        .map_err(|error| failed(&error))?;
    on_lan(vip, &subnets).map_err(|why| failed(&why))
}

/// PURE. A VIP is on the LAN of an interface that has an address in the same subnet.
fn on_lan(vip: IpAddr, subnets: &[Subnet]) -> Result<(), String> {
    if subnets.iter().any(|subnet| subnet.contains(vip)) {
        return Ok(());
    }
    let own: Vec<String> = subnets.iter().map(ToString::to_string).collect();
    let own = if own.is_empty() {
        "no address".to_owned()
    } else {
        own.join(", ")
    };
    Err(format!("VIP {vip} is not on its LAN; it has {own}"))
}

/// Checks every network that has a VIP. A witness holds none.
///
/// **Errors**: the first thing that is wrong, for people.
pub(super) async fn check_all(
    settings: &Settings,
    role: NodeRole,
    vips: &BTreeMap<VipName, Vip>,
) -> Result<(), String> {
    match role {
        NodeRole::Witness => {}
        NodeRole::Balancer => {
            for vip in vips.values() {
                check(settings, &vip.network, vip.address).await?;
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(peer: &str, admin: &str) -> Settings {
        let text = format!(
            "name = \"lb1\"\npeer = [\"127.0.0.1:7946\", \"{peer}:7946\"]\n\
             admin = \"{admin}:9443\"\n"
        );
        Settings::parse(&text).expect("good settings")
    }

    #[tokio::test]
    async fn an_address_of_another_machine_is_named_beside_our_own() {
        assert!(check_own(&settings("127.0.0.2", "127.0.0.1")).await.is_ok());
        // TEST-NET-1 (RFC 5737): nobody's.
        for (peer, admin, line) in [
            ("192.0.2.1", "127.0.0.1", "peer = 192.0.2.1"),
            ("127.0.0.1", "192.0.2.1", "admin = 192.0.2.1"),
        ] {
            let error = check_own(&settings(peer, admin)).await.expect_err(line);
            let text = error.to_string();
            assert!(text.starts_with(line), "{text}");
            assert!(text.contains("127.0.0.1 (lo)"), "{text}");
        }
    }

    #[test]
    fn interfaces_are_read_from_the_kernels_table() {
        let table = "Inter-|   Receive\n face |bytes\n    lo: 1 2 3\n  eth0:4\n";
        assert_eq!(interfaces(table).collect::<Vec<_>>(), ["lo", "eth0"]);
    }

    #[test]
    fn the_lan_of_a_vip_is_where_an_own_address_is() {
        let subnet = |text: &str, prefix| Subnet {
            address: text.parse().expect("ip"),
            prefix,
        };
        let own = [subnet("192.168.7.2", 24), subnet("10.0.0.11", 25)];
        let check = |vip: &str| on_lan(vip.parse().expect("an address"), &own);
        assert_eq!(check("10.0.0.100"), Ok(()));
        let error = check("10.0.0.200").expect_err("beyond the /25");
        assert!(error.contains("192.168.7.2/24, 10.0.0.11/25"), "{error}");
        assert!(check("fd00::1").is_err());
        assert!(
            on_lan("10.0.0.1".parse().expect("ip"), &[])
                .expect_err("none")
                .contains("no addr")
        );
    }
}
