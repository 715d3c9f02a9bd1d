//! The other nodes, over mutual TLS: who they are, how bytes reach them, how a machine joins.
//!
//! ```text
//!   key, certificate, identity, token   who may speak: key pairs, the CA, the join token
//!   refusal                             why a connection is refused, counted
//!   message, join                       what is said beside Raft
//! ```

pub mod certificate;
pub mod identity;
pub mod join;
pub mod key;
pub mod message;
pub mod refusal;
pub mod token;

pub use identity::{Identity, IdentityError};
pub use message::{JoinStage, PeerReply, PeerRequest};
pub use refusal::{Refusal, Refusals};
