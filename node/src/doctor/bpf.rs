//! How VIPs are fenced: as the daemon says where it owns one, else as it would be here; and whether
//! what is pinned outlives the daemon.

use std::io;
use std::path::Path;

use farmux_netplane::fence::{FenceMode, HookChoice};
use farmux_netplane::sys::{FENCE, is_bpffs, try_bpf};

use super::{Context, Finding};
use crate::fault::Code;

const CHECK: &str = "bpf";
const PINS: &str = "bpffs";

/// What the programs need of this machine.
#[derive(Debug, Clone)]
struct Facts {
    /// What `node.toml` says.
    choice: HookChoice,
    /// Whether the programs were compiled into this binary.
    built: bool,
    /// Whether a map can be made.
    usable: Result<(), String>,
    /// The kernel's release: `6.1.0-18-amd64`.
    release: String,
    /// Whether the folder for pins is in a bpffs.
    pins: Result<bool, String>,
}

pub(super) fn look(context: &Context) -> Vec<Finding> {
    let (folder, choice) = (&context.settings.bpf, context.settings.fence);
    let release = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let facts = Facts {
        choice,
        built: !FENCE.is_empty(),
        usable: try_bpf().map_err(|error| error.to_string()),
        release: release.trim().to_owned(),
        pins: pins(folder),
    };
    let mut findings = Vec::new();
    for (vip, fence) in context.fences() {
        let trouble = fence.trouble.as_deref().unwrap_or_default();
        findings.push(judge_standing(vip.as_str(), &fence.mode, trouble));
    }
    if findings.is_empty() {
        findings.push(judge(&facts));
    }
    findings.push(judge_pins(folder, &facts));
    findings
}

/// Whether a folder is in a bpffs; one that is not there yet is not.
fn pins(folder: &Path) -> Result<bool, String> {
    match std::fs::metadata(folder) {
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Err(error.to_string()),
        Ok(_) | Err(_) => Ok(is_bpffs(folder)),
    }
}

/// PURE. What the daemon says of a VIP that is here.
fn judge_standing(vip: &str, mode: &str, trouble: &str) -> Finding {
    let what = format!("VIP {vip}: the daemon fences it by {mode}");
    match (mode == FenceMode::None.name(), trouble) {
        (false, _) => Finding::ok(CHECK, what),
        (true, "") => Finding::warn(CHECK, Code::DoctorBpf, format!("VIP {vip}: not fenced yet"))
            .mend("farmux doctor   (once more)"),
        (true, why) => {
            Finding::warn(CHECK, Code::DoctorBpf, format!("VIP {vip}: not fenced")).why(why)
        }
    }
}

/// PURE. What a daemon on this machine would come to.
fn judge(facts: &Facts) -> Finding {
    let lost = |what: String| Finding::warn(CHECK, Code::DoctorBpf, what);
    let best = match facts.choice {
        HookChoice::Off => {
            return lost("switched off: node.toml says fence = \"off\"".to_owned())
                .why("after kill -9 this machine answers for its VIPs for up to 2.5 s")
                .mend("remove it from node.toml; systemctl restart farmux");
        }
        HookChoice::Best => true,
        HookChoice::Clsact => false,
    };
    if !facts.built {
        return lost("not built in: there was no clang when farmux was built".to_owned())
            .mend("apt-get install clang; build farmux again");
    }
    if let Err(why) = &facts.usable {
        return lost(format!("not usable: {why}"));
    }
    let way = match (best, has_tcx(&facts.release), &facts.pins) {
        (true, true, Ok(true)) => "tcx",
        (true, true, Ok(false)) => "a clsact filter, for tcx needs a bpffs",
        (true, true, Err(_)) => "tcx, or a clsact filter where there is no bpffs",
        (true, false, _) => "a clsact filter, for tcx came with 6.6",
        (false, _, _) => "a clsact filter, as node.toml says",
    };
    let release = &facts.release;
    Finding::ok(CHECK, format!("usable; Linux {release} attaches by {way}"))
}

/// PURE. `6.1.0-18-amd64`
fn has_tcx(release: &str) -> bool {
    let mut numbers = release.split(|c: char| !c.is_ascii_digit());
    let mut next = || -> Option<u32> { numbers.next()?.parse().ok() };
    matches!((next(), next()), (Some(major), Some(minor)) if (major, minor) >= (6, 6))
}

