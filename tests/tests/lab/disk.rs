//! A data folder that cannot be used: full, or in use by another process. Each has its own code,
//! and the command that mends it.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use farmux_tests::lab::cluster::AGREES_WITHIN;
use farmux_tests::lab::node::{Node, binary};
use farmux_tests::lab::{Lab, node_address, wait};

/// A small disk; dropped, it is unmounted.
struct Disk(PathBuf);

impl Disk {
    /// Room for a log and a little more.
    fn mount(folder: &Path) -> Result<Disk> {
        fs::create_dir_all(folder)?;
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", "size=16m", "farmux-disk"]);
        let mounted = mount.arg(folder).status().context("mount")?;
        ensure!(mounted.success(), "mount {}: {mounted}", folder.display());
        Ok(Disk(folder.to_owned()))
    }

    fn filler(&self) -> PathBuf {
        self.0.join("filler")
    }

    /// Fills it to the last byte.
    fn fill(&self) -> Result<()> {
        let mut file = fs::File::create(self.filler())?;
        // Smaller and smaller pieces: the last one is a byte.
        for piece in [1 << 20, 1 << 12, 1] {
            while file.write_all(&vec![0; piece]).is_ok() {}
        }
        Ok(())
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // Lazily: a killed daemon may hold it for a moment longer.
        let _ = Command::new("umount").arg("--lazy").arg(&self.0).status();
    }
}

#[test]
fn a_full_disk_is_named_with_what_mends_it() -> Result<()> {
    let lab = Lab::new()?;
    let disk = Disk::mount(&lab.folder().join("lb1/data"))?;
    let mut node = Node::start(&lab, "lb1", node_address(1))?;
    node.ask(&["cluster", "init", "--name", "prod"])?;
    disk.fill()?;
    // What is to be confirmed cannot be written: the daemon ends rather than go on without.
    wait::until_true("the daemon ends", AGREES_WITHIN, || {
        let _ = node.command(&["cluster", "token", "create"]);
        !node.is_running()
    })?;
    let said = node.process()?.log();
    ensure!(said.contains("No space left on device"), "{said}");

    let path = disk.0.display();
    let mend = format!("mend: free space in {path}, then systemctl restart farmux");
    let error = node.run().expect_err("there is no room").to_string();
    ensure!(
        error.contains("FMX-117") && error.contains(&mend),
        "{error}"
    );

    fs::remove_file(disk.filler())?;
    node.run()?;
    wait::until_true("it is the cluster it was", AGREES_WITHIN, || {
        let cluster = node.status().ok().and_then(|status| status.cluster);
        cluster.is_some_and(|cluster| cluster.name.as_str() == "prod" && cluster.leader.is_some())
    })?;
    node.stop()
}

#[test]
fn a_second_daemon_on_the_same_folder_is_told_who_has_it() -> Result<()> {
    let lab = Lab::new()?;
    let node = Node::start(&lab, "lb1", node_address(1))?;
    node.ask(&["cluster", "init", "--name", "prod"])?;
    let file = lab.folder().join("second.toml");
    let (socket, data) = (lab.folder().join("second.sock"), node.data());
    let run = |peer: &str| -> Result<String> {
        let text = format!(
            "name = \"lb1\"\npeer = [\"{peer}:7947\"]\nadmin = \"10.0.0.11:9444\"\n\
             socket = \"{}\"\ndata = \"{}\"\n",
            socket.display(),
            data.display()
        );
        fs::write(&file, text)?;
        let mut command = node.host().command("timeout");
        let program = binary()?;
        command.arg("30").arg(program).arg("run").arg("--config");
        let ended = command.arg(&file).output().context("run a second daemon")?;
        ensure!(ended.status.code() == Some(1), "{ended:?}");
        Ok(String::from_utf8_lossy(&ended.stderr).into_owned())
    };
    let said = run("10.0.0.11")?;
    ensure!(said.contains("FMX-116"), "{said}");
    let mend = format!("mend: fuser -v {}/store/log/db", data.display());
    ensure!(said.contains(&mend), "{said}");

    // An address of another machine is found before anything is opened.
    let said = run("10.0.0.12")?;
    ensure!(said.contains("FMX-120"), "{said}");
    ensure!(
        said.contains("peer = 10.0.0.12 is not on this machine"),
        "{said}"
    );
    ensure!(said.contains("10.0.0.11 (eth0)"), "{said}");
    ensure!(node.status()?.cluster.is_some(), "the first one goes on");
    Ok(())
}
