//! The daemon: builds everything, and names every task and channel.
//!
//! ```text
//!   node         this machine, in a cluster or not: takes orders, one at a time
//!   order        the orders, and why one may fail
//!   membership   init, remove, leave; joining: join
//!   build        opens, binds and starts a member; member: what it then is (the drawing)
//!   follow       what follows the state: roster, plan, addresses
//!   legs         what this node stands on: carrier, gateway, servers
//!   report       what the log shall know: nodes, VIPs, majorities, joins, holds
//!   voice        what the log and people are told of health
//!   plugins      what exec checks need of this machine
//!   handler      what other nodes ask
//!   ebb          memory that a flood of connections leaves behind
//!   watchdog     what the lease thread calls; what ends the process
//! ```

mod admission;
mod build;
mod ebb;
mod follow;
mod handler;
mod joining;
mod legs;
mod member;
mod membership;
mod network;
mod node;
mod order;
mod plugins;
mod report;
mod roster;
mod route;
mod run;
mod voice;
mod watchdog;

pub use build::{BuildError, store_folder};
pub use handler::{Question, Reporter};
pub use member::{Member, Wire, proposal, wall_clock};
pub(crate) use membership::describe;
pub use network::AddressAbsent;
pub use node::Node;
pub use order::{InitOrder, InitVip, JoinOrder, Joined, OrderError, TOKEN_TTL, TokenOrder};
pub use plugins::PluginsUnusable;
/// For the simulator, which has the production's own rosters.
#[doc(hidden)]
pub use report::end_holds;
#[doc(hidden)]
pub use roster::roster as lease_roster;
pub(crate) use route::default_gateway;
pub use run::{Ended, RunError, run};
#[doc(hidden)]
pub use voice::{HealthVoice, HealthVoiceParts, speak_of_health};
