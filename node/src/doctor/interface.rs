//! The interface of each network: it is there, has a carrier, and an address beside the VIP's.

use farmux_netplane::sys::{Link, Netlink, NetlinkError, Subnet};

use super::{Context, Finding};
use crate::fault::Code;

const CHECK: &str = "interface";

/// What was found of one.
#[derive(Debug)]
enum Found {
    Missing,
    Unknown(String),
    There { carrier: bool, subnets: Vec<Subnet> },
}

pub(super) async fn look(context: &Context) -> Vec<Finding> {
    let networks = &context.settings.networks;
    if networks.is_empty() {
        let what = "no network in node.toml: this machine can be a witness, and hold no VIP";
        return vec![Finding::ok(CHECK, what)];
    }
    let mut findings = Vec::new();
    for (network, interface) in networks {
        let found = find(interface).await;
        findings.push(judge(&network.to_string(), interface, &found));
    }
    findings
}

async fn find(interface: &str) -> Found {
    let found = async {
        let netlink = Netlink::open().map_err(|error| NetlinkError::Other(error.to_string()))?;
        let Link { index, carrier, .. } = netlink.link(interface).await?;
        let subnets = netlink.subnets(index).await?;
        Ok(Found::There { carrier, subnets })
    };
    match found.await {
        Ok(found) => found,
        Err(NetlinkError::NoInterface) => Found::Missing,
        Err(
            error @ (NetlinkError::NoAddress | NetlinkError::Forbidden | NetlinkError::Other(_)),
        ) => Found::Unknown(error.to_string()),
    }
}

/// PURE.
fn judge(network: &str, interface: &str, found: &Found) -> Finding {
    let at = format!("{network} ({interface})");
    match found {
        Found::Missing => Finding::fail(CHECK, Code::DoctorInterface, format!("{at}: missing"))
            .why("node.toml names an interface that this machine does not have")
            .mend(format!(
                "ip -br link   (then mend {network} under [networks])"
            )),
        Found::Unknown(why) => {
            Finding::warn(CHECK, Code::DoctorInterface, format!("{at}: not known")).why(why)
        }
        Found::There { carrier: false, .. } => {
            Finding::fail(CHECK, Code::DoctorCarrier, format!("{at}: no carrier")).mend(format!(
                "ip link set {interface} up; ethtool {interface}   (or the cable)"
            ))
        }
        Found::There { subnets, .. } if subnets.is_empty() => {
            Finding::fail(CHECK, Code::DoctorInterface, format!("{at}: no address"))
                .why("a VIP needs an address of the machine's own beside it, in the same network")
                .mend(format!("ip addr add ADDRESS/LENGTH dev {interface}"))
        }
        Found::There { subnets, .. } => {
            let subnets: Vec<String> = subnets.iter().map(ToString::to_string).collect();
            Finding::ok(CHECK, format!("{at}: carrier, {}", subnets.join(", ")))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::Level;
    use super::*;

    #[test]
    fn an_interface_needs_a_carrier_and_an_address() {
        let own = Subnet {
            address: "10.0.0.11".parse().expect("an address"),
            prefix: 24,
        };
        let there = |carrier, subnets: &[Subnet]| Found::There {
            carrier,
            subnets: subnets.to_vec(),
        };
        let table = [
            (Found::Missing, Level::Fail, "FMX-133"),
            (Found::Unknown("busy".to_owned()), Level::Warn, "FMX-133"),
            (there(false, &[own]), Level::Fail, "FMX-134"),
            (there(true, &[]), Level::Fail, "FMX-133"),
            (there(true, &[own]), Level::Ok, ""),
        ];
        for (found, level, code) in table {
            let finding = judge("lan", "eth0", &found);
            assert_eq!(
                (finding.level, finding.code.as_str()),
                (level, code),
                "{found:?}"
            );
            assert!(finding.what.contains("lan (eth0)"), "{}", finding.what);
        }
        let good = judge("lan", "eth0", &there(true, &[own]));
        assert_eq!(good.what, "lan (eth0): carrier, 10.0.0.11/24");
    }

    #[tokio::test]
    async fn this_machine_has_a_loopback_and_no_other_moon() {
        assert!(matches!(find("lo").await, Found::There { .. }));
        assert!(matches!(find("moon0").await, Found::Missing));
    }
}
