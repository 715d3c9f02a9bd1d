//! farmux nodes: the real binary, each on a host and with a folder of its own.

use std::fs;
use std::io::{Read, Write};
use std::net::Ipv4Addr;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use farmux_node::api::types::{FarmReport, PageReport, StatusReport, TokenAnswer};
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::network::Host;
use super::process::Process;
use super::{Lab, wait};

/// How long a daemon may take until it answers on its socket.
const STARTS_WITHIN: Duration = Duration::from_secs(20);

/// How long one command may take; `cluster join` is the longest.
const COMMAND_SECONDS: u32 = 90;

/// A machine that runs farmux.
#[derive(Debug)]
pub struct Node {
    host: Host,
    folder: PathBuf,
    pins: PathBuf,
    wrapped: Vec<String>,
    process: Option<Process>,
}

impl Node {
    /// Plugs a machine into the LAN, with its `node.toml`, and starts the daemon on it.
    ///
    /// **Errors**: the binary is missing, or the daemon does not answer in time.
    pub fn start(lab: &Lab, name: &str, address: Ipv4Addr) -> Result<Node> {
        Node::start_wrapped(lab, name, address, &[])
    }

    /// The same, with a program and its arguments around the daemon: `setpriv`, say.
    ///
    /// **Errors**: the binary is missing, or the daemon does not answer in time.
    pub fn start_wrapped(
        lab: &Lab,
        name: &str,
        address: Ipv4Addr,
        wrapped: &[&str],
    ) -> Result<Node> {
        let host = lab.host(name, address)?;
        let folder = lab.folder().join(name);
        fs::create_dir_all(folder.join("plugins")).context("make the node's folders")?;
        // Without a bpffs around it this is an ordinary folder, and the fence is not pinned.
        let pins = lab.pins().join(name);
        fs::create_dir_all(&pins).context("make the folder for its pins")?;
        let mut node = Node {
            host,
            folder,
            pins,
            wrapped: wrapped.iter().map(ToString::to_string).collect(),
            process: None,
        };
        fs::write(node.settings_file(), node.settings())?;
        node.run()?;
        Ok(node)
    }

    fn settings(&self) -> String {
        let (name, address) = (self.name(), self.host.address());
        let (socket, data) = (self.socket(), self.data());
        format!(
            r#"name = "{name}"
peer = ["{address}:7946"]
admin = "{address}:9443"
socket = "{}"
data = "{}"
bpf = "{}"
exec_dir = "{}"
[networks]
lan = "eth0"
[log]
level = "info"
"#,
            socket.display(),
            data.display(),
            self.pins.display(),
            self.plugins().display()
        )
    }

    /// What it is called.
    pub fn name(&self) -> &str {
        self.host.name()
    }

    /// The machine it runs on.
    pub fn host(&self) -> &Host {
        &self.host
    }

    /// Where the command line finds it.
    pub fn socket(&self) -> PathBuf {
        self.folder.join("admin.sock")
    }

    /// Its `node.toml`.
    pub fn settings_file(&self) -> PathBuf {
        self.folder.join("node.toml")
    }

    /// What it keeps.
    pub fn data(&self) -> PathBuf {
        self.folder.join("data")
    }

    /// Where it finds what `exec` checks run.
    pub fn plugins(&self) -> PathBuf {
        self.folder.join("plugins")
    }

    /// Starts the daemon and waits until it answers on its socket.
    ///
    /// **Errors**: it ends, or does not answer in time.
    pub fn run(&mut self) -> Result<()> {
        let binary = binary()?.display().to_string();
        let words: Vec<&String> = self.wrapped.iter().chain([&binary]).collect();
        let mut command = self.host.command(words[0]);
        command
            .args(&words[1..])
            .arg("run")
            .arg("--config")
            .arg(self.settings_file());
        command.env("RUST_BACKTRACE", "1");
        let process = self.host.spawn(self.name(), command)?;
        let answers = wait::until("the daemon answers", STARTS_WITHIN, || {
            if !process.is_running() {
                return Some(false);
            }
            self.ask(&["status", "-o", "json"]).ok().map(|_| true)
        });
        ensure!(answers?, "{} ended: {}", self.name(), process.log());
        self.process = Some(process);
        Ok(())
    }

