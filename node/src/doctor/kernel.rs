//! What the kernel does with ARP, with paths back, and with ports of our own.

use std::path::Path;

use super::{Context, Finding};
use crate::fault::Code;

const CHECK: &str = "sysctl";

/// Fewer ports than this are used up by one busy server: a closed connection keeps its port for a
/// minute, so that 20,000 are 330 new connections a second.
const PORTS_MIN: u32 = 20_000;

/// A folder for each interface, and one for all. Written with slashes in what an operator types,
/// too: with dots, `eth0.100` would be two folders.
const CONF: &str = "/proc/sys/net/ipv4/conf";

pub(super) fn look(context: &Context) -> Vec<Finding> {
    let mut findings = Vec::new();
    let networks = &context.settings.networks;
    for interface in networks.values() {
        let of = |name: &str| of(Path::new(CONF), interface, name);
        let (ignore, announce) = (of("arp_ignore"), of("arp_announce"));
        findings.extend(judge_arp(interface, ignore, announce));
        findings.extend(judge_filter(interface, of("rp_filter"), networks.len()));
    }
    let ipv4 = Path::new("/proc/sys/net/ipv4");
    findings.extend(judge_reuse(number(&ipv4.join("tcp_tw_reuse"))));
    let range = std::fs::read_to_string(ipv4.join("ip_local_port_range"));
    findings.extend(range.ok().and_then(|range| judge_ports(&range)));
    let what = "ip_nonlocal_bind is not needed: listeners are bound with IP_FREEBIND";
    findings.push(Finding::ok(CHECK, what));
    findings
}

fn number(path: &Path) -> Option<u32> {
    std::fs::read_to_string(path).ok()?.trim().parse().ok()
}

/// What holds on an interface: the larger of its own value and that of all (`ip-sysctl.rst`);
/// `None` where there is no such interface.
fn of(folder: &Path, interface: &str, name: &str) -> Option<u32> {
    let value = |of: &str| number(&folder.join(of).join(name));
    Some(value(interface)?.max(value("all").unwrap_or(0)))
}

/// PURE.
fn judge_arp(interface: &str, ignore: Option<u32>, announce: Option<u32>) -> Option<Finding> {
    let (ignore, announce) = (ignore?, announce?);
    let what = format!("{interface}: arp_ignore={ignore}, arp_announce={announce}");
    if ignore >= 1 && announce >= 2 {
        return Some(Finding::ok(CHECK, what));
    }
    Some(
        Finding::warn(CHECK, Code::DoctorSysctl, what)
            .why(
                "the kernel answers for a VIP on other interfaces than its own; the daemon sets \
                 both when it shows a VIP, unless /proc/sys is read-only",
            )
            .mend(format!(
                "sysctl -w net/ipv4/conf/{interface}/arp_ignore=1 \
                 net/ipv4/conf/{interface}/arp_announce=2"
            )),
    )
}

/// PURE.
fn judge_filter(interface: &str, filter: Option<u32>, networks: usize) -> Option<Finding> {
    let filter = filter?;
    let what = format!("{interface}: rp_filter={filter}");
    if filter != 1 || networks < 2 {
        return Some(Finding::ok(CHECK, what));
    }
    Some(
        Finding::warn(CHECK, Code::DoctorSysctl, what)
            .why(
                "with several networks an answer may leave by another way than the question came; \
                 strict filtering drops it",
            )
            .mend(format!(
                "sysctl -w net/ipv4/conf/all/rp_filter=2 net/ipv4/conf/{interface}/rp_filter=2"
            )),
    )
}

/// PURE.
fn judge_reuse(reuse: Option<u32>) -> Option<Finding> {
    let reuse = reuse?;
    let what = format!("tcp_tw_reuse={reuse}");
    if reuse > 0 {
        return Some(Finding::ok(CHECK, what));
    }
    Some(
        Finding::warn(CHECK, Code::DoctorSysctl, what)
            .why("ports of connections to servers stay taken for a minute after their end")
            .mend("sysctl -w net.ipv4.tcp_tw_reuse=1"),
    )
}

