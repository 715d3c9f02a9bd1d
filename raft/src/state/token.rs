//! Join tokens: stored hashed, for one use, for an hour.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{Applied, Node, NodeRole, Now, Reject, State};
use crate::id::{NodeId, UnixMillis};

/// A token's public name: the first 8 bytes of its secret's hash.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct TokenId(pub u64);

impl TokenId {
    /// The id of the token whose secret has this SHA-256.
    pub fn of(hash: &[u8; 32]) -> TokenId {
        let (head, _) = hash.split_first_chunk().expect("8 of 32 bytes");
        TokenId(u64::from_be_bytes(*head))
    }
}

impl fmt::Display for TokenId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

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

impl Token {
    /// Whether it can still let somebody in.
    pub fn is_live(&self, at: UnixMillis) -> bool {
        !self.used && (self.claimed.is_some() || at < self.expires)
    }
}

impl State {
    pub(super) fn create_token(&mut self, now: Now, token: Token) -> Result<Applied, Reject> {
        let id = TokenId::of(&token.hash);
        let life = token.expires.0.saturating_sub(now.at.0);
        if !(LIFE_MS_MIN..=LIFE_MS_MAX).contains(&life) {
            return Err(Reject::TokenLifetime(id));
        }
        if self.tokens.contains_key(&id) {
            return Err(Reject::TokenExists(id));
        }
        if self
            .tokens
            .values()
            .filter(|token| token.is_live(now.at))
            .count()
            >= TOKENS_MAX
        {
            return Err(Reject::TooManyTokens { max: TOKENS_MAX });
        }
        if self.tokens.len() >= TOKENS_MAX {
            self.tokens.retain(|_, token| token.is_live(now.at));
        }
        let fresh = Token {
            created: now.at,
            claimed: None,
            used: false,
            ..token
        };
        self.tokens.insert(id, fresh);
        Ok(Applied::Done)
    }

    pub(super) fn revoke_token(&mut self, id: TokenId) -> Result<Applied, Reject> {
        self.tokens
            .remove(&id)
            .map(|_| Applied::Done)
            .ok_or(Reject::UnknownToken)
    }

    pub(super) fn claim_token(
        &mut self,
        now: Now,
        hash: [u8; 32],
        key: [u8; 32],
        node: Node,
    ) -> Result<Applied, Reject> {
        let id = TokenId::of(&hash);
        let token = self.tokens.get(&id).filter(|token| token.hash == hash);
        let token = token.ok_or(Reject::UnknownToken)?;
        let known = match token.claimed {
            _ if token.used => return Err(Reject::TokenUsed(id)),
            Some((owner, _)) if owner != key => return Err(Reject::TokenUsed(id)),
            // Whoever began may resume, also when the hour is over meanwhile.
            Some((_, node)) => Some(node),
            None if now.at >= token.expires => return Err(Reject::TokenExpired(id)),
            None => None,
        };
        if token.role != node.role {
            return Err(Reject::TokenRole {
                token: id,
                role: token.role,
            });
        }
        let given = known.unwrap_or(NodeId(self.last_node.0 + 1));
        self.check_node(given, &node)?;
        if known.is_none() && self.nodes.len() >= NODES_MAX {
            return Err(Reject::TooManyNodes { max: NODES_MAX });
        }
        self.last_node = self.last_node.max(given);
        self.admit(now, given, node);
        if let Some(token) = self.tokens.get_mut(&id) {
            token.claimed = Some((key, given));
        }
        Ok(Applied::Node(given))
    }

    pub(super) fn finish_join(&mut self, node: NodeId) -> Result<Applied, Reject> {
        if !self.nodes.contains_key(&node) {
            return Err(Reject::UnknownNode(node));
        }
        let open = self.tokens.values_mut().find(|token| {
            !token.used && token.claimed.is_some_and(|(_, claimant)| claimant == node)
        });
        match open {
            Some(token) => {
                token.used = true;
                Ok(Applied::Done)
            }
            None => Ok(Applied::Unchanged),
        }
    }
}

/// Less cannot be typed.
const LIFE_MS_MIN: u64 = 1_000;

/// A week: whoever prepares a machine on Friday joins it on Monday.
const LIFE_MS_MAX: u64 = 7 * 24 * 3_600 * 1_000;

/// So many open tokens are a script gone wild.
const TOKENS_MAX: usize = 100;

/// Seven voters survive three failures; each further one only makes every majority slower.
const NODES_MAX: usize = 7;
