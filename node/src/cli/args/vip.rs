//! The words of `farmux vip`.

use clap::{Args, Subcommand};
use farmux_raft::id::{NodeName, VipName};

/// Floating addresses.
#[derive(Debug, Clone, PartialEq, Eq, Subcommand)]
pub enum VipAction {
    /// Say which node takes one first where all are equally fit; it moves nothing by itself
    Prefer {
        /// Its name; those of its group go with it
        vip: VipName,
        /// Whom
        #[command(flatten)]
        whom: Preferred,
        /// Why, for the history
        #[arg(short = 'm', long = "message", value_name = "WHY", default_value = "")]
        why: String,
    },
}

/// A node, or none any more.
#[derive(Debug, Clone, PartialEq, Eq, Args)]
#[group(required = true, multiple = false)]
pub struct Preferred {
    /// This node
    #[arg(long, value_name = "NODE")]
    pub node: Option<NodeName>,
    /// None any more: whoever comes first
    #[arg(long)]
    pub clear: bool,
}
