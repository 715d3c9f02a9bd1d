//! How much room the kernel gives to whoever opens thousands of connections: descriptors, local
//! ports, neighbours; and which targets are neighbours at all.

use std::fs::File;
use std::io::Read;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

use super::limits;

/// What the kernel allows; `None` where it does not say, as within a container.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Room {
    /// Descriptors of this process.
    pub files: u64,
    /// Local ports that the kernel hands out by itself.
    pub ports: Option<u64>,
    /// Neighbours that it remembers at most, IPv4.
    pub neighbours_v4: Option<u64>,
    /// The same for IPv6.
    pub neighbours_v6: Option<u64>,
    /// Where packets go.
    pub routes: Vec<Route>,
}

/// One line of the main routing table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Route {
    /// To whom it leads.
    pub to: IpNet,
    /// Whether they are neighbours: no gateway is between.
    pub direct: bool,
}

impl Room {
    /// As it is now; raises the limit of descriptors as far as it may.
    pub fn read() -> Room {
        let routes_v4 = text("/proc/net/route");
        let routes_v6 = text("/proc/net/ipv6_route");
        let lines = routes_v4.lines().filter_map(route_v4);
        Room {
            files: limits::raise_open_files(),
            ports: ports(&text("/proc/sys/net/ipv4/ip_local_port_range")),
            neighbours_v4: number("/proc/sys/net/ipv4/neigh/default/gc_thresh3"),
            neighbours_v6: number("/proc/sys/net/ipv6/neigh/default/gc_thresh3"),
            routes: lines
                .chain(routes_v6.lines().filter_map(route_v6))
                .collect(),
        }
    }

    /// Whether a target is a neighbour, by the longest route that leads to it.
    pub fn is_neighbour(&self, target: IpAddr) -> bool {
        let leads = self
            .routes
            .iter()
            .filter(|route| route.to.contains(&target));
        let best = leads.max_by_key(|route| route.to.prefix_len());
        best.is_some_and(|route| route.direct)
    }
}

/// The beginning of a file, empty where there is none.
fn text(path: &str) -> String {
    let mut text = String::new();
    if let Ok(file) = File::open(path) {
        // A table that is longer is cut: fewer targets count as neighbours.
        let _ = file.take(FILE_BYTES_MAX).read_to_string(&mut text);
    }
    text
}

fn number(path: &str) -> Option<u64> {
    text(path).trim().parse().ok()
}

/// Both ends of the range, with a tab between.
fn ports(range: &str) -> Option<u64> {
    let mut words = range.split_whitespace();
    let first: u64 = words.next()?.parse().ok()?;
    let last: u64 = words.next()?.parse().ok()?;
    (last >= first).then(|| last - first + 1)
}

/// **Source**: `net/ipv4/fib_trie.c`, `fib_route_seq_show`: addresses are hexadecimal words in the
/// byte order of the machine.
fn route_v4(line: &str) -> Option<Route> {
    let words: Vec<&str> = line.split_whitespace().collect();
    let [interface, to, gateway, flags, _, _, _, mask, ..] = words[..] else {
        return None;
    };
    let address = |word: &str| {
        let word = u32::from_str_radix(word, 16).ok()?;
        Some(Ipv4Addr::from(word.to_ne_bytes()))
    };
    let flags = u32::from_str_radix(flags, 16).ok()?;
    if interface == LOOPBACK || flags & REJECT != 0 {
        return None;
    }
    let net = Ipv4Net::with_netmask(address(to)?, address(mask)?).ok()?;
    Some(Route {
        to: net.into(),
        direct: address(gateway)?.is_unspecified(),
    })
}

/// **Source**: `net/ipv6/route.c`, `ipv6_route_native_seq_show`.
fn route_v6(line: &str) -> Option<Route> {
    let words: Vec<&str> = line.split_whitespace().collect();
    let [to, prefix, _, _, gateway, _, _, _, flags, interface] = words[..] else {
        return None;
    };
    let address = |word: &str| {
        let word = u128::from_str_radix(word, 16).ok()?;
        Some(Ipv6Addr::from(word))
    };
    let flags = u32::from_str_radix(flags, 16).ok()?;
    if interface == LOOPBACK || flags & REJECT != 0 {
        return None;
    }
    let prefix = u8::from_str_radix(prefix, 16).ok()?;
    Some(Route {
        to: Ipv6Net::new(address(to)?, prefix).ok()?.into(),
        direct: address(gateway)?.is_unspecified(),
    })
}

/// It has no neighbours.
const LOOPBACK: &str = "lo";

/// `RTF_REJECT` of `linux/route.h`: nothing is sent there.
const REJECT: u32 = 0x200;

/// Some thousand routes.
const FILE_BYTES_MAX: u64 = 1 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    const V4: &str = "\
Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT
eth0\t00000000\t0100000A\t0003\t0\t0\t0\t00000000\t0\t0\t0
eth0\t0000000A\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0
eth0\t0002000A\t0900000A\t0003\t0\t0\t0\t00FFFFFF\t0\t0\t0
lo\t00004D0A\t00000000\t0001\t0\t0\t0\t0000FFFF\t0\t0\t0
";
    const V6: &str = "\
20010db8000000000000000000000000 40 00000000000000000000000000000000 00 \
00000000000000000000000000000000 00000100 00000001 00000000 00000001     eth0
00000000000000000000000000000000 00 00000000000000000000000000000000 00 \
fe800000000000000000000000000001 00000400 00000001 00000000 00000003     eth0
00000000000000000000000000000000 00 00000000000000000000000000000000 00 \
00000000000000000000000000000000 ffffffff 00000001 00000000 00200200       lo
";

    #[test]
    #[cfg(target_endian = "little")]
    fn a_neighbour_is_who_has_no_gateway_before_it() {
        let lines = V4.lines().filter_map(route_v4);
        let room = Room {
            routes: lines.chain(V6.lines().filter_map(route_v6)).collect(),
            ..Room::default()
        };
        assert_eq!(room.routes.len(), 5);
        for (target, neighbour) in [
            ("10.0.0.7", true),
            ("10.0.2.7", false),
            ("192.0.2.1", false),
            ("10.77.1.1", false),
            ("2001:db8::7", true),
            ("2001:db9::7", false),
        ] {
            let target = target.parse().expect("an address");
            assert_eq!(room.is_neighbour(target), neighbour, "{target}");
        }
    }

    #[test]
    fn this_machine_says_something() {
        let room = Room::read();
        assert!(room.files > 0);
        assert_eq!(ports("32768\t60999\n"), Some(28_232));
        assert_eq!(ports("9 1"), None);
        assert_eq!(ports(""), None);
    }
}
