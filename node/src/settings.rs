//! `node.toml`: what is this machine's alone. Everything else is replicated.
//!
//! ```toml
//! name = "lb1"
//! peer = ["10.0.0.11:7946"]           # TCP and UDP, for the other nodes
//! admin = "10.0.0.11:9443"            # TLS, for administrators' certificates
//! socket = "/run/farmux/admin.sock"   # for root on this machine
//! metrics = "127.0.0.1:9444"          # plain /metrics, /healthz and /leader; off by default
//! data = "/var/lib/farmux"
//! bpf = "/run/farmux/bpf"             # a bpffs, for the kernel's fence
//! fence = "best"                      # or "clsact", or "off"
//! exec_dir = "/usr/lib/nagios/plugins" # what exec checks may run; off by default
//! exec_user = "nobody"                # and as whom
//! [networks]
//! lan = "eth0"
//! [log]
//! level = "info"
//! ```

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use farmux_netplane::fence::HookChoice;
use farmux_raft::codec;
use farmux_raft::id::{NetworkName, NodeName};
use serde::de::Error;
use serde::{Deserialize, Deserializer};

/// What one machine knows of itself.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// What the node is called; a label of `a-z 0-9 - _ .`.
    pub name: NodeName,
    /// Where peers reach it over TCP and UDP; 1 to 4, the first is preferred. No default.
    pub peer: Vec<SocketAddr>,
    /// Where administrators reach it over TLS. No default.
    pub admin: SocketAddr,
    /// The admin socket for root; `/run/farmux/admin.sock` by default.
    #[serde(default = "default_socket")]
    pub socket: PathBuf,
    /// Where machines read `/metrics`, `/healthz` and `/leader` over plain HTTP, without a
    /// certificate; nowhere by default.
    #[serde(default)]
    pub metrics: Option<SocketAddr>,
    /// Where it keeps what must survive; `/var/lib/farmux` by default.
    #[serde(default = "default_data")]
    pub data: PathBuf,
    /// Where the kernel's fence is pinned, so that it outlives the daemon: a folder in a bpffs, of
    /// this node alone; `/run/farmux/bpf` by default.
    #[serde(default = "default_bpf")]
    pub bpf: PathBuf,
    /// How the kernel fences VIPs: `best`, `clsact` or `off`; `best` by default.
    #[serde(default, deserialize_with = "hook_choice")]
    pub fence: HookChoice,
    /// Which interface leads to which network; none by default (a witness needs none).
    #[serde(default)]
    pub networks: BTreeMap<NetworkName, String>,
    /// What is logged.
    #[serde(default)]
    pub log: LogSettings,
    /// Where the plugins of `exec` checks are: an absolute path, of root, not writable by others;
    /// nowhere by default, and then no such check is made here.
    #[serde(default)]
    pub exec_dir: Option<PathBuf>,
    /// As whom they run: a user of `/etc/passwd`, not root; `nobody` by default.
    #[serde(default = "default_exec_user")]
    pub exec_user: String,
    /// The newest format that this node reads and writes, for rehearsing an upgrade: it behaves
    /// as one of the release that had this format; the newest there is by default.
    #[serde(default)]
    pub format_max: Option<u16>,
    /// Serving threads, 1 to 64; as many as there are cores by default.
    #[serde(default)]
    pub serving_threads: Option<usize>,
}

/// What is logged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LogSettings {
    /// The least severe level that is written; `info` by default.
    #[serde(default)]
    pub level: LogLevel,
}

/// Severity of a log line, as the conventions define it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogLevel {
    /// We stop.
    Error,
    /// Worth waking someone.
    Warn,
    /// A role, an owner or a health changed.
    #[default]
    Info,
    /// A detour.
    Debug,
    /// One packet or request.
    Trace,
}

/// Why `node.toml` cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// The file cannot be read: name another with `--config`.
    #[error("cannot read {path}: {source}")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The file is not what it should be: mend the place it names.
    #[error("{path}: {reason}")]
    Invalid {
        /// The file.
        path: PathBuf,
        /// What and where.
        reason: String,
    },
}

impl Settings {
    /// Reads and checks a file.
    ///
    /// **Errors**: [`SettingsError`]; the operator mends the file it names.
    pub fn load(path: &Path) -> Result<Settings, SettingsError> {
        let text = std::fs::read_to_string(path).map_err(|source| SettingsError::Read {
            path: path.to_owned(),
            source,
        })?;
        Settings::parse(&text).map_err(|reason| SettingsError::Invalid {
            path: path.to_owned(),
            reason,
        })
    }

    /// Checks a text.
    ///
    /// **Errors**: what is wrong and where, for people.
    pub fn parse(text: &str) -> Result<Settings, String> {
        let settings: Settings = toml::from_str(text).map_err(|error| error.to_string())?;
        settings.check().map(|()| settings)
    }

