//! The words of `farmux doctor`.

use std::path::PathBuf;

use clap::Args;

/// What the check-up is made for.
#[derive(Debug, Clone, PartialEq, Eq, Args)]
pub struct DoctorArguments {
    /// This machine's own settings
    #[arg(long, default_value = "/etc/farmux/node.toml", value_name = "FILE")]
    pub config: PathBuf,
}
