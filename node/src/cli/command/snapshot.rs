//! `farmux snapshot …`. Only `save` asks the daemon.

use std::path::Path;

use farmux_raft::id::ClusterName;
use farmux_raft::state::Secret;
use serde::{Deserialize, Serialize};

use super::super::args::{PassphraseArguments, SnapshotAction};
use super::super::show;
use super::Shell;
use super::config::read_up_to;
use crate::alone::nobody_else;
use crate::api::types::SnapshotRequest;
use crate::backup::{Draft, FileError, Header, PASSPHRASE_CHARS_MIN, WriteError, inspect};
use crate::backup::{check_place, open, restore};
use crate::daemon::wall_clock;
use crate::fault::{Code, Fault};
use crate::settings::Settings;

/// What a restore made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct RestoreAnswer {
    /// The cluster.
    cluster: String,
    /// Which node this machine is now.
    node: u64,
    /// The cluster's new epoch.
    epoch: u64,
    /// The revision of its configuration.
    revision: u64,
}

impl Shell {
    pub(super) async fn snapshot(&mut self, action: SnapshotAction) -> Result<(), Fault> {
        match action {
            SnapshotAction::Save { file, passphrase } => self.save(&file, &passphrase).await,
            SnapshotAction::Inspect { file } => {
                let header = inspect(&read(&file)?).map_err(|error| unusable(&file, &error))?;
                self.terminal.show(&header, |header, paint| {
                    show::snapshot(header, paint, wall_clock())
                })
            }
            SnapshotAction::Restore {
                file,
                passphrase,
                config,
                yes,
            } => {
                self.restore(&file, &passphrase, &config, yes.as_ref())
                    .await
            }
        }
    }

    async fn save(&mut self, file: &Path, from: &PassphraseArguments) -> Result<(), Fault> {
        let passphrase = self.passphrase(from, Times::Twice)?;
        let mut draft = Draft::begin(file).map_err(|error| unwritten(file, &error))?;
        let request = SnapshotRequest { passphrase };
        let mut meter = Meter::default();
        let terminal = &mut self.terminal;
        let on_piece = |piece: &[u8], all: Option<u64>| {
            draft.add(piece).map_err(|error| unwritten(file, &error))?;
            match meter.passes(piece.len(), all) {
                Some(line) => terminal.line(&line),
                None => Ok(()),
            }
        };
        self.client
            .post_bytes("/v1/snapshot", &request, on_piece)
            .await?;
        let header = draft.keep().map_err(|error| unwritten(file, &error))?;
        self.terminal.show(&header, |header, _| saved(header, file))
    }

    async fn restore(
        &mut self,
        file: &Path,
        from: &PassphraseArguments,
        config: &Path,
        yes: Option<&ClusterName>,
    ) -> Result<(), Fault> {
        let bytes = read(file)?;
        let seen = inspect(&bytes).map_err(|error| unusable(file, &error))?;
        let settings = Settings::load(config).map_err(Fault::from)?;
        let passphrase = self.passphrase(from, Times::Once)?;
        let (header, saved) =
            open(&bytes, passphrase.reveal()).map_err(|error| unusable(file, &error))?;
        let home = check_place(&settings, &saved.state).map_err(Fault::from)?;
        let alone = || async {
            let nodes = saved.state.nodes.keys().copied();
            let alone = nobody_else(&settings, &saved.state, nodes).await;
            alone.map_err(|somebody| somebody.fault(Code::RestoreClusterLives))
        };
        alone().await?;
        let what = format!(
            "cluster {} is restored as of {} (r{}) on {}, as its only node; the nodes it had then \
             must join anew, empty",
            seen.cluster,
            header.saved.to_the_second(),
            header.revision,
            settings.name
        );
        self.terminal.line(&what)?;
        let given = yes.map(ClusterName::as_str);
        self.terminal.confirm_by_name(&what, &seen.cluster, given)?;
        // A name takes long to type: whoever came back meanwhile is not overlooked.
        alone().await?;
        let revision = saved.state.revision.0;
        let restored = restore(&settings, &home, saved)
            .await
            .map_err(Fault::from)?;
        let answer = RestoreAnswer {
            cluster: header.cluster,
            node: restored.node.0,
            epoch: restored.epoch,
            revision,
        };
        self.terminal.show(&answer, |answer, _| {
            format!(
                "cluster {} is restored at r{}: this machine is node {} of epoch {}, alone\n\n\
                 Start it:             systemctl start farmux\n\
                 For each other node:  farmux cluster token create   (it joins empty)\n",
                answer.cluster, answer.revision, answer.node, answer.epoch
            )
        })
    }

