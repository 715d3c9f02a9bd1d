//! Checks: the rules by which a server is up or down.

use std::num::NonZeroU32;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::fault::Faults;
use super::text::plain;
use super::word::words;
use super::{DnsCheck, FaultKind, HttpsCheck, Protocol, Secret, UdpCheck};

/// A rule by which a server is up or down.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Check {
    /// What one probe does.
    pub kind: CheckKind,
    /// From the start of one probe to the start of the next; 100 ms to one hour.
    pub interval: Duration,
    /// How long one probe may take; never above the interval.
    pub timeout: Duration,
    /// Failures in a row until down; 1 to 100.
    pub fall: NonZeroU32,
    /// Successes in a row until up again; 1 to 100.
    pub rise: NonZeroU32,
}

/// What one probe does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CheckKind {
    /// Connects.
    Tcp,
    /// Asks and reads an answer.
    Http(HttpCheck),
    /// Logs in and lists, or fetches a file.
    Ftp(FtpCheck),
    /// Calls the NFS server's null procedure, never through a mount.
    Nfs(NfsCheck),
    /// Runs a plugin of this machine.
    Exec(ExecCheck),
    /// As http, over TLS.
    Https(HttpsCheck),
    /// Connects and reads how the server greets.
    Greeting(Protocol),
    /// Looks a name up.
    Dns(DnsCheck),
    /// Sends an echo request.
    Icmp,
    /// Sends a datagram, and waits for one.
    Udp(UdpCheck),
}

impl CheckKind {
    /// The word that a configuration has for it.
    pub fn word(&self) -> &'static str {
        match self {
            CheckKind::Tcp => "tcp",
            CheckKind::Http(_) => "http",
            CheckKind::Ftp(_) => "ftp",
            CheckKind::Nfs(_) => "nfs",
            CheckKind::Exec(_) => "exec",
            CheckKind::Https(_) => "https",
            CheckKind::Greeting(protocol) => protocol.word(),
            CheckKind::Dns(_) => "dns",
            CheckKind::Icmp => "icmp",
            CheckKind::Udp(_) => "udp",
        }
    }

    /// Whether the server's own page is obeyed.
    pub fn obeys(&self) -> bool {
        match self {
            CheckKind::Http(http) => http.obey,
            CheckKind::Https(https) => https.http.obey,
            CheckKind::Tcp
            | CheckKind::Ftp(_)
            | CheckKind::Nfs(_)
            | CheckKind::Exec(_)
            | CheckKind::Greeting(_)
            | CheckKind::Dns(_)
            | CheckKind::Icmp
            | CheckKind::Udp(_) => false,
        }
    }
}

impl std::fmt::Display for CheckKind {
    /// `http GET /health 200`, `ftp as anonymous, LIST`, `nfs v3 over tcp`, `exec check_disk`,
    /// `smtp`, `dns A www.example.com`.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            CheckKind::Tcp | CheckKind::Icmp | CheckKind::Greeting(_) => f.write_str(self.word()),
            CheckKind::Http(http) => write!(f, "http {http}"),
            CheckKind::Https(https) => write!(f, "https {}", https.http),
            CheckKind::Dns(dns) => write!(f, "dns {} {}", dns.record, dns.name),
            CheckKind::Udp(udp) => write!(f, "udp {:?}", udp.send),
            CheckKind::Ftp(ftp) => match &ftp.fetch {
                Some(path) => write!(f, "ftp as {}, RETR {path:?}", ftp.user),
                None => write!(f, "ftp as {}, LIST", ftp.user),
            },
            CheckKind::Nfs(nfs) => write!(f, "nfs v{} over {}", nfs.version, nfs.transport),
            CheckKind::Exec(exec) => write!(f, "exec {}", exec.command),
        }
    }
}

/// As whom an FTP probe logs in, and what it does then.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FtpCheck {
    /// Login name.
    pub user: String,
    /// Login password; shown nowhere.
    pub password: Secret,
    /// The file to be fetched; `None`: the folder is listed.
    pub fetch: Option<String>,
}

