//! The names and numbers by which everything in a cluster is called, each a type of its own.
//!
//! A value of one of these types is valid: it was parsed once, at the edge.

use std::borrow::Borrow;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// A node of the cluster; given out once by the state and never used again.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, Default,
)]
#[serde(transparent)]
pub struct NodeId(pub u64);

impl fmt::Display for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "n{}", self.0)
    }
}

impl From<u64> for NodeId {
    fn from(number: u64) -> Self {
        NodeId(number)
    }
}

/// The cluster itself: 128 random bits drawn by `cluster init`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ClusterId(pub u128);

impl fmt::Display for ClusterId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

/// Number of a configuration revision; the first is 1.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, Default,
)]
#[serde(transparent)]
pub struct RevisionId(pub u64);

impl fmt::Display for RevisionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "r{}", self.0)
    }
}

/// Makes a proposal recognisable when it is sent twice: 128 random bits drawn by the proposer.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, Default,
)]
pub struct RequestId(pub u128);

/// A page for ever: hash of cluster, subject and number of the transition.
///
/// **Source**: `vip-protocol.md`, section 9: never a log index, so that every sender makes the
/// same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct PageId(pub u128);

impl fmt::Display for PageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl FromStr for PageId {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        if text.is_empty() {
            return Err(NameError::Empty);
        }
        // `from_str_radix` alone would take a sign.
        if !text.bytes().all(|b| b.is_ascii_hexdigit()) {
            return Err(NameError::Character);
        }
        u128::from_str_radix(text, 16)
            .map(PageId)
            .map_err(|_| NameError::TooLong)
    }
}

/// Wall-clock time as its proposer read it.
///
/// **Units**: milliseconds since 1970-01-01T00:00:00Z. For people and for pages, never for safety.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, Default,
)]
#[serde(transparent)]
pub struct UnixMillis(pub u64);

/// A lease ballot, compared counter first.
///
/// **Source**: `vip-protocol.md`, section 2.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, Default,
)]
pub struct Ballot {
    /// Rises with every attempt; learns from refusals.
    pub counter: u64,
    /// Whose ballot it is; parts equal counters.
    pub node: NodeId,
}

impl fmt::Display for Ballot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.counter, self.node)
    }
}

/// Why a text is not a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// Nothing was given.
    #[error("a name may not be empty")]
    Empty,
    /// Longer than [`NAME_BYTES_MAX`].
    #[error("a name has at most {NAME_BYTES_MAX} characters")]
    TooLong,
    /// Something other than `a-z`, `0-9`, `-`, `_`, `.`, or not a letter or digit at the start.
    #[error("a name is made of a-z, 0-9, '-', '_' and '.', and starts with a letter or a digit")]
    Character,
}

/// Longest name: that of a DNS label (RFC 1035, 2.3.4), so that a name can become a host name.
pub const NAME_BYTES_MAX: usize = 63;

fn check_name(text: &str) -> Result<(), NameError> {
    let allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-_.".contains(&b);
    let first = *text.as_bytes().first().ok_or(NameError::Empty)?;
    if text.len() > NAME_BYTES_MAX {
        return Err(NameError::TooLong);
    }
    if !(first.is_ascii_lowercase() || first.is_ascii_digit()) || !text.bytes().all(allowed) {
        return Err(NameError::Character);
    }
    Ok(())
}

macro_rules! names {
    ($($(#[$doc:meta])* $name:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(Arc<str>);

        impl $name {
            /// The name as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }

            /// The name as text that costs nothing to keep.
            pub fn shared(&self) -> Arc<str> {
                Arc::clone(&self.0)
            }
        }

        impl Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }

        impl FromStr for $name {
            type Err = NameError;

            fn from_str(text: &str) -> Result<Self, NameError> {
                check_name(text).map(|()| $name(Arc::from(text)))
            }
        }

        impl TryFrom<String> for $name {
            type Error = NameError;

            fn try_from(text: String) -> Result<Self, NameError> {
                check_name(&text).map(|()| $name(Arc::from(text)))
            }
        }

        impl From<$name> for String {
            fn from(name: $name) -> String {
                name.0.as_ref().to_owned()
            }
        }
    )*};
}

names! {
    /// What the cluster is called.
    ClusterName;
    /// What a node is called.
    NodeName;
    /// What a VIP is called.
    VipName;
    /// A layer-2 network, as `node.toml` maps it to an interface.
    NetworkName;
    /// What a farm is called.
    FarmName;
    /// A service within its farm.
    ServiceName;
    /// A server within its farm.
    ServerName;
    /// Something that is watched, not balanced.
    WatchName;
    /// Somebody who is paged.
    ContactName;
    /// Who is paged after whom.
    LadderName;
    /// Watches that share defaults.
    GroupName;
    /// An administrator, as a certificate names them.
    AdminName;
    /// VIPs that move together.
    VipGroupName;
    /// A drill that is run by itself, week by week.
    DrillName;
}
