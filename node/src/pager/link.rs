//! PURE. The link in a message by which it is acknowledged once, without a certificate.
//!
//! ```text
//!   message --token(page, bundle, contact)--> https://lb1:9443/ack/TOKEN --POST--> Acknowledge
//! ```
//!
//! The token is authenticated with a key that follows from the CA's, so that every node knows it,
//! also after a failover. It says which message it is for and nothing else; whoever holds it can
//! acknowledge that message, once, and see what it is about.

use farmux_raft::id::{ContactName, NodeId, PageId};
use farmux_raft::state::{DueMessage, Message, NodeCondition, State};
use ring::hmac;

/// What a token is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ticket {
    /// The message's first page.
    pub page: PageId,
    /// Which of the contact's bundles.
    pub bundle: u64,
    /// To whom it went.
    pub contact: ContactName,
}

/// Where a message can be acknowledged, the first choice first.
pub(super) fn links(
    state: &State,
    me: NodeId,
    due: &DueMessage<'_>,
    message: &Message,
) -> Vec<String> {
    let waits = |page: &&std::sync::Arc<farmux_raft::state::Page>| page.is_waiting_for_somebody();
    let (Some(first), Some(_)) = (message.pages.first(), message.pages.iter().find(waits)) else {
        return vec![];
    };
    let ticket = Ticket {
        page: first.id,
        bundle: due.bundle,
        contact: due.contact.clone(),
    };
    let Some(token) = ticket.token(state) else {
        return vec![];
    };
    bases(state, me)
        .into_iter()
        .map(|base| format!("{base}/ack/{token}"))
        .collect()
}

/// What is configured; else this node, and another that answers, whose link survives our death.
fn bases(state: &State, me: NodeId) -> Vec<String> {
    if let Some(base) = &state.config.paging.link_base {
        return vec![base.to_string().trim_end_matches('/').to_owned()];
    }
    let other = state.nodes.iter().find(|(id, node)| {
        let reachable = match node.condition {
            NodeCondition::Reachable => true,
            NodeCondition::Lost { .. } => false,
        };
        **id != me && reachable
    });
    let nodes = state.nodes.get(&me).into_iter();
    let nodes = nodes.chain(other.map(|(_, node)| node));
    nodes
        .map(|node| format!("https://{}", node.admin_address))
        .collect()
}

impl Ticket {
    /// As text for a link.
    ///
    /// **Shape**: 16 bytes of page, 8 of bundle, the contact's name, 16 of HMAC-SHA256 over all
    /// of that, in base64url without padding.
    pub fn token(&self, state: &State) -> Option<String> {
        let mut bytes = self.body();
        let tag = hmac::sign(&key(state)?, &bytes);
        bytes.extend(tag.as_ref().get(..TAG_BYTES)?);
        Some(base64url(&bytes))
    }

    /// Reads a token that this cluster made; `None` for any other.
    pub fn read(state: &State, token: &str) -> Option<Ticket> {
        if token.len() > TOKEN_CHARS_MAX {
            return None;
        }
        let bytes = from_base64url(token)?;
        let (body, tag) = bytes.split_at_checked(bytes.len().checked_sub(TAG_BYTES)?)?;
        verify(&key(state)?, body, tag)?;
        let (page, rest) = body.split_first_chunk::<16>()?;
        let (bundle, contact) = rest.split_first_chunk::<8>()?;
        Some(Ticket {
            page: PageId(u128::from_be_bytes(*page)),
            bundle: u64::from_be_bytes(*bundle),
            contact: std::str::from_utf8(contact).ok()?.parse().ok()?,
        })
    }

    fn body(&self) -> Vec<u8> {
        let mut bytes = self.page.0.to_be_bytes().to_vec();
        bytes.extend(self.bundle.to_be_bytes());
        bytes.extend(self.contact.as_str().as_bytes());
        bytes
    }
}