/// How an NFS probe asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct NfsCheck {
    /// Over which transport.
    pub transport: NfsTransport,
    /// 3 or 4.
    pub version: u32,
    /// Whether the portmapper is asked first, at port 111, where the server listens.
    pub portmapper: bool,
}

/// Over which transport an NFS probe asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum NfsTransport {
    /// TCP, as everybody mounts.
    #[default]
    Tcp,
    /// UDP.
    Udp,
}

words!(NfsTransport { Tcp => "tcp", Udp => "udp" });

/// Which plugin is run; by the conventions of Nagios.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExecCheck {
    /// A file in the folder `exec_dir` of every node's `node.toml`.
    pub command: String,
    /// Its arguments, at most 20.
    pub arguments: Vec<String>,
}

/// What an HTTP probe asks and expects.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HttpCheck {
    /// The request target; starts with `/`.
    pub path: String,
    /// The `Host` field; the server's address where there is none.
    pub host: Option<String>,
    /// The one status that is well.
    pub status: u16,
    /// Text that must stand in the first 64 KiB of the body.
    pub text: Option<String>,
    /// Whether the first line of the body is obeyed: `OK`, `NOT OK`, `OVERLOAD`, `QUIESCE` or
    /// `WEIGHT=n` ([`super::Advice`]).
    pub obey: bool,
}

impl std::fmt::Display for HttpCheck {
    /// `GET /health 200`, `GET / 200 with "well"`.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "GET {} {}", self.path, self.status)?;
        if let Some(text) = &self.text {
            write!(f, " with {text:?}")?;
        }
        match self.obey {
            true => f.write_str(", obeyed"),
            false => Ok(()),
        }
    }
}

impl Check {
    /// What is wrong with it.
    pub(super) fn check(&self, at: &str, faults: &mut Faults) {
        let interval = self.interval;
        if !(INTERVAL_MIN..=INTERVAL_MAX).contains(&interval) {
            let kind = FaultKind::Duration {
                have: interval,
                min: INTERVAL_MIN,
                max: INTERVAL_MAX,
            };
            faults.add(format!("{at}.interval"), kind);
        }
        if !(TIMEOUT_MIN..=interval).contains(&self.timeout) {
            let kind = FaultKind::Duration {
                have: self.timeout,
                min: TIMEOUT_MIN,
                max: interval,
            };
            faults.add(format!("{at}.timeout"), kind);
        }
        for (name, count) in [("fall", self.fall), ("rise", self.rise)] {
            if count.get() > COUNT_MAX {
                let have = count.get().into();
                let kind = FaultKind::Range {
                    have,
                    min: 1,
                    max: COUNT_MAX.into(),
                };
                faults.add(format!("{at}.{name}"), kind);
            }
        }
        match &self.kind {
            CheckKind::Tcp | CheckKind::Icmp | CheckKind::Greeting(_) => {}
            CheckKind::Https(https) => https.check(at, faults),
            CheckKind::Dns(dns) => dns.check(at, faults),
            CheckKind::Udp(udp) => udp.check(at, faults),
            CheckKind::Http(http) => http.check(at, faults),
            CheckKind::Ftp(ftp) => ftp.check(at, faults),
            CheckKind::Nfs(nfs) => nfs.check(at, faults),
            CheckKind::Exec(exec) => exec.check(at, faults),
        }
    }
}

impl FtpCheck {
    fn check(&self, at: &str, faults: &mut Faults) {
        faults.check(format!("{at}.user"), plain(&self.user, 1, TEXT_CHARS_MAX));
        let password = plain(self.password.reveal(), 0, TEXT_CHARS_MAX);
        faults.check(
            format!("{at}.password"),
            password.map_err(FaultKind::unnamed),
        );
        if let Some(path) = &self.fetch {
            faults.check(format!("{at}.fetch"), plain(path, 1, TEXT_CHARS_MAX));
        }
    }
}

impl NfsCheck {
    fn check(&self, at: &str, faults: &mut Faults) {
        if !(NFS_MIN..=NFS_MAX).contains(&self.version) {
            let (have, min, max) = (self.version.into(), NFS_MIN.into(), NFS_MAX.into());
            faults.add(format!("{at}.version"), FaultKind::Range { have, min, max });
        }
    }
}

