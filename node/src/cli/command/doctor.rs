//! `farmux doctor`: made here, on this machine; the daemon is asked for what it knows, if it
//! answers.

use serde::de::DeserializeOwned;
use tokio::net::UnixStream;

use super::super::args::DoctorArguments;
use super::super::client::Client;
use super::super::show;
use super::Shell;
use crate::api::types::{Reading, StatusReport};
use crate::doctor::{Checkup, Context, examine};
use crate::fault::{Code, Fault};
use crate::settings::Settings;

impl Shell {
    pub(super) async fn doctor(&mut self, arguments: DoctorArguments) -> Result<(), Fault> {
        let settings = Settings::load(&arguments.config).map_err(Fault::from)?;
        // The socket that this machine's settings name, whatever another command was told.
        let client = Client::of_socket(&settings.socket);
        let status = client.get::<StatusReport>("/v1/status").await.ok();
        let context = Context {
            daemon: daemon(&settings).await,
            vips: all(&client, "/v1/vips").await,
            farms: all(&client, "/v1/farms").await,
            status,
            settings,
        };
        let checkup = examine(&context).await;
        self.terminal.show(&checkup, show::checkup)?;
        verdict(&checkup)
    }
}

/// Whoever serves the socket.
async fn daemon(settings: &Settings) -> Option<u32> {
    let stream = UnixStream::connect(&settings.socket).await.ok()?;
    let process = stream.peer_cred().ok()?.pid()?;
    u32::try_from(process).ok()
}

/// What the daemon tells; nothing where it does not.
async fn all<T: DeserializeOwned>(client: &Client, path: &str) -> Vec<T> {
    let answer = client.get::<Reading<Vec<T>>>(path).await;
    answer.map_or_else(|_| Vec::new(), |answer| answer.data)
}

/// Warnings are told and are no failure: a script that checks before an upgrade goes on.
fn verdict(checkup: &Checkup) -> Result<(), Fault> {
    match checkup.failures {
        0 => Ok(()),
        1 => Err(Fault::new(Code::DoctorUnfit).what("1 check fails on this machine")),
        more => {
            Err(Fault::new(Code::DoctorUnfit).what(format!("{more} checks fail on this machine")))
        }
    }
}
