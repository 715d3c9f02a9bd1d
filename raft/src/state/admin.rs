//! Administrators: who holds a certificate for the admin API.

use serde::{Deserialize, Serialize};

use super::text::plain;
use super::{Applied, Now, Reject, State};
use crate::id::UnixMillis;

/// An administrator's newest certificate. The certificate itself is never kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AdminCert {
    /// When it was issued.
    pub issued: UnixMillis,
    /// Until when it is good, and every older one of the same name.
    pub expires: UnixMillis,
    /// Since when no certificate of this name is taken any more.
    pub revoked: Option<UnixMillis>,
}

/// What a certificate of a name is worth, beyond what TLS has checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AdminStanding {
    /// It opens the admin port.
    Good,
    /// It was revoked.
    Revoked,
    /// This copy of the state knows nobody of that name.
    Unknown,
}

impl State {
    pub(super) fn record_admin_cert(
        &mut self,
        now: Now,
        name: String,
        expires: UnixMillis,
    ) -> Result<Applied, Reject> {
        plain(&name, 1, NAME_CHARS_MAX).map_err(|_| Reject::BadText {
            what: "an administrator's name".to_owned(),
            min: 1,
            max: NAME_CHARS_MAX,
        })?;
        let before = self.admins.get(&name).filter(|cert| live(now, cert));
        if before.is_some_and(|cert| cert.revoked.is_some()) {
            return Err(Reject::AdminRevoked { name });
        }
        let expires = before.map_or(expires, |cert| cert.expires.max(expires));
        let others = self
            .admins
            .iter()
            .filter(|(n, cert)| **n != name && live(now, cert))
            .count();
        if others >= ADMINS_MAX {
            return Err(Reject::TooManyAdmins { max: ADMINS_MAX });
        }
        self.admins.retain(|_, cert| live(now, cert));
        self.admins.insert(
            name,
            AdminCert {
                issued: now.at,
                expires,
                revoked: None,
            },
        );
        Ok(Applied::Done)
    }

    /// Remembered until the last certificate of that name has run out; TLS refuses it from then on.
    pub(super) fn revoke_admin_cert(&mut self, now: Now, name: &str) -> Result<Applied, Reject> {
        let cert = self.admins.get_mut(name).filter(|cert| live(now, cert));
        let cert = cert.ok_or_else(|| Reject::UnknownAdmin(name.to_owned()))?;
        if cert.revoked.is_some() {
            return Ok(Applied::Unchanged);
        }
        cert.revoked = Some(now.at);
        Ok(Applied::Done)
    }

    /// What a certificate of this name is worth. Every one is recorded before it is shown, so that
    /// an unknown name is refused.
    pub fn admin_standing(&self, name: &str) -> AdminStanding {
        match self.admins.get(name) {
            None => AdminStanding::Unknown,
            Some(cert) if cert.revoked.is_some() => AdminStanding::Revoked,
            Some(_) => AdminStanding::Good,
        }
    }
}

fn live(now: Now, cert: &AdminCert) -> bool {
    cert.expires > now.at
}

/// The upper bound of a common name. **Source**: RFC 5280, appendix A (`ub-common-name`).
const NAME_CHARS_MAX: usize = 64;

/// More administrators than any of our three kinds of site has.
const ADMINS_MAX: usize = 100;
