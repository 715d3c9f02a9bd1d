//! How TLS fails: what rustls found, in our own words.
//!
//! rustls quotes what a server sent, such as the names in its certificate; none of that is kept.

use std::fmt;
use std::io;
use std::time::Duration;

use rustls::pki_types::UnixTime;
use rustls::{AlertDescription, CertificateError, Error};

use super::dates::Days;
use super::judge::CaShown;

/// Why TLS did not come about, or its certificate does not do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TlsFailure {
    /// Something answered in another protocol.
    #[error("the answer is not TLS")]
    NotTls,
    /// The certificate was good until so many days ago.
    #[error("certificate expired {} ago", Days(*.0))]
    Expired(u32),
    /// It will be good in so many days.
    #[error("certificate not valid yet, good only in {}", Days(*.0))]
    Early(u32),
    /// It is good, but not for long enough.
    #[error("certificate good for {} more, {wanted} wanted", Days(*.left))]
    Soon {
        /// Whole days.
        left: u32,
        /// As many were asked for.
        wanted: u32,
    },
    /// It names others.
    #[error("certificate is for another name")]
    WrongName,
    /// Nobody trusted has signed it, or the chain that shows it is incomplete.
    #[error("certificate of an unknown issuer")]
    UnknownIssuer,
    /// It is a CA's own, as quickly made self-signed ones are: no server may show it.
    #[error("certificate of a CA shown as the server's own")]
    CaShown,
    /// It may be used for other things only.
    #[error("certificate is for another purpose")]
    WrongPurpose,
    /// Somebody's signature under it, or under the handshake, is wrong.
    #[error("certificate with a wrong signature")]
    Signature,
    /// It was taken back.
    #[error("certificate revoked")]
    Revoked,
    /// It is no certificate that can be understood.
    #[error("certificate cannot be read")]
    Unreadable,
    /// There is none.
    #[error("no certificate shown")]
    NoCertificate,
    /// It is not good in some rarer way.
    #[error("certificate not good")]
    Certificate,
    /// No version or cipher in common: we speak TLS 1.2 and 1.3.
    #[error("no TLS version or cipher in common")]
    Incompatible,
    /// The server ended it, and says why.
    #[error("TLS ended by the server: {0}")]
    Alert(Alert),
    /// It broke the protocol's rules.
    #[error("TLS handshake failed")]
    Broken,
}

/// The number of an alert. **Source**: IANA's registry of TLS alerts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Alert(pub u8);

impl fmt::Display for Alert {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "alert {}", self.0)?;
        f.write_str(match self.0 {
            40 => " (handshake failure)",
            70 => " (protocol version)",
            71 => " (insufficient security)",
            80 => " (internal error)",
            112 => " (unrecognized name)",
            116 => " (certificate required)",
            120 => " (no application protocol)",
            _ => "",
        })
    }
}

impl TlsFailure {
    /// What an error of a connection says about TLS; `None`: it is about something else.
    pub(in crate::probe) fn of(error: &io::Error) -> Option<TlsFailure> {
        let error = error.get_ref()?.downcast_ref::<Error>()?;
        Some(TlsFailure::of_tls(error))
    }

    fn of_tls(error: &Error) -> TlsFailure {
        if let Error::InvalidCertificate(certificate) = error {
            return TlsFailure::of_certificate(certificate);
        }
        if let Error::AlertReceived(alert) = error {
            // The old servers' way to say so.
            return match *alert == AlertDescription::ProtocolVersion {
                true => TlsFailure::Incompatible,
                false => TlsFailure::Alert(Alert(u8::from(*alert))),
            };
        }
        if matches!(
            error,
            Error::InvalidMessage(_) | Error::PeerSentOversizedRecord
        ) {
            TlsFailure::NotTls
        } else if matches!(error, Error::PeerIncompatible(_)) {
            TlsFailure::Incompatible
        } else if matches!(error, Error::NoCertificatesPresented) {
            TlsFailure::NoCertificate
        } else {
            TlsFailure::Broken
        }
    }

