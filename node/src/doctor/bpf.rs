//! Whether the kernel takes our programs, and keeps what is pinned.

use farmux_netplane::sys::try_bpf;

use super::Finding;
use crate::fault::Code;

const CHECK: &str = "bpf";

pub(super) fn look() -> Vec<Finding> {
    let release = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let made = try_bpf().map_err(|error| error.to_string());
    let mounts = std::fs::read_to_string("/proc/self/mounts").unwrap_or_default();
    vec![
        judge(&made, release.trim()),
        judge_mounts(&mounts, made.is_ok()),
    ]
}

/// PURE.
fn judge(made: &Result<(), String>, release: &str) -> Finding {
    match made {
        Ok(()) => {
            let way = match has_tcx(release) {
                true => "tcx",
                false => "a clsact filter, for tcx came with 6.6",
            };
            Finding::ok(CHECK, format!("usable; Linux {release} attaches by {way}"))
        }
        Err(why) => Finding::warn(CHECK, Code::DoctorBpf, format!("not usable: {why}")),
    }
}

/// PURE. `6.1.0-18-amd64`
fn has_tcx(release: &str) -> bool {
    let mut numbers = release.split(|c: char| !c.is_ascii_digit());
    let mut next = || -> Option<u32> { numbers.next()?.parse().ok() };
    matches!((next(), next()), (Some(major), Some(minor)) if (major, minor) >= (6, 6))
}

/// PURE. `/proc/self/mounts`: what, where, kind, …
fn judge_mounts(mounts: &str, usable: bool) -> Finding {
    let place = |line: &str| {
        let mut fields = line.split(' ').skip(1);
        let (place, kind) = (fields.next()?, fields.next()?);
        (kind == "bpf").then(|| place.to_owned())
    };
    let places: Vec<String> = mounts.lines().filter_map(place).collect();
    match (places.is_empty(), usable) {
        (false, _) => Finding::ok("bpffs", places.join(", ")),
        (true, false) => Finding::ok("bpffs", "none, and none is needed without BPF"),
        (true, true) => Finding::warn("bpffs", Code::DoctorBpffs, "no bpf file system is mounted"),
    }
}

#[cfg(test)]
mod tests {
    use super::super::Level;
    use super::*;

    #[test]
    fn older_kernels_attach_by_a_filter() {
        for (release, expected) in [
            ("6.6.0", true),
            ("6.12.3-arch1", true),
            ("7.0", true),
            ("6.1.0-18-amd64", false),
            ("5.15.0", false),
            ("", false),
        ] {
            assert_eq!(has_tcx(release), expected, "{release}");
        }
        assert_eq!(judge(&Ok(()), "6.6.1").level, Level::Ok);
        let bad = judge(&Err("Operation not permitted".to_owned()), "6.6.1");
        assert_eq!((bad.level, bad.code.as_str()), (Level::Warn, "FMX-138"));
    }

    #[test]
    fn a_bpf_file_system_is_found_by_its_kind() {
        let mounts = "bpf /sys/fs/bpf bpf rw 0 0\ntmpfs /run tmpfs rw 0 0\n";
        assert_eq!(judge_mounts(mounts, true).what, "/sys/fs/bpf");
        let none = "tmpfs /bpf tmpfs rw 0 0\n";
        assert_eq!(judge_mounts(none, true).level, Level::Warn);
        assert_eq!(judge_mounts(none, false).level, Level::Ok);
    }
}
