//! The command line: words in, requests to the admin API, tables or JSON out.
//!
//! ```text
//!   args --> command, one file a family --> client --> daemon
//!                        |                    |
//!             terminal <-- show             Fault --> exit code
//! ```

pub mod args;
pub mod client;
pub mod command;
pub mod place;
pub mod show;
pub mod terminal;

#[cfg(test)]
mod tests;

use std::io::Write;

use args::{Action, Output, Target};
use client::Client;
use command::Shell;
use terminal::Terminal;

use crate::fault::{Exit, Fault};

/// Carries out every action but `run`; a fault goes to standard error.
///
/// **Errors**: what the process exits with.
pub async fn execute(target: &Target, action: Action) -> Result<(), Exit> {
    let carried_out = async {
        let client = Client::new(target)?;
        let terminal = Terminal::of_process(target.output);
        Shell { client, terminal }.execute(action).await
    };
    carried_out.await.map_err(|fault| {
        complain(&fault, target.output);
        fault.exit
    })
}

/// Shows a fault on standard error: in words, or as JSON for programs.
pub fn complain(fault: &Fault, form: Output) {
    let text = match form {
        Output::Table | Output::Md | Output::Html => fault.to_string(),
        Output::Json => serde_json::to_string(fault).expect("a fault is plain data"),
    };
    // Whoever closed standard error does not want to know.
    let _ = writeln!(std::io::stderr(), "{text}");
}