    /// The daemon's process.
    ///
    /// **Errors**: it was killed.
    pub fn process(&self) -> Result<&Process> {
        self.process
            .as_ref()
            .with_context(|| format!("{} does not run", self.name()))
    }

    /// What it wrote in all its lives.
    pub fn said(&self) -> String {
        self.host.log(self.name())
    }

    /// Delays these system calls of one thread of the daemon until what is returned is dropped.
    ///
    /// **Errors**: it does not run, has no such thread, or there is no strace.
    pub fn delay(&self, thread: &str, calls: &str, by: Duration) -> Result<Process> {
        self.inject(thread, calls, &format!("delay_enter={}", by.as_micros()))
    }

    fn inject(&self, thread: &str, calls: &str, what: &str) -> Result<Process> {
        let process = self.process()?.id();
        // A daemon answers before it has read its store.
        let id = wait::until(thread, STARTS_WITHIN, || thread_of(process, thread).ok())?;
        let mut command = self.host.command("strace");
        command.args(["-q", "-o", "/dev/null", "-p", &id.to_string(), "-e"]);
        command.arg(format!("trace={calls}")).arg("-e");
        command.arg(format!("inject={calls}:{what}"));
        self.host.spawn(&format!("strace-{}", self.name()), command)
    }

    /// Lets everything that it syncs to disk take so much longer.
    ///
    /// **Errors**: as [`Node::delay`].
    pub fn slow_disk(&self, by: Duration) -> Result<Process> {
        self.delay("farmux-flusher", "fdatasync,fsync", by)
    }

    /// Lets what it syncs to disk fail (`EIO`) until what is returned is dropped.
    ///
    /// **Errors**: as [`Node::delay`].
    pub fn fail_disk(&self) -> Result<Process> {
        self.inject("farmux-flusher", "fdatasync,fsync", "error=EIO")
    }

    /// Lets what it writes to disk find no room, however much it found when it looked (`ENOSPC`),
    /// until what is returned is dropped.
    ///
    /// **Errors**: as [`Node::delay`].
    pub fn surprise_disk(&self) -> Result<Process> {
        self.inject("farmux-flusher", "pwrite64", "error=ENOSPC")
    }

    /// Puts a program and its arguments around the daemon, from its next start on; none: no longer.
    pub fn wrap(&mut self, words: &[&str]) {
        self.wrapped = words.iter().map(ToString::to_string).collect();
    }

    /// Whether the daemon runs.
    pub fn is_running(&self) -> bool {
        self.process.as_ref().is_some_and(Process::is_running)
    }

    /// `kill -9`: it says good-bye to nobody.
    pub fn kill(&mut self) {
        self.process = None;
    }

    /// Ends it as systemd does.
    ///
    /// **Errors**: it does not end in time.
    pub fn stop(&mut self) -> Result<()> {
        let Some(mut process) = self.process.take() else {
            return Ok(());
        };
        let ended = process.terminate()?;
        ensure!(ended.success(), "{}: {ended}", self.name());
        Ok(())
    }

    /// Runs a command of the command line against this node, whatever becomes of it.
    ///
    /// **Errors**: the binary is missing.
    pub fn command(&self, args: &[&str]) -> Result<Output> {
        let mut command = farmux()?;
        command.arg("--socket").arg(self.socket()).args(args);
        command.output().context("run the command line")
    }

    /// Runs a command that must succeed and returns what it printed.
    ///
    /// **Errors**: it failed; with all that it said.
    pub fn ask(&self, args: &[&str]) -> Result<String> {
        let ended = self.command(args)?;
        let said = String::from_utf8_lossy(&ended.stdout).into_owned();
        if !ended.status.success() {
            let complaint = String::from_utf8_lossy(&ended.stderr);
            bail!(
                "{} {}: {}\n{said}{complaint}",
                self.name(),
                args.join(" "),
                ended.status
            );
        }
        Ok(said)
    }

    /// Runs a command that must fail; returns its exit code and what it said.
    ///
    /// **Errors**: it succeeded.
    pub fn refused(&self, args: &[&str]) -> Result<(i32, String)> {
        let ended = self.command(args)?;
        ensure!(
            !ended.status.success(),
            "{} {} succeeded",
            self.name(),
            args.join(" ")
        );
        let said = [ended.stdout, ended.stderr].concat();
        let code = ended.status.code().context("it ended by a signal")?;
        Ok((code, String::from_utf8_lossy(&said).into_owned()))
    }

