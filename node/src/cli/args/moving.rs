//! The words of moves, and of `farmux node`.

use std::time::Duration;

use clap::{Args, Subcommand};
use farmux_raft::id::NodeName;

use crate::config::parse_duration;
use crate::moving::WAITS;

/// How things are moved.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Args)]
pub struct MoveArguments {
    /// How long work in flight may take; what is left then is cut and counted
    #[arg(long, default_value = "30s", value_name = "TIME", value_parser = parse_wait)]
    pub wait: Duration,
    /// Do not ask
    #[arg(short, long)]
    pub yes: bool,
}

/// The machines of the cluster.
#[derive(Debug, Clone, PartialEq, Eq, Subcommand)]
pub enum NodeAction {
    /// Have a node take neither a VIP nor the leadership, and give away what it has; or end that
    Maintenance {
        /// Its name
        node: NodeName,
        /// on or off
        order: Switch,
        /// Why, for whoever reads the status
        #[arg(short = 'm', long = "message", value_name = "WHY", default_value = "")]
        why: String,
        /// Do not ask
        #[arg(short, long)]
        yes: bool,
    },
}

/// On or off.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Switch {
    /// From now on
    On,
    /// No longer
    Off,
}

/// How long work in flight may take.
fn parse_wait(text: &str) -> Result<Duration, String> {
    let wait = match text {
        "0" => Duration::ZERO,
        _ => parse_duration(text).map_err(|error| error.to_string())?,
    };
    match WAITS.contains(&wait) {
        true => Ok(wait),
        false => Err("work in flight is waited for ten minutes (10m) at most".to_owned()),
    }
}