/// PURE. `32768 60999`.
fn judge_ports(range: &str) -> Option<Finding> {
    let mut ends = range.split_ascii_whitespace();
    let (first, last): (u32, u32) = (ends.next()?.parse().ok()?, ends.next()?.parse().ok()?);
    let count = last.saturating_sub(first) + 1;
    let what = format!("ip_local_port_range={first}-{last}");
    if count >= PORTS_MIN {
        return Some(Finding::ok(CHECK, what));
    }
    Some(
        Finding::warn(CHECK, Code::DoctorSysctl, what)
            .why(format!(
                "{count} ports are soon used up towards one busy server"
            ))
            .mend("sysctl -w net.ipv4.ip_local_port_range=\"16384 60999\""),
    )
}

#[cfg(test)]
mod tests {
    use super::super::Level;
    use super::*;

    fn level(finding: Option<Finding>) -> Option<Level> {
        finding.map(|finding| {
            assert_eq!(finding.code.is_empty(), finding.level == Level::Ok);
            finding.level
        })
    }

    #[test]
    fn arp_must_be_quiet() {
        let judge = |ignore, announce| level(judge_arp("eth0", ignore, announce));
        assert_eq!(judge(Some(1), Some(2)), Some(Level::Ok));
        assert_eq!(judge(Some(2), Some(2)), Some(Level::Ok));
        assert_eq!(judge(Some(0), Some(2)), Some(Level::Warn));
        assert_eq!(judge(Some(1), Some(0)), Some(Level::Warn));
        assert_eq!(judge(None, Some(0)), None, "no such interface");
    }

    #[test]
    fn an_interface_that_is_not_there_has_no_value_of_all() {
        let folder = tempfile::tempdir().expect("a folder");
        for (interface, value) in [("all", "2"), ("eth0", "0"), ("eth0.100", "3")] {
            let folder = folder.path().join(interface);
            std::fs::create_dir(&folder).expect("a folder");
            std::fs::write(folder.join("arp_ignore"), value).expect("a file");
        }
        let of = |interface| of(folder.path(), interface, "arp_ignore");
        assert_eq!(of("eth0"), Some(2), "the larger one");
        assert_eq!(of("eth0.100"), Some(3));
        assert_eq!(of("moon0"), None);
        let vlan = judge_arp("eth0.100", Some(0), Some(0)).expect("it is there");
        assert!(
            vlan.mend.contains("net/ipv4/conf/eth0.100/arp_ignore=1"),
            "{}",
            vlan.mend
        );
        let filter = judge_filter("eth0.100", Some(1), 2).expect("it is there");
        assert!(
            filter.mend.contains("net/ipv4/conf/eth0.100/rp_filter=2"),
            "{}",
            filter.mend
        );
    }

    #[test]
    fn strict_filtering_hurts_where_there_are_two_ways() {
        let judge = |filter, networks| level(judge_filter("eth0", filter, networks));
        assert_eq!(judge(Some(1), 1), Some(Level::Ok));
        assert_eq!(judge(Some(1), 2), Some(Level::Warn));
        assert_eq!(judge(Some(2), 2), Some(Level::Ok));
        assert_eq!(judge(Some(0), 2), Some(Level::Ok));
    }

    #[test]
    fn ports_must_last() {
        assert_eq!(level(judge_ports("32768\t60999\n")), Some(Level::Ok));
        assert_eq!(level(judge_ports("50000 60999")), Some(Level::Warn));
        assert_eq!(level(judge_ports("nonsense")), None);
        assert_eq!(level(judge_reuse(Some(2))), Some(Level::Ok));
        assert_eq!(level(judge_reuse(Some(0))), Some(Level::Warn));
    }
}
