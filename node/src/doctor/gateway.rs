//! The gateway of each network answers, IPv4 by ARP and IPv6 by echo: a hold asks it, and clients
//! come through it.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::{Duration, Instant};

use farmux_netplane::reference::{ProbeError, References, Sender, Target, Wanted, who_has};
use farmux_netplane::vip::mac_text;

use super::{Context, Finding};
use crate::daemon::default_gateway;
use crate::fault::Code;

const CHECK: &str = "gateway";

/// A gateway that answers at all does so within milliseconds.
const ANSWER_WITHIN: Duration = Duration::from_millis(1_000);

/// What came of asking.
#[derive(Debug)]
enum Asked {
    NoGateway,
    NoAddress,
    NotAllowed(String),
    Silent,
    Answered([u8; 6]),
    Echoed,
}

pub(super) async fn look(context: &Context) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (network, interface) in &context.settings.networks {
        let mut gateways: Vec<Option<IpAddr>> =
            context.gateways(network).into_iter().map(Some).collect();
        if gateways.is_empty() {
            gateways.push(default_gateway(Some(interface)));
        }
        for gateway in gateways {
            let asked = match gateway {
                None => Asked::NoGateway,
                Some(IpAddr::V6(gateway)) => echo(interface, gateway).await,
                Some(IpAddr::V4(gateway)) => ask(interface, gateway).await,
            };
            findings.push(judge(&network.to_string(), interface, gateway, &asked));
        }
    }
    findings
}

async fn ask(interface: &str, gateway: Ipv4Addr) -> Asked {
    match who_has(interface, gateway.into(), Sender::ThisMachine).await {
        Ok(Some(mac)) => Asked::Answered(mac),
        // Without a carrier nobody hears the question.
        Ok(None) | Err(ProbeError::NoCarrier(_)) => Asked::Silent,
        Err(ProbeError::Interface { .. } | ProbeError::NoAddress { .. }) => Asked::NoAddress,
        Err(error @ (ProbeError::NoIpv4(_) | ProbeError::System(_))) => {
            Asked::NotAllowed(error.to_string())
        }
    }
}

/// Asks as the daemon does.
async fn echo(interface: &str, gateway: Ipv6Addr) -> Asked {
    let references = match References::start() {
        Ok(references) => references,
        Err(error) => return Asked::NotAllowed(error.to_string()),
    };
    let target = Target {
        // Nothing is asked about it.
        address: Ipv6Addr::UNSPECIFIED.into(),
        gateway: gateway.into(),
        interface: interface.into(),
    };
    references.apply(&[(CHECK.into(), target)].into());
    let end = Instant::now() + ANSWER_WITHIN;
    while Instant::now() < end {
        let sight = references.look(CHECK, Wanted::Echoes);
        if sight.is_some_and(|sight| sight.answers() == Some(true)) {
            return Asked::Echoed;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    Asked::Silent
}

/// PURE.
fn judge(network: &str, interface: &str, gateway: Option<IpAddr>, asked: &Asked) -> Finding {
    let tool = match gateway {
        Some(IpAddr::V6(_)) => "ping",
        Some(IpAddr::V4(_)) | None => "arping",
    };
    let gateway = gateway.map_or_else(|| "no gateway".to_owned(), |gateway| gateway.to_string());
    let at = format!("{network} ({interface}): {gateway}");
    match asked {
        Asked::NoGateway => Finding::warn(CHECK, Code::DoctorGateway, at)
            .why("without a reference address a VIP here cannot be held without a majority")
            .mend("set gateway = \"ADDRESS\" at the VIP, any address that always answers"),
        Asked::NoAddress => {
            Finding::fail(CHECK, Code::DoctorGateway, format!("{at} not on its LAN"))
                .why("no address of this interface is in the gateway's network")
                .mend(format!(
                    "ip addr show dev {interface}   (mend its address, or the gateway)"
                ))
        }
        Asked::NotAllowed(why) => {
            Finding::warn(CHECK, Code::DoctorGateway, format!("{at} not asked"))
                .why(why)
                .mend("run farmux doctor as root")
        }
        Asked::Silent => Finding::fail(CHECK, Code::DoctorGateway, format!("{at} does not answer"))
            .mend(format!(
                "{tool} -I {interface} {gateway}   (then cable, VLAN, or the gateway)"
            )),
        Asked::Echoed => Finding::ok(CHECK, format!("{at} answers")),
        Asked::Answered(mac) => Finding::ok(CHECK, format!("{at} answers as {}", mac_text(*mac))),
    }
}

#[cfg(test)]
mod tests {
    use super::super::Level;
    use super::*;

    const MAC: [u8; 6] = [2, 0, 0, 0, 0, 9];

    #[tokio::test]
    async fn an_ipv6_gateway_is_asked_by_echo() {
        let there = echo("lo", Ipv6Addr::LOCALHOST).await;
        assert!(matches!(there, Asked::Echoed), "{there:?}");
        let documentation = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1);
        let nowhere = echo("lo", documentation).await;
        assert!(matches!(nowhere, Asked::Silent), "{nowhere:?}");
    }

    #[test]
    fn a_silent_gateway_fails_and_none_warns() {
        let gateway = Some(IpAddr::from([10, 0, 0, 1]));
        let table = [
            (None, Asked::NoGateway, Level::Warn),
            (gateway, Asked::Silent, Level::Fail),
            (gateway, Asked::NoAddress, Level::Fail),
            (gateway, Asked::NotAllowed("EPERM".to_owned()), Level::Warn),
            (gateway, Asked::Echoed, Level::Ok),
            (gateway, Asked::Answered(MAC), Level::Ok),
        ];
        for (gateway, asked, level) in table {
            let finding = judge("lan", "eth0", gateway, &asked);
            assert_eq!(finding.level, level, "{asked:?}");
            assert_eq!(finding.code.is_empty(), level == Level::Ok, "{asked:?}");
        }
    }
}
