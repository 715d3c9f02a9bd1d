//! Nodes, joiners and strangers over real TLS on the loopback interface.
//!
//! ```text
//!   refusals   who must not be heard, and that nobody hears them
//!   calls      who must be heard: many at once, large and small, across restarts
//!   joining    tokens, good and bad
//! ```

mod calls;
mod joining;
mod refusals;
mod support;
