//! `farmux doctor`: whether this machine can do what is asked of it, with the daemon running,
//! stopped, or before there is a cluster.
//!
//! ```text
//!   node.toml, the daemon if it answers ──▶ Context
//!   one file a check:  look (I/O) ──facts──▶ judge (PURE) ──▶ Finding: ok | warn | fail
//!                                                              what, why, mend, code
//! ```
//!
//! It changes nothing on the machine: what it writes to time the disk it removes again.

mod bpf;
mod capability;
mod clock;
mod context;
mod descriptor;
mod disk;
mod filter;
mod finding;
mod gateway;
mod interface;
mod kernel;
mod peer;
mod port;

pub use context::Context;
pub use finding::{Checkup, Finding, Level};

/// Makes every check, and says what came of it in the order in which an operator mends it.
pub async fn examine(context: &Context) -> Checkup {
    let mut findings = Vec::new();
    findings.extend(interface::look(context).await);
    findings.extend(gateway::look(context).await);
    findings.extend(kernel::look(context));
    findings.extend(capability::look(context));
    findings.extend(bpf::look(context));
    findings.extend(clock::look(context));
    findings.extend(disk::look(context).await);
    findings.extend(port::look(context));
    findings.extend(peer::look(context).await);
    findings.extend(descriptor::look(context));
    findings.push(filter::look());
    Checkup::of(findings)
}
