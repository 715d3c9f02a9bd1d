//! PURE. Whether this machine has room for all its checks: what is short, why, and what mends it.
//!
//! ```text
//!   plans ──Need::of──▶ need ─┐
//!   kernel ───────────▶ room ─┴─shortages──▶ what is short
//! ```

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::{IpAddr, SocketAddr};

use crate::sys::room::Room;

/// What all checks of this machine need at the worst moment, when every target hangs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Need {
    files: u64,
    ports: u64,
    neighbours_v4: u64,
    neighbours_v6: u64,
}

/// Something of which this machine has too little for its checks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Shortage {
    /// Of what.
    pub of: Scarce,
    /// How much of it the checks need.
    pub need: u64,
    /// How much there is.
    pub have: u64,
}

/// What thousands of checks may run out of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Scarce {
    /// Descriptors of this process.
    Files,
    /// Local ports towards one target. A port is taken for one target only: checks of different
    /// addresses or ports share all of them.
    Ports,
    /// Entries of the kernel's table of IPv4 neighbours.
    NeighboursV4,
    /// The same for IPv6.
    NeighboursV6,
}

impl Scarce {
    /// All of them.
    pub const ALL: [Scarce; 4] = [
        Scarce::Files,
        Scarce::Ports,
        Scarce::NeighboursV4,
        Scarce::NeighboursV6,
    ];

    /// As a label of a metric.
    pub fn word(self) -> &'static str {
        match self {
            Scarce::Files => "descriptors",
            Scarce::Ports => "ports",
            Scarce::NeighboursV4 => "neighbours-v4",
            Scarce::NeighboursV6 => "neighbours-v6",
        }
    }
}

impl fmt::Display for Shortage {
    /// What, why, and the command that mends it, in one line.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Shortage { of, need, have } = self;
        match of {
            Scarce::Files => write!(
                f,
                "checks may need {need} descriptors and there are {have}: when many targets hang, \
                 others are not probed. systemctl edit farmux   (LimitNOFILE={})",
                need.next_power_of_two()
            ),
            Scarce::Ports => write!(
                f,
                "checks may need {need} local ports towards one target and there are {have}: \
                 probes of it would fail here. sysctl -w \
                 net.ipv4.ip_local_port_range=\"{PORTS_WIDE}\""
            ),
            Scarce::NeighboursV4 => neighbours(f, *need, *have, "ipv4"),
            Scarce::NeighboursV6 => neighbours(f, *need, *have, "ipv6"),
        }
    }
}

fn neighbours(f: &mut fmt::Formatter<'_>, need: u64, have: u64, family: &str) -> fmt::Result {
    let often = need.next_power_of_two();
    write!(
        f,
        "{need} targets are neighbours in one network and the kernel remembers {have}: probes of \
         the others fail here. sysctl -w net.{family}.neigh.default.gc_thresh2={often} \
         net.{family}.neigh.default.gc_thresh3={}",
        often * 2
    )
}

impl Need {
    /// Of checks with these targets; `bound`: whether there are VIPs, so that a probe may have to
    /// be bound to an own address, which takes its port for all targets.
    pub(super) fn of(targets: impl Iterator<Item = SocketAddr>, room: &Room, bound: bool) -> Need {
        let mut at: BTreeMap<SocketAddr, u64> = BTreeMap::new();
        for target in targets {
            *at.entry(target).or_insert(0) += 1;
        }
        let checks: u64 = at.values().sum();
        let hosts: BTreeSet<IpAddr> = at.keys().map(SocketAddr::ip).collect();
        let neighbours = |v4: bool| {
            let of_family = hosts.iter().filter(|host| host.is_ipv4() == v4);
            let near = of_family.filter(|host| room.is_neighbour(**host)).count();
            u64::try_from(near).unwrap_or(u64::MAX)
        };
        Need {
            files: match checks {
                0 => 0,
                checks => checks * FILES_PER_CHECK + FILES_BESIDE,
            },
            ports: match bound {
                true => checks,
                false => at.values().copied().max().unwrap_or(0),
            },
            neighbours_v4: neighbours(true),
            neighbours_v6: neighbours(false),
        }
    }
}

