//! `farmux config …`.

use std::io::Read;
use std::path::Path;

use super::super::args::ConfigAction;
use super::super::show;
use super::Shell;
use crate::api::types::{
    ApplyAnswer, ApplyRequest, ExportAnswer, Reading, RevisionReport, RollbackRequest,
};
use crate::fault::{Code, Fault};

impl Shell {
    pub(super) async fn config(&mut self, action: ConfigAction) -> Result<(), Fault> {
        match action {
            ConfigAction::Apply {
                file,
                dry_run,
                note,
                base,
            } => {
                let request = ApplyRequest {
                    toml: read(&file)?,
                    dry_run,
                    note,
                    base,
                };
                let answer: ApplyAnswer = self.client.post("/v1/config", &request).await?;
                self.terminal
                    .show(&answer, |answer, _| show::applied(answer, dry_run))
            }
            ConfigAction::Export => {
                let answer: Reading<ExportAnswer> = self.client.get("/v1/config").await?;
                self.terminal
                    .show(&answer, |answer, _| answer.data.toml.clone())
            }
            ConfigAction::Show { revision } => {
                let path = match revision {
                    None => "/v1/config".to_owned(),
                    Some(revision) => format!("/v1/config?revision={revision}"),
                };
                let answer: Reading<ExportAnswer> = self.client.get(&path).await?;
                self.terminal
                    .show(&answer, |answer, _| answer.data.toml.clone())
            }
            ConfigAction::Rollback {
                revision,
                dry_run,
                note,
            } => {
                let request = RollbackRequest {
                    revision,
                    dry_run,
                    note,
                };
                let answer: ApplyAnswer = self.client.post("/v1/config/rollback", &request).await?;
                self.terminal
                    .show(&answer, |answer, _| show::applied(answer, dry_run))
            }
            ConfigAction::History => {
                let history: Reading<Vec<RevisionReport>> =
                    self.client.get("/v1/config/history").await?;
                self.terminal.show(&history, show::history)
            }
        }
    }
}

/// The longest configuration that is read: the API takes 1 MiB, and one byte more shows an excess.
const FILE_BYTES_MAX: u64 = (1 << 20) + 1;

fn read(file: &Path) -> Result<String, Fault> {
    read_up_to(file, FILE_BYTES_MAX)
}

/// Reads a file, or standard input; of a longer one that much.
pub(super) fn read_up_to(file: &Path, bytes_max: u64) -> Result<String, Fault> {
    let mut text = String::new();
    let read = match file.as_os_str() == "-" {
        true => std::io::stdin()
            .lock()
            .take(bytes_max)
            .read_to_string(&mut text),
        false => std::fs::File::open(file)
            .and_then(|open| open.take(bytes_max).read_to_string(&mut text)),
    };
    match read {
        Ok(_) => Ok(text),
        Err(error) => Err(Fault::new(Code::FileUnreadable)
            .what(format!("{} cannot be read", file.display()))
            .why(error)),
    }
}
