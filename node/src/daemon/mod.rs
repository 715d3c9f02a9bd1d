//! The daemon: builds everything, and names every task and channel.

mod order;

pub use order::{InitOrder, InitVip, JoinOrder, OrderError, TokenOrder};
