//! Real FTP servers: Debian's vsftpd, pure-ftpd, proftpd and pyftpdlib, each with its own folder.
//!
//! ```text
//!   root/           what clients see as /; `whoami` holds the name of the host
//!   root/up/        where clients may write
//! ```
//! vsftpd and pyftpdlib are installed as packages. The other two exclude vsftpd as packages, so
//! that `deploy/setup.sh` unpacks them beside the build instead.

use std::fs::{self, Permissions};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result};

use super::network::Host;
use super::process::{Process, run};
use super::{ftpd_files, wait};

/// Who may log in everywhere; vsftpd has no users of its own.
pub const USER: &str = "anonymous";
/// The password of [`USER`].
pub const PASSWORD: &str = "lab";

/// The Python that Debian's packages belong to; one of pyenv would not find pyftpdlib.
const PYTHON: &str = "/usr/bin/python3";

/// How long a server may take to listen: Python starts slowly on a busy machine.
const STARTS_WITHIN: Duration = Duration::from_secs(20);

/// Which server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// A process a session.
    Vsftpd,
    /// The same, with explicit TLS, its passive ports in `first` to `last`, at address `vip`.
    VsftpdTls {
        /// The first passive port.
        first: u16,
        /// The last.
        last: u16,
    },
    /// A process a session.
    PureFtpd,
    /// A process a session.
    Proftpd,
    /// One process, one thread for all.
    Pyftpdlib,
    /// pyftpdlib without files of its own: it fetches them from that host's port 80.
    Front(std::net::Ipv4Addr),
}

/// The four that have files of their own.
pub const ALL: [Kind; 4] = [Kind::Vsftpd, Kind::PureFtpd, Kind::Proftpd, Kind::Pyftpdlib];

/// An FTP server on port 21 of its host.
#[derive(Debug)]
pub struct Ftpd {
    host: Host,
    kind: Kind,
    folder: PathBuf,
    process: Option<Process>,
}

impl Ftpd {
    /// Makes its folder below `lab`, starts it, and waits until it listens.
    ///
    /// **Errors**: it is not installed, or does not listen in time.
    pub fn start(host: &Host, lab: &Path, kind: Kind) -> Result<Ftpd> {
        let folder = lab.join(format!("{}-ftp", host.name()));
        let mut server = Ftpd {
            host: host.clone(),
            kind,
            folder,
            process: None,
        };
        server.prepare()?;
        server.back()?;
        Ok(server)
    }

    /// What clients see as `/`.
    pub fn root(&self) -> PathBuf {
        self.folder.join("root")
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        (self.host.address(), 21).into()
    }

    /// Starts it, again perhaps, and waits until it listens.
    ///
    /// **Errors**: it does not listen in time.
    pub fn back(&mut self) -> Result<()> {
        let name = format!("{}-ftp", self.host.name());
        let process = self.host.spawn(&name, self.command()?)?;
        let address = self.address();
        let listens = || {
            let connect = || TcpStream::connect_timeout(&address, STARTS_WITHIN).is_ok();
            !process.is_running() || self.host.within(connect)
        };
        wait::until_true("the FTP server listens", STARTS_WITHIN, listens)?;
        let log = || format!("{:?} on {}: {}", self.kind, self.host.name(), process.log());
        anyhow::ensure!(process.is_running(), "it ended: {}", log());
        self.process = Some(process);
        Ok(())
    }

    /// Ends it, but not the sessions that have a process of their own.
    ///
    /// **Errors**: it does not end in time.
    pub fn stop(&mut self) -> Result<()> {
        match self.process.take() {
            Some(mut process) => process.terminate().map(|_| ()),
            None => Ok(()),
        }
    }

