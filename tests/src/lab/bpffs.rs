//! A file system for the pins of a lab's fences.
//!
//! It is mounted by whoever makes the lab, before any node starts: a mount made within `ip netns
//! exec` goes with the process, and the fence of a killed node has to outlive it.

use std::fs;
use std::path::Path;
use std::process::Command;

use super::process::run;

/// Mounts one; a machine that does not allow it has fences without pins, which tests notice.
pub(super) fn mount(folder: &Path) {
    let made = fs::create_dir_all(folder).is_ok();
    if made {
        let _ = run(Command::new("mount")
            .args(["-t", "bpf", "farmux-lab"])
            .arg(folder));
    }
}

/// Takes it away, with all that was pinned in it.
pub(super) fn unmount(folder: &Path) {
    if folder.is_dir() {
        let _ = run(Command::new("umount").arg(folder));
    }
}

/// Takes away whatever is mounted in a folder whose maker is dead: pins, and disks that nobody
/// serves any more, which answer nothing but errors.
pub(super) fn unmount_all_in(folder: &Path) {
    let mounts = fs::read_to_string("/proc/self/mounts").unwrap_or_default();
    let targets = mounts.lines().filter_map(|line| line.split(' ').nth(1));
    for target in targets.filter(|target| Path::new(target).starts_with(folder)) {
        let _ = run(Command::new("umount").arg("--lazy").arg(target));
    }
}
