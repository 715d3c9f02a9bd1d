//! Network namespaces, the bridge and its cables, by the `ip` command.

use std::fs::{self, File};
use std::net::Ipv4Addr;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;

use anyhow::{Context, Result, bail};
use rustix::process::Signal;
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

use super::process::{Process, kill_all, run, signal_all};

/// Opens the name of every namespace and folder of ours; the maker's process id follows, so that
/// a later run can tell whether it is still alive. `deploy/setup.sh` knows it as well.
pub const PREFIX: &str = "fxlab-";

/// Where iproute2 keeps its namespaces.
const NAMESPACES: &str = "/run/netns";

/// Where it looks for what a namespace has in the place of a file in `/etc`.
const FILES: &str = "/etc/netns";

/// One machine of the LAN.
#[derive(Debug, Clone)]
pub struct Host {
    lan: String,
    namespace: String,
    name: String,
    address: Ipv4Addr,
    folder: PathBuf,
}

impl Host {
    /// What it is called, also as a port of the bridge.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its address in the LAN.
    pub fn address(&self) -> Ipv4Addr {
        self.address
    }

    /// The network namespace that stands for it, as `ip netns` knows it.
    pub fn namespace(&self) -> &str {
        &self.namespace
    }

    /// A command that will run on this host.
    pub fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = Command::new("ip");
        command
            .args(["netns", "exec", &self.namespace])
            .arg(program);
        command
    }

    /// Starts `command` (see [`Host::command`]); its output goes to `NAME.log` in the lab's folder.
    ///
    /// **Errors**: it cannot be started.
    pub fn spawn(&self, name: &str, command: Command) -> Result<Process> {
        Process::spawn(name, command, &self.folder.join(format!("{name}.log")))
    }

    /// What everything that was spawned under this name wrote so far.
    pub fn log(&self, name: &str) -> String {
        fs::read_to_string(self.folder.join(format!("{name}.log"))).unwrap_or_default()
    }

    /// Runs `work` on a thread that stands in this host's network.
    ///
    /// **Panics**: when `work` does, and when the namespace is gone.
    pub fn within<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        let inside = || {
            self.enter().expect("the host is there as long as its lab");
            work()
        };
        let ended = thread::scope(|scope| scope.spawn(inside).join());
        ended.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    }

    /// The same on a thread of its own, which the caller joins.
    pub fn background<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> thread::JoinHandle<T> {
        let host = self.clone();
        thread::spawn(move || {
            host.enter().expect("the host is there as long as its lab");
            work()
        })
    }

    fn enter(&self) -> Result<()> {
        let path = Path::new(NAMESPACES).join(&self.namespace);
        let file = File::open(&path).with_context(|| format!("open {}", path.display()))?;
        move_into_link_name_space(file.as_fd(), Some(LinkNameSpaceType::Network))
            .with_context(|| format!("enter {}", path.display()))
    }

    /// `kill -9` of every process that runs on it; its kernel goes on, with the addresses it has.
    pub fn crash(&self) {
        crash(&self.namespace);
    }

    /// Stops every process that runs on it (`SIGSTOP`): its kernel still takes connections, and
    /// nobody answers.
    pub fn hang(&self) {
        signal_all(&pids(&self.namespace), Signal::STOP);
    }

    /// Lets them go on.
    pub fn go_on(&self) {
        signal_all(&pids(&self.namespace), Signal::CONT);
    }

    /// Gives it one more address in the LAN, for a client that is to look like several.
    ///
    /// **Errors**: it has that address already.
    pub fn also(&self, address: Ipv4Addr) -> Result<()> {
        self.change_address("add", &format!("{address}/24"))
    }

    /// Takes an address that [`Self::also`] gave it away again.
    ///
    /// **Errors**: it has no such address.
    pub fn no_longer(&self, address: Ipv4Addr) -> Result<()> {
        self.change_address("del", &format!("{address}/24"))
    }

    /// Takes an address off its interface, as whoever repairs a crashed machine does.
    ///
    /// **Errors**: it has no such address.
    pub fn forget(&self, address: Ipv4Addr) -> Result<()> {
        self.change_address("del", &format!("{address}/32"))
    }

    /// Gives the interface an address, or takes it away.
    fn change_address(&self, verb: &str, address: &str) -> Result<()> {
        let namespace = self.namespace.as_str();
        ip(&["-n", namespace, "addr", verb, address, "dev", "eth0"])
    }

    /// Runs lines of the `ip` command on it, all at once.
    ///
    /// **Errors**: one of them failed.
    pub(super) fn batch(&self, lines: &str) -> Result<()> {
        let file = self.folder.join(format!("{}.batch", self.name));
        fs::write(&file, lines).with_context(|| format!("write {}", file.display()))?;
        ip(&["-n", &self.namespace, "-batch", &file.display().to_string()])
    }

    /// Sends nothing to `other` any more; what `other` sends still arrives, and is not answered.
    ///
    /// **Errors**: it does so already.
    pub fn shun(&self, other: Ipv4Addr) -> Result<()> {
        self.batch(&format!("route add blackhole {other}/32\n"))
    }

    /// Sends to `other` again.
    ///
    /// **Errors**: it does so already.
    pub fn greet(&self, other: Ipv4Addr) -> Result<()> {
        self.batch(&format!("route del blackhole {other}/32\n"))
    }

    /// Pulls the cable at the bridge: this host sees its carrier go, the others hear nothing.
    ///
    /// **Errors**: the lab is gone.
    pub fn unplug(&self) -> Result<()> {
        ip(&["-n", &self.lan, "link", "set", &self.name, "down"])
    }

    /// Puts it back.
    ///
    /// **Errors**: the lab is gone.
    pub fn plug(&self) -> Result<()> {
        ip(&["-n", &self.lan, "link", "set", &self.name, "up"])
    }

    /// The addresses of its interface, the VIP among them where it holds it.
    pub fn addresses(&self) -> Vec<String> {
        let args = [
            "-n",
            &self.namespace,
            "-o",
            "-4",
            "addr",
            "show",
            "dev",
            "eth0",
        ];
        let shown = run(Command::new("ip").args(args)).unwrap_or_default();
        let address = |line: &str| line.split_whitespace().nth(3).map(str::to_owned);
        shown.lines().filter_map(address).collect()
    }

    /// Whether its kernel answers for `address` now.
    pub fn holds(&self, address: Ipv4Addr) -> bool {
        self.addresses()
            .iter()
            .any(|have| have.split('/').next() == Some(&address.to_string()))
    }
}

