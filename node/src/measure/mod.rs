//! Measuring a service as its clients see it: how often it was asked, how long it did not answer.
//!
//! ```text
//!   url (PURE) --Target--> client: a request every 10 ms, many under way at once --> the service
//!                            |  asked(at), ended(number, at, how)
//!                            v
//!                          tally (PURE): outages, longest gap, percentiles, requests per 10 ms
//!                            '--> report (PURE): the numbers, as programs read them
//! ```
//!
//! `farmux probe` is one user; it needs no daemon and no cluster.

pub mod client;
pub mod report;
pub mod tally;
pub mod url;

pub use client::{Asking, measure};
pub use report::Measured;
pub use tally::Tally;
pub use url::Target;
