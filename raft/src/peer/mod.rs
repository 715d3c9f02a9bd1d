//! The other nodes, over mutual TLS: who they are, how bytes reach them, how a machine joins.
//!
//! ```text
//!   key, certificate, identity, token   who may speak: key pairs, the CA, the join token
//!   tls, verify, refusal                what TLS demands; why a connection is refused, counted
//!   frame (PURE), wire                  messages on a connection
//!   message                             what is said beside Raft
//!   server, gate                        being called
//!   client, link                        calling
//!   join, issue, joiner                 joining: the words, the leader's side, the joiner's side
//! ```

pub mod certificate;
mod client;
mod frame;
mod gate;
pub mod identity;
pub mod issue;
pub mod join;
pub mod joiner;
pub mod key;
mod link;
mod material;
pub mod message;
pub mod refusal;
#[doc(hidden)]
pub mod seam;
mod server;
pub mod tls;
pub mod token;
mod verify;
mod wire;

pub use client::{Addresses, PeerClient};
pub use identity::{Identity, IdentityError};
pub use message::{JoinStage, PeerReply, PeerRequest};
pub use refusal::{Refusal, Refusals};
pub use server::{Handler, PeerServer, admits};
