//! HTTP/1.1, our own engine: a PURE codec, and the tasks that move bytes.

pub mod refusal;
