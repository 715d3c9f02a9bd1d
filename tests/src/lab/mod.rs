//! A LAN on this machine: hosts in network namespaces of their own, joined by one bridge.
//!
//! ```text
//!   gateway 10.0.0.1 = br0 ──┬── lb1 .11   lb2 .12   lb3 .13     farmux nodes
//!                            ├── s1 .21    s2 .22                nginx
//!                            ├── s3 .23    s4 .24                nginx and keepalived (VIP: .101)
//!                            ├── fs1 .50                         what servers fetch from
//!                            ├── mail .9                         an SMTP server, or all of `post`
//!                            ├── names .53                       a name server
//!                            ├── street .60                      10.1.x.x: hundreds of servers
//!                            └── client .200                     VIP: .100
//! ```
//!
//! Nothing of it leaves the namespaces: the bridge has one of its own. Whatever happens to a test,
//! its LAN goes: on drop, or when the next lab starts and finds the maker of this one dead.

mod bpffs;
pub mod cluster;
pub mod daemons;
pub mod dns;
pub mod ftp;
pub mod ftpd;
mod ftpd_files;
pub mod haproxy;
pub mod http;
pub mod keepalived;
pub mod machine;
pub mod mail;
pub mod neighbourhood;
pub mod network;
pub mod nfs;
pub mod nginx;
pub mod node;
pub mod origin;
pub mod post;
pub mod process;
pub mod sheet;
pub mod small_disk;
pub mod tls;
pub mod wait;

use std::fs;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use anyhow::{Context, Result};

pub use network::{Host, remove_leftovers};

/// The LAN's own address, on the bridge: the gateway of all its hosts.
pub const GATEWAY: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 1);
/// The mail server.
pub const RELAY: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 9);
/// The name server that all hosts are told to ask.
pub const NAME_SERVER: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 53);
/// The floating address.
pub const VIP: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 100);
/// Whoever asks.
pub const CLIENT: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 200);

/// Address of node `lb1`, `lb2`, …
pub fn node_address(number: u8) -> Ipv4Addr {
    Ipv4Addr::new(10, 0, 0, 10 + number)
}

/// Address of server `s1`, `s2`, …
pub fn server_address(number: u8) -> Ipv4Addr {
    Ipv4Addr::new(10, 0, 0, 20 + number)
}

/// Address of `fs1`, the file server that other servers fetch from.
pub const FILE_SERVER: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 50);

/// Several labs of one process need several names.
static NEXT: AtomicU32 = AtomicU32::new(1);

/// Where in a lab's folder the pins are.
const PINS: &str = "pins";

/// A LAN that goes when it is dropped.
#[derive(Debug)]
pub struct Lab {
    prefix: String,
    folder: PathBuf,
}

impl Lab {
    /// Builds the bridge, after removing what dead runs left behind.
    ///
    /// **Errors**: no right to make namespaces, or no iproute2.
    pub fn new() -> Result<Lab> {
        network::remove_leftovers();
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let prefix = format!("{}{}-{number}", network::PREFIX, std::process::id());
        let folder = std::env::temp_dir().join(&prefix);
        fs::create_dir_all(&folder).with_context(|| format!("make {}", folder.display()))?;
        bpffs::mount(&folder.join(PINS));
        let lab = Lab { prefix, folder };
        network::make_bridge(&lab.prefix, GATEWAY)?;
        Ok(lab)
    }

    /// Plugs a host into the LAN.
    ///
    /// **Errors**: the name is taken or longer than an interface name may be.
    pub fn host(&self, name: &str, address: Ipv4Addr) -> Result<Host> {
        network::make_host(&self.prefix, name, address, &self.folder)
    }

    /// The bridge itself, which is the gateway as well: not a host like the others, but a place for
    /// whoever listens to all of them, or cuts them off.
    pub fn bridge(&self) -> Host {
        network::bridge(&self.prefix, GATEWAY, &self.folder)
    }

    /// Where nodes pin their fences, each in a folder of its own name.
    pub fn pins(&self) -> PathBuf {
        self.folder.join(PINS)
    }

    /// Where this lab's files stand: one log a process, one folder a node.
    pub fn folder(&self) -> &Path {
        &self.folder
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        if std::thread::panicking() {
            process::show_logs(&self.folder);
        }
        network::remove(&self.prefix);
        bpffs::unmount(&self.pins());
        // What cannot be removed now, the next lab removes.
        let _ = fs::remove_dir_all(&self.folder);
    }
}
