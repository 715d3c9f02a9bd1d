//! A cluster of three whose third node has one of every file, and is stopped.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};

use super::judge::{Verdict, judge};
use crate::lab::cluster::{AGREES_WITHIN, Cluster};
use crate::lab::node::{Node, binary};
use crate::lab::process::run;
use crate::lab::{CLIENT, Lab, node_address, wait};

/// The bytes around a flipped one that tell whether the place was written anew since.
const AROUND: usize = 32;

/// Changes of the configuration before the node stops: some pages of the database.
const CHANGES: usize = 24;

/// The cluster; its third node is stopped between two flips.
#[derive(Debug)]
pub struct Scene {
    cluster: Cluster,
}

impl Scene {
    /// A cluster that was restored from a backup, so that those who joined got a snapshot; with
    /// things in its state.
    ///
    /// **Errors**: a step failed.
    pub fn set() -> Result<Scene> {
        let lab = Lab::new()?;
        let client = lab.host("client", CLIENT)?;
        let mut cluster = Cluster {
            nodes: Vec::new(),
            disks: vec![],
            client,
            lab,
        };
        let first = restored(&cluster.lab)?;
        cluster.nodes.push(first);
        for number in 2..=3 {
            let token = cluster.nodes[0].token(&[])?;
            let name = format!("lb{number}");
            let node = Node::start(&cluster.lab, &name, node_address(number))?;
            node.ask(&["cluster", "join", &token])?;
            cluster.nodes.push(node);
        }
        cluster.wait_for_voters(3)?;
        let first = &cluster.nodes[0];
        for change in 0..CHANGES {
            let label = format!("round={change}");
            let order = ["watch", "set", "fs1", "--put-label", &label];
            // On a machine that does much else, a leader may be lost for a while.
            wait::until_true("it is changed", AGREES_WITHIN, || first.ask(&order).is_ok())?;
        }
        let third = &mut cluster.nodes[2];
        third.stop()?;
        let snapshot = third.data().join("store/snapshot");
        ensure!(snapshot.is_file(), "no {}", snapshot.display());
        Ok(Scene { cluster })
    }

    /// Every file in the folder of the stopped node, as paths in it.
    ///
    /// **Errors**: it cannot be read.
    pub fn files(&self) -> Result<Vec<PathBuf>> {
        let data = self.cluster.nodes[2].data();
        let mut files = Vec::new();
        let mut folders = vec![data.clone()];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(&folder)? {
                let path = entry?.path();
                match path.is_dir() {
                    true => folders.push(path),
                    false => files.push(path.strip_prefix(&data)?.to_owned()),
                }
            }
        }
        files.sort();
        Ok(files)
    }

    /// Flips a bit at place `number` of `places`, starts the node, and judges; where it was, and
    /// what it is.
    ///
    /// **Errors**: the lab failed.
    pub fn flip(&mut self, file: &Path, number: usize, places: usize) -> Result<(String, Verdict)> {
        let data = self.cluster.nodes[2].data();
        let kept = self.cluster.lab.folder().join("kept");
        let _ = fs::remove_dir_all(&kept);
        copy(&data, &kept)?;
        let path = match data.join(file) {
            path if path.is_file() => path,
            // The database names some of its files anew each time.
            path => renamed(&path).context("a file of that kind")?,
        };
        let whole = fs::read(&path)?;
        let used = whole.iter().rposition(|byte| *byte != 0).unwrap_or(0) + 1;
        let at = used * number / places;
        let mut bytes = whole.clone();
        let bit = number % 8;
        bytes[at] ^= 1 << bit;
        write_over(&path, &bytes)?;
        let place = format!("{} byte {at} bit {bit}", file.display());
        let verdict = self.start_and_judge(file)?;
        let node = &mut self.cluster.nodes[2];
        node.kill();
        match verdict {
            Verdict::Mended => unflip(&path, &whole, &bytes, at)?,
            Verdict::Refused | Verdict::SetAside | Verdict::Wrong(_) => {
                fs::remove_dir_all(&data)?;
                copy(&kept, &data)?;
            }
        }
        Ok((place, verdict))
    }

    fn start_and_judge(&mut self, file: &Path) -> Result<Verdict> {
        let before = self.cluster.nodes[2].said().len();
        // A node that ends before it answers is judged by what it said.
        let _ = self.cluster.nodes[2].run();
        judge(&self.cluster.nodes[2], &self.cluster.nodes[0], file, before)
    }
}

/// A first node with a farm and a watch, saved, emptied, and restored.
fn restored(lab: &Lab) -> Result<Node> {
    let mut node = Node::start(lab, "lb1", node_address(1))?;
    node.ask(&["cluster", "init", "--name", "prod"])?;
    let add = ["watch", "add", "fs1", "10.0.0.250", "--interval", "1h"];
    node.ask(&[&add[..], &["--check", "tcp", "--port", "9"]].concat())?;
    let file = lab.folder().join("backup").display().to_string();
    let pass = lab.folder().join("passphrase").display().to_string();
    fs::write(&pass, "correct horse battery staple\n")?;
    let with = ["--passphrase-file", &pass];
    node.ask(&[&["snapshot", "save", &file], &with[..]].concat())?;
    node.kill();
    fs::remove_dir_all(node.data())?;
    let settings = node.settings_file().display().to_string();
    let mut restore = node.host().command(binary()?);
    restore.args(["snapshot", "restore", &file, "--config", &settings]);
    restore.args(["--yes", "prod"]);
    run(restore.args(with))?;
    node.run()?;
    wait::until_true("it leads what was restored", AGREES_WITHIN, || {
        let cluster = node.status().ok().and_then(|status| status.cluster);
        cluster.is_some_and(|cluster| cluster.leader.is_some())
    })?;
    Ok(node)
}

/// A file with the same beginning of its name.
fn renamed(path: &Path) -> Option<PathBuf> {
    let kind = path.file_name()?.to_str()?.split('.').next()?.to_owned();
    let entries = fs::read_dir(path.parent()?).ok()?.flatten();
    let mut found = entries.map(|entry| entry.path());
    found.find(|path| {
        let name = path.file_name().and_then(|name| name.to_str());
        name.is_some_and(|name| name.split('.').next() == Some(&kind))
    })
}

/// In place: the file keeps its mode.
fn write_over(path: &Path, bytes: &[u8]) -> Result<()> {
    fs::write(path, bytes).with_context(|| format!("write {}", path.display()))
}

/// Takes a bit back that meant nothing, where nobody wrote over it since.
fn unflip(path: &Path, whole: &[u8], flipped: &[u8], at: usize) -> Result<()> {
    let Ok(mut now) = fs::read(path) else {
        return Ok(());
    };
    let around = at.saturating_sub(AROUND)..(at + AROUND).min(whole.len());
    if now.get(around.clone()) == flipped.get(around) {
        now[at] = whole[at];
        write_over(path, &now)?;
    }
    Ok(())
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    let mut command = std::process::Command::new("cp");
    run(command.arg("-a").arg(from).arg(to)).map(|_| ())
}
