//! Real FTP clients: each puts a file, takes up an upload where it stopped, lists, renames, fetches
//! it whole and takes up a download, and says by its exit whether it could.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

use crate::daemons::Daemon;

/// How data connections are made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    Passive,
    Active,
}

/// Which client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Client {
    Curl,
    /// curl without EPSV and EPRT.
    OldCurl,
    Lftp,
    Ncftp,
    Ftplib,
}

/// What a client is told to do.
pub(crate) struct Task<'a> {
    pub(crate) at: SocketAddr,
    pub(crate) daemon: &'a Daemon,
    pub(crate) mode: Mode,
    /// Holds `whole` and its beginning, `half`.
    pub(crate) local: &'a Path,
}

/// Runs a command in the client's folder; what it wrote.
pub(crate) fn run(command: &mut Command, local: &Path) -> String {
    // No client may take longer, whatever happens; and none may look into a home of ours.
    let mut bounded = Command::new("timeout");
    bounded
        .arg("100")
        .arg(command.get_program())
        .args(command.get_args());
    let output = bounded
        .current_dir(local)
        .env("HOME", local)
        .output()
        .expect("timeout can be started");
    let (said, complained) = (
        String::from_utf8_lossy(&output.stdout).into_owned(),
        String::from_utf8_lossy(&output.stderr).into_owned(),
    );
    assert!(
        output.status.success(),
        "{command:?}: {}\n{said}\n{complained}",
        output.status
    );
    said
}

