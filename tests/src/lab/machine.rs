//! A machine of a site: nginx and an FTP server on one host, that live and die together.
//!
//! ```text
//!   Death::Killed     every process ends; the kernel refuses connections
//!   Death::Hung       every process stops; the kernel takes connections, and nobody answers
//!   Death::Unplugged  the cable is out; nothing comes back at all
//! ```

use std::fs;
use std::net::Ipv4Addr;
use std::path::PathBuf;

use anyhow::{Context, Result};

use super::Lab;
use super::ftpd::{Ftpd, Kind};
use super::network::Host;
use super::nginx::{Content, Nginx};

/// How a machine stops working.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Death {
    /// `kill -9` of everything.
    Killed,
    /// `SIGSTOP` of everything.
    Hung,
    /// Its cable is pulled.
    Unplugged,
}

impl Death {
    /// Each of them, the quickest to be seen first.
    pub const ALL: [Death; 3] = [Death::Killed, Death::Hung, Death::Unplugged];

    /// As one word.
    pub fn word(self) -> &'static str {
        match self {
            Death::Killed => "killed",
            Death::Hung => "hung",
            Death::Unplugged => "unplugged",
        }
    }
}

/// A host with its servers.
#[derive(Debug)]
pub struct Machine {
    host: Host,
    web: Nginx,
    ftp: Option<Ftpd>,
}

impl Machine {
    /// Plugs a host in and starts its servers.
    ///
    /// **Errors**: one of them is not installed, or does not listen in time.
    pub fn start(
        lab: &Lab,
        name: &str,
        address: Ipv4Addr,
        content: Content,
        ftp: Option<Kind>,
    ) -> Result<Machine> {
        let host = lab.host(name, address)?;
        let web = Nginx::on(&host, lab.folder(), content)?;
        let ftp = ftp.map(|kind| Ftpd::start(&host, lab.folder(), kind));
        let ftp = ftp.transpose()?;
        Ok(Machine { host, web, ftp })
    }

    /// Its host.
    pub fn host(&self) -> &Host {
        &self.host
    }

    /// Its web server.
    pub fn web(&mut self) -> &mut Nginx {
        &mut self.web
    }

    /// Its FTP server.
    ///
    /// **Errors**: it has none.
    pub fn ftp(&mut self) -> Result<&mut Ftpd> {
        self.ftp.as_mut().context("a machine with FTP")
    }

    /// Puts the same file into what its web server (if it has files) and its FTP server show.
    ///
    /// **Errors**: the disk is full.
    pub fn put(&self, name: &str, bytes: &[u8]) -> Result<()> {
        let ftp = self.ftp.as_ref().map(Ftpd::root);
        let roots: Vec<PathBuf> = ftp
            .into_iter()
            .chain([self.web.folder().join("files")])
            .collect();
        for root in roots {
            fs::write(root.join(name), bytes).with_context(|| format!("write {name}"))?;
        }
        Ok(())
    }

    /// Stops working.
    ///
    /// **Errors**: the lab is gone.
    pub fn die(&self, of: Death) -> Result<()> {
        match of {
            Death::Killed => self.host.crash(),
            Death::Hung => self.host.hang(),
            Death::Unplugged => self.host.unplug()?,
        }
        Ok(())
    }

    /// Works again.
    ///
    /// **Errors**: a server does not listen in time.
    pub fn mend(&mut self, of: Death) -> Result<()> {
        match of {
            Death::Killed => {
                self.web.back()?;
                if let Some(ftp) = &mut self.ftp {
                    ftp.back()?;
                }
            }
            Death::Hung => self.host.go_on(),
            Death::Unplugged => self.host.plug()?,
        }
        Ok(())
    }
}
