//! Real FTP servers on loopback addresses, each with one user and one folder to write into.
//!
//! vsftpd and pyftpdlib come as Debian packages. pure-ftpd and proftpd exclude vsftpd as packages,
//! so `deploy/setup.sh` unpacks them beside the build instead of installing them.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use farmux_netplane::plan::PortRange;

use crate::harness::PATIENCE;
use crate::harness::reserved::reserve;

/// Which server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Vsftpd,
    PureFtpd,
    Proftpd,
    Pyftpdlib,
}

/// A running server.
pub(crate) struct Daemon {
    pub(crate) address: SocketAddr,
    pub(crate) user: &'static str,
    pub(crate) password: &'static str,
    /// What its clients see as `/up`.
    pub(crate) folder: PathBuf,
    child: Child,
    _home: tempfile::TempDir,
}

impl Daemon {
    /// Starts a server on 127.0.0.2.
    pub(crate) fn start(kind: Kind) -> Daemon {
        let address = reserve(Ipv4Addr::new(127, 0, 0, 2).into());
        Daemon::start_at(kind, address, |_| String::new())
    }

    /// Starts vsftpd on this address of 127.0.0.0/8, with TLS, passive ports of its own, and the
    /// word that it is to be found at 127.0.0.1.
    pub(crate) fn start_with_tls(ip: [u8; 4], ports: PortRange) -> Daemon {
        let address = reserve(ip.into());
        Daemon::start_at(Kind::Vsftpd, address, |home| {
            let key = home.join("key.pem");
            let made = Command::new("/usr/bin/openssl")
                .args([
                    "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2",
                ])
                .args(["-subj", "/CN=ftp.example.com", "-keyout"])
                .arg(&key)
                .arg("-out")
                .arg(home.join("certificate.pem"))
                .output()
                .expect("openssl is there");
            assert!(made.status.success(), "{made:?}");
            format!(
                "ssl_enable=YES\nallow_anon_ssl=YES\nforce_anon_logins_ssl=YES\n\
                 force_anon_data_ssl=YES\nrequire_ssl_reuse=NO\nrsa_cert_file={}\n\
                 rsa_private_key_file={}\npasv_min_port={}\npasv_max_port={}\n\
                 pasv_address=127.0.0.1\n",
                home.join("certificate.pem").display(),
                key.display(),
                ports.first,
                ports.last,
            )
        })
    }

    /// Starts a server on ::1.
    pub(crate) fn start_on_ipv6(kind: Kind) -> Daemon {
        let address = reserve(Ipv6Addr::LOCALHOST.into());
        Daemon::start_at(kind, address, |_| String::new())
    }

    /// `more`: what else stands in the configuration (vsftpd only), given the server's folder.
    fn start_at(kind: Kind, address: SocketAddr, more: impl Fn(&Path) -> String) -> Daemon {
        let home = tempfile::tempdir().expect("a folder is to be had");
        open_to_all(home.path(), 0o755);
        let folder = home.path().join("root/up");
        std::fs::create_dir_all(&folder).expect("the folder can be made");
        open_to_all(&folder, 0o777);
        let (mut command, user, password) = match kind {
            Kind::Vsftpd => {
                let command = vsftpd(home.path(), address, &more(home.path()));
                (command, "anonymous", "me@example.com")
            }
            Kind::PureFtpd => (pure_ftpd(home.path(), address), "anna", "secret"),
            Kind::Proftpd => (proftpd(home.path(), address), "anna", "secret"),
            Kind::Pyftpdlib => (pyftpdlib(home.path(), address), "anna", "secret"),
        };
        let log = std::fs::File::create(home.path().join("log")).expect("a log can be made");
        let child = command
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("a descriptor is to be had"))
            .stderr(log)
            .spawn()
            .unwrap_or_else(|error| panic!("{command:?}: {error}; see deploy/setup.sh"));
        let mut daemon = Daemon {
            address,
            user,
            password,
            folder,
            child,
            _home: home,
        };
        daemon.wait_until_it_listens(kind);
        daemon
    }

    fn wait_until_it_listens(&mut self, kind: Kind) {
        let end = Instant::now() + PATIENCE;
        while TcpStream::connect(self.address).is_err() {
            let log = || std::fs::read_to_string(self._home.path().join("log"));
            let gone = self.child.try_wait().expect("it can be asked");
            assert!(gone.is_none(), "{kind:?} ended: {:?}", log());
            assert!(
                Instant::now() < end,
                "{kind:?} does not listen: {:?}",
                log()
            );
            std::thread::sleep(std::time::Duration::from_millis(10));
        }
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // The children that serve sessions end when their connections do.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn vsftpd(home: &Path, address: SocketAddr, more: &str) -> Command {
    let empty = home.join("empty");
    std::fs::create_dir(&empty).expect("the folder can be made");
    let listen = match address {
        SocketAddr::V4(at) => format!("listen=YES\nlisten_address={}", at.ip()),
        SocketAddr::V6(at) => format!("listen=NO\nlisten_ipv6=YES\nlisten_address6={}", at.ip()),
    };
    let config = home.join("vsftpd.conf");
    let text = format!(
        "{listen}\nlisten_port={}\nbackground=NO\nanonymous_enable=YES\nlocal_enable=NO\n\
         write_enable=YES\nanon_upload_enable=YES\nanon_mkdir_write_enable=YES\n\
         anon_other_write_enable=YES\nanon_umask=022\nno_anon_password=YES\nanon_root={}\n\
         secure_chroot_dir={}\nseccomp_sandbox=NO\nconnect_from_port_20=NO\nport_enable=NO\n\
         max_per_ip=0\n{more}",
        address.port(),
        home.join("root").display(),
        empty.display(),
    );
    std::fs::write(&config, text).expect("the file can be written");
    let mut command = Command::new("/usr/sbin/vsftpd");
    command.arg(config);
    command
}