/// PURE. Whether the next start finds what this one pinned.
fn judge_pins(folder: &Path, facts: &Facts) -> Finding {
    let needed = facts.choice != HookChoice::Off && facts.built && facts.usable.is_ok();
    let folder = folder.display();
    match &facts.pins {
        Ok(true) => Finding::ok(PINS, folder.to_string()),
        Ok(false) | Err(_) if !needed => {
            Finding::ok(PINS, "none, and none is needed without a fence")
        }
        Ok(false) => Finding::warn(PINS, Code::DoctorBpffs, format!("{folder} is in no bpffs"))
            .why("the fence stands, but the next start does not know what this one did")
            .mend(format!(
                "mkdir -p {folder}; mount -t bpf bpf {folder}   (farmux.service does it for \
                 {DEFAULT} at each start)"
            )),
        Err(why) => Finding::warn(PINS, Code::DoctorBpffs, format!("{folder}: not known"))
            .why(why)
            .mend("run farmux doctor as root"),
    }
}

/// What the unit mounts.
const DEFAULT: &str = "/run/farmux/bpf";

#[cfg(test)]
mod tests {
    use super::super::Level;
    use super::*;

    fn facts() -> Facts {
        Facts {
            choice: HookChoice::Best,
            built: true,
            usable: Ok(()),
            release: "6.6.1".to_owned(),
            pins: Ok(true),
        }
    }

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
    }

    #[test]
    fn it_says_how_a_vip_would_be_fenced_and_what_is_lost() {
        let said = |change: fn(&mut Facts)| {
            let mut facts = facts();
            change(&mut facts);
            let finding = judge(&facts);
            (finding.level, finding.what)
        };
        type Case = (fn(&mut Facts), Level, &'static str);
        let table: [Case; 8] = [
            (|_| {}, Level::Ok, "attaches by tcx"),
            (
                |facts| facts.pins = Ok(false),
                Level::Ok,
                "tcx needs a bpffs",
            ),
            (
                |facts| facts.release = "6.1.0".to_owned(),
                Level::Ok,
                "tcx came with 6.6",
            ),
            (
                |facts| facts.choice = HookChoice::Clsact,
                Level::Ok,
                "as node.toml says",
            ),
            (
                |facts| facts.pins = Err("no".to_owned()),
                Level::Ok,
                "where there is no bpffs",
            ),
            (
                |facts| facts.choice = HookChoice::Off,
                Level::Warn,
                "switched off",
            ),
            (|facts| facts.built = false, Level::Warn, "no clang"),
            (
                |facts| facts.usable = Err("EPERM".to_owned()),
                Level::Warn,
                "EPERM",
            ),
        ];
        for (change, level, words) in table {
            let (found, what) = said(change);
            assert_eq!(found, level, "{what}");
            assert!(what.contains(words), "{what:?} should say {words:?}");
        }
    }

    #[test]
    fn the_daemon_knows_better() {
        let tcx = judge_standing("front", "tcx", "");
        assert_eq!((tcx.level, tcx.what.contains("by tcx")), (Level::Ok, true));
        let none = judge_standing("front", "none", "no fence in the kernel: …");
        assert_eq!((none.level, none.code.as_str()), (Level::Warn, "FMX-138"));
        assert!(none.why.contains("no fence"), "{none:?}");
        assert_eq!(judge_standing("front", "none", "").level, Level::Warn);
    }

    #[test]
    fn the_folder_of_node_toml_counts_and_no_other_mount() {
        let folder = Path::new("/run/farmux/bpf");
        let level = |change: fn(&mut Facts)| {
            let mut facts = facts();
            change(&mut facts);
            judge_pins(folder, &facts).level
        };
        assert_eq!(level(|_| {}), Level::Ok);
        assert_eq!(level(|facts| facts.pins = Ok(false)), Level::Warn);
        assert_eq!(
            level(|facts| facts.pins = Err("no".to_owned())),
            Level::Warn
        );
        let off = |facts: &mut Facts| (facts.pins, facts.choice) = (Ok(false), HookChoice::Off);
        assert_eq!(level(off), Level::Ok, "none is needed");
        let other = tempfile::tempdir().expect("a folder");
        assert_eq!(
            pins(other.path()),
            Ok(false),
            "wherever else one is mounted"
        );
        assert_eq!(pins(&other.path().join("nowhere")), Ok(false));
    }
}
