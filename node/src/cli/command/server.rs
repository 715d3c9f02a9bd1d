//! `farmux server …`: orders, and waiting until a drained server has nothing left.

use std::time::{Duration, Instant};

use farmux_raft::state::AdminState;

use super::super::args::ServerAction;
use super::super::place::ServerPlace;
use super::Shell;
use crate::api::types::{AdminRequest, ConnectionsReport, Done};
use crate::fault::{Code, Fault};

/// How often a wait asks: a person does not notice, and the cluster neither.
const POLL: Duration = Duration::from_millis(500);

impl Shell {
    pub(super) async fn server(&mut self, action: ServerAction) -> Result<(), Fault> {
        match action {
            ServerAction::Drain {
                server,
                wait,
                timeout,
            } => {
                self.order(&server, AdminState::Drain).await?;
                match wait {
                    true => self.wait(&server, timeout).await,
                    false => Ok(()),
                }
            }
            ServerAction::Ready { server } => self.order(&server, AdminState::Ready).await,
            ServerAction::Maintenance { server } => {
                self.order(&server, AdminState::Maintenance).await
            }
        }
    }

    async fn order(&mut self, place: &ServerPlace, admin: AdminState) -> Result<(), Fault> {
        let path = format!("/v1/farms/{}/servers/{}/admin", place.farm, place.server);
        let done: Done = self
            .client
            .post(
                &path,
                &AdminRequest {
                    admin,
                    allow_empty: false,
                },
            )
            .await?;
        self.terminal.show(&done, |done, _| match done.changed {
            true => format!("{place}: {admin}\n"),
            false => format!("{place}: {admin} already\n"),
        })
    }

    async fn wait(&mut self, place: &ServerPlace, timeout: Duration) -> Result<(), Fault> {
        let path = format!(
            "/v1/farms/{}/servers/{}/connections",
            place.farm, place.server
        );
        let end = Instant::now() + timeout;
        let mut told = None;
        loop {
            let report: ConnectionsReport = self.client.get(&path).await?;
            if report.active == 0 && report.owner_answered {
                return self.terminal.line(&format!("{place}: nothing is left"));
            }
            if told.as_ref() != Some(&report) {
                self.terminal.line(&in_words(place, &report))?;
            }
            if Instant::now() + POLL > end {
                let why = in_words(place, &report);
                return Err(Fault::new(Code::WaitOver).why(why));
            }
            told = Some(report);
            tokio::time::sleep(POLL).await;
        }
    }
}

fn in_words(place: &ServerPlace, report: &ConnectionsReport) -> String {
    let ConnectionsReport { active, silent, .. } = report;
    let silent: Vec<&str> = silent.iter().map(|node| node.as_str()).collect();
    match silent.as_slice() {
        [] => format!("{place}: {active} in flight"),
        nodes => format!(
            "{place}: {active} in flight; no word from {}",
            nodes.join(", ")
        ),
    }
}
