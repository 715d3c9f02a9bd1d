//! A name server: Debian's dnsmasq, which knows the mail server by name.

use anyhow::Result;

use super::network::Host;
use super::process::Process;
use super::{Lab, NAME_SERVER, RELAY};

/// What the mail server is called.
pub const RELAY_NAME: &str = "relay.lab";

/// The name server that every host of the LAN asks.
#[derive(Debug)]
pub struct NameServer {
    host: Host,
    _process: Process,
}

impl NameServer {
    /// Starts host `names`.
    ///
    /// **Errors**: dnsmasq is not installed.
    pub fn start(lab: &Lab) -> Result<NameServer> {
        let host = lab.host("names", NAME_SERVER)?;
        let relay = format!("--host-record={RELAY_NAME},{RELAY}");
        let process = dnsmasq(&host, &["--local=/lab/", &relay])?;
        Ok(NameServer {
            host,
            _process: process,
        })
    }

    /// The machine it runs on.
    pub fn host(&self) -> &Host {
        &self.host
    }
}

/// Starts dnsmasq, which knows what these options of it say, and nothing else.
///
/// **Errors**: it is not installed.
pub fn dnsmasq(host: &Host, records: &[&str]) -> Result<Process> {
    let mut command = host.command("dnsmasq");
    command.args([
        "--keep-in-foreground",
        "--conf-file=/dev/null",
        "--pid-file=",
        "--user=root",
        "--no-resolv",
        "--no-hosts",
    ]);
    command.args(records);
    host.spawn("dnsmasq", command)
}
