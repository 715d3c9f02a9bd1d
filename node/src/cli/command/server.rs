//! `farmux server …`: orders, and waiting until drained servers have nothing left.

use std::time::{Duration, Instant};

use farmux_raft::state::{AdminState, duration_text};

use super::super::args::{ServerAction, Which};
use super::super::place::Addressees;
use super::Shell;
use crate::api::types::{AdminRequest, ConnectionsReport, Done};
use crate::fault::{Code, Fault};

/// How often a wait asks: a person does not notice, and the cluster neither.
const POLL: Duration = Duration::from_millis(500);

/// How often in a row nothing must be left: at the first look the order may be on its way still.
const IDLE_LOOKS: u32 = 2;

impl Shell {
    pub(super) async fn server(&mut self, action: ServerAction) -> Result<(), Fault> {
        match action {
            ServerAction::Drain {
                which,
                allow_empty,
                wait,
                timeout,
            } => {
                let whom = addressees(which)?;
                let request = plain(AdminState::Drain, allow_empty);
                self.order(&whom, request).await?;
                match wait {
                    true => self.wait(&whom, timeout).await,
                    false => Ok(()),
                }
            }
            ServerAction::Ready { which } => {
                // Whoever comes back leaves nobody without servers.
                let whom = addressees(which)?;
                self.order(&whom, plain(AdminState::Ready, false)).await
            }
            ServerAction::Maintenance {
                which,
                allow_empty,
                lasts,
                comment,
            } => {
                let whom = addressees(which)?;
                let request = AdminRequest {
                    comment,
                    lasts_s: lasts.map(|lasts| lasts.as_secs()),
                    ..plain(AdminState::Maintenance, allow_empty)
                };
                self.order(&whom, request).await
            }
        }
    }

    async fn order(&mut self, whom: &Addressees, request: AdminRequest) -> Result<(), Fault> {
        let path = format!("{}/admin", whom.path());
        let done: Done = self.client.post(&path, &request).await?;
        let AdminRequest { admin, lasts_s, .. } = request;
        let lasts = lasts_s.map_or(String::new(), |seconds| {
            format!(" for {}", duration_text(Duration::from_secs(seconds)))
        });
        self.terminal.show(&done, |done, _| match done.changed {
            true => format!("{whom}: {admin}{lasts}\n"),
            false => format!("{whom}: {admin} already\n"),
        })
    }

    async fn wait(&mut self, whom: &Addressees, timeout: Duration) -> Result<(), Fault> {
        let path = format!("{}/connections", whom.path());
        let end = Instant::now() + timeout;
        let (mut told, mut idle) = (None, 0);
        loop {
            let report: ConnectionsReport = self.client.get(&path).await?;
            idle = match report.active == 0 && report.owner_answered {
                true => idle + 1,
                false => 0,
            };
            if idle == IDLE_LOOKS {
                return self.terminal.line(&format!("{whom}: nothing is left"));
            }
            if idle == 0 && told.as_ref() != Some(&report) {
                self.terminal.line(&in_words(whom, &report))?;
            }
            // One that seems idle is looked at once more, however late it is.
            if idle == 0 && Instant::now() + POLL > end {
                let why = in_words(whom, &report);
                return Err(Fault::new(Code::WaitOver).why(why));
            }
            told = Some(report);
            tokio::time::sleep(POLL).await;
        }
    }
}

/// An order without a word why, or an end.
fn plain(admin: AdminState, allow_empty: bool) -> AdminRequest {
    AdminRequest {
        admin,
        allow_empty,
        comment: String::new(),
        lasts_s: None,
    }
}

/// Exactly one of the two is there: the command line is parsed so.
fn addressees(which: Which) -> Result<Addressees, Fault> {
    match (which.server, which.everywhere) {
        (Some(place), None) => Ok(Addressees::One(place)),
        (None, Some(address)) => Ok(Addressees::Everywhere(address)),
        (Some(_), Some(_)) | (None, None) => {
            Err(Fault::new(Code::Usage).why("either FARM/SERVER or --everywhere ADDRESS"))
        }
    }
}

fn in_words(whom: &Addressees, report: &ConnectionsReport) -> String {
    let ConnectionsReport { active, silent, .. } = report;
    let silent: Vec<&str> = silent.iter().map(|node| node.as_str()).collect();
    match silent.as_slice() {
        [] => format!("{whom}: {active} in flight"),
        nodes => format!(
            "{whom}: {active} in flight; no word from {}",
            nodes.join(", ")
        ),
    }
}
