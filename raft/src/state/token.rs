//! Join tokens: stored hashed, for one use, for an hour.

use serde::{Deserialize, Serialize};

use super::NodeRole;
use crate::id::{NodeId, UnixMillis};

/// A token's public name: the first 8 bytes of its secret's hash.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct TokenId(pub u64);

/// What the cluster remembers of a join token; never the secret itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Token {
    /// SHA-256 of the secret.
    pub hash: [u8; 32],
    /// As what its user joins.
    pub role: NodeRole,
    /// When it was made.
    pub created: UnixMillis,
    /// Until when it is good.
    pub expires: UnixMillis,
    /// The key (SHA-256 of its SPKI) that its first use bound it to, and the id given to it.
    pub claimed: Option<([u8; 32], NodeId)>,
    /// The joiner became a member: the token is used up.
    pub used: bool,
}
