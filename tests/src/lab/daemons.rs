//! Real servers that greet: Debian's Exim, Dovecot, OpenSSH, Redis, PostgreSQL and MariaDB.
//!
//! ```text
//!   target/debian/usr ══ laid over /usr ══╗
//!   users and groups of their own ════════╬══ in the mount namespace that the daemon gets alone
//!   an empty /run ════════════════════════╝
//! ```
//!
//! `deploy/setup.sh` unpacks them beside the build. Each believes itself installed, with a folder
//! below the lab's, and listens on the port that its protocol was given, at its host.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};

use super::ftpd::unpacked;
use super::network::Host;
use super::process::{Process, run};

/// What each of them is run as, where not as root.
const SERVANT: &str = "65534";

/// Whom they look for by name, and who owns their folders.
const USERS: &str = "root:x:0:0::/root:/bin/sh\n\
    nobody:x:65534:65534::/:/bin/false\nDebian-exim:x:65534:65534::/:/bin/false\n\
    dovecot:x:65534:65534::/:/bin/false\ndovenull:x:65533:65534::/:/bin/false\n\
    sshd:x:65532:65534::/:/bin/false\n";

const GROUPS: &str = "root:x:0:\nnogroup:x:65534:\nDebian-exim:x:65534:\ndovecot:x:65534:\n";

/// No resolver is asked who connects: there is none in a lab.
const HOSTS: &str = "127.0.0.1 localhost\n10.0.0.200 client.test\n";

/// The servers of one host, each started by its function; a name tells logs apart.
#[derive(Debug)]
pub struct Daemons<'a> {
    host: &'a Host,
    folder: std::path::PathBuf,
    usr: String,
}

