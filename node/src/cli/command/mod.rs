//! The commands, one file a family: each asks the admin API and shows the answer.

mod admin_cert;
mod cluster;
mod config;
mod contact;
mod doctor;
mod drill;
mod events;
mod explain;
mod farm;
mod moving;
mod page;
mod probe;
mod recover;
mod server;
mod silence;
mod snapshot;
mod version;
mod vip;
mod watch;

use farmux_raft::id::UnixMillis;

use super::args::{Action, DrillAction, Output};
use super::client::Client;
use super::show;
use super::terminal::Terminal;
use crate::api::types::StatusReport;
use crate::daemon::wall_clock;
use crate::fault::{Code, Fault};
use crate::rehearsal;

/// What a command needs: whom to ask, and where to show the answer.
pub struct Shell {
    /// Asks the daemon.
    pub client: Client,
    /// Shows the answer.
    pub terminal: Terminal,
}

impl Shell {
    /// Carries out an action; `run` is the daemon's, not ours.
    ///
    /// **Errors**: a [`Fault`] to show; the process leaves with its exit code.
    pub async fn execute(&mut self, action: Action) -> Result<(), Fault> {
        check_form(self.terminal.form(), &action)?;
        match action {
            Action::Run { .. } => Err(Fault::new(Code::Usage).why("`run` is not a request")),
            Action::Status => self.status().await,
            Action::Cluster(action) => self.cluster(action).await,
            Action::Vip(action) => self.vip(action).await,
            Action::Node(action) => self.node(action).await,
            Action::Config(action) => self.config(action).await,
            Action::Farm(action) => self.farm(action).await,
            Action::Server(action) => self.server(action).await,
            Action::Watch(action) => self.watch(action).await,
            Action::Events(arguments) => self.events(arguments).await,
            Action::Contact(action) => self.contact(action).await,
            Action::Page(action) => self.page(action).await,
            Action::Silence(action) => self.silence(action).await,
            Action::AdminCert(action) => self.admin_cert(action).await,
            Action::Snapshot(action) => self.snapshot(action).await,
            Action::Doctor(arguments) => self.doctor(arguments).await,
            Action::Drill(action) => self.drill(action).await,
            Action::Probe(arguments) => self.probe(arguments).await,
            Action::Explain { code } => self.explain(code.as_deref()),
            Action::Version => self.version().await,
            Action::DrillGuard(arguments) => {
                let guarded = rehearsal::guard::guard(&arguments).await;
                guarded.map_err(|error| Fault::new(Code::Broken).why(error))
            }
        }
    }

    async fn status(&mut self) -> Result<(), Fault> {
        let report: StatusReport = self.client.get("/v1/status").await?;
        let now = self.now();
        self.terminal
            .show(&report, |report, paint| show::status(report, paint, now))
    }

    /// The wall clock, for ages.
    fn now(&self) -> UnixMillis {
        wall_clock()
    }
}

/// A form that only reports have.
fn check_form(form: Output, action: &Action) -> Result<(), Fault> {
    let report = matches!(action, Action::Drill(DrillAction::Report { .. }));
    match form {
        Output::Md | Output::Html if !report => Err(Fault::new(Code::Usage)
            .why("-o md and -o html are for `farmux drill report`")
            .mend("the same command with -o table or -o json")),
        Output::Table | Output::Json | Output::Md | Output::Html => Ok(()),
    }
}
