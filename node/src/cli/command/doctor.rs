//! `farmux doctor`: made here, on this machine; the daemon is asked for what it knows, if it
//! answers.

use std::collections::BTreeMap;
use std::net::IpAddr;

use farmux_raft::id::NetworkName;
use tokio::net::UnixStream;

use super::super::args::DoctorArguments;
use super::super::client::Client;
use super::super::show;
use super::Shell;
use crate::api::types::{ExportAnswer, Reading, StatusReport};
use crate::doctor::{Checkup, Context, examine};
use crate::fault::{Code, Fault};
use crate::settings::Settings;

impl Shell {
    pub(super) async fn doctor(&mut self, arguments: DoctorArguments) -> Result<(), Fault> {
        let settings = Settings::load(&arguments.config).map_err(Fault::from)?;
        // The socket that this machine's settings name, whatever another command was told.
        let client = Client::of_socket(&settings.socket);
        let status = client.get::<StatusReport>("/v1/status").await.ok();
        let config = client.get::<Reading<ExportAnswer>>("/v1/config").await;
        let context = Context {
            daemon: daemon(&settings).await,
            gateways: config.map_or_else(|_| BTreeMap::new(), |answer| gateways(&answer.data.toml)),
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

/// PURE. The reference address of each network that has a VIP.
fn gateways(toml: &str) -> BTreeMap<NetworkName, IpAddr> {
    let document: toml::Table = toml.parse().unwrap_or_default();
    let vips = document.get("vip").and_then(toml::Value::as_array);
    let gateway = |vip: &toml::Value| {
        let word = |name: &str| vip.get(name).and_then(toml::Value::as_str);
        Some((
            word("network")?.parse().ok()?,
            word("gateway")?.parse().ok()?,
        ))
    };
    vips.into_iter().flatten().filter_map(gateway).collect()
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_gateways_of_vips_are_found() {
        let toml = "[[vip]]\nname = \"front\"\naddress = \"10.0.0.100\"\nnetwork = \"lan\"\n\
                    gateway = \"10.0.0.1\"\n[[vip]]\nname = \"b\"\nnetwork = \"dmz\"\n";
        let expected = BTreeMap::from([(
            "lan".parse().expect("a name"),
            "10.0.0.1".parse().expect("an address"),
        )]);
        assert_eq!(gateways(toml), expected);
        assert!(gateways("").is_empty() && gateways("no = toml = at all").is_empty());
    }
}
