//! PURE. For how many days a certificate is good.

use std::fmt;

use x509_parser::prelude::{FromDer as _, X509Certificate};

use super::failure::TlsFailure;

/// The two dates of a certificate.
///
/// **Units**: seconds since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Dates {
    begin: i64,
    end: i64,
}

/// How long a certificate is good, at the time it was seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CertificateDays {
    /// For so many more whole days.
    Good(u32),
    /// It is not yet, for so many days.
    Early(u32),
    /// It was, until so many days ago.
    Expired(u32),
}

impl Dates {
    /// Those of a certificate in DER; `None`: it cannot be read.
    pub(super) fn of(der: &[u8]) -> Option<Dates> {
        let (_, certificate) = X509Certificate::from_der(der).ok()?;
        let validity = certificate.validity();
        Some(Dates {
            begin: validity.not_before.timestamp(),
            end: validity.not_after.timestamp(),
        })
    }

    /// What is left now, in seconds since 1970.
    pub(super) fn days(self, now: i64) -> CertificateDays {
        let days = |seconds: i64| u32::try_from(seconds / DAY_SECONDS).unwrap_or(u32::MAX);
        if now < self.begin {
            return CertificateDays::Early(days(self.begin.saturating_sub(now)));
        }
        // The last second still counts (RFC 5280, 4.1.2.5).
        match self.end.saturating_sub(now) {
            left @ 0.. => CertificateDays::Good(days(left)),
            over => CertificateDays::Expired(days(over.saturating_neg())),
        }
    }
}

impl CertificateDays {
    /// Whether it is good, and for long enough.
    pub(super) fn judge(self, wanted: u32) -> Result<(), TlsFailure> {
        match self {
            CertificateDays::Good(left) if left >= wanted => Ok(()),
            CertificateDays::Good(left) => Err(TlsFailure::Soon { left, wanted }),
            CertificateDays::Early(days) => Err(TlsFailure::Early(days)),
            CertificateDays::Expired(days) => Err(TlsFailure::Expired(days)),
        }
    }
}

impl fmt::Display for CertificateDays {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            CertificateDays::Good(days) => {
                write!(f, "certificate good for {}", Days(*days))
            }
            CertificateDays::Early(days) => {
                write!(f, "certificate good only in {}", Days(*days))
            }
            CertificateDays::Expired(days) => {
                write!(f, "certificate expired {} ago", Days(*days))
            }
        }
    }
}

/// Days as people write them.
pub(super) struct Days(pub(super) u32);

impl fmt::Display for Days {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            1 => f.write_str("1 day"),
            days => write!(f, "{days} days"),
        }
    }
}

/// Whole ones are counted, from one second to the same on the next.
const DAY_SECONDS: i64 = 86_400;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_whole_ones() {
        let (begin, end) = (10 * DAY_SECONDS, 100 * DAY_SECONDS);
        let good = CertificateDays::Good;
        for (now, wanted, words) in [
            (
                0,
                CertificateDays::Early(10),
                "certificate good only in 10 days",
            ),
            (
                begin - 1,
                CertificateDays::Early(0),
                "certificate good only in 0 days",
            ),
            (begin, good(90), "certificate good for 90 days"),
            (begin + 1, good(89), "certificate good for 89 days"),
            (end - DAY_SECONDS, good(1), "certificate good for 1 day"),
            (end, good(0), "certificate good for 0 days"),
            (
                end + 1,
                CertificateDays::Expired(0),
                "certificate expired 0 days ago",
            ),
            (
                end + DAY_SECONDS,
                CertificateDays::Expired(1),
                "certificate expired 1 day ago",
            ),
        ] {
            let days = Dates { begin, end }.days(now);
            assert_eq!(days, wanted, "{now}");
            assert_eq!(days.to_string(), words);
        }
    }

    #[test]
    fn too_few_are_a_failure() {
        let nine = CertificateDays::Good(9);
        assert_eq!(nine.judge(0), Ok(()));
        assert_eq!(nine.judge(9), Ok(()));
        let soon = nine.judge(14).map_err(|failure| failure.to_string());
        let words = "certificate good for 9 days more, 14 wanted";
        assert_eq!(soon, Err(words.to_owned()));
        assert_eq!(
            CertificateDays::Expired(3).judge(0),
            Err(TlsFailure::Expired(3))
        );
        assert_eq!(
            CertificateDays::Early(3).judge(0),
            Err(TlsFailure::Early(3))
        );
    }

    #[test]
    fn garbage_has_no_dates() {
        for der in [&b""[..], b"\x30\x82", &[0xff; 1000]] {
            assert_eq!(Dates::of(der), None);
        }
    }
}
