//! Faults of nodes and of the LAN, each judged by two witnesses: at no time two owners of the VIP,
//! and never the VIP on nobody for long.
//!
//! ```text
//!   Scene::round(case) ── tap on the bridge, asker on the client ── case.play ── mend ── all well
//!                                   └──────── judge ────────▶ Verdict, one line
//! ```
//!
//! `matrix` plays the `rows` of a table by their `acts`, each with a page that has to come
//! meanwhile; `soak` draws one a minute.

pub mod acts;
pub mod case;
pub mod cut;
pub mod judge;
pub mod matrix;
pub mod rows;
pub mod scene;
pub mod soak;
pub mod stranger;
pub mod tap;

pub use case::{CALM, CASES, Case, Policy};
pub use scene::{Scene, Verdict};
