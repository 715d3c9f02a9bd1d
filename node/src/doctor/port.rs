//! The ports that farmux listens on: free, its own, or held by whom.
//!
//! ```text
//!   node.toml, VIPs' services ─▶ wanted   /proc/net/{tcp,udp}{,6} ─▶ bound, by inode
//!                                         /proc/PID/fd            ─▶ inode: name and pid
//! ```

use std::collections::BTreeMap;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::Path;

use farmux_raft::id::VipName;

use super::{Context, Finding};
use crate::api::types::{FarmReport, Spoken, VipReport};
use crate::fault::Code;

const CHECK: &str = "ports";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Transport {
    Tcp,
    Udp,
}

impl fmt::Display for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Transport::Tcp => "TCP",
            Transport::Udp => "UDP",
        })
    }
}

/// A port that farmux needs.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Wanted {
    purpose: String,
    transport: Transport,
    at: SocketAddr,
}

/// A port that somebody listens on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Bound {
    transport: Transport,
    at: SocketAddr,
    inode: u64,
}

/// Who has a socket.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Holder {
    process: u32,
    name: String,
}

pub(super) fn look(context: &Context) -> Vec<Finding> {
    let mut bound = Vec::new();
    for (file, transport) in [
        ("tcp", Transport::Tcp),
        ("tcp6", Transport::Tcp),
        ("udp", Transport::Udp),
        ("udp6", Transport::Udp),
    ] {
        let table = std::fs::read_to_string(Path::new("/proc/net").join(file));
        bound.extend(parse(&table.unwrap_or_default(), transport));
    }
    let wanted = wanted(context);
    let taken: Vec<(&Wanted, &Bound)> = wanted
        .iter()
        .filter_map(|one| Some((one, bound.iter().find(|bound| clashes(one, bound))?)))
        .collect();
    let holders = match taken.is_empty() {
        true => BTreeMap::new(),
        false => holders(),
    };
    judge(&wanted, &taken, &holders, context.daemon)
}

/// What `node.toml` says, and the services of VIPs where the daemon tells them.
fn wanted(context: &Context) -> Vec<Wanted> {
    let settings = &context.settings;
    let one = |purpose: &str, transport, at| Wanted {
        purpose: purpose.to_owned(),
        transport,
        at,
    };
    let mut all = Vec::new();
    for peer in &settings.peer {
        all.push(one("peer", Transport::Tcp, *peer));
        all.push(one("peer", Transport::Udp, *peer));
    }
    all.push(one("admin", Transport::Tcp, settings.admin));
    all.extend(
        settings
            .metrics
            .map(|at| one("metrics", Transport::Tcp, at)),
    );
    all.extend(served(&context.farms, &context.vips));
    all
}

/// PURE. The services of all farms, on each of their VIPs.
fn served(farms: &[FarmReport], vips: &[VipReport]) -> Vec<Wanted> {
    let mut all = Vec::new();
    for farm in farms {
        let names: Vec<&VipName> = std::iter::once(&farm.vip).chain(&farm.more_vips).collect();
        for vip in vips.iter().filter(|vip| names.contains(&&vip.name)) {
            all.extend(farm.services.iter().map(|service| Wanted {
                purpose: format!("{} of farm {}", service.name, farm.name),
                transport: match service.kind {
                    Spoken::Tcp | Spoken::Http | Spoken::Ftp => Transport::Tcp,
                },
                at: SocketAddr::new(vip.address, service.port),
            }));
        }
    }
    all
}

/// PURE. Whether who listens there is in the way: on the same address, or on all of them.
fn clashes(wanted: &Wanted, bound: &Bound) -> bool {
    let same = bound.at.ip() == wanted.at.ip();
    let all = match bound.at.ip() {
        IpAddr::V4(ip) => ip.is_unspecified() && wanted.at.is_ipv4(),
        // Unless told otherwise such a socket takes IPv4 as well.
        IpAddr::V6(ip) => ip.is_unspecified(),
    };
    bound.transport == wanted.transport && bound.at.port() == wanted.at.port() && (same || all)
}

