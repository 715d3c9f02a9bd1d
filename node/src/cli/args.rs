//! The words of the command line, parsed once into types that cannot be wrong.

mod cluster;
mod doctor;
mod drill;
mod moving;
mod probe;
mod snapshot;
mod vip;
mod watch;

pub use cluster::{ClusterAction, InitArguments, TokenAction};
pub use doctor::DoctorArguments;
pub use drill::{DrillAction, DrillArguments, ScheduleAction, ScheduleArguments};
pub use moving::{MoveArguments, NodeAction, Switch};
pub use probe::ProbeArguments;
pub use snapshot::{PassphraseArguments, SnapshotAction};
pub use vip::{Preferred, VipAction};
pub use watch::{
    ChangeArguments, ChosenArguments, EventsArguments, FieldArguments, HowArguments,
    ImportArguments, ListArguments, WatchAction,
};

use std::net::IpAddr;
use std::num::NonZeroU16;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};
use farmux_raft::id::{AdminName, ContactName, FarmName};
use farmux_raft::state::{ChannelKind, Word as _};

use super::place::ServerPlace;
use crate::config::parse_duration;
use crate::fault::EXIT_CODES;
pub use crate::rehearsal::guard::GuardArguments;

/// Two or three Linux machines as one load balancer that has no single point of failure.
#[derive(Debug, Clone, PartialEq, Eq, Parser)]
#[command(name = "farmux", disable_version_flag = true, after_help = EXIT_CODES)]
pub struct Arguments {
    /// Where the daemon is found.
    #[command(flatten)]
    pub target: Target,
    /// What to do.
    #[command(subcommand)]
    pub action: Action,
}

/// Where the daemon is found: on this machine's socket, or on another's admin port.
#[derive(Debug, Clone, PartialEq, Eq, Args)]
pub struct Target {
    /// The daemon's Unix socket
    #[arg(
        long,
        global = true,
        env = "FARMUX_SOCKET",
        default_value = DEFAULT_SOCKET,
        value_name = "PATH"
    )]
    pub socket: PathBuf,
    /// A node's admin address, instead of the socket
    #[arg(
        long,
        global = true,
        value_name = "HOST:PORT",
        requires = "cert",
        value_parser = parse_host_and_port
    )]
    pub connect: Option<String>,
    /// The administrator's certificate for --connect, as `admin-cert create` wrote it
    #[arg(
        long,
        global = true,
        value_name = "FILE",
        env = "FARMUX_CERT",
        hide_env_values = true
    )]
    pub cert: Option<PathBuf>,
    /// How answers are shown
    #[arg(
        short,
        long,
        global = true,
        value_enum,
        default_value = "table",
        value_name = "FORM"
    )]
    pub output: Output,
}

/// The socket's place where node.toml names no other.
pub const DEFAULT_SOCKET: &str = "/run/farmux/admin.sock";

/// How answers are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum Output {
    /// For people
    #[default]
    #[value(alias = "text")]
    Table,
    /// For programs; the shapes are documented and stable
    Json,
    /// For a wiki: `drill report` only
    Md,
    /// For a browser: `drill report` only
    Html,
}

/// What to do.
#[derive(Debug, Clone, PartialEq, Eq, Subcommand)]
pub enum Action {
    /// Run the daemon
    Run {
        /// This machine's own settings
        #[arg(long, default_value = "/etc/farmux/node.toml", value_name = "FILE")]
        config: PathBuf,
    },
    /// What stands and what does not, now
    Status,
    /// Make, join, leave and change the cluster
    #[command(subcommand)]
    Cluster(ClusterAction),
    /// Floating addresses: where they are, and moving them
    #[command(subcommand)]
    Vip(VipAction),
    /// The machines of the cluster
    #[command(subcommand)]
    Node(NodeAction),
    /// Apply, export and look back at the configuration
    #[command(subcommand)]
    Config(ConfigAction),
    /// Farms and their servers
    #[command(subcommand)]
    Farm(FarmAction),
    /// Order a server about
    #[command(subcommand)]
    Server(ServerAction),
    /// Things that are checked, not balanced
    #[command(subcommand)]
    Watch(WatchAction),
    /// What happened lately; with -f, what happens
    Events(EventsArguments),
    /// Who is paged
    #[command(subcommand)]
    Contact(ContactAction),
    /// Calls to humans
    #[command(subcommand)]
    Page(PageAction),
    /// What nobody is called for, for a while
    #[command(subcommand)]
    Silence(SilenceAction),
    /// Certificates for administrators without root
    #[command(subcommand)]
    AdminCert(AdminCertAction),
    /// Keep all that the cluster agreed on in a file, and start again from it
    #[command(subcommand)]
    Snapshot(SnapshotAction),
    /// Whether this machine can do what is asked of it; each line with what mends it
    Doctor(DoctorArguments),
    /// Rehearse a failure: measured, bounded, undone, and on the record
    #[command(subcommand)]
    Drill(DrillAction),
    /// Ask a URL again and again, and tell how long it did not answer; needs no daemon
    Probe(ProbeArguments),
    /// What an error code means and what mends it; all codes without one
    Explain {
        /// FMX-…
        code: Option<String>,
    },
    /// The version of this program, and of the daemon if it answers
    Version,
    /// Started by the daemon in a drill: ends for it what it cannot end itself
    #[command(hide = true)]
    DrillGuard(GuardArguments),
}

