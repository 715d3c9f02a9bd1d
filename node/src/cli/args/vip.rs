//! The words of `farmux vip`.

use clap::{Args, Subcommand};
use farmux_raft::id::{NodeName, VipName};

use super::moving::MoveArguments;

/// Floating addresses.
#[derive(Debug, Clone, PartialEq, Eq, Subcommand)]
pub enum VipAction {
    /// All of them: who owns each, and since when
    List,
    /// One (or each): owner, lease, who else could take it, what its kernel guards
    Show {
        /// Its name; all of them without one
        vip: Option<VipName>,
    },
    /// Give one to another node, without losing a request
    Move {
        /// Its name
        vip: VipName,
        /// To which node
        #[arg(long, value_name = "NODE")]
        to: NodeName,
        /// How, and whether it asks
        #[command(flatten)]
        how: MoveArguments,
    },
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
