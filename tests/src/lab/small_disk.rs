//! A small disk for one folder, which can be filled to the last byte.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

/// A file system of its own; dropped, it is unmounted.
#[derive(Debug)]
pub struct SmallDisk(PathBuf);

impl SmallDisk {
    /// Mounts an empty one of so many MiB.
    ///
    /// **Errors**: no right to mount.
    pub fn mount(folder: &Path, mib: u32) -> Result<SmallDisk> {
        fs::create_dir_all(folder)?;
        let mut mount = Command::new("mount");
        let size = format!("size={mib}m");
        mount.args(["-t", "tmpfs", "-o", &size, "farmux-disk"]);
        let mounted = mount.arg(folder).status().context("mount")?;
        ensure!(mounted.success(), "mount {}: {mounted}", folder.display());
        Ok(SmallDisk(folder.to_owned()))
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.0
    }

    fn filler(&self) -> PathBuf {
        self.0.join("filler")
    }

    /// Another program fills it to the last byte.
    ///
    /// **Errors**: the file that fills it cannot be made.
    pub fn fill(&self) -> Result<()> {
        let mut file = fs::File::create(self.filler())?;
        // Smaller and smaller pieces: the last one is a byte.
        for piece in [1 << 20, 1 << 12, 1] {
            while file.write_all(&vec![0; piece]).is_ok() {}
        }
        Ok(())
    }

    /// What filled it goes.
    ///
    /// **Errors**: it was not filled.
    pub fn free(&self) -> Result<()> {
        fs::remove_file(self.filler()).context("free the disk")
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Lazily: a killed daemon may hold it for a moment longer.
        let _ = Command::new("umount").arg("--lazy").arg(&self.0).status();
    }
}