/// Apply, export and look back at the configuration.
#[derive(Debug, Clone, PartialEq, Eq, Subcommand)]
pub enum ConfigAction {
    /// Replace the configuration by a file; shows what changes
    Apply {
        /// The file; `-` reads standard input
        file: PathBuf,
        /// Only show what would change
        #[arg(long)]
        dry_run: bool,
        /// Why, for the history
        #[arg(long, default_value = "", hide_default_value = true)]
        note: String,
        /// Only if this revision, from which the file was made, is the newest still
        #[arg(long, value_name = "N", value_parser = parse_revision)]
        base: Option<u64>,
    },
    /// Print the whole configuration; secrets are named, not shown
    Export,
    /// Print the configuration of a revision; secrets are named, not shown
    Show {
        /// Which [default: the newest]
        #[arg(long, value_name = "N", value_parser = parse_revision)]
        revision: Option<u64>,
    },
    /// Make the configuration of an older revision the present one; shows what changes
    Rollback {
        /// Which; as `history` lists them
        #[arg(value_name = "N", value_parser = parse_revision)]
        revision: u64,
        /// Only show what would change
        #[arg(long)]
        dry_run: bool,
        /// Why, for the history [default: rollback to rN]
        #[arg(long, default_value = "", hide_default_value = true)]
        note: String,
    },
    /// Who changed what, when and why
    History,
}

/// Farms and their servers.
#[derive(Debug, Clone, PartialEq, Eq, Subcommand)]
pub enum FarmAction {
    /// All of them
    List,
    /// One, with its services, servers and checks
    Show {
        /// Its name
        farm: FarmName,
    },
}

/// Order a server about.
#[derive(Debug, Clone, PartialEq, Eq, Subcommand)]
pub enum ServerAction {
    /// Give it no new work; what it has, it finishes
    Drain {
        /// Which
        #[command(flatten)]
        which: Which,
        /// Also when it is the last one of a service
        #[arg(long)]
        allow_empty: bool,
        /// Return when it has nothing left
        #[arg(long)]
        wait: bool,
        /// How long to wait at most
        #[arg(long, default_value = "300s", value_parser = parse_duration)]
        timeout: Duration,
    },
    /// Let it work again; one that stands by after a failure does so no longer
    Ready {
        /// Which
        #[command(flatten)]
        which: Which,
    },
    /// Take it out at once: no work, no probes, no pages
    Maintenance {
        /// Which
        #[command(flatten)]
        which: Which,
        /// Also when it is the last one of a service
        #[arg(long)]
        allow_empty: bool,
        /// Until it is ready again by itself: 1m to 30d [default: until somebody says ready]
        #[arg(long = "for", value_name = "TIME", value_parser = parse_duration)]
        lasts: Option<Duration>,
        /// Why
        #[arg(
            short = 'm',
            long,
            value_name = "WHY",
            default_value = "",
            hide_default_value = true
        )]
        comment: String,
    },
}

/// One server, or all of an address.
#[derive(Debug, Clone, PartialEq, Eq, Args)]
#[group(required = true, multiple = false)]
pub struct Which {
    /// Which: FARM/SERVER
    pub server: Option<ServerPlace>,
    /// All servers at this address, in whatever farm
    #[arg(long, value_name = "ADDRESS")]
    pub everywhere: Option<IpAddr>,
}

/// Who is paged.
#[derive(Debug, Clone, PartialEq, Eq, Subcommand)]
pub enum ContactAction {
    /// Send a test through every channel of a contact, from the node that is asked
    Test {
        /// Its name
        name: ContactName,
        /// Only through this one: mail, webhook, snpp or syslog
        #[arg(long, value_parser = channel_kind)]
        channel: Option<ChannelKind>,
    },
}