    fn prepare(&self) -> Result<()> {
        let up = self.root().join("up");
        fs::create_dir_all(&up).context("make an FTP server's folder")?;
        fs::create_dir_all(self.folder.join("empty"))?;
        fs::set_permissions(&up, Permissions::from_mode(0o777))?;
        fs::write(
            self.root().join("whoami"),
            format!("{}\n", self.host.name()),
        )?;
        let write = |name: &str, text: String| fs::write(self.folder.join(name), text);
        let at = self.host.address();
        match &self.kind {
            Kind::Vsftpd => write("conf", ftpd_files::vsftpd(at, &self.folder))?,
            Kind::VsftpdTls { first, last } => {
                write("tls.pem", certificate()?)?;
                let tls = ftpd_files::vsftpd_tls(&self.folder, *first, *last);
                write("conf", ftpd_files::vsftpd(at, &self.folder) + &tls)?;
            }
            Kind::Proftpd => write("conf", ftpd_files::proftpd(at, &self.folder))?,
            Kind::PureFtpd => self.prepare_pure_ftpd()?,
            Kind::Pyftpdlib | Kind::Front(_) => write("server.py", ftpd_files::PYFTPDLIB.into())?,
        }
        Ok(())
    }

    /// A user of its own: its real anonymous one may not resume an upload.
    fn prepare_pure_ftpd(&self) -> Result<()> {
        let hash = run(Command::new("openssl").args(["passwd", "-6", PASSWORD]))?;
        let root = self.root();
        let user = format!(
            "{USER}:{}:{NOBODY}:{NOBODY}::{}/./",
            hash.trim(),
            root.display()
        );
        let (text, database) = (self.folder.join("passwd"), self.folder.join("users.pdb"));
        fs::write(&text, format!("{user}::::::::::::\n"))?;
        let mut command = Command::new(unpacked("usr/bin/pure-pw")?);
        command.arg("mkdb").arg(&database).arg("-f").arg(&text);
        run(&mut command).map(|_| ())
    }

    /// Where pyftpdlib finds its files.
    fn files(&self) -> String {
        match &self.kind {
            Kind::Front(origin) => format!("http://{origin}"),
            Kind::Vsftpd
            | Kind::VsftpdTls { .. }
            | Kind::PureFtpd
            | Kind::Proftpd
            | Kind::Pyftpdlib => self.root().display().to_string(),
        }
    }

    fn command(&self) -> Result<Command> {
        let (host, at) = (&self.host, self.host.address());
        let here = |name: &str| self.folder.join(name);
        let mut command;
        match &self.kind {
            Kind::Vsftpd | Kind::VsftpdTls { .. } => {
                command = host.command("vsftpd");
                command.arg(here("conf"));
            }
            Kind::Proftpd => {
                command = host.command(unpacked("usr/sbin/proftpd")?);
                command.arg("-n").arg("-c").arg(here("conf"));
            }
            Kind::PureFtpd => {
                command = host.command(unpacked("usr/sbin/pure-ftpd")?);
                let users = here("users.pdb");
                command
                    .arg(format!("-S{at},21"))
                    .arg(format!("-lpuredb:{}", users.display()))
                    .arg(format!("-g{}", here("pid").display()));
                command.args([
                    "-E",
                    "-H",
                    "-u",
                    "1",
                    "-C",
                    SESSIONS_MAX,
                    "-c",
                    SESSIONS_MAX,
                ]);
            }
            Kind::Pyftpdlib | Kind::Front(_) => {
                command = host.command(PYTHON);
                command.args(["-W", "ignore"]).arg(here("server.py"));
                command.arg(at.to_string()).arg(self.files());
            }
        }
        Ok(command)
    }
}

/// A certificate that signs itself, and its key.
fn certificate() -> Result<String> {
    let made = rcgen::generate_simple_self_signed(["ftp.test".to_owned()]).context("sign")?;
    Ok(made.cert.pem() + &made.signing_key.serialize_pem())
}

/// `nobody` and `nogroup` of Debian.
const NOBODY: &str = "65534";

/// Twice what any test has at once.
pub(super) const SESSIONS_MAX: &str = "200";

/// A file that `deploy/setup.sh` unpacked, beside this program's own.
///
/// **Errors**: it did not.
pub(super) fn unpacked(path: &str) -> Result<PathBuf> {
    let own = std::env::current_exe().context("where this program stands")?;
    let mut places = own
        .ancestors()
        .map(|folder| folder.join("debian").join(path));
    let found = places.find(|path| path.exists());
    found.with_context(|| format!("no {path}: run tests/run.sh, which unpacks it"))
}