/// The namespace of the LAN itself, with the bridge and the gateway's address.
pub(super) fn make_bridge(prefix: &str, gateway: Ipv4Addr) -> Result<()> {
    let lan = format!("{prefix}-lan");
    ip(&["netns", "add", &lan])?;
    ip(&["-n", &lan, "link", "set", "lo", "up"])?;
    ip(&["-n", &lan, "link", "add", "br0", "type", "bridge"])?;
    ip(&[
        "-n",
        &lan,
        "addr",
        "add",
        &format!("{gateway}/24"),
        "dev",
        "br0",
    ])?;
    ip(&["-n", &lan, "link", "set", "br0", "up"])
}

/// The namespace of the LAN itself, as a host.
pub(super) fn bridge(prefix: &str, gateway: Ipv4Addr, folder: &Path) -> Host {
    let lan = format!("{prefix}-lan");
    Host {
        namespace: lan.clone(),
        lan,
        name: "lan".to_owned(),
        address: gateway,
        folder: folder.to_path_buf(),
    }
}

/// A namespace with one interface, `eth0`, whose other end is a port of the bridge.
pub(super) fn make_host(prefix: &str, name: &str, at: Ipv4Addr, folder: &Path) -> Result<Host> {
    let lan = format!("{prefix}-lan");
    let namespace = format!("{prefix}-{name}");
    ip(&["netns", "add", &namespace])?;
    let files = Path::new(FILES).join(&namespace);
    fs::create_dir_all(&files).with_context(|| format!("make {}", files.display()))?;
    let resolver = format!("nameserver {}\n", super::NAME_SERVER);
    fs::write(files.join("resolv.conf"), resolver).context("say who knows names")?;
    let ends = ["type", "veth", "peer", "name", "eth0", "netns", &namespace];
    ip(&[&["-n", &lan, "link", "add", "name", name], &ends[..]].concat())?;
    ip(&["-n", &lan, "link", "set", name, "master", "br0", "up"])?;
    ip(&["-n", &namespace, "link", "set", "lo", "up"])?;
    ip(&[
        "-n",
        &namespace,
        "addr",
        "add",
        &format!("{at}/24"),
        "dev",
        "eth0",
    ])?;
    ip(&["-n", &namespace, "link", "set", "eth0", "up"])?;
    ip(&[
        "-n",
        &namespace,
        "route",
        "add",
        "default",
        "via",
        &super::GATEWAY.to_string(),
    ])?;
    let (name, folder) = (name.to_owned(), folder.to_path_buf());
    Ok(Host {
        lan,
        namespace,
        name,
        address: at,
        folder,
    })
}