fn channel_kind(text: &str) -> Result<ChannelKind, String> {
    let mut words = ChannelKind::WORDS.iter();
    let found = words.find(|(word, _)| *word == text).map(|(_, kind)| *kind);
    found.ok_or_else(|| "mail, webhook, snpp or syslog".to_owned())
}

/// Calls to humans.
#[derive(Debug, Clone, PartialEq, Eq, Subcommand)]
pub enum PageAction {
    /// The newest first: open, due and of the last day
    List {
        /// All that are remembered
        #[arg(long)]
        all: bool,
    },
    /// One, with what became of it
    Show {
        /// Its id, or the first digits of it
        id: String,
    },
    /// All that are remembered, filtered
    History {
        /// Only those whose subject contains this
        #[arg(long, value_name = "TEXT")]
        subject: Option<String>,
        /// Only those of so long a time until now, as in 2h
        #[arg(long, value_name = "TIME", value_parser = parse_duration)]
        since: Option<Duration>,
    },
    /// Who would hear of it, when and how, if something went down now
    Preview {
        /// A watch, a server as FARM/SERVER, a farm, or a node
        subject: String,
    },
    /// Take pages on, in your name: nobody else is told, and nobody is reminded
    Ack {
        /// Their ids, or the first digits of them
        #[arg(required_unless_present_any = ["all_open", "message"], value_name = "ID")]
        ids: Vec<String>,
        /// Every open page that nobody took on
        #[arg(long)]
        all_open: bool,
        /// All pages of one message, as CONTACT/NUMBER in `page show`
        #[arg(long, value_name = "CONTACT/NUMBER", conflicts_with_all = ["ids", "all_open"])]
        message: Option<String>,
        /// In whose name [default: root, or the certificate's name]
        #[arg(long, value_name = "NAME")]
        by: Option<String>,
    },
    /// Close pages whose incidents are not over: no reminders; that it is up again is told
    Resolve {
        /// Their ids, or the first digits of them
        #[arg(required = true, value_name = "ID")]
        ids: Vec<String>,
        /// Why
        #[arg(short = 'm', long = "message", value_name = "WHY", default_value = "")]
        why: String,
        /// In whose name [default: root, or the certificate's name]
        #[arg(long, value_name = "NAME")]
        by: Option<String>,
    },
}

/// What nobody is called for, for a while.
#[derive(Debug, Clone, PartialEq, Eq, Subcommand)]
pub enum SilenceAction {
    /// Hush what every term matches; it is probed and shown as ever
    Add {
        /// watch=NAME, farm=NAME, server=FARM/NAME, node=NAME, vip=NAME or label:NAME=VALUE; `*`
        /// stands for anything
        #[arg(required = true, value_name = "TERM")]
        terms: Vec<String>,
        /// For how long: 1m to 30d
        #[arg(long = "for", value_name = "TIME", value_parser = parse_duration)]
        lasts: Duration,
        /// Why
        #[arg(short = 'm', long, value_name = "WHY")]
        comment: String,
    },
    /// Those that are in force
    List,
    /// End one before its time; what it hushed and is still down is paged then
    End {
        /// Its number, as `list` shows it
        number: u64,
    },
}

/// Certificates for administrators without root.
#[derive(Debug, Clone, PartialEq, Eq, Subcommand)]
pub enum AdminCertAction {
    /// Make one: certificate, key and CA in one PEM file, for --cert
    Create {
        /// Whose it is; written as author of what they change
        name: AdminName,
        /// Where to write it, mode 0600; standard output where none is given
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
    },
    /// Who has one, and what it is worth
    List,
    /// Make all certificates of a name worthless, on every node
    Revoke {
        /// Whose
        name: AdminName,
    },
}

/// A host and a port, as they are connected to.
fn parse_host_and_port(text: &str) -> Result<String, String> {
    let (host, port) = text.rsplit_once(':').unwrap_or((text, ""));
    let host_ends = !host.contains(':') || (host.starts_with('[') && host.ends_with(']'));
    if host.is_empty() || !host_ends || port.parse::<NonZeroU16>().is_err() {
        return Err("write host and port, as in 10.0.0.11:9443 or [fd00::11]:9443".to_owned());
    }
    Ok(text.to_owned())
}

/// The number of a revision: `12`, or `r12` as the history shows it.
fn parse_revision(text: &str) -> Result<u64, String> {
    let digits = text.strip_prefix('r').unwrap_or(text);
    let parsed = digits.parse();
    parsed.map_err(|_| "write a number from `farmux config history`, as in 12 or r12".to_owned())
}