impl ExecCheck {
    fn check(&self, at: &str, faults: &mut Faults) {
        let here = format!("{at}.command");
        faults.check(&here, plain(&self.command, 1, COMMAND_CHARS_MAX));
        if self.command.starts_with('.') || self.command.contains('/') {
            faults.add(&here, FaultKind::NotAFileName(self.command.clone()));
        }
        let (have, max) = (self.arguments.len(), ARGUMENTS_MAX);
        if have > max {
            faults.add(format!("{at}.arguments"), FaultKind::TooMany { have, max });
        }
        for argument in &self.arguments {
            faults.check(
                format!("{at}.arguments"),
                plain(argument, 0, TEXT_CHARS_MAX),
            );
        }
    }
}

impl HttpCheck {
    pub(super) fn check(&self, at: &str, faults: &mut Faults) {
        faults.check(format!("{at}.path"), target(&self.path));
        if let Some(name) = &self.host {
            faults.check(format!("{at}.host"), host(name));
        }
        if !(STATUS_MIN..=STATUS_MAX).contains(&self.status) {
            let (min, max) = (STATUS_MIN.into(), STATUS_MAX.into());
            let kind = FaultKind::Range {
                have: self.status.into(),
                min,
                max,
            };
            faults.add(format!("{at}.status"), kind);
        }
        if let Some(text) = &self.text {
            faults.check(format!("{at}.text"), plain(text, 1, TEXT_CHARS_MAX));
        }
    }
}

/// Whether a text can be a request target in origin form. **Source**: RFC 9112, 3.2.1.
fn target(path: &str) -> Result<(), FaultKind> {
    if !path.starts_with('/') {
        return Err(FaultKind::Path);
    }
    let have = path.len();
    if have > PATH_BYTES_MAX {
        return Err(FaultKind::Length {
            have,
            min: 1,
            max: PATH_BYTES_MAX,
        });
    }
    // A fragment is never sent.
    match path.chars().find(|&c| !c.is_ascii_graphic() || c == '#') {
        Some(c) => Err(FaultKind::Character(c)),
        None => Ok(()),
    }
}

/// Whether a text can be a Host field: a name or an address, perhaps with a port.
pub(super) fn host(name: &str) -> Result<(), FaultKind> {
    let have = name.len();
    if have == 0 || have > HOST_BYTES_MAX {
        return Err(FaultKind::Length {
            have,
            min: 1,
            max: HOST_BYTES_MAX,
        });
    }
    let allowed = |c: char| c.is_ascii_alphanumeric() || "-_.:[]".contains(c);
    match name.chars().find(|&c| !allowed(c)) {
        Some(c) => Err(FaultKind::Character(c)),
        None => Ok(()),
    }
}

/// Ten probes a second are noticed in a server's log.
const INTERVAL_MIN: Duration = Duration::from_millis(100);

/// Who asks less than hourly is not watching.
const INTERVAL_MAX: Duration = Duration::from_secs(3_600);

/// Below, a busy machine's own scheduling decides.
const TIMEOUT_MIN: Duration = Duration::from_millis(10);

/// More in a row would hide a failure for minutes.
const COUNT_MAX: u32 = 100;

/// An interim answer (1xx) is no answer.
pub(super) const STATUS_MIN: u16 = 200;

/// **Source**: RFC 9110, 15.
pub(super) const STATUS_MAX: u16 = 599;

/// Longer ones are refused by common servers' defaults sooner or later.
const PATH_BYTES_MAX: usize = 1_024;

/// A DNS name with a port. **Source**: RFC 1035, 2.3.4.
const HOST_BYTES_MAX: usize = 261;

/// A sentence of a page.
pub(super) const TEXT_CHARS_MAX: usize = 200;

/// Version 2 (RFC 1094) is gone from every server of today. **Source**: RFC 1813.
const NFS_MIN: u32 = 3;

/// **Source**: RFC 7530; minor versions do not show in the null call.
const NFS_MAX: u32 = 4;

/// A file name of every file system.
const COMMAND_CHARS_MAX: usize = 100;

/// A plugin with more reads a file.
const ARGUMENTS_MAX: usize = 20;
