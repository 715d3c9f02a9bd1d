//! Why a connection was refused: named, counted, traced.

use std::fmt;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};

use rustls::CertificateError as Tls;
use rustls::{AlertDescription, Error};

macro_rules! refusals {
    ($($(#[$doc:meta])* $name:ident = $word:literal;)*) => {
        /// Why a connection was refused before a byte of it was obeyed.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Refusal { $($(#[$doc])* $name,)* }

        impl Refusal {
            /// Every reason there is.
            pub const ALL: &[Refusal] = &[$(Refusal::$name,)*];

            /// The reason as a metric's label.
            pub fn word(self) -> &'static str {
                match self { $(Refusal::$name => $word,)* }
            }
        }
    };
}

refusals! {
    /// What came was not TLS.
    NotTls = "not_tls";
    /// TLS, but older than 1.3.
    OldTls = "old_tls";
    /// TLS for something that we do not speak (ALPN).
    Protocol = "protocol";
    /// No certificate where one is needed.
    NoCertificate = "no_certificate";
    /// A certificate of another CA.
    ForeignCa = "foreign_ca";
    /// A certificate whose time is over.
    Expired = "expired";
    /// A certificate whose time has not come: somebody's clock is more than 25 h off.
    NotYetValid = "not_yet_valid";
    /// An administrator where a node is needed, or the other way round.
    WrongRole = "wrong_role";
    /// Another node, or another cluster, than was called.
    WrongNode = "wrong_node";
    /// A certificate of our CA that says nothing we know.
    Nameless = "nameless";
    /// A node that was removed from the cluster.
    Removed = "removed";
    /// An administrator whose certificates were revoked, or were never recorded.
    Revoked = "revoked";
    /// The other end refused us.
    RefusedByPeer = "refused_by_peer";
    /// The handshake took longer than it may.
    Slow = "slow";
    /// As many connections are open as may be.
    TooMany = "too_many";
    /// The connection ended within the handshake.
    Cut = "cut";
    /// Anything else that TLS forbids.
    Handshake = "handshake";
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.word())
    }
}

impl std::error::Error for Refusal {}

impl Refusal {
    /// What a failed handshake was refused for.
    pub fn of(error: &std::io::Error) -> Refusal {
        let Some(inner) = error.get_ref() else {
            return Refusal::Cut;
        };
        match inner.downcast_ref::<Error>() {
            Some(error) => Refusal::of_tls(error),
            None => inner
                .downcast_ref::<Refusal>()
                .copied()
                .unwrap_or(Refusal::Cut),
        }
    }

    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "rustls' enums, which may grow"
    )]
    fn of_tls(error: &Error) -> Refusal {
        match error {
            Error::InvalidMessage(_) => Refusal::NotTls,
            Error::NoCertificatesPresented => Refusal::NoCertificate,
            Error::NoApplicationProtocol => Refusal::Protocol,
            Error::PeerIncompatible(_) => Refusal::OldTls,
            Error::AlertReceived(AlertDescription::NoApplicationProtocol) => Refusal::Protocol,
            Error::AlertReceived(_) => Refusal::RefusedByPeer,
            Error::InvalidCertificate(Tls::Expired | Tls::ExpiredContext { .. }) => {
                Refusal::Expired
            }
            Error::InvalidCertificate(Tls::NotValidYet | Tls::NotValidYetContext { .. }) => {
                Refusal::NotYetValid
            }
            Error::InvalidCertificate(Tls::UnknownIssuer | Tls::BadSignature) => Refusal::ForeignCa,
            Error::InvalidCertificate(
                Tls::NotValidForName | Tls::NotValidForNameContext { .. },
            ) => Refusal::WrongNode,
            Error::InvalidCertificate(Tls::InvalidPurpose | Tls::InvalidPurposeContext { .. }) => {
                Refusal::WrongRole
            }
            Error::InvalidCertificate(Tls::Other(other)) => other
                .0
                .downcast_ref::<Refusal>()
                .copied()
                .unwrap_or(Refusal::Handshake),
            _ => Refusal::Handshake,
        }
    }
}

/// How often each reason was met.
#[derive(Debug)]
pub struct Refusals([AtomicU64; Refusal::ALL.len()]);

impl Default for Refusals {
    fn default() -> Self {
        Refusals(std::array::from_fn(|_| AtomicU64::new(0)))
    }
}

impl Refusals {
    /// Counts and traces one refusal.
    pub fn count(&self, refusal: Refusal, whom: SocketAddr) {
        tracing::debug!(%whom, reason = refusal.word(), "connection refused");
        self.0[refusal as usize].fetch_add(1, Ordering::Relaxed);
    }

    /// How often this one was met.
    pub fn get(&self, refusal: Refusal) -> u64 {
        self.0[refusal as usize].load(Ordering::Relaxed)
    }

    /// Every reason with its count, for metrics.
    pub fn all(&self) -> impl Iterator<Item = (Refusal, u64)> + '_ {
        Refusal::ALL
            .iter()
            .map(|refusal| (*refusal, self.get(*refusal)))
    }
}
