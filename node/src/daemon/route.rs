//! The default route, which `init` proposes as a VIP's gateway.

use std::net::{IpAddr, Ipv4Addr};

/// The gateway of the main table's default route over IPv4, if there is one.
pub(super) fn default_gateway() -> Option<IpAddr> {
    parse(&std::fs::read_to_string("/proc/net/route").ok()?).map(IpAddr::V4)
}

/// PURE. Reads `/proc/net/route`: addresses are hexadecimal in the machine's byte order.
fn parse(table: &str) -> Option<Ipv4Addr> {
    table.lines().skip(1).find_map(|line| {
        let mut fields = line.split_ascii_whitespace();
        let (_interface, destination, gateway) = (fields.next()?, fields.next()?, fields.next()?);
        let gateway = u32::from_str_radix(gateway, 16).ok()?;
        let is_default = destination == "00000000" && gateway != 0;
        is_default.then(|| Ipv4Addr::from(gateway.to_ne_bytes()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_route_is_found() {
        let table = "Iface\tDestination\tGateway\tFlags\n\
                     eth0\t0000000A\t00000000\t0001\n\
                     eth0\t00000000\t0100000A\t0003\n";
        let expected = Ipv4Addr::from(0x0100_000A_u32.to_ne_bytes());
        assert_eq!(parse(table), Some(expected));
        assert_eq!(parse("Iface\tDestination\tGateway\n"), None);
        assert_eq!(parse("Iface\nnot a route\n"), None);
    }
}
