//! The pager: calls humans, once for each cause, until they have been told.
//!
//! ```text
//!   State (committed pages) --due--> duty --errand--> courier --SMTP--> relay
//!                                     |  \--RecordDelivery--> proposer --> log
//!   reporter (uncommitted for 5 s) --> local --errand--> courier
//!
//!   message, mail, turns, ledger   PURE: what is said, how it is written, who sends, what is open
//!   link                           PURE: by which a message is acknowledged
//!   relay, wire, trust             one conversation, its bytes, whose certificates count
//! ```

mod call;
mod courier;
mod duty;
mod ledger;
mod link;
mod local;
mod mail;
mod message;
mod propose;
mod relay;
mod test_call;
#[cfg(test)]
pub(crate) mod testing;
mod trust;
mod turns;
mod wire;

pub use call::{Call, Said, Word};
pub use courier::{ATTEMPT_TIME_MAX, Courier, Errand, MailCourier, Receipt, Try};
pub use duty::{Pager, PagerCounts, PagerParts};
pub use link::Ticket;
pub use local::{LocalPage, LocalPages, Messenger, MessengerParts, no_quorum};
pub use mail::{Mail, MailError};
pub use message::call_mail;
pub use propose::{NotDecided, Proposer};
pub use test_call::{UnknownContact, test_contact};
pub use trust::Trust;
