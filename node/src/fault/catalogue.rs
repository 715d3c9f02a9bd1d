//! The catalogue: every code with its name, its number, what `farmux explain` says of it, the exit
//! code and the HTTP status it is answered with.
//!
//! Numbers are never used for anything else again. 1xx: the command line and this machine; 2xx: the
//! cluster; 3xx: what was asked for; 4xx: pages; 9xx: farmux itself. What the replicated state
//! refuses has codes of its own, `FMX-S…`, which `raft::state` explains.
//!
//! ```text
//!   machine ─1xx─▶ cluster ─1xx, 2xx─▶ asked ─all─▶ entry::catalogue! ──▶ Code
//! ```
//!
//! One list of them all makes the enum, so each file hands its entries on to the next.

mod asked;
mod cluster;
mod machine;

use std::fmt;

use super::Exit;
use super::entry::Entry;

machine::entries! {}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "FMX-{:03}", self.entry().number)
    }
}

#[cfg(test)]
mod tests;
