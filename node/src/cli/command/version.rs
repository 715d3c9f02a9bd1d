//! `farmux version`: ours, the daemon's where one answers, and what the cluster writes.

use std::fmt::Write;

use farmux_raft::codec;
use serde::{Deserialize, Serialize};

use super::Shell;
use crate::api::status::VERSION;
use crate::api::types::{FormatStatus, StatusReport};
use crate::fault::Fault;

/// Which versions meet here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Versions {
    /// Of this program.
    client: String,
    /// The newest format that this program reads.
    reads: u16,
    /// Of the daemon; null: none answers.
    daemon: Option<String>,
    /// What the cluster writes; null: no daemon answers, or it is in no cluster.
    format: Option<FormatStatus>,
}

impl Shell {
    pub(super) async fn version(&mut self) -> Result<(), Fault> {
        let report = self.client.get::<StatusReport>("/v1/status").await.ok();
        let format = report.as_ref().and_then(|report| report.cluster.as_ref());
        let versions = Versions {
            client: VERSION.to_owned(),
            reads: codec::NEWEST,
            format: format.map(|cluster| cluster.format.clone()),
            daemon: report.map(|report| report.version),
        };
        self.terminal
            .show(&versions, |versions, _| in_words(versions))
    }
}

fn in_words(versions: &Versions) -> String {
    let daemon = versions.daemon.as_deref().unwrap_or("does not answer");
    let mut text = format!(
        "farmux {} (reads format {})\ndaemon {daemon}\n",
        versions.client, versions.reads
    );
    if let Some(format) = &versions.format {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "format {} is written by the cluster", format.agreed);
        for one in &format.held_back {
            let _ = writeln!(text, "  format {} is held back: {one}", format.newest);
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_holds_a_format_back_is_named() {
        let mut versions = Versions {
            client: "0.2.0".to_owned(),
            reads: 2,
            daemon: None,
            format: None,
        };
        assert_eq!(
            in_words(&versions),
            "farmux 0.2.0 (reads format 2)\ndaemon does not answer\n"
        );
        versions.daemon = Some("0.2.0".to_owned());
        versions.format = Some(FormatStatus {
            agreed: 1,
            newest: 2,
            held_back: vec!["lb3 reads only format 1: upgrade it".to_owned()],
        });
        assert_eq!(
            in_words(&versions),
            "farmux 0.2.0 (reads format 2)\ndaemon 0.2.0\nformat 1 is written by the cluster\n  \
             format 2 is held back: lb3 reads only format 1: upgrade it\n"
        );
    }
}