/// Everything of which there is too little.
pub(super) fn shortages(need: &Need, room: &Room) -> Vec<Shortage> {
    let pairs = Scarce::ALL.map(|of| match of {
        Scarce::Files => (of, need.files, Some(room.files)),
        Scarce::Ports => (of, need.ports, room.ports),
        Scarce::NeighboursV4 => (of, need.neighbours_v4, room.neighbours_v4),
        Scarce::NeighboursV6 => (of, need.neighbours_v6, room.neighbours_v6),
    });
    let short = |(of, need, have): (Scarce, u64, Option<u64>)| {
        let have = have?;
        (need > have).then_some(Shortage { of, need, have })
    };
    pairs.into_iter().filter_map(short).collect()
}

/// Two connections of an FTP probe, or the two pipes of a plugin.
const FILES_PER_CHECK: u64 = 2;

/// The log's files, peers, listeners, and some clients: what a node has open beside its probes.
const FILES_BESIDE: u64 = 512;

/// All ports that need no privilege and that nobody customarily listens on.
const PORTS_WIDE: &str = "15000 64999";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::room::Route;

    fn room(files: u64, ports: u64, v4: u64, v6: u64) -> Room {
        let direct = |to: &str| Route {
            to: to.parse().expect("a network"),
            direct: true,
        };
        Room {
            files,
            ports: Some(ports),
            neighbours_v4: Some(v4),
            neighbours_v6: Some(v6),
            routes: vec![direct("10.0.0.0/16"), direct("2001:db8::/64")],
        }
    }

    fn hosts(count: u32, v6: bool) -> Vec<SocketAddr> {
        let host = |number: u32| -> IpAddr {
            match v6 {
                false => std::net::Ipv4Addr::from(0x0a00_0000 + number).into(),
                true => {
                    let base = 0x2001_0db8_u128 << 96;
                    std::net::Ipv6Addr::from(base + u128::from(number)).into()
                }
            }
        };
        (1..=count)
            .map(|number| (host(number), 80).into())
            .collect()
    }

    fn short(targets: &[SocketAddr], room: &Room, bound: bool) -> Vec<(&'static str, u64, u64)> {
        let need = Need::of(targets.iter().copied(), room, bound);
        let found = shortages(&need, room).into_iter();
        found
            .map(|Shortage { of, need, have }| (of.word(), need, have))
            .collect()
    }

    #[test]
    fn five_thousand_in_one_lan_need_more_than_the_kernels_defaults() {
        let defaults = room(1024, 28_232, 1024, 1024);
        let v4 = hosts(5000, false);
        let wanted = [("descriptors", 10_512, 1024), ("neighbours-v4", 5000, 1024)];
        assert_eq!(short(&v4, &defaults, false), wanted);
        let v6 = hosts(1025, true);
        let wanted = [("descriptors", 2562, 1024), ("neighbours-v6", 1025, 1024)];
        assert_eq!(short(&v6, &defaults, false), wanted);
        let mended = room(1_048_576, 28_232, 16_384, 16_384);
        assert_eq!(short(&v4, &mended, false), []);
    }

    #[test]
    fn nothing_to_probe_needs_nothing() {
        assert_eq!(short(&[], &room(64, 1, 0, 0), true), []);
    }

    /// Far targets are no neighbours; and what the kernel does not say is no shortage.
    #[test]
    fn only_what_is_known_and_near_counts() {
        let mut far = room(100_000, 28_232, 10, 10);
        far.routes.clear();
        assert_eq!(short(&hosts(5000, false), &far, false), []);
        let mut silent = room(100_000, 28_232, 10, 10);
        silent.neighbours_v4 = None;
        assert_eq!(short(&hosts(5000, false), &silent, false), []);
    }

    #[test]
    fn ports_are_short_towards_one_target_only() {
        let narrow = room(100_000, 100, 9999, 9999);
        assert_eq!(short(&hosts(500, false), &narrow, false), []);
        let one = vec![hosts(1, false).remove(0); 101];
        assert_eq!(short(&one, &narrow, false), [("ports", 101, 100)]);
        let wanted = [("ports", 500, 100)];
        assert_eq!(short(&hosts(500, false), &narrow, true), wanted, "bound");
    }

    #[test]
    fn each_says_what_why_and_what_mends_it() {
        for of in Scarce::ALL {
            let text = Shortage {
                of,
                need: 5000,
                have: 1024,
            }
            .to_string();
            assert!(text.contains("5000") && text.contains("1024"), "{text}");
            assert!(
                text.contains("sysctl -w net.") || text.contains("LimitNOFILE=8192"),
                "{text}"
            );
        }
    }
}
