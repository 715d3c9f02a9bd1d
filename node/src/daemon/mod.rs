//! The daemon: builds everything, and names every task and channel.
//!
//! ```text
//!   Node     this machine, in a cluster or not: takes orders (init, join, leave …)
//!   Member   this machine as a member: owns consensus, lease thread, wire, and the tasks between
//! ```

mod member;
mod node;
mod order;
mod roster;

pub use member::{Member, Wire, proposal, wall_clock};
pub use node::Node;
pub use order::{InitOrder, InitVip, JoinOrder, OrderError, TokenOrder};