    /// Runs a command with `-o json` and reads its answer.
    ///
    /// **Errors**: it failed, or the answer has another shape.
    pub fn report<T: DeserializeOwned>(&self, args: &[&str]) -> Result<T> {
        let text = self.ask(&[args, &["-o", "json"]].concat())?;
        let mut value: Value =
            serde_json::from_str(&text).with_context(|| format!("no JSON: {text}"))?;
        // A question is answered with how fresh the answer is, beside the data.
        let data = value
            .get("fresh")
            .is_some()
            .then(|| value.get_mut("data").map(Value::take));
        let value = data.flatten().unwrap_or(value);
        serde_json::from_value(value).with_context(|| format!("not as documented: {text}"))
    }

    /// What a program would scrape (OpenMetrics, with the head of the answer before it).
    ///
    /// **Errors**: the node does not answer.
    pub fn metrics(&self) -> Result<String> {
        let mut stream = UnixStream::connect(self.socket()).context("the admin socket")?;
        stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: lab\r\nConnection: close\r\n\r\n")?;
        let mut text = String::new();
        stream.read_to_string(&mut text)?;
        ensure!(text.starts_with("HTTP/1.1 200"), "{text}");
        Ok(text)
    }

    /// `farmux status`.
    ///
    /// **Errors**: the node does not answer.
    pub fn status(&self) -> Result<StatusReport> {
        self.report(&["status"])
    }

    /// `farmux farm show`.
    ///
    /// **Errors**: the node does not answer, or knows no such farm.
    pub fn farm(&self, name: &str) -> Result<FarmReport> {
        self.report(&["farm", "show", name])
    }

    /// `farmux page list --all`.
    ///
    /// **Errors**: the node does not answer.
    pub fn pages(&self) -> Result<Vec<PageReport>> {
        self.report(&["page", "list", "--all"])
    }

    /// `farmux cluster token create`.
    ///
    /// **Errors**: the node does not answer, or has no majority.
    pub fn token(&self, options: &[&str]) -> Result<String> {
        let answer: TokenAnswer =
            self.report(&[&["cluster", "token", "create"], options].concat())?;
        Ok(answer.token)
    }

    /// Applies a configuration.
    ///
    /// **Errors**: it is refused.
    pub fn apply(&self, toml: &str) -> Result<String> {
        let file = self.folder.join("cluster.toml");
        fs::write(&file, toml)?;
        self.ask(&["config", "apply", &file.display().to_string()])
    }
}

/// The id of a thread by its name.
fn thread_of(process: u32, name: &str) -> Result<u32> {
    let tasks = fs::read_dir(format!("/proc/{process}/task"))?;
    for task in tasks.flatten() {
        let comm = fs::read_to_string(task.path().join("comm")).unwrap_or_default();
        if comm.trim() == name {
            return Ok(task.file_name().to_string_lossy().parse()?);
        }
    }
    bail!("process {process} has no thread {name}")
}

/// The command line, with an end to its patience.
///
/// **Errors**: the binary is missing.
pub fn farmux() -> Result<Command> {
    let mut command = Command::new("timeout");
    command
        .args(["--kill-after=1", &COMMAND_SECONDS.to_string()])
        .arg(binary()?);
    command.stdin(Stdio::null()).env_remove("FARMUX_SOCKET");
    Ok(command)
}

/// The binary under test: `FARMUX_BIN`, or the one beside this test's own.
///
/// **Errors**: there is none.
pub fn binary() -> Result<PathBuf> {
    if let Some(named) = std::env::var_os("FARMUX_BIN") {
        return Ok(named.into());
    }
    beside("farmux")
}

/// A binary that stands beside this program, or beside the folder of this test.
///
/// **Errors**: there is none.
pub(super) fn beside(name: &str) -> Result<PathBuf> {
    let own = std::env::current_exe().context("where this program stands")?;
    let mut beside = own.ancestors().skip(1).take(2);
    let found = beside.find_map(|folder| Some(folder.join(name)).filter(|path| path.is_file()));
    found.with_context(|| {
        format!("no {name} beside this program: run `cargo build --release` first")
    })
}
