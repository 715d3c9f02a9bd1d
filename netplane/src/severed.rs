//! Severed: in a drill this machine drops what its peers or its gateway say, by nftables.
//!
//! ```text
//!   table inet farmux_drill     input, output: ports of the peers; what goes to the gateway
//!   table netdev farmux_drill   ingress: what comes from the gateway, ARP included
//!       set { 7946 timeout 30s }   the kernel lets the element go, whoever is dead by then
//! ```
//!
//! The tables are ours alone, and one script replaces both. What is left when every element has
//! timed out are rules that match nothing; [`heal`] takes them away.
//!
//! Peers are told by their ports, never by their addresses: the client of a drill asks through the
//! VIP from one of those. What comes from a gateway is dropped where it comes in, before ARP and
//! before raw sockets of the ARP protocol, so that the node sees it no more by any of its probes.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::net::IpAddr;
use std::time::Duration;

use crate::sys::{NftError, nft};

/// From whom this machine is severed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Severed {
    /// From the other nodes.
    Peers {
        /// Where they and this one listen, TCP and UDP.
        ports: BTreeSet<u16>,
    },
    /// From a gateway.
    Gateway {
        /// Which.
        gateway: IpAddr,
        /// Through which interfaces it may be seen.
        interfaces: Vec<String>,
    },
}

/// Severs this machine, for so long at most; whatever was severed before is healed.
///
/// **Errors**: [`NftError`]; nothing has changed.
pub fn sever(from: &Severed, lasts: Duration) -> Result<(), NftError> {
    nft(&script(from, lasts))
}

/// Takes away whatever [`sever`] left, or nothing.
///
/// **Errors**: [`NftError`].
pub fn heal() -> Result<(), NftError> {
    nft(NOTHING)
}

/// Makes each table where it is not, so that it can be taken away; older programs know no
/// `destroy`.
const NOTHING: &str = "add table inet farmux_drill\ndelete table inet farmux_drill\n\
                       add table netdev farmux_drill\ndelete table netdev farmux_drill\n";

/// PURE.
fn script(from: &Severed, lasts: Duration) -> String {
    let lasts = lasts.as_millis().max(1);
    let rules = match from {
        Severed::Peers { ports } => peers(ports, lasts),
        Severed::Gateway {
            gateway,
            interfaces,
        } => gateway_rules(*gateway, interfaces, lasts),
    };
    format!("{NOTHING}{rules}")
}

fn peers(ports: &BTreeSet<u16>, lasts: u128) -> String {
    let elements: Vec<String> = ports
        .iter()
        .map(|port| format!("{port} timeout {lasts}ms"))
        .collect();
    let mut rules = String::new();
    for protocol in ["tcp", "udp"] {
        for end in ["sport", "dport"] {
            let _ = writeln!(rules, "    {protocol} {end} @ports drop");
        }
    }
    let elements = elements.join(", ");
    // What this machine says to itself is nobody's word.
    let chain = |hook: &str, loopback: &str| {
        let rules = format!("    {loopback} \"lo\" accept\n{rules}");
        chain(&format!("type filter hook {hook} priority -300"), &rules)
    };
    format!(
        "table inet farmux_drill {{\n  set ports {{ type inet_service; flags timeout; elements = \
         {{ {elements} }} }}\n  chain in {}  chain out {}}}\n",
        chain("input", "iifname"),
        chain("output", "oifname")
    )
}

fn gateway_rules(gateway: IpAddr, interfaces: &[String], lasts: u128) -> String {
    let (kind, protocol) = match gateway {
        IpAddr::V4(_) => ("ipv4_addr", "ip"),
        IpAddr::V6(_) => ("ipv6_addr", "ip6"),
    };
    let set = format!(
        "  set gateway {{ type {kind}; flags timeout; elements = {{ {gateway} timeout {lasts}ms }} \
         }}\n"
    );
    let to = format!("    {protocol} daddr @gateway drop\n");
    let to = chain("type filter hook output priority -300", &to);
    let mut from = format!("    {protocol} saddr @gateway drop\n");
    if gateway.is_ipv4() {
        from.push_str("    arp saddr ip @gateway drop\n");
    }
    let mut chains = String::new();
    for (number, interface) in interfaces.iter().enumerate() {
        let hook = format!("type filter hook ingress device \"{interface}\" priority -500");
        let _ = write!(chains, "  chain from{number} {}", chain(&hook, &from));
    }
    format!(
        "table inet farmux_drill {{\n{set}  chain out {to}}}\n\
         table netdev farmux_drill {{\n{set}{chains}}}\n"
    )
}

fn chain(hook: &str, rules: &str) -> String {
    format!("{{\n    {hook}; policy accept;\n{rules}  }}\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scripts_are_as_they_are() {
        let ports = [7946, 8946].into();
        let text = script(&Severed::Peers { ports }, Duration::from_secs(30));
        let wanted = "table inet farmux_drill {
  set ports { type inet_service; flags timeout; elements = { 7946 timeout 30000ms, 8946 timeout \
                      30000ms } }
  chain in {
    type filter hook input priority -300; policy accept;
    iifname \"lo\" accept
    tcp sport @ports drop
    tcp dport @ports drop
    udp sport @ports drop
    udp dport @ports drop
  }
  chain out {
    type filter hook output priority -300; policy accept;
    oifname \"lo\" accept
    tcp sport @ports drop
    tcp dport @ports drop
    udp sport @ports drop
    udp dport @ports drop
  }
}
";
        assert_eq!(text, format!("{NOTHING}{wanted}"));
        let from = Severed::Gateway {
            gateway: IpAddr::from([10, 0, 0, 1]),
            interfaces: vec!["eth0".to_owned()],
        };
        let wanted = "table inet farmux_drill {
  set gateway { type ipv4_addr; flags timeout; elements = { 10.0.0.1 timeout 2000ms } }
  chain out {
    type filter hook output priority -300; policy accept;
    ip daddr @gateway drop
  }
}
table netdev farmux_drill {
  set gateway { type ipv4_addr; flags timeout; elements = { 10.0.0.1 timeout 2000ms } }
  chain from0 {
    type filter hook ingress device \"eth0\" priority -500; policy accept;
    ip saddr @gateway drop
    arp saddr ip @gateway drop
  }
}
";
        let text = script(&from, Duration::from_secs(2));
        assert_eq!(text, format!("{NOTHING}{wanted}"));
    }
}
