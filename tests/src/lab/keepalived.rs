//! What the field runs today: keepalived from Debian on two nginx machines, one address by VRRP.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use anyhow::{Context, Result};

use super::nginx::Nginx;
use super::process::Process;
use super::{Lab, wait};

/// The floating address of this pair.
const ADDRESS: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 101);

/// Start and takeover need about 3.6 s each: three adverts of 1 s and the skew of priority 100.
const SETTLES_WITHIN: Duration = Duration::from_secs(20);

/// All times and the priority are keepalived's defaults. Both machines begin as backup and nobody
/// takes the address back, so that each round is a takeover and nothing else.
const CONFIGURATION: &str = "\
vrrp_instance front {
    state BACKUP
    nopreempt
    interface eth0
    virtual_router_id 51
    advert_int 1
    virtual_ipaddress {
        10.0.0.101
    }
}
";

/// Two machines, each with keepalived and nginx.
#[derive(Debug)]
pub struct Pair {
    machines: [Machine; 2],
}

#[derive(Debug)]
struct Machine {
    server: Nginx,
    daemon: Option<Process>,
    starts: usize,
}

impl Pair {
    /// Starts it on machines `s3` and `s4`, and waits until one of them holds the address.
    ///
    /// **Errors**: keepalived is not installed, or nobody takes the address in time.
    pub fn start(lab: &Lab) -> Result<Pair> {
        let machine = |number| -> Result<Machine> {
            let mut machine = Machine {
                server: Nginx::start(lab, number)?,
                daemon: None,
                starts: 0,
            };
            machine.start()?;
            Ok(machine)
        };
        let pair = Pair {
            machines: [machine(3)?, machine(4)?],
        };
        pair.owner()?;
        Ok(pair)
    }

    /// Port 80 of its address.
    pub fn front(&self) -> SocketAddr {
        (ADDRESS, 80).into()
    }

    /// Which of the two runs and holds the address; waits until one does.
    ///
    /// **Errors**: nobody does in time.
    pub fn owner(&self) -> Result<usize> {
        wait::until("a keepalived holds its address", SETTLES_WITHIN, || {
            self.machines
                .iter()
                .position(|machine| machine.daemon.is_some() && machine.holds())
        })
    }

    /// `kill -9` of every process of a machine, as farmux dies with its listeners. The kernel
    /// keeps the address and refuses connections until another claims it.
    pub fn crash(&mut self, which: usize) {
        self.machines[which].server.host().crash();
        self.machines[which].daemon = None;
    }

    /// Repairs a crashed machine: the address that its kernel kept goes before it starts again.
    ///
    /// **Errors**: something does not start in time.
    pub fn mend(&mut self, which: usize) -> Result<()> {
        let machine = &mut self.machines[which];
        machine.server.host().forget(ADDRESS)?;
        machine.server.back()?;
        machine.start()
    }
}

impl Machine {
    fn holds(&self) -> bool {
        self.server.host().holds(ADDRESS)
    }

    /// Starts keepalived and waits until it listens to the other as a backup.
    fn start(&mut self) -> Result<()> {
        // A log of its own for each start, so that its state is not read from an earlier one.
        self.starts += 1;
        let host = self.server.host();
        let name = format!("{}-keepalived-{}", host.name(), self.starts);
        let folder = self.server.folder();
        let file = folder.join("keepalived.conf");
        fs::write(&file, CONFIGURATION).context("write keepalived.conf")?;
        let mut command = host.command("keepalived");
        command.args(["--dont-fork", "--log-console", "--log-detail", "--vrrp"]);
        command.arg("--use-file").arg(&file);
        command.arg("--pid").arg(folder.join("keepalived.pid"));
        command.arg("--vrrp_pid").arg(folder.join("vrrp.pid"));
        let daemon = host.spawn(&name, command)?;
        let listens = || daemon.log().contains(LISTENS);
        wait::until_true("keepalived is a backup", SETTLES_WITHIN, listens)
            .with_context(|| daemon.log())?;
        self.daemon = Some(daemon);
        Ok(())
    }
}

/// What keepalived 2.2 logs once it listens.
const LISTENS: &str = "(front) Entering BACKUP STATE";
