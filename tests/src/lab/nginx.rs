//! Real nginx servers, each with its own configuration and folder, answering with its own name.

use std::fs;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};

use super::network::Host;
use super::process::Process;
use super::{Lab, http, server_address, wait};

/// How long nginx may take to listen.
const STARTS_WITHIN: Duration = Duration::from_secs(10);

/// What an nginx answers besides `/health`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Content {
    /// `/` with its name, `/slow` with 100 KB at 20 KB/s, `/status` with that file of its folder;
    /// `/upload` takes a body to its end.
    Own,
    /// The same, to connections that begin with a PROXY header only; `/` names the client as well.
    BehindProxy,
    /// The files of `files/` in its folder; folders are listed as JSON.
    Files,
    /// Whatever that host's port 80 answers within half a second, `/health` as well. What it has
    /// answered once to `/cached` stays good while it does not.
    Front(Ipv4Addr),
}

/// A web server.
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
        Nginx::on(&host, lab.folder(), Content::Own)
    }

    /// Starts one on `host`, with a folder below `lab`, and waits until it answers.
    ///
    /// **Errors**: nginx is not installed, or does not listen in time.
    pub fn on(host: &Host, lab: &Path, content: Content) -> Result<Nginx> {
        let folder = lab.join(host.name());
        fs::create_dir_all(folder.join("files")).context("make nginx's folder")?;
        fs::write(
            folder.join("nginx.conf"),
            configuration(host.name(), &folder, content),
        )?;
        fs::write(folder.join("slow"), vec![b'x'; 100_000])?;
        let mut server = Nginx {
            host: host.clone(),
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
        wait::until_true("nginx listens", STARTS_WITHIN, || {
            self.host.within(|| http::Connection::open(address).is_ok())
        })
    }

    /// How many requests for `/` it has answered.
    ///
    /// It answers first and writes its log then, one request after the other: whoever has had one
    /// more answer from it finds all earlier ones in the log.
    pub fn requests(&self) -> usize {
        let one_more = || http::get((self.host.address(), 80).into(), "/health");
        // A stopped one has written all it had.
        let _ = self.host.within(one_more);
        let log = fs::read_to_string(self.folder.join("access.log")).unwrap_or_default();
        log.lines().filter(|line| *line == "/").count()
    }
}

/// One worker, no daemon, everything below its own folder; `error_log` on stderr is our log file.
fn configuration(name: &str, folder: &Path, content: Content) -> String {
    let folder = folder.display();
    let own = format!(
        "location = /slow {{ root {folder}; limit_rate 20k; }}\n        \
         location = /status {{ access_log off; root {folder}; }}\n        \
         location = /upload {{ access_log off; proxy_pass http://127.0.0.1/health; }}\n        \
         {HEALTH}"
    );
    let name = |also| format!("location = / {{ return 200 \"{name}{also}\\n\"; }}\n        {own}");
    let files = format!("root {folder}/files; autoindex on; autoindex_format json;");
    let (options, locations, cache) = match content {
        Content::Own => ("", name(""), String::new()),
        Content::BehindProxy => (
            " proxy_protocol",
            name(" $proxy_protocol_addr"),
            String::new(),
        ),
        Content::Files => ("", format!("{files}\n        {HEALTH}"), String::new()),
        Content::Front(origin) => (
            "",
            front(origin),
            format!("proxy_cache_path {folder}/cache keys_zone=cache:1m;"),
        ),
    };
    format!(
        r#"daemon off;
user root;
worker_processes 1;
worker_rlimit_nofile 32768;
pid {folder}/nginx.pid;
error_log stderr warn;
events {{ worker_connections 16384; }}
http {{
    log_format path '$uri';
    access_log {folder}/access.log path;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    {cache}
    keepalive_timeout 60s;
    keepalive_requests 1000000;
    server {{
        listen 80 backlog=1024{options};
        {locations}
    }}
}}
"#
    )
}

const HEALTH: &str = r#"location = /health { access_log off; return 200 "ok\n"; }"#;

/// A second attempt would double the half second: there is only one origin.
fn front(origin: Ipv4Addr) -> String {
    format!(
        r#"proxy_connect_timeout 500ms;
        proxy_read_timeout 500ms;
        proxy_next_upstream off;
        location / {{ proxy_pass http://{origin}; }}
        location = /cached {{
            proxy_pass http://{origin};
            proxy_cache cache;
            proxy_cache_valid 200 1s;
            proxy_cache_use_stale error timeout http_502 http_504;
        }}"#
    )
}