    fn check(&self) -> Result<(), String> {
        if self.peer.is_empty() || self.peer.len() > PEER_ADDRESSES_MAX {
            return Err(format!(
                "peer: 1 to {PEER_ADDRESSES_MAX} addresses are needed"
            ));
        }
        for address in self.peer.iter().chain([&self.admin]) {
            if address.ip().is_unspecified() || address.port() == 0 {
                return Err(format!(
                    "{address}: the others must be able to reach it: give this machine's own \
                     address and a port"
                ));
            }
        }
        if self.peer.contains(&self.admin) {
            return Err(format!(
                "peer and admin are both {}: they need different ports, by custom 7946 and 9443",
                self.admin
            ));
        }
        let paths = [&self.data, &self.socket, &self.bpf];
        if !paths.iter().all(|path| path.is_absolute()) {
            return Err("data, socket and bpf: absolute paths are needed".to_owned());
        }
        if self.exec_dir.as_ref().is_some_and(|dir| !dir.is_absolute()) {
            return Err("exec_dir: an absolute path is needed".to_owned());
        }
        for (network, interface) in &self.networks {
            if interface.is_empty() || interface.len() > INTERFACE_BYTES_MAX {
                return Err(format!(
                    "networks.{network}: an interface name has 1 to {INTERFACE_BYTES_MAX} \
                     characters"
                ));
            }
        }
        if let Some(format) = self.format_max.filter(|format| !FORMATS.contains(format)) {
            return Err(format!(
                "format_max = {format}: this version reads {} to {}",
                FORMATS.start(),
                FORMATS.end()
            ));
        }
        match self.serving_threads {
            Some(threads) if !(1..=THREADS_MAX).contains(&threads) => {
                Err(format!("serving_threads: 1 to {THREADS_MAX}"))
            }
            Some(_) | None => Ok(()),
        }
    }

    /// How many serving runtimes this machine runs: one a core unless the file says otherwise.
    pub fn threads(&self) -> usize {
        self.serving_threads.unwrap_or_else(|| {
            std::thread::available_parallelism().map_or(1, |cores| cores.get().min(THREADS_MAX))
        })
    }
}

/// A datagram goes out on every path; four is two networks in both address families.
const PEER_ADDRESSES_MAX: usize = 4;

/// `IFNAMSIZ` is 16 with the final NUL (`linux/if.h`).
const INTERFACE_BYTES_MAX: usize = 15;

/// What this version can be held at.
const FORMATS: std::ops::RangeInclusive<u16> = codec::OLDEST..=codec::NEWEST;

/// More runtimes than this outgrow what one machine's accept queues were measured with.
const THREADS_MAX: usize = 64;

/// The netplane knows no file format.
fn hook_choice<'de, D: Deserializer<'de>>(reader: D) -> Result<HookChoice, D::Error> {
    match String::deserialize(reader)?.as_str() {
        "best" => Ok(HookChoice::Best),
        "clsact" => Ok(HookChoice::Clsact),
        "off" => Ok(HookChoice::Off),
        other => Err(D::Error::unknown_variant(other, &["best", "clsact", "off"])),
    }
}

fn default_socket() -> PathBuf {
    PathBuf::from("/run/farmux/admin.sock")
}

fn default_data() -> PathBuf {
    PathBuf::from("/var/lib/farmux")
}

fn default_bpf() -> PathBuf {
    PathBuf::from("/run/farmux/bpf")
}

fn default_exec_user() -> String {
    "nobody".to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "name = \"lb1\"\npeer = [\"10.0.0.11:7946\"]\nadmin = \"10.0.0.11:9443\"\n\
                        [networks]\nlan = \"eth0\"\n";

    #[test]
    fn a_short_file_is_enough() {
        let settings = Settings::parse(GOOD).expect("a good file");
        assert_eq!(settings.socket, Path::new("/run/farmux/admin.sock"));
        assert_eq!(settings.log.level, LogLevel::Info);
        let fence = (settings.bpf.to_str(), settings.fence);
        assert_eq!(fence, (Some("/run/farmux/bpf"), HookChoice::Best));
        assert_eq!(
            (settings.exec_dir, settings.exec_user),
            (None, "nobody".to_owned())
        );
    }

    #[test]
    fn a_fence_is_said_in_a_word() {
        for (word, choice) in [
            ("best", HookChoice::Best),
            ("clsact", HookChoice::Clsact),
            ("off", HookChoice::Off),
        ] {
            let fence = format!("fence = \"{word}\"\n[networks]");
            let settings = Settings::parse(&GOOD.replace("[networks]", &fence));
            assert_eq!(settings.expect("a good file").fence, choice);
        }
    }

    #[test]
    fn what_is_wrong_is_named() {
        let wrong = [
            (GOOD.replace("name", "nmae"), "unknown field `nmae`"),
            (
                GOOD.replace("10.0.0.11:7946", "0.0.0.0:7946"),
                "0.0.0.0:7946: the others",
            ),
            (GOOD.replace("\"10.0.0.11:7946\"", ""), "peer: 1 to 4"),
            (
                GOOD.replace("9443", "7946"),
                "peer and admin are both 10.0.0.11:7946",
            ),
            (GOOD.replace("eth0", "a-far-too-long-name"), "networks.lan"),
            (GOOD.replace("lb1", "LB 1"), "a name is made of"),
            (
                GOOD.replace("[networks]", "data = \"here\"\n[networks]"),
                "absolute paths",
            ),
            (
                GOOD.replace("[networks]", "bpf = \"here\"\n[networks]"),
                "absolute paths",
            ),
            (
                GOOD.replace("[networks]", "fence = \"on\"\n[networks]"),
                "unknown variant `on`",
            ),
            (
                GOOD.replace("[networks]", "exec_dir = \"here\"\n[networks]"),
                "exec_dir: an absolute path",
            ),
            (
                GOOD.replace("[networks]", "serving_threads = 0\n[networks]"),
                "serving_threads",
            ),
            (
                GOOD.replace("[networks]", "format_max = 9\n[networks]"),
                "format_max = 9: this version reads",
            ),
        ];
        for (text, part) in wrong {
            let error = Settings::parse(&text).expect_err(part);
            assert!(error.contains(part), "{error:?} should name {part:?}");
        }
    }
}
