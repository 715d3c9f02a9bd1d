//! The datagram of the lease, for those who prove its codec from outside of this crate. It hides
//! what a datagram says; nothing here is used by a node.

use ring::hmac;

use super::wire::{self, Datagram};

/// A datagram that was opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Opened(Datagram);

/// Reads a datagram; `None`: it is ignored.
pub fn open(bytes: &[u8]) -> Option<Opened> {
    wire::open(bytes, &key()).ok().map(Opened)
}

/// Puts the seal of the key that [`open`] expects behind any bytes.
pub fn sealed(bytes: &[u8]) -> Vec<u8> {
    [bytes, hmac::sign(&key(), bytes).as_ref()].concat()
}

impl Opened {
    /// Writes it anew.
    pub fn seal(&self) -> Vec<u8> {
        wire::seal(&self.0, &key())
    }
}

/// No cluster's: the seal itself is ring's and not what is proved.
fn key() -> hmac::Key {
    hmac::Key::new(hmac::HMAC_SHA256, b"the key of a proof, and of no cluster")
}