/// PURE. Listening TCP sockets (state 0A), and unconnected UDP ones (07).
fn parse(table: &str, transport: Transport) -> Vec<Bound> {
    let wanted = match transport {
        Transport::Tcp => "0A",
        Transport::Udp => "07",
    };
    let line = |line: &str| {
        let fields: Vec<&str> = line.split_ascii_whitespace().collect();
        (*fields.get(3)? == wanted).then_some(())?;
        Some(Bound {
            transport,
            at: socket(fields.get(1)?)?,
            inode: fields.get(9)?.parse().ok()?,
        })
    };
    table.lines().skip(1).filter_map(line).collect()
}

/// PURE. `0100007F:1F90`: words of four bytes in the machine's order, and a port.
fn socket(text: &str) -> Option<SocketAddr> {
    let (address, port) = text.split_once(':')?;
    let port = u16::from_str_radix(port, 16).ok()?;
    let word = |from: usize| u32::from_str_radix(address.get(from..from + 8)?, 16).ok();
    let ip = match address.len() {
        8 => IpAddr::V4(Ipv4Addr::from(word(0)?.to_ne_bytes())),
        32 => {
            let mut bytes = [0; 16];
            for (place, part) in bytes.chunks_exact_mut(4).enumerate() {
                part.copy_from_slice(&word(8 * place)?.to_ne_bytes());
            }
            IpAddr::V6(Ipv6Addr::from(bytes))
        }
        _ => return None,
    };
    Some(SocketAddr::new(ip, port))
}

/// Every socket of every process that we may look into.
fn holders() -> BTreeMap<u64, Holder> {
    let mut holders = BTreeMap::new();
    let Ok(processes) = std::fs::read_dir("/proc") else {
        return holders;
    };
    for entry in processes.flatten() {
        let Some(process) = entry
            .file_name()
            .to_str()
            .and_then(|name| name.parse().ok())
        else {
            continue;
        };
        let folder = entry.path();
        let name = std::fs::read_to_string(folder.join("comm")).unwrap_or_default();
        for file in std::fs::read_dir(folder.join("fd"))
            .into_iter()
            .flatten()
            .flatten()
        {
            let target = std::fs::read_link(file.path()).unwrap_or_default();
            let inode = target.to_str().and_then(|text| {
                let inner = text.strip_prefix("socket:[")?.strip_suffix(']')?;
                inner.parse().ok()
            });
            if let Some(inode) = inode {
                let name = name.trim().to_owned();
                holders.entry(inode).or_insert(Holder { process, name });
            }
        }
    }
    holders
}