    fn of_certificate(error: &CertificateError) -> TlsFailure {
        use CertificateError as E;
        if let E::ExpiredContext { time, not_after } = error {
            return TlsFailure::Expired(days(*not_after, *time));
        }
        if let E::NotValidYetContext { time, not_before } = error {
            return TlsFailure::Early(days(*time, *not_before));
        }
        if let E::Other(other) = error
            && other.0.downcast_ref::<CaShown>().is_some()
        {
            return TlsFailure::CaShown;
        }
        if matches!(error, E::Expired) {
            TlsFailure::Expired(0)
        } else if matches!(error, E::NotValidYet) {
            TlsFailure::Early(0)
        } else if matches!(error, E::NotValidForName | E::NotValidForNameContext { .. }) {
            TlsFailure::WrongName
        } else if matches!(error, E::UnknownIssuer) {
            TlsFailure::UnknownIssuer
        } else if matches!(error, E::InvalidPurpose | E::InvalidPurposeContext { .. }) {
            TlsFailure::WrongPurpose
        } else if matches!(error, E::BadSignature) {
            TlsFailure::Signature
        } else if matches!(error, E::Revoked) {
            TlsFailure::Revoked
        } else if matches!(error, E::BadEncoding) {
            TlsFailure::Unreadable
        } else {
            TlsFailure::Certificate
        }
    }
}

/// Whole days between two times.
fn days(from: UnixTime, to: UnixTime) -> u32 {
    let seconds = to.as_secs().saturating_sub(from.as_secs());
    let day = Duration::from_hours(24).as_secs();
    u32::try_from(seconds / day).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use rustls::{InvalidMessage, PeerIncompatible, PeerMisbehaved};

    use super::*;

    /// Each kind of error, in words that hold nothing of the server's.
    #[test]
    fn errors_in_words() {
        let at = |day: u64| UnixTime::since_unix_epoch(Duration::from_hours(24 * day));
        let certificate = Error::InvalidCertificate;
        let named = CertificateError::NotValidForNameContext {
            expected: rustls::pki_types::ServerName::try_from("ours.test").expect("a name"),
            presented: vec!["evil\r\nRCPT TO:<x@example.com>".to_owned()],
        };
        let expired = CertificateError::ExpiredContext {
            time: at(12),
            not_after: at(10),
        };
        let early = CertificateError::NotValidYetContext {
            time: at(10),
            not_before: at(11),
        };
        let other = |error| CertificateError::Other(rustls::OtherError(error));
        let ca = other(std::sync::Arc::new(CaShown));
        let strange = other(std::sync::Arc::new(io::Error::other("evil")));
        for (error, wanted) in [
            (
                Error::InvalidMessage(InvalidMessage::InvalidContentType),
                "the answer is not TLS",
            ),
            (certificate(expired), "certificate expired 2 days ago"),
            (
                certificate(early),
                "certificate not valid yet, good only in 1 day",
            ),
            (certificate(named), "certificate is for another name"),
            (
                certificate(CertificateError::UnknownIssuer),
                "certificate of an unknown issuer",
            ),
            (
                certificate(ca),
                "certificate of a CA shown as the server's own",
            ),
            (certificate(strange), "certificate not good"),
            (
                Error::PeerIncompatible(PeerIncompatible::ServerDoesNotSupportTls12Or13),
                "no TLS version or cipher in common",
            ),
            (
                Error::AlertReceived(AlertDescription::ProtocolVersion),
                "no TLS version or cipher in common",
            ),
            (
                Error::AlertReceived(AlertDescription::CertificateRequired),
                "TLS ended by the server: alert 116 (certificate required)",
            ),
            (
                Error::AlertReceived(AlertDescription::Unknown(200)),
                "TLS ended by the server: alert 200",
            ),
            (
                Error::PeerMisbehaved(PeerMisbehaved::UnexpectedCleartextExtension),
                "TLS handshake failed",
            ),
            (Error::General("evil".to_owned()), "TLS handshake failed"),
        ] {
            let wrapped = io::Error::new(io::ErrorKind::InvalidData, error.clone());
            let words = TlsFailure::of(&wrapped).map(|failure| failure.to_string());
            assert_eq!(words.as_deref(), Some(wanted), "{error:?}");
        }
        assert_eq!(TlsFailure::of(&io::Error::other("evil")), None);
    }
}
