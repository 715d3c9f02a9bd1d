//! Whether this machine sits in the networks that the VIPs live in.

use std::collections::BTreeMap;
use std::net::IpAddr;

use farmux_netplane::sys::{Netlink, Subnet};
use farmux_raft::id::{NetworkName, VipName};
use farmux_raft::state::{NodeRole, Vip};

use crate::settings::Settings;

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
