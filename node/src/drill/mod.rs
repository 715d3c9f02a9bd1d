//! PURE. Drills: failures that are rehearsed on purpose, measured, bounded and undone.
//!
//! ```text
//!   kind      what there is: hypothesis, bounds, stop condition, undo
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
//! Nothing here touches a node: what is injected, and who undoes it when everybody else is dead, is
//! the business of those who obey the orders.

mod kind;
mod numbers;
mod past;
mod plan;
mod record;
mod refusal;
mod report;
mod run;
#[cfg(test)]
mod tests;
mod track;
mod verdict;

pub use kind::{Bounds, DrillKind, Stop, Undo, UndoHolder};
pub use numbers::{Numbers, PageCount};
pub use past::{Due, Past, RUNS_MAX};
pub use plan::{Consent, Injection, Plan, Radius, Standing, Target, Through, plan};
pub use record::{DrillRecord, RunId, decode, encode};
pub use refusal::Refusal;
pub use report::{Report, html, json, markdown, text};
pub use run::{Event, Order, Phase, Reading, Run};
pub use track::{Mark, Track};
pub use verdict::{Aborted, Lapse, Verdict, judge};