fn pure_ftpd(home: &Path, address: SocketAddr) -> Command {
    let (passwords, database) = (home.join("passwd"), home.join("puredb"));
    let mut hashed = Command::new("/usr/bin/openssl");
    hashed.args(["passwd", "-6", "secret"]);
    let hash = hashed.output().expect("openssl is there").stdout;
    let hash = String::from_utf8_lossy(&hash).trim().to_owned();
    let root = home.join("root");
    let line = format!(
        "anna:{hash}:65534:65534::{}/./::::::::::::\n",
        root.display()
    );
    std::fs::write(&passwords, line).expect("the file can be written");
    let made = Command::new(unpacked("usr/bin/pure-pw"))
        .arg("mkdb")
        .arg(&database)
        .arg("-f")
        .arg(&passwords)
        .output()
        .expect("pure-pw is unpacked; see deploy/setup.sh");
    assert!(made.status.success(), "{made:?}");
    let mut command = Command::new(unpacked("usr/sbin/pure-ftpd"));
    command
        .arg(format!("-S{},{}", address.ip(), address.port()))
        .arg(format!("-lpuredb:{}", database.display()))
        .args(["-u", "1", "-C", "100", "-c", "100", "-H", "-L", "10000:8"])
        .arg(format!("-g{}", home.join("pid").display()));
    command
}

fn proftpd(home: &Path, address: SocketAddr) -> Command {
    let hashed = Command::new("/usr/bin/openssl")
        .args(["passwd", "-6", "secret"])
        .output()
        .expect("openssl is there");
    let hash = String::from_utf8_lossy(&hashed.stdout).trim().to_owned();
    let root = home.join("root").display().to_string();
    let users = home.join("users");
    std::fs::write(&users, format!("anna:{hash}:65534:65534::{root}:/bin/sh\n"))
        .expect("the file can be written");
    open_to_all(&users, 0o600);
    let at = home.display();
    let text = format!(
        "ServerName test\nServerType standalone\nDefaultServer on\nUseIPv6 {}\nPort {}\n\
         DefaultAddress {}\nSocketBindTight on\nUser nobody\nGroup nogroup\n\
         AuthUserFile {at}/users\nAuthOrder mod_auth_file.c\nRequireValidShell off\nWtmpLog off\n\
         TransferLog none\n\
         ScoreboardFile {at}/scoreboard\nPidFile {at}/pid\nDelayTable none\nDefaultRoot ~\n\
         AllowOverwrite on\nAllowStoreRestart on\nAllowRetrieveRestart on\nMaxInstances 200\n\
         UseReverseDNS off\nSystemLog {at}/system.log\n",
        if address.is_ipv6() { "on" } else { "off" },
        address.port(),
        address.ip(),
    );
    let config = home.join("proftpd.conf");
    std::fs::write(&config, text).expect("the file can be written");
    let mut command = Command::new(unpacked("usr/sbin/proftpd"));
    command.arg("-n").arg("-c").arg(config);
    command
}

fn pyftpdlib(home: &Path, address: SocketAddr) -> Command {
    let root = home.join("root");
    let text = format!(
        "from pyftpdlib.authorizers import DummyAuthorizer\n\
         from pyftpdlib.handlers import FTPHandler\n\
         from pyftpdlib.servers import FTPServer\n\
         a = DummyAuthorizer()\n\
         a.add_user('anna', 'secret', '{}', perm='elradfmwMT')\n\
         FTPHandler.authorizer = a\n\
         FTPServer(('{}', {}), FTPHandler).serve_forever()\n",
        root.display(),
        address.ip(),
        address.port(),
    );
    // Debian's own interpreter, which knows Debian's modules.
    let mut command = Command::new("/usr/bin/python3");
    command.arg("-W").arg("ignore").arg("-c").arg(text);
    command
}

/// What `deploy/setup.sh` has unpacked.
fn unpacked(path: &str) -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR"))
        .join("../debian")
        .join(path)
}

fn open_to_all(path: &Path, mode: u32) {
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode))
        .expect("permissions can be set");
}
