//! The admin API: what the command line, the console and an operator's own tools ask of a node.
//!
//! ```text
//!   types    the shapes of requests and answers (public, stable)
//!   status   PURE: what stands and what does not
//!   report   what one node tells another about itself
//! ```

pub mod report;
pub mod status;
pub mod types;
