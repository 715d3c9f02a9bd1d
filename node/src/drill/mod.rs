//! PURE. Drills: failures that are rehearsed on purpose, measured, bounded and undone.
//!
//! ```text
//!   View ──plan──▶ Plan: whom it hits (blast radius), in which steps; or a refusal
//!                   │
//!                   ▼            orders: start the client, inject, undo
//!   events ──▶ run: steady state ─▶ inject ─▶ measure ─▶ undo ─▶ verify ─▶ verdict
//!                   │                  └── abort, lock, stop condition: undo at once
//!                   ▼
//!   numbers ─verdict─▶ record (for ever) ─┐
//!   track: requests per 10 ms, owner, pages ─┴─▶ report: text, md, json, html
//! ```
//!
//! Which drills there are, what they claim and may cost, and what is remembered of those that are
//! over is `raft::state::drill`'s affair: every node knows it.
//!
//! Nothing here touches a node: what is injected, and who undoes it when everybody else is dead, is
//! the business of those who obey the orders.

mod numbers;
mod plan;
mod refusal;
mod report;
mod run;
#[cfg(test)]
pub(crate) mod tests;
mod track;

pub use farmux_raft::state::drill::{
    Aborted, Bounds, DrillKind, DrillRecord, Due, Lapse, Numbers, PageCount, PastDrills as Past,
    RUNS_MAX, RunId, Stop, Undo, UndoHolder, Verdict, judge,
};
pub use numbers::numbers_of;
pub use plan::{Consent, Injection, Plan, Radius, Standing, Target, Through, plan};
pub use refusal::Refusal;
pub use report::{Report, html, json, markdown, text};
pub use run::{Event, Order, Phase, Reading, Run};
pub use track::{Mark, Track};
