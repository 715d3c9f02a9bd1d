//! Which file may be run: one directly within the folder, that only root can have written.

use std::fs::{Metadata, symlink_metadata};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use super::plugin::UnsafeFile;

/// The path of `command` within `folder`.
///
/// Whoever could exchange it between this look and its start is root already: neither the file
/// nor the folder can be written by anybody else.
pub(super) fn safe(folder: &Path, command: &str) -> Result<PathBuf, UnsafeFile> {
    if !is_bare(command) {
        return Err(UnsafeFile::Name);
    }
    let look = |path: &Path| symlink_metadata(path).map_err(|_| UnsafeFile::Missing);
    let folder_is = look(folder)?;
    if !folder_is.is_dir() || !is_roots(&folder_is) || is_writable(&folder_is) {
        return Err(UnsafeFile::Folder);
    }
    let path = folder.join(command);
    let file = look(&path)?;
    if !file.is_file() {
        return Err(UnsafeFile::NotRegular);
    }
    if !is_roots(&file) {
        return Err(UnsafeFile::NotRoots);
    }
    if is_writable(&file) {
        return Err(UnsafeFile::Writable);
    }
    Ok(path)
}

fn is_bare(command: &str) -> bool {
    !matches!(command, "" | "." | "..") && !command.contains(['/', '\0'])
}

fn is_roots(of: &Metadata) -> bool {
    of.uid() == 0
}

fn is_writable(of: &Metadata) -> bool {
    of.mode() & WRITE_BY_OTHERS != 0
}

/// Write permission for the group and for all.
const WRITE_BY_OTHERS: u32 = 0o022;

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::{PermissionsExt as _, chown, symlink};

    /// Runs as root, as all tests that need its rights do.
    #[test]
    fn only_what_root_alone_can_write() {
        let folder = tempfile::tempdir().expect("a folder");
        let inside = |name: &str| folder.path().join(name);
        let put = |name: &str, mode: u32| {
            fs::write(inside(name), "#!/bin/sh\n").expect("writes");
            fs::set_permissions(inside(name), fs::Permissions::from_mode(mode)).expect("ours");
        };
        put("good", 0o755);
        put("group", 0o775);
        put("all", 0o757);
        put("foreign", 0o755);
        chown(inside("foreign"), Some(65_534), None).expect("root may");
        symlink(inside("good"), inside("link")).expect("links");
        fs::create_dir(inside("folder")).expect("makes");
        for (command, wanted) in [
            ("good", Ok(inside("good"))),
            ("group", Err(UnsafeFile::Writable)),
            ("all", Err(UnsafeFile::Writable)),
            ("foreign", Err(UnsafeFile::NotRoots)),
            ("link", Err(UnsafeFile::NotRegular)),
            ("folder", Err(UnsafeFile::NotRegular)),
            ("none", Err(UnsafeFile::Missing)),
            ("", Err(UnsafeFile::Name)),
            (".", Err(UnsafeFile::Name)),
            ("..", Err(UnsafeFile::Name)),
            ("folder/../good", Err(UnsafeFile::Name)),
            ("/bin/true", Err(UnsafeFile::Name)),
            ("good\0x", Err(UnsafeFile::Name)),
        ] {
            assert_eq!(safe(folder.path(), command), wanted, "{command:?}");
        }

        let open = fs::Permissions::from_mode(0o777);
        fs::set_permissions(folder.path(), open).expect("ours");
        assert_eq!(safe(folder.path(), "good"), Err(UnsafeFile::Folder));
        assert_eq!(safe(&inside("absent"), "good"), Err(UnsafeFile::Missing));
    }
}
