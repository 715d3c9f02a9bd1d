//! HAProxy from Debian before one server: what the field would have answer instead.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use anyhow::{Context, Result};

use super::process::Process;
use super::{Host, Lab, wait};

/// How long it may take to listen.
const STARTS_WITHIN: Duration = Duration::from_secs(10);

/// One balancer with as many threads as there are processors, its default.
#[derive(Debug)]
pub struct HaProxy {
    host: Host,
    address: Ipv4Addr,
    process: Process,
}

impl HaProxy {
    /// Starts it on a host of its own, before port 80 of `server`, and waits until it listens.
    ///
    /// **Errors**: it is not installed, or does not listen in time.
    pub fn start(lab: &Lab, address: Ipv4Addr, server: Ipv4Addr) -> Result<HaProxy> {
        let host = lab.host("haproxy", address)?;
        let file = lab.folder().join("haproxy.cfg");
        fs::write(&file, configuration(address, server)).context("write haproxy.cfg")?;
        let mut command = host.command("sh");
        command.args(["-c", "ulimit -n 20000 && exec haproxy -db -f \"$0\""]);
        command.arg(&file);
        let process = host.spawn("haproxy", command)?;
        let haproxy = HaProxy {
            host,
            address,
            process,
        };
        let front = haproxy.front();
        wait::until_true("haproxy listens", STARTS_WITHIN, || {
            let connects = || std::net::TcpStream::connect(front).is_ok();
            haproxy.host.within(connects)
        })
        .with_context(|| haproxy.process.log())?;
        Ok(haproxy)
    }

    /// Its port 80.
    pub fn front(&self) -> SocketAddr {
        (self.address, 80).into()
    }

    /// Its host.
    pub fn host(&self) -> &Host {
        &self.host
    }

    /// Its process.
    pub fn process(&self) -> &Process {
        &self.process
    }
}

fn configuration(address: Ipv4Addr, server: Ipv4Addr) -> String {
    format!(
        "global\n    maxconn 9000\n\
         defaults\n    mode http\n    timeout connect 5s\n    timeout client 60s\n    \
         timeout server 60s\n    http-reuse always\n\
         frontend front\n    bind {address}:80\n    default_backend servers\n\
         backend servers\n    server s1 {server}:80\n"
    )
}
