//! The words of `farmux cluster`.

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand};
use farmux_raft::id::{ClusterName, NetworkName, NodeName, VipName};

use super::moving::MoveArguments;
use crate::config::parse_duration;
use crate::daemon::TOKEN_TTL;

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
    /// Give all VIPs to another node, and the leadership away from who had them
    Switchover {
        /// To which node [default: one that can take them and owns none]
        #[arg(long, value_name = "NODE")]
        to: Option<NodeName>,
        /// How, and whether it asks
        #[command(flatten)]
        how: MoveArguments,
    },
    /// Remove a node that is lost, or shall go
    Remove {
        /// Its name
        node: NodeName,
        /// Do not ask
        #[arg(short, long)]
        yes: bool,
    },
    /// Make this node, whose daemon is stopped, the only one of its cluster, because all others are
    /// gone for good
    Recover {
        /// This machine's own settings
        #[arg(long, default_value = "/etc/farmux/node.toml", value_name = "FILE")]
        config: PathBuf,
        /// Do not ask; the cluster's name
        #[arg(long, value_name = "NAME")]
        yes: Option<ClusterName>,
        /// Also where two of the others may have agreed on what this node does not know
        #[arg(long)]
        accept_data_loss: bool,
    },
    /// Take this node out of its cluster
    Leave {
        /// Do not ask
        #[arg(short, long)]
        yes: bool,
    },
    /// Let no VIP move from a node that lives, neither by legs nor as planned; one whose owner dies
    /// or is cut off is taken over all the same
    Pause {
        /// Why, for whoever reads the status
        #[arg(short = 'm', long = "message", value_name = "WHY", default_value = "")]
        why: String,
    },
    /// Let VIPs move again
    Resume,
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
        #[arg(long, default_value = "1h", value_parser = parse_ttl)]
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

/// How long a token is good.
fn parse_ttl(text: &str) -> Result<Duration, String> {
    let ttl = parse_duration(text).map_err(|error| error.to_string())?;
    match TOKEN_TTL.contains(&ttl) {
        true => Ok(ttl),
        false => Err("a token lives one minute (1m) to seven days (7d)".to_owned()),
    }
}