    fn passphrase(&mut self, from: &PassphraseArguments, times: Times) -> Result<Secret, Fault> {
        let text = match &from.passphrase_file {
            Some(file) => {
                let text = read_up_to(file, PASSPHRASE_BYTES_MAX)?;
                text.lines().next().unwrap_or_default().to_owned()
            }
            None => self.ask_passphrase(times)?,
        };
        let chars = text.chars().count();
        if chars < PASSPHRASE_CHARS_MIN {
            return Err(Fault::new(Code::PassphraseUnfit).why(format!(
                "it has {chars} characters, at least {PASSPHRASE_CHARS_MIN} are needed"
            )));
        }
        Ok(Secret::new(text))
    }

    fn ask_passphrase(&mut self, times: Times) -> Result<String, Fault> {
        let first = self.terminal.ask_hidden("Passphrase: ")?;
        match times {
            Times::Once => Ok(first),
            Times::Twice if self.terminal.ask_hidden("Once more: ")? == first => Ok(first),
            Times::Twice => {
                Err(Fault::new(Code::PassphraseUnfit).why("the two that were typed differ"))
            }
        }
    }
}

/// What was saved, and whether it may lack something.
fn saved(header: &Header, file: &Path) -> String {
    let stale = match header.newest {
        Some(false) => {
            "No majority of the nodes confirmed it: what was decided last may be missing. Save \
             once more when `farmux status` is well again.\n"
        }
        Some(true) | None => "",
    };
    format!(
        "saved cluster {} at r{}, log index {}, to {}\n{stale}\
         Without the passphrase the file is worth nothing: keep them apart, and both.\n",
        header.cluster,
        header.revision,
        header.applied,
        file.display()
    )
}

/// How often a passphrase is asked for: one that seals must have no typing error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Times {
    Once,
    Twice,
}

/// The longest passphrase file that is read; the first line counts.
const PASSPHRASE_BYTES_MAX: u64 = 4096;

/// The largest file that is read: the largest state, its header and its seals.
const FILE_BYTES_MAX: u64 = farmux_raft::consensus::record::SNAPSHOT_BYTES_MAX + (1 << 20);

fn read(file: &Path) -> Result<Vec<u8>, Fault> {
    use std::io::Read;
    let mut bytes = Vec::new();
    let read = std::fs::File::open(file)
        .and_then(|open| open.take(FILE_BYTES_MAX).read_to_end(&mut bytes));
    match read {
        Ok(_) => Ok(bytes),
        Err(error) => Err(Fault::new(Code::FileUnreadable)
            .what(format!("{} cannot be read", file.display()))
            .why(error)),
    }
}

/// A file that is no use, for its operator.
fn unusable(file: &Path, error: &FileError) -> Fault {
    let code = match error {
        FileError::Foreign | FileError::Damaged(_) => Code::SnapshotDamaged,
        FileError::Version(_) => Code::SnapshotVersion,
        FileError::Passphrase => Code::PassphraseWrong,
    };
    Fault::new(code).why(format!("{}: {error}", file.display()))
}

fn unwritten(file: &Path, error: &WriteError) -> Fault {
    match error {
        WriteError::Io { path, source } => Fault::new(Code::FileUnreadable)
            .what(format!("{} cannot be written", path.display()))
            .why(source),
        WriteError::File(error) => unusable(file, error),
    }
}

/// Says how far a long transfer is, every 16 MiB: a short one says nothing.
#[derive(Debug, Default)]
struct Meter {
    bytes: u64,
    told: u64,
}

const METER_BYTES: u64 = 16 << 20;

impl Meter {
    fn passes(&mut self, piece: usize, all: Option<u64>) -> Option<String> {
        self.bytes += u64::try_from(piece).unwrap_or(u64::MAX);
        if self.bytes / METER_BYTES == self.told {
            return None;
        }
        self.told = self.bytes / METER_BYTES;
        let of = all.map_or(String::new(), |all| format!(" of {}", all >> 20));
        Some(format!("{}{of} MiB", self.bytes >> 20))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_transfer_says_how_far_it_is() {
        let mut meter = Meter::default();
        assert_eq!(meter.passes(1 << 20, Some(40 << 20)), None);
        let line = meter.passes(15 << 20, Some(40 << 20));
        assert_eq!(line.as_deref(), Some("16 of 40 MiB"));
        assert_eq!(meter.passes(1, None), None);
        assert_eq!(meter.passes(16 << 20, None).as_deref(), Some("32 MiB"));
    }
}
