//! Real nginx servers, each with its own configuration and folder, answering with its own name.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};

use super::network::Host;
use super::process::Process;
use super::{Lab, http, server_address, wait};

/// How long nginx may take to listen.
const STARTS_WITHIN: Duration = Duration::from_secs(10);

/// A server of the farm.
#[derive(Debug)]
pub struct Nginx {
    host: Host,
    folder: PathBuf,
    process: Option<Process>,
}

impl Nginx {
    /// Starts server `s1`, `s2`, … and waits until it answers.
    ///
    /// `/` answers with its name, `/health` with `ok`, `/slow` with 100 KB at 20 KB/s.
    ///
    /// **Errors**: nginx is not installed, or does not listen in time.
    pub fn start(lab: &Lab, number: u8) -> Result<Nginx> {
        let host = lab.host(&format!("s{number}"), server_address(number))?;
        let folder = lab.folder().join(host.name());
        fs::create_dir_all(&folder).context("make nginx's folder")?;
        fs::write(
            folder.join("nginx.conf"),
            configuration(host.name(), &folder),
        )?;
        fs::write(folder.join("slow"), vec![b'x'; 100_000])?;
        let mut server = Nginx {
            host,
            folder,
            process: None,
        };
        server.back()?;
        Ok(server)
    }

    /// Its host.
    pub fn host(&self) -> &Host {
        &self.host
    }

    /// Where its files stand.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Ends nginx: connections to it are refused from now on.
    ///
    /// **Errors**: it does not end in time.
    pub fn stop(&mut self) -> Result<()> {
        match self.process.take() {
            Some(mut process) => process.terminate().map(|_| ()),
            None => Ok(()),
        }
    }

    /// Starts it again and waits until it answers.
    ///
    /// **Errors**: it does not listen in time.
    pub fn back(&mut self) -> Result<()> {
        let mut command = self.host.command("nginx");
        command
            .arg("-p")
            .arg(&self.folder)
            .arg("-c")
            .arg(self.folder.join("nginx.conf"));
        self.process = Some(self.host.spawn(self.host.name(), command)?);
        let address = (self.host.address(), 80).into();
        wait::until_true("nginx answers", STARTS_WITHIN, || {
            self.host.within(|| http::get(address, "/health").is_ok())
        })
    }

    /// How many requests for `/` it has answered.
    pub fn requests(&self) -> usize {
        let log = fs::read_to_string(self.folder.join("access.log")).unwrap_or_default();
        log.lines().filter(|line| *line == "/").count()
    }
}

/// One worker, no daemon, everything below its own folder; `error_log` on stderr is our log file.
fn configuration(name: &str, folder: &Path) -> String {
    let folder = folder.display();
    format!(
        r#"daemon off;
user root;
worker_processes 1;
pid {folder}/nginx.pid;
error_log stderr warn;
events {{ worker_connections 1024; }}
http {{
    log_format path '$uri';
    access_log {folder}/access.log path;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    keepalive_timeout 60s;
    keepalive_requests 1000000;
    server {{
        listen 80 backlog=1024;
        location = / {{ return 200 "{name}\n"; }}
        location = /health {{ access_log off; return 200 "ok\n"; }}
        location = /slow {{ root {folder}; limit_rate 20k; }}
    }}
}}
"#
    )
}
