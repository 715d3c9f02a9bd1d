//! HTTP/1.1, our own engine: a PURE codec, and the tasks that move bytes.
//!
//! ```text
//!   bytes ─head─▶ whole head ─request/response─▶ parsed ─write─▶ bytes, written anew
//!   body  ─framing/chunked─▶ data ──────────────────────coding─▶ bytes, framed anew
//!   anything ambiguous ─▶ refusal: counted, answered, closed
//! ```

pub mod answer;
pub mod chunked;
pub(crate) mod connection;
mod exchange;
pub mod fields;
mod flow;
pub mod framing;
pub mod head;
pub mod refusal;
pub mod request;
pub mod response;
pub mod target;
pub mod write;
