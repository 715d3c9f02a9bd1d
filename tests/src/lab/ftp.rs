//! FTP clients: curl, lftp, ncftp and Python's ftplib, with files to send and to compare.

use std::fs;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

use super::ftpd::{PASSWORD, USER};
use super::network::Host;
use super::process::{Process, run};

/// How data connections are made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// The client connects.
    Passive,
    /// The server connects.
    Active,
}

/// Longest that a client may take, whatever happens; a gigabyte on a busy machine.
const CLIENT_SECONDS: &str = "300";

/// The Python that Debian's packages belong to; any would do.
const PYTHON: &str = "/usr/bin/python3";

/// A person at a host, with a folder for what is sent and fetched.
#[derive(Debug)]
pub struct Client {
    host: Host,
    folder: PathBuf,
}

impl Client {
    /// Makes a folder for it below `lab`.
    ///
    /// **Errors**: it cannot be made.
    pub fn new(host: &Host, lab: &Path) -> Result<Client> {
        let folder = lab.join(format!("{}-files", host.name()));
        fs::create_dir_all(&folder).context("make the client's folder")?;
        fs::write(folder.join("ftp.py"), include_str!("ftp.py"))?;
        let host = host.clone();
        Ok(Client { host, folder })
    }

    /// What it has.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// Makes files of `bytes` bytes: `whole`, and its first half, `half`.
    ///
    /// **Errors**: the disk is full.
    pub fn write_files(&self, bytes: usize) -> Result<Vec<u8>> {
        let whole = noise(bytes);
        fs::write(self.path("whole"), &whole)?;
        fs::write(self.path("half"), &whole[..bytes / 2])?;
        Ok(whole)
    }

    /// curl; `path` begins with a slash.
    ///
    /// **Errors**: it failed; with all that it said.
    pub fn curl(&self, at: Ipv4Addr, path: &str, args: &[&str]) -> Result<String> {
        let login = format!("{USER}:{PASSWORD}");
        let url = format!("ftp://{at}{path}");
        let own = ["--silent", "--show-error", "--user", &login];
        self.run("curl", &[&own[..], args, &[&url]].concat())
    }

    /// curl that goes on beside the test; its log is `curl.log` of the lab.
    ///
    /// **Errors**: it cannot be started.
    pub fn start_curl(&self, at: Ipv4Addr, path: &str, args: &[&str]) -> Result<Process> {
        let login = format!("{USER}:{PASSWORD}");
        let mut command = self.host.command("curl");
        command.args(["--silent", "--show-error", "--user", &login]);
        command.args(args).arg(format!("ftp://{at}{path}"));
        command.current_dir(&self.folder);
        self.host.spawn("curl", command)
    }

    /// lftp, for which a failure is final.
    ///
    /// **Errors**: it failed; with all that it said.
    pub fn lftp(&self, at: Ipv4Addr, mode: Mode, script: &str) -> Result<String> {
        let passive = if mode == Mode::Passive { "on" } else { "off" };
        let script = format!(
            "set cmd:fail-exit yes; set net:max-retries 2; set net:timeout 20; \
             set ftp:ssl-allow no; set xfer:clobber on; set ftp:passive-mode {passive}; \
             open -u {USER},{PASSWORD} ftp://{at}; {script}; bye"
        );
        self.run("lftp", &["--norc", "-c", &script])
    }

    /// `ncftpput` or `ncftpget`: `args` are what follows its options.
    ///
    /// **Errors**: it failed; with all that it said.
    pub fn ncftp(&self, program: &str, mode: Mode, args: &[&str]) -> Result<String> {
        let mode = if mode == Mode::Passive { "-F" } else { "-E" };
        let own = ["-V", mode, "-u", USER, "-p", PASSWORD, "-t", "30"];
        self.run(program, &[&own[..], args].concat())
    }

    /// All that ftplib can do: see `ftp.py`. Needs [`Client::write_files`].
    ///
    /// **Errors**: something was not as it should be.
    pub fn everything(&self, at: Ipv4Addr, mode: Mode) -> Result<()> {
        let mode = if mode == Mode::Passive {
            "passive"
        } else {
            "active"
        };
        let (script, folder) = (self.path("ftp.py"), self.folder.display().to_string());
        let (script, at) = (script.display().to_string(), at.to_string());
        self.run(PYTHON, &[&script, "everything", &at, mode, &folder])
            .map(|_| ())
    }

    /// Starts a task of `ftp.py` that goes on beside the test.
    ///
    /// **Errors**: it cannot be started.
    pub fn start(&self, name: &str, args: &[&str]) -> Result<Process> {
        let mut command = self.host.command(PYTHON);
        command.arg(self.path("ftp.py")).args(args);
        self.host.spawn(name, command)
    }

    /// Whether what it fetched is what it should be.
    ///
    /// **Errors**: it is not.
    pub fn compare(&self, name: &str, expected: &[u8]) -> Result<()> {
        let have = fs::read(self.path(name)).with_context(|| name.to_owned())?;
        ensure!(have == expected, "{name} differs: {} bytes", have.len());
        Ok(())
    }

    fn run(&self, program: &str, args: &[&str]) -> Result<String> {
        let mut command: Command = self.host.command("timeout");
        command.arg(CLIENT_SECONDS).arg(program).args(args);
        // None of them may look into a home of ours, and no name server can be reached from here.
        command.env("HOME", &self.folder).current_dir(&self.folder);
        command.env("RES_OPTIONS", "timeout:1 attempts:1");
        run(&mut command)
    }
}

/// Bytes that no two places of a file have in common.
pub fn noise(length: usize) -> Vec<u8> {
    let mut state = SEED;
    let words = std::iter::repeat_with(|| {
        state = state.wrapping_mul(MULTIPLIER).wrapping_add(1);
        state.to_le_bytes()
    });
    let words = words.take(length.div_ceil(8));
    words.flatten().take(length).collect()
}

/// Any; the golden ratio looks random from its first byte on.
const SEED: u64 = 0x9E37_79B9_7F4A_7C15;

/// **Source**: Knuth's MMIX (The Art of Computer Programming, volume 2, 3.3.4).
const MULTIPLIER: u64 = 6_364_136_223_846_793_005;

/// SHA-256 in hexadecimal digits, as `sha256sum` prints it.
pub fn sum(bytes: &[u8]) -> String {
    let digest = ring::digest::digest(&ring::digest::SHA256, bytes);
    let digits = digest.as_ref().iter().map(|byte| format!("{byte:02x}"));
    digits.collect()
}
