//! `farmux version`: ours, and the daemon's where one answers.

use serde::{Deserialize, Serialize};

use super::Shell;
use crate::api::status::VERSION;
use crate::api::types::StatusReport;
use crate::fault::Fault;

/// Which versions meet here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Versions {
    /// Of this program.
    client: String,
    /// Of the daemon; null: none answers.
    daemon: Option<String>,
}

impl Shell {
    pub(super) async fn version(&mut self) -> Result<(), Fault> {
        let report = self.client.get::<StatusReport>("/v1/status").await.ok();
        let versions = Versions {
            client: VERSION.to_owned(),
            daemon: report.map(|report| report.version),
        };
        self.terminal.show(&versions, |versions, _| {
            let daemon = versions.daemon.as_deref().unwrap_or("does not answer");
            format!("farmux {}\ndaemon {daemon}\n", versions.client)
        })
    }
}