/// PURE.
fn judge(
    wanted: &[Wanted],
    taken: &[(&Wanted, &Bound)],
    holders: &BTreeMap<u64, Holder>,
    daemon: Option<u32>,
) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (wanted, bound) in taken {
        let holder = holders.get(&bound.inode);
        if holder.is_some_and(|holder| Some(holder.process) == daemon) {
            continue;
        }
        let Wanted {
            purpose,
            transport,
            at,
        } = wanted;
        let by = holder.map_or_else(
            || "a process that cannot be seen from here".to_owned(),
            |Holder { process, name }| format!("{name} ({process})"),
        );
        let what = format!(
            "{transport} {at} ({purpose}): held by {by}, which listens on {}",
            bound.at
        );
        findings.push(
            Finding::fail(CHECK, Code::DoctorPort, what).mend(match holder {
                Some(Holder { name, .. }) => {
                    format!("systemctl stop {name}   (or give it another port)")
                }
                None => "ss -ltnup   (as root)".to_owned(),
            }),
        );
    }
    if findings.is_empty() {
        let what = format!("{} free, or farmux's own", wanted.len());
        findings.push(Finding::ok(CHECK, what));
    }
    findings
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use farmux_raft::state::NodeRole;

    use super::super::Level;
    use super::*;
    use crate::api::status::{farm_report, sample, vip_reports};

    fn at(text: &str) -> SocketAddr {
        text.parse().expect("an address")
    }

    #[test]
    fn the_kernels_tables_are_read() {
        let own = 0x0100_007f_u32.to_ne_bytes();
        let table = "sl local_address rem_address st queues tm retrnsmt uid timeout inode\n\
                     0: 0100007F:1F90 00000000:0000 0A 0:0 00:0 0 0 0 4711 1 0\n\
                     1: 0100007F:1F91 0100007F:0050 01 0:0 00:0 0 0 0 4712 1 0\n";
        let found = parse(table, Transport::Tcp);
        let expected = Bound {
            transport: Transport::Tcp,
            at: SocketAddr::new(Ipv4Addr::from(own).into(), 8080),
            inode: 4711,
        };
        assert_eq!(found, [expected], "connections are no listeners");
        let six = socket("00000000000000000000000001000000:0050").expect("an address");
        let word = 0x0100_0000_u32.to_ne_bytes();
        let mut bytes = [0; 16];
        bytes[12..].copy_from_slice(&word);
        assert_eq!(six, SocketAddr::new(Ipv6Addr::from(bytes).into(), 80));
        for text in ["", "0100007F", "01:0050", "zz00007F:0050"] {
            assert_eq!(socket(text), None, "{text}");
        }
    }

    #[test]
    fn a_farm_listens_on_all_of_its_vips() {
        let mut state = sample::state(&[NodeRole::Balancer]);
        let config = Arc::make_mut(&mut state.config);
        let name = |text: &str| text.parse().expect("a name");
        for (more, last) in [("back", 101), ("side", 102)] {
            let mut vip = config.vips["front"].clone();
            vip.address = [10, 0, 0, last].into();
            config.vips.insert(name(more), vip);
        }
        let shop = config.farms.values_mut().next().expect("a farm");
        shop.more_vips = vec![name("back")];
        let view = sample::view(&state, &[1]);
        let farms: Vec<FarmReport> = state
            .config
            .farms
            .keys()
            .filter_map(|farm| farm_report(&view, farm))
            .collect();
        let wanted = served(&farms, &vip_reports(&view));
        let sockets: Vec<SocketAddr> = wanted.iter().map(|one| one.at).collect();
        assert_eq!(sockets, [at("10.0.0.101:80"), at("10.0.0.100:80")]);
        assert_eq!(wanted[0].purpose, "web of farm shop");
    }

    #[test]
    fn whoever_is_in_the_way_is_named() {
        let wanted = Wanted {
            purpose: "web of farm shop".to_owned(),
            transport: Transport::Tcp,
            at: at("10.0.0.100:80"),
        };
        let bound = |text: &str, transport| Bound {
            transport,
            at: at(text),
            inode: 7,
        };
        let table = [
            ("10.0.0.100:80", Transport::Tcp, true),
            ("0.0.0.0:80", Transport::Tcp, true),
            ("[::]:80", Transport::Tcp, true),
            ("10.0.0.11:80", Transport::Tcp, false),
            ("0.0.0.0:81", Transport::Tcp, false),
            ("0.0.0.0:80", Transport::Udp, false),
        ];
        for (text, transport, expected) in table {
            assert_eq!(
                clashes(&wanted, &bound(text, transport)),
                expected,
                "{text}"
            );
        }
        let nginx = Holder {
            process: 812,
            name: "nginx".to_owned(),
        };
        let holders = BTreeMap::from([(7, nginx)]);
        let all = bound("0.0.0.0:80", Transport::Tcp);
        let taken = [(&wanted, &all)];
        let wanted = std::slice::from_ref(&wanted);
        let found = judge(wanted, &taken, &holders, Some(5));
        assert_eq!(found[0].level, Level::Fail);
        assert!(found[0].what.contains("held by nginx (812)"), "{found:?}");
        let own = judge(wanted, &taken, &holders, Some(812));
        assert_eq!(own[0].level, Level::Ok);
        let unseen = judge(wanted, &taken, &BTreeMap::new(), Some(812));
        assert!(unseen[0].what.contains("cannot be seen"), "{unseen:?}");
        assert_eq!(judge(wanted, &[], &holders, None)[0].level, Level::Ok);
    }

    /// The real tables: a socket of this very test is found, with our own process behind it.
    #[test]
    fn our_own_listener_is_found() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("it has one");
        let table = std::fs::read_to_string("/proc/net/tcp").expect("Linux has it");
        let bound = parse(&table, Transport::Tcp);
        let ours = bound
            .iter()
            .find(|bound| bound.at == address)
            .expect("it listens");
        let holder = holders().remove(&ours.inode).expect("it is ours");
        assert_eq!(holder.process, std::process::id());
    }
}
