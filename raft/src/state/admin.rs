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
    /// Until when it is good.
    pub expires: UnixMillis,
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
        let live = |cert: &AdminCert| cert.expires > now.at;
        let others = self
            .admins
            .iter()
            .filter(|(n, cert)| **n != name && live(cert))
            .count();
        if others >= ADMINS_MAX {
            return Err(Reject::TooManyAdmins { max: ADMINS_MAX });
        }
        self.admins.retain(|_, cert| live(cert));
        self.admins.insert(
            name,
            AdminCert {
                issued: now.at,
                expires,
            },
        );
        Ok(Applied::Done)
    }
}

/// The upper bound of a common name. **Source**: RFC 5280, appendix A (`ub-common-name`).
const NAME_CHARS_MAX: usize = 64;

/// More administrators than any of our three kinds of site has.
const ADMINS_MAX: usize = 100;