impl Task<'_> {
    pub(crate) fn by(&self, client: Client) {
        match client {
            Client::Curl => self.by_curl(&[]),
            Client::OldCurl => self.by_curl(&["--disable-epsv", "--disable-eprt"]),
            Client::Lftp => self.by_lftp(),
            Client::Ncftp => self.by_ncftp(),
            Client::Ftplib => self.by_ftplib(),
        }
    }

    fn curl(&self, path: &str, args: &[&str]) -> String {
        let mut command = Command::new("curl");
        command.args(["-sS", "-m", "60", "--user"]);
        command.arg(format!("{}:{}", self.daemon.user, self.daemon.password));
        if self.mode == Mode::Active {
            command.args(["--ftp-port", "-"]);
        }
        command.args(args).arg(format!("ftp://{}{path}", self.at));
        run(&mut command, self.local)
    }

    fn by_curl(&self, extra: &[&'static str]) {
        let with = |args: &[&'static str]| [extra, args].concat();
        // The first half, then the rest of it.
        self.curl("/up/sent", &with(&["-T", "half"]));
        self.curl("/up/sent", &with(&["-T", "whole", "--continue-at", "-"]));
        let listing = self.curl("/up/", extra);
        assert!(listing.contains("sent"), "{listing}");
        let rename = ["-Q", "-RNFR sent", "-Q", "-RNTO renamed"];
        self.curl("/up/", &with(&rename));
        self.curl("/up/renamed", &with(&["-o", "fetched"]));
        std::fs::copy(self.local.join("half"), self.local.join("resumed")).expect("a copy");
        self.curl(
            "/up/renamed",
            &with(&["-o", "resumed", "--continue-at", "-"]),
        );
    }

    fn by_lftp(&self) {
        let passive = if self.mode == Mode::Passive {
            "on"
        } else {
            "off"
        };
        std::fs::copy(self.local.join("half"), self.local.join("resumed")).expect("a copy");
        let script = format!(
            "set cmd:fail-exit yes; set net:max-retries 2; set net:timeout 20; \
             set net:reconnect-interval-base 1; set ftp:ssl-allow no; set xfer:clobber on; \
             set ftp:passive-mode {passive}; \
             open -u {},{} ftp://{}; cd up; put half -o sent; put -c whole -o sent; ls sent; \
             mv sent renamed; get renamed -o fetched; get -c renamed -o resumed; bye",
            self.daemon.user, self.daemon.password, self.at
        );
        run(
            Command::new("lftp").args(["--norc", "-c", &script]),
            self.local,
        );
    }

    fn by_ncftp(&self) {
        let mode = if self.mode == Mode::Passive {
            "-F"
        } else {
            "-E"
        };
        let port = self.at.port().to_string();
        let ip = self.at.ip().to_string();
        let (user, password) = (self.daemon.user, self.daemon.password);
        let common = [
            "-V", mode, "-u", user, "-p", password, "-P", &port, "-t", "30",
        ];
        let ncftp = |program: &str, args: &[&str]| {
            run(Command::new(program).args(common).args(args), self.local)
        };
        ncftp("ncftpput", &[&ip, "/up", "whole"]);
        // "-l" alone is understood by all servers.
        let common = [
            "-l", "-u", user, "-p", password, "-P", &port, "-t", "30", mode,
        ];
        let url = format!("ftp://{ip}/up/");
        let listing = run(Command::new("ncftpls").args(common).arg(&url), self.local);
        assert!(listing.contains("whole"), "{listing}");
        std::fs::rename(self.local.join("whole"), self.local.join("kept")).expect("a name");
        ncftp("ncftpget", &[&ip, ".", "/up/whole"]);
        std::fs::rename(self.local.join("whole"), self.local.join("fetched")).expect("a name");
        std::fs::copy(self.local.join("half"), self.local.join("whole")).expect("a copy");
        ncftp("ncftpget", &[&ip, ".", "/up/whole"]);
        std::fs::rename(self.local.join("whole"), self.local.join("resumed")).expect("a name");
        std::fs::rename(self.local.join("kept"), self.local.join("whole")).expect("a name");
        std::fs::rename(
            self.daemon.folder.join("whole"),
            self.daemon.folder.join("renamed"),
        )
        .expect("a name");
    }

    fn by_ftplib(&self) {
        let passive = if self.mode == Mode::Passive {
            "True"
        } else {
            "False"
        };
        let script = format!(
            "import ftplib, os, socket\n\
             ftp = ftplib.FTP(timeout=60)\n\
             ftp.connect('{}', {})\n\
             ftp.login('{}', '{}')\n\
             ftp.set_pasv({passive})\n\
             ftp.cwd('up')\n\
             half = os.path.getsize('half')\n\
             with open('half', 'rb') as f: ftp.storbinary('STOR sent', f)\n\
             with open('whole', 'rb') as f:\n\
             \x20   f.seek(half)\n\
             \x20   ftp.storbinary('STOR sent', f, rest=half)\n\
             assert 'sent' in ftp.nlst(), ftp.nlst()\n\
             ftp.rename('sent', 'renamed')\n\
             with open('fetched', 'wb') as f: ftp.retrbinary('RETR renamed', f.write)\n\
             with open('resumed', 'wb') as f:\n\
             \x20   f.write(open('half', 'rb').read())\n\
             \x20   ftp.retrbinary('RETR renamed', f.write, rest=half)\n\
             try:\n\
             \x20   ftp.retrbinary('RETR absent', print)\n\
             \x20   raise SystemExit('a file that is not there')\n\
             except ftplib.error_perm as error: assert str(error).startswith('550'), error\n\
             conn = ftp.transfercmd('RETR renamed')\n\
             conn.recv(1000)\n\
             ftp.sock.sendall(b'ABOR\\r\\n', socket.MSG_OOB)\n\
             conn.close()\n\
             ftp.putcmd('NOOP')\n\
             said = [ftp.getmultiline()[:3]]\n\
             while said[-1] != '200': said.append(ftp.getmultiline()[:3])\n\
             assert len(said) > 2 and set(said) <= {{'150', '225', '226', '426', '200'}}, said\n\
             ftp.quit()\n",
            self.at.ip(),
            self.at.port(),
            self.daemon.user,
            self.daemon.password
        );
        run(
            Command::new("/usr/bin/python3").args(["-c", &script]),
            self.local,
        );
    }
}