/// Ends every process of a lab and removes its namespaces.
pub(super) fn remove(prefix: &str) {
    let ours = format!("{prefix}-");
    for namespace in namespaces().iter().filter(|name| name.starts_with(&ours)) {
        crash(namespace);
        // Already gone is as good as removed.
        let _ = ip(&["netns", "del", namespace]);
        let _ = fs::remove_dir_all(Path::new(FILES).join(namespace));
    }
}

fn crash(namespace: &str) {
    kill_all(&pids(namespace));
}

fn pids(namespace: &str) -> Vec<i32> {
    let pids = run(Command::new("ip").args(["netns", "pids", namespace])).unwrap_or_default();
    pids.lines()
        .filter_map(|line| line.trim().parse().ok())
        .collect()
}

/// Removes the labs whose maker is dead, with their folders.
pub fn remove_leftovers() {
    let folders = fs::read_dir(std::env::temp_dir())
        .into_iter()
        .flatten()
        .flatten();
    let folders = folders.map(|entry| entry.file_name().to_string_lossy().into_owned());
    let mut dead: Vec<String> = namespaces()
        .into_iter()
        .chain(folders)
        .filter_map(|name| prefix_of_dead(&name))
        .collect();
    dead.sort();
    dead.dedup();
    for prefix in dead {
        remove(&prefix);
        let folder = std::env::temp_dir().join(&prefix);
        super::bpffs::unmount_all_in(&folder);
        let _ = fs::remove_dir_all(folder);
    }
}

/// The prefix `fxlab-PID-NUMBER` of a name whose process is no more.
fn prefix_of_dead(name: &str) -> Option<String> {
    let rest = name.strip_prefix(PREFIX)?;
    let mut parts = rest.split('-');
    let pid: u32 = parts.next()?.parse().ok()?;
    let number: u32 = parts.next()?.parse().ok()?;
    (!Path::new(&format!("/proc/{pid}")).exists()).then(|| format!("{PREFIX}{pid}-{number}"))
}

fn namespaces() -> Vec<String> {
    let entries = fs::read_dir(NAMESPACES).into_iter().flatten().flatten();
    entries
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect()
}

fn ip(args: &[&str]) -> Result<()> {
    let ended = Command::new("ip")
        .args(args)
        .stdin(Stdio::null())
        .output()
        .context("run ip")?;
    if !ended.status.success() {
        bail!(
            "ip {}: {}",
            args.join(" "),
            String::from_utf8_lossy(&ended.stderr).trim()
        );
    }
    Ok(())
}