/// Compares a shortened tag: both are hashed under the same key first, so that the time that the
/// comparison takes says nothing about the right one.
fn verify(key: &hmac::Key, body: &[u8], tag: &[u8]) -> Option<()> {
    let right = hmac::sign(key, body);
    let right = right.as_ref().get(..TAG_BYTES)?;
    let blinded = hmac::sign(key, right);
    hmac::verify(key, tag, blinded.as_ref()).ok()
}

/// Follows from the CA's key, which only members know.
fn key(state: &State) -> Option<hmac::Key> {
    let secret = &state.cluster.as_ref()?.secrets.ca_key;
    let root = hmac::Key::new(hmac::HMAC_SHA256, secret.reveal().as_bytes());
    let derived = hmac::sign(&root, b"farmux ack link 1");
    Some(hmac::Key::new(hmac::HMAC_SHA256, derived.as_ref()))
}

fn base64url(bytes: &[u8]) -> String {
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        let mut word = [0_u8; 4];
        for (place, byte) in word.iter_mut().skip(1).zip(chunk) {
            *place = *byte;
        }
        let word = u32::from_be_bytes(word);
        for place in 0..=chunk.len() {
            let index = (word >> (18 - 6 * place)) & 63;
            let index = usize::try_from(index).expect("below 64");
            text.push(char::from(ALPHABET[index]));
        }
    }
    text
}

fn from_base64url(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    for chunk in text.as_bytes().chunks(4) {
        if chunk.len() < 2 {
            return None;
        }
        let mut word = 0_u32;
        for place in 0..4 {
            let value = match chunk.get(place) {
                None => 0,
                Some(c) => ALPHABET.iter().position(|letter| letter == c)?,
            };
            word = word << 6 | u32::try_from(value).ok()?;
        }
        let all = word.to_be_bytes();
        bytes.extend(all.get(1..chunk.len())?);
    }
    // One text a token: bits that say nothing are zero.
    (base64url(&bytes) == text).then_some(bytes)
}

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// 128 bits: nobody guesses that.
const TAG_BYTES: usize = 16;

/// The longest name of a contact makes less.
const TOKEN_CHARS_MAX: usize = 200;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pager::testing;

    fn ticket() -> Ticket {
        Ticket {
            page: PageId(0x0123_4567_89ab_cdef_0123_4567_89ab_cdef),
            bundle: 7,
            contact: "ops".parse().expect("a name"),
        }
    }

    #[test]
    fn a_token_comes_back_and_no_other_does() {
        let state = testing::state(3, &[]);
        let token = ticket().token(&state).expect("a cluster");
        assert_eq!(Ticket::read(&state, &token), Some(ticket()));
        for place in 0..token.len() {
            let mut wrong = token.clone().into_bytes();
            wrong[place] = if wrong[place] == b'A' { b'B' } else { b'A' };
            let wrong = String::from_utf8(wrong).expect("letters");
            assert_eq!(Ticket::read(&state, &wrong), None, "at {place}");
        }
        for wrong in ["", "A", "é", &token[1..], &token[..20], &"A".repeat(9_999)] {
            assert_eq!(Ticket::read(&state, wrong), None, "{wrong:?}");
        }
    }

    #[test]
    fn another_cluster_reads_nothing() {
        let state = testing::state(3, &[]);
        let token = ticket().token(&state).expect("a cluster");
        let mut other = state;
        if let Some(cluster) = &mut other.cluster {
            cluster.secrets.ca_key = farmux_raft::state::Secret::new("another".to_owned());
        }
        assert_eq!(Ticket::read(&other, &token), None);
    }

    #[test]
    fn base64url_is_that_of_rfc_4648() {
        for (bytes, text) in [("", ""), ("f", "Zg"), ("fo", "Zm8"), ("foo", "Zm9v")] {
            assert_eq!(base64url(bytes.as_bytes()), text);
            assert_eq!(from_base64url(text).as_deref(), Some(bytes.as_bytes()));
        }
        assert_eq!(from_base64url("Zh"), None, "a stray bit");
        assert_eq!(base64url(&[0xff, 0xef]), "_-8");
    }
}
