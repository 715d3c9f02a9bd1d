//! The words of `farmux snapshot`.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use farmux_raft::id::ClusterName;

/// Keep all that the cluster agreed on in a file, and start again from it.
#[derive(Debug, Clone, PartialEq, Eq, Subcommand)]
pub enum SnapshotAction {
    /// Write configuration, pages and history to a file, sealed with a passphrase
    Save {
        /// The file; replaced whole or not at all
        file: PathBuf,
        /// Where the passphrase comes from
        #[command(flatten)]
        passphrase: PassphraseArguments,
    },
    /// What is in a file; needs no passphrase and shows no secret
    Inspect {
        /// The file
        file: PathBuf,
    },
    /// Start the cluster anew on this machine, whose daemon is stopped and whose data folder empty
    Restore {
        /// The file
        file: PathBuf,
        /// Where the passphrase comes from
        #[command(flatten)]
        passphrase: PassphraseArguments,
        /// This machine's own settings
        #[arg(long, default_value = "/etc/farmux/node.toml", value_name = "FILE")]
        config: PathBuf,
        /// Do not ask; the cluster's name
        #[arg(long, value_name = "NAME")]
        yes: Option<ClusterName>,
    },
}

/// Where the passphrase comes from.
#[derive(Debug, Clone, PartialEq, Eq, Args)]
pub struct PassphraseArguments {
    /// A file whose first line is the passphrase, `-` for standard input [default: it is asked for]
    #[arg(long, value_name = "FILE")]
    pub passphrase_file: Option<PathBuf>,
}