impl Daemons<'_> {
    /// For servers on `host`, with their folders below `lab`.
    ///
    /// **Errors**: they are not unpacked.
    pub fn on<'a>(host: &'a Host, lab: &Path) -> Result<Daemons<'a>> {
        let folder = lab.join(format!("{}-servers", host.name()));
        fs::create_dir_all(&folder).context("make a folder for servers")?;
        for (name, text) in [("passwd", USERS), ("group", GROUPS), ("hosts", HOSTS)] {
            fs::write(folder.join(name), text)?;
        }
        let usr = unpacked("usr/sbin/mariadbd")?;
        let usr = usr.ancestors().nth(2).context("it is in usr/sbin")?;
        Ok(Daemons {
            host,
            folder,
            usr: usr.display().to_string(),
        })
    }

    /// A mail server on port 25.
    ///
    /// **Errors**: it cannot be started.
    pub fn exim(&self) -> Result<Process> {
        let at = self.prepare(
            "exim",
            "exim_user = Debian-exim\nexim_group = nogroup\nprimary_hostname = mx.test\n\
             spool_directory = AT\nlog_file_path = AT/%slog\npid_file_path = AT/pid\n\
             tls_advertise_hosts =\nhost_lookup =\nkeep_environment =\nlog_selector = +all\n\
             rfc1413_hosts =\nacl_smtp_connect = accept\nbegin acl\n",
        )?;
        self.start("exim", &format!("exec exim4 -bdf -oX 25 -C {at}/conf"))
    }

    /// IMAP on port 143 and POP3 on port 110.
    ///
    /// **Errors**: it cannot be started.
    pub fn dovecot(&self) -> Result<Process> {
        let at = self.prepare(
            "dovecot",
            "protocols = imap pop3\nbase_dir = AT/run\nstate_dir = AT/state\nssl = no\n\
             log_path = /dev/stderr\ndefault_internal_group = nogroup\nlisten = *\n\
             passdb {\n driver = static\n args = nopassword=y\n}\n\
             service imap-login {\n chroot =\n}\nservice pop3-login {\n chroot =\n}\n",
        )?;
        self.start("dovecot", &format!("exec dovecot -F -c {at}/conf"))
    }

    /// SSH on port 22.
    ///
    /// **Errors**: it cannot be started.
    pub fn sshd(&self) -> Result<Process> {
        let conf = "HostKey AT/key\nPidFile none\nUsePAM no\nUseDNS no\nLogLevel VERBOSE\n";
        let at = self.prepare("sshd", conf)?;
        let key = format!("{at}/key");
        run(Command::new("ssh-keygen").args(["-q", "-t", "ed25519", "-N", "", "-f", &key]))?;
        let script = format!("mkdir /run/sshd && exec /usr/sbin/sshd -D -e -f {at}/conf");
        self.start("sshd", &script)
    }

    /// Redis on this port, with more options.
    ///
    /// **Errors**: it cannot be started.
    pub fn redis(&self, port: u16, options: &str) -> Result<Process> {
        let name = format!("redis{port}");
        let at = self.prepare(&name, "")?;
        let script = format!("exec redis-server --port {port} --dir {at} --bind '*' {options}");
        self.start(&name, &script)
    }

    /// PostgreSQL on port 5432, which treats clients of the LAN by this method.
    ///
    /// **Errors**: it cannot be started.
    pub fn postgres(&self, method: &str) -> Result<Process> {
        let at = self.prepare("postgres", "")?;
        let script = format!(
            "export PATH=$PATH:/usr/lib/postgresql/15/bin; \
             servant='setpriv --reuid={SERVANT} --regid={SERVANT} --clear-groups'; \
             $servant initdb -D {at}/data -U postgres --auth=trust --no-sync --no-locale && \
             echo 'host all all 10.0.0.0/24 {method}' >>{at}/data/pg_hba.conf && \
             exec $servant postgres -D {at}/data -h '*' -k {at} -F"
        );
        self.start("postgres", &script)
    }

    /// MariaDB on port 3306, with more options, and this user who may come from anywhere; without
    /// any such it would not even begin to talk.
    ///
    /// **Errors**: it cannot be started.
    pub fn mariadb(&self, user: &str, options: &str) -> Result<Process> {
        let at = self.prepare("mariadb", "")?;
        let script = format!(
            "set -e; mkdir -p {at}/data/mysql; chown -R {SERVANT} {at}; cd /usr/share/mysql; \
             own='--no-defaults --datadir={at}/data --socket={at}/socket --user=nobody \
             --innodb-buffer-pool-size=8M --innodb-flush-log-at-trx-commit=0'; \
             (echo 'use mysql;'; for name in system_tables performance_tables system_tables_data; \
             do cat mysql_$name.sql; echo; done) | mariadbd $own --bootstrap; \
             echo \"CREATE USER {user}@'%';\" >{at}/users; \
             exec mariadbd $own --init-file={at}/users {options}"
        );
        self.start("mariadb", &script)
    }

    /// Makes a server's folder and its file `conf`, in which AT is that folder.
    fn prepare(&self, name: &str, conf: &str) -> Result<String> {
        let at = self.folder.join(name);
        fs::create_dir_all(&at).context("make a server's folder")?;
        let shown = at.display().to_string();
        run(Command::new("chown").args(["-R", SERVANT, &shown]))?;
        // Exim takes no configuration that anybody but root could have written.
        fs::write(at.join("conf"), conf.replace("AT", &shown))?;
        Ok(shown)
    }

    fn start(&self, name: &str, script: &str) -> Result<Process> {
        let (own, usr) = (self.folder.display(), &self.usr);
        let script = format!(
            "mount --bind {own}/passwd /etc/passwd && mount --bind {own}/group /etc/group && \
             mount --bind {own}/hosts /etc/hosts && mount -t tmpfs tmpfs /run && \
             mount -t overlay overlay -o lowerdir={usr}:/usr /usr && {script}"
        );
        let mut command = self.host.command("sh");
        command.args(["-c", &script]);
        self.host
            .spawn(&format!("{}-{name}", self.host.name()), command)
    }
}
