//! The pager: calls humans, once for each cause, until they have been told.
//!
//! ```text
//!   State (committed pages) --due--> duty --errand--> courier --> mail | webhook | snpp | syslog
//!                                     |  \--RecordDelivery--> proposer --> log
//!   reporter (uncommitted for 5 s) --> local --errand--> courier
//!
//!   leader: canary --errand for every channel--> courier; heartbeat --GET--> dead-man's switch
//!
//!   brief, message, mail           PURE: what is said, in one line, in a mail, and its encoding
//!   turns, ledger, link            PURE: who sends, what is open, by which link it is acknowledged
//!   relay, wire, web, dial, trust  one conversation, its bytes, to where, whose certificates count
//!   names                          where a name led last, while no name server answers
//! ```

mod brief;
mod call;
mod canary;
mod courier;
mod dial;
mod duty;
mod heartbeat;
mod ledger;
mod link;
mod local;
mod mail;
mod message;
mod names;
mod propose;
mod relay;
#[doc(hidden)]
pub mod seam;
mod snpp;
mod syslog;
mod test_call;
#[cfg(test)]
pub(crate) mod testing;
mod trust;
mod turns;
mod web;
mod webhook;
mod wire;

pub use call::{Call, Occasion, Said, Word};
pub use canary::Canaries;
pub use courier::{
    ATTEMPT_TIME_MAX, ChannelCourier, Courier, ERRAND_TIME_MAX, Errand, RELAY_TIME_WITH_OTHERS,
    Receipt, Try,
};
pub use duty::{Pager, PagerCounts, PagerParts};
pub use heartbeat::{HeartbeatCounts, HeartbeatParts, Heartbeats};
pub use link::Ticket;
pub use local::{LocalPage, LocalPages, Messenger, MessengerParts, full_disk, no_quorum};
pub use mail::{Mail, MailError};
pub use message::call_mail;
pub use names::FreshNames;
pub use propose::{NotDecided, Proposer};
pub use test_call::{TestFault, test_contact};
pub use trust::Trust;
