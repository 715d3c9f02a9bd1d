//! The words of the command line, parsed once into types that cannot be wrong.

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};
use farmux_raft::id::{
    AdminName, ClusterName, ContactName, FarmName, NetworkName, NodeName, VipName,
};

use super::duration::parse_duration;
use super::place::ServerPlace;
use crate::fault::EXIT_CODES;

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
    #[arg(long, global = true, value_name = "HOST:PORT", requires = "cert")]
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
    Table,
    /// For programs; the shapes are documented and stable
    Json,
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
    /// Apply, export and look back at the configuration
    #[command(subcommand)]
    Config(ConfigAction),
    /// Farms and their servers
    #[command(subcommand)]
    Farm(FarmAction),
    /// Order a server about
    #[command(subcommand)]
    Server(ServerAction),
    /// Who is paged
    #[command(subcommand)]
    Contact(ContactAction),
    /// Calls to humans
    #[command(subcommand)]
    Page(PageAction),
    /// Certificates for administrators without root
    #[command(subcommand)]
    AdminCert(AdminCertAction),
    /// What an error code means and what mends it; all codes without one
    Explain {
        /// FMX-…
        code: Option<String>,
    },
    /// The version of this program, and of the daemon if it answers
    Version,
}

/// Make, join, leave and change the cluster.
#[derive(Debug, Clone, PartialEq, Eq, Subcommand)]
pub enum ClusterAction {
    /// Make a cluster of this one node
    Init(InitArguments),
    /// Tokens with which machines join
    #[command(subcommand)]
    Token(TokenAction),
    /// Join the cluster that the token is from; can be interrupted and run again
    Join {
        /// The token, as `cluster token create` showed it; `-` reads it from standard input
        token: String,
        /// Join as a witness: votes, but holds no VIP and balances nothing
        #[arg(long)]
        witness: bool,
    },
    /// Remove a node that is lost, or shall go
    Remove {
        /// Its name
        node: NodeName,
        /// Do not ask
        #[arg(short, long)]
        yes: bool,
    },
    /// Take this node out of its cluster
    Leave {
        /// Do not ask
        #[arg(short, long)]
        yes: bool,
    },
}

/// What a new cluster starts with.
#[derive(Debug, Clone, PartialEq, Eq, Args)]
pub struct InitArguments {
    /// What the cluster is called
    #[arg(long)]
    pub name: ClusterName,
    /// Its first VIP
    #[arg(long, value_name = "ADDRESS", requires = "network")]
    pub vip: Option<IpAddr>,
    /// What the first VIP is called
    #[arg(long, value_name = "NAME", default_value = "front", requires = "vip")]
    pub vip_name: VipName,
    /// The VIP's network, as node.toml names it
    #[arg(long, value_name = "NAME", requires = "vip")]
    pub network: Option<NetworkName>,
    /// The network's reference address [default: the default route's]
    #[arg(long, value_name = "ADDRESS", requires = "vip")]
    pub gateway: Option<IpAddr>,
}

/// Tokens with which machines join.
#[derive(Debug, Clone, PartialEq, Eq, Subcommand)]
pub enum TokenAction {
    /// Make one and show it, this once
    Create {
        /// For a witness
        #[arg(long)]
        witness: bool,
        /// How long it is good: 1m to 7d
        #[arg(long, default_value = "1h", value_parser = parse_duration)]
        ttl: Duration,
    },
    /// What became of the tokens
    List,
    /// Make one worthless
    Revoke {
        /// Its id, as `list` shows it
        id: String,
    },
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
    },
    /// Print the whole configuration; secrets are named, not shown
    Export,
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
        /// Which: FARM/SERVER
        server: ServerPlace,
        /// Return when it has nothing left
        #[arg(long)]
        wait: bool,
        /// How long to wait at most
        #[arg(long, default_value = "300s", value_parser = parse_duration)]
        timeout: Duration,
    },
    /// Let it work again
    Ready {
        /// Which: FARM/SERVER
        server: ServerPlace,
    },
    /// Take it out at once: no work, no probes, no pages
    Maintenance {
        /// Which: FARM/SERVER
        server: ServerPlace,
    },
}

/// Who is paged.
#[derive(Debug, Clone, PartialEq, Eq, Subcommand)]
pub enum ContactAction {
    /// Send a test mail to a contact, from the node that is asked
    Test {
        /// Its name
        name: ContactName,
    },
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
    /// Take one on, in your name
    Ack {
        /// Its id, or the first digits of it
        id: String,
        /// In whose name [default: root, or the certificate's name]
        #[arg(long, value_name = "NAME")]
        by: Option<String>,
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
}
