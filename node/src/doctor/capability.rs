//! What the daemon is allowed to do; where it does not run, what we are.

use super::{Context, Finding};
use crate::fault::Code;

const CHECK: &str = "capability";

/// Numbers of `linux/capability.h`, what each is for, and whether nothing works without it.
const WANTED: [(u32, &str, &str, Need); 7] = [
    (12, "CAP_NET_ADMIN", "adding VIPs", Need::Must),
    (
        13,
        "CAP_NET_RAW",
        "announcing VIPs, ICMP checks",
        Need::Must,
    ),
    (10, "CAP_NET_BIND_SERVICE", "ports below 1024", Need::Must),
    (39, "CAP_BPF", "the fence in the kernel", Need::Should),
    (38, "CAP_PERFMON", "the fence in the kernel", Need::Should),
    (
        23,
        "CAP_SYS_NICE",
        "the lease thread's real-time turn",
        Need::Should,
    ),
    (
        14,
        "CAP_IPC_LOCK",
        "the lease thread's locked memory",
        Need::Should,
    ),
];

/// Includes all of it on older kernels.
const CAP_SYS_ADMIN: u32 = 21;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Need {
    Must,
    Should,
}

pub(super) fn look(context: &Context) -> Vec<Finding> {
    let status = std::fs::read_to_string(context.process().join("status"));
    let whose = match context.daemon {
        Some(daemon) => format!("the daemon ({daemon})"),
        None => "this command, for the daemon does not run".to_owned(),
    };
    match status.ok().as_deref().and_then(parse) {
        Some(effective) => judge(effective, &whose),
        None => vec![
            Finding::warn(
                CHECK,
                Code::DoctorCapability,
                format!("not known of {whose}"),
            )
            .mend("run farmux doctor as root"),
        ],
    }
}

/// PURE. `CapEff` of `/proc/PID/status`.
fn parse(status: &str) -> Option<u64> {
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("CapEff:"))?;
    u64::from_str_radix(line.trim(), 16).ok()
}

/// PURE.
fn judge(effective: u64, whose: &str) -> Vec<Finding> {
    let has = |number: u32| (effective >> number) & 1 == 1;
    let lacks = |(number, name, _, _): &(u32, &str, &str, Need)| {
        let by_admin = name.ends_with("BPF") || name.ends_with("PERFMON");
        !(has(*number) || by_admin && has(CAP_SYS_ADMIN))
    };
    let missing: Vec<_> = WANTED.iter().filter(|one| lacks(one)).collect();
    if missing.is_empty() {
        let what = format!("{whose}: all that are needed");
        return vec![Finding::ok(CHECK, what)];
    }
    let finding = |(_, name, purpose, need): &&(u32, &str, &str, Need)| {
        let what = format!("{whose}: {name} is missing");
        let finding = match need {
            Need::Must => Finding::fail(CHECK, Code::DoctorCapability, what),
            Need::Should => Finding::warn(CHECK, Code::DoctorCapability, what),
        };
        finding.why(format!("it is needed for {purpose}")).mend(format!(
            "systemctl edit farmux: add {name} to CapabilityBoundingSet   (deploy/farmux.service)"
        ))
    };
    missing.iter().map(finding).collect()
}

#[cfg(test)]
mod tests {
    use super::super::Level;
    use super::*;

    fn levels(effective: u64) -> Vec<(Level, String)> {
        let all = judge(effective, "the daemon");
        all.into_iter().map(|one| (one.level, one.what)).collect()
    }

    #[test]
    fn what_is_missing_is_named_and_bpf_is_no_must() {
        let all: u64 = WANTED.iter().map(|(number, ..)| 1_u64 << number).sum();
        assert_eq!(levels(all).len(), 1);
        assert_eq!(levels(all)[0].0, Level::Ok);
        for (number, name, _, need) in WANTED {
            let found = levels(all & !(1_u64 << number));
            assert_eq!(found.len(), 1, "{name}");
            assert!(found[0].1.contains(name), "{found:?}");
            assert_eq!(found[0].0 == Level::Fail, need == Need::Must, "{name}");
        }
        let by_admin = (all & !(1_u64 << 39) & !(1_u64 << 38)) | (1_u64 << CAP_SYS_ADMIN);
        assert_eq!(levels(by_admin)[0].0, Level::Ok);
        assert_eq!(levels(0).len(), WANTED.len());
    }

    #[test]
    fn the_effective_set_is_read() {
        let status = "Name:\tfarmux\nCapPrm:\t0000000000000000\nCapEff:\t00000000000034ff\n";
        assert_eq!(parse(status), Some(0x34ff));
        assert_eq!(parse("Name:\tfarmux\n"), None);
    }
}
