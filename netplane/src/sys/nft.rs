//! nftables, by the program of that name: it checks a script as a whole, and the kernel takes all
//! of it or nothing.

use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::thread::{
    CapabilitySet, capabilities, configure_capability_in_ambient_set, set_capabilities,
};

/// Why a script was not carried out.
#[derive(Debug, thiserror::Error)]
pub enum NftError {
    /// The program is not there.
    #[error("nft is not installed: apt-get install nftables")]
    Missing,
    /// The system does not start it.
    #[error("nft: {0}")]
    System(#[from] io::Error),
    /// It refuses, and says why.
    #[error("nft: {0}")]
    Refused(String),
    /// It does not end.
    #[error("nft did not end within {} s", ENDS_WITHIN.as_secs())]
    Stuck,
}

/// Where the program is, if it is.
pub fn find_nft() -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    // An ordinary user's path lacks where Debian keeps it.
    let folders = std::env::split_paths(&path).chain(["/usr/sbin".into(), "/sbin".into()]);
    folders
        .map(|folder| folder.join("nft"))
        .find(|program| program.is_file())
}

/// Carries a script out, in the network namespace of the calling thread. Blocks for as long as the
/// program runs: milliseconds.
///
/// **Errors**: [`NftError`]; nothing was changed, but for `Stuck`.
pub fn nft(script: &str) -> Result<(), NftError> {
    let program = find_nft().ok_or(NftError::Missing)?;
    // Rights are a thread's own: this one ends with what it was given.
    let ran = std::thread::scope(|scope| scope.spawn(|| run(&program, script)).join());
    ran.map_err(|_panic| io::Error::other("its thread ended"))?
}

fn run(program: &Path, script: &str) -> Result<(), NftError> {
    lend_rights();
    let mut child = Command::new(program)
        .args(["-f", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()?;
    let written = match child.stdin.take() {
        // A script fits into the pipe; closing it is its end.
        Some(mut input) => input.write_all(script.as_bytes()),
        None => Ok(()),
    };
    let ended = end_of(&mut child)?;
    if ended.success() {
        return Ok(written?);
    }
    let mut words = String::new();
    if let Some(errors) = child.stderr.take() {
        // What it said is only for people.
        let _ = errors.take(WORDS_BYTES_MAX).read_to_string(&mut words);
    }
    let first = words.lines().next().unwrap_or("it failed without a word");
    Err(NftError::Refused(first.trim().to_owned()))
}

fn end_of(child: &mut Child) -> Result<std::process::ExitStatus, NftError> {
    let end = Instant::now() + ENDS_WITHIN;
    loop {
        if let Some(ended) = child.try_wait()? {
            return Ok(ended);
        }
        if Instant::now() >= end {
            child.kill()?;
            child.wait()?;
            return Err(NftError::Stuck);
        }
        std::thread::sleep(LOOK_EVERY);
    }
}

/// A daemon that is not root has its right to change the network; a program that it starts has it
/// only when it is passed on. Where that cannot be, `nft` says what it lacks.
fn lend_rights() {
    let lent = || -> rustix::io::Result<()> {
        let mut sets = capabilities(None)?;
        sets.inheritable |= CapabilitySet::NET_ADMIN;
        set_capabilities(None, sets)?;
        configure_capability_in_ambient_set(CapabilitySet::NET_ADMIN, true)
    };
    if let Err(error) = lent() {
        tracing::debug!(%error, "nft gets no right of ours");
    }
}

/// It needs ten milliseconds; a machine that swaps may need a hundred times as long.
const ENDS_WITHIN: Duration = Duration::from_secs(3);

/// Nobody waits for it but a drill.
const LOOK_EVERY: Duration = Duration::from_millis(2);

/// It repeats the line that it dislikes; its first line says why.
const WORDS_BYTES_MAX: u64 = 4_096;
