//! What the kernel does with ARP, with paths back, and with ports of our own.

use std::path::Path;

use super::{Context, Finding};
use crate::fault::Code;

const CHECK: &str = "sysctl";

/// Fewer ports than this are used up by one busy server: a closed connection keeps its port for a
/// minute, so that 20,000 are 330 new connections a second.
const PORTS_MIN: u32 = 20_000;

pub(super) fn look(context: &Context) -> Vec<Finding> {
    let mut findings = Vec::new();
    let networks = &context.settings.networks;
    for interface in networks.values() {
        let (ignore, announce) = (of(interface, "arp_ignore"), of(interface, "arp_announce"));
        findings.extend(judge_arp(interface, ignore, announce));
        let filter = of(interface, "rp_filter");
        findings.extend(judge_filter(interface, filter, networks.len()));
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

/// What holds on an interface: the larger of its own value and that of all (`ip-sysctl.rst`).
fn of(interface: &str, name: &str) -> Option<u32> {
    let folder = Path::new("/proc/sys/net/ipv4/conf");
    let value = |of: &str| number(&folder.join(of).join(name));
    value(interface).max(value("all"))
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
                "sysctl -w net.ipv4.conf.{interface}.arp_ignore=1 \
                 net.ipv4.conf.{interface}.arp_announce=2"
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
                "sysctl -w net.ipv4.conf.all.rp_filter=2 net.ipv4.conf.{interface}.rp_filter=2"
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
