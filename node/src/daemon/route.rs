//! The default route: `init` proposes its gateway for a VIP, and `doctor` asks it.

use std::net::{IpAddr, Ipv4Addr};

/// The gateway of the main table's default route over IPv4, if there is one; through one interface
/// where that is named.
pub(crate) fn default_gateway(interface: Option<&str>) -> Option<IpAddr> {
    let table = std::fs::read_to_string("/proc/net/route").ok()?;
    parse(&table, interface).map(IpAddr::V4)
}

/// PURE. Reads `/proc/net/route`: addresses are hexadecimal in the machine's byte order.
fn parse(table: &str, wanted: Option<&str>) -> Option<Ipv4Addr> {
    table.lines().skip(1).find_map(|line| {
        let mut fields = line.split_ascii_whitespace();
        let (interface, destination, gateway) = (fields.next()?, fields.next()?, fields.next()?);
        let gateway = u32::from_str_radix(gateway, 16).ok()?;
        let ours = wanted.is_none_or(|wanted| wanted == interface);
        let is_default = destination == "00000000" && gateway != 0;
        (ours && is_default).then(|| Ipv4Addr::from(gateway.to_ne_bytes()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_route_is_found_through_any_interface_or_one() {
        let table = "Iface\tDestination\tGateway\tFlags\n\
                     eth0\t0000000A\t00000000\t0001\n\
                     eth1\t00000000\t0200000A\t0003\n\
                     eth0\t00000000\t0100000A\t0003\n";
        let gateway = |word: u32| Some(Ipv4Addr::from(word.to_ne_bytes()));
        assert_eq!(parse(table, None), gateway(0x0200_000A));
        assert_eq!(parse(table, Some("eth0")), gateway(0x0100_000A));
        assert_eq!(parse(table, Some("eth2")), None);
        for none in ["", "Iface\tDestination\tGateway\n", "Iface\nnot a route\n"] {
            assert_eq!(parse(none, None), None);
        }
    }
}
