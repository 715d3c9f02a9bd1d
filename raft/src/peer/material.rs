//! The identity in use, with the TLS configurations made from it; renewed while everything runs.

use std::sync::{Arc, Mutex};

use tokio::sync::watch;

use super::identity::Identity;
use super::tls::{PeerTls, TlsError};

/// Identity and configurations, made anew when the identity changes.
#[derive(Debug)]
pub(super) struct Material {
    identity: watch::Receiver<Arc<Identity>>,
    made: Mutex<(Arc<Identity>, PeerTls)>,
}

impl Material {
    /// **Errors**: the identity is of no use to rustls; the caller stops.
    pub(super) fn new(mut identity: watch::Receiver<Arc<Identity>>) -> Result<Self, TlsError> {
        let first = identity.borrow_and_update().clone();
        let tls = PeerTls::new(&first)?;
        Ok(Material {
            identity,
            made: Mutex::new((first, tls)),
        })
    }

    /// The newest identity, and what was made from it.
    pub(super) fn get(&self) -> (Arc<Identity>, PeerTls) {
        let newest = self.identity.borrow().clone();
        let mut made = self.made.lock().expect("no holder of this lock can panic");
        if !Arc::ptr_eq(&made.0, &newest) {
            match PeerTls::new(&newest) {
                Ok(tls) => *made = (newest, tls),
                // The old one is good for a month yet; whoever renewed it is told here.
                Err(error) => tracing::warn!(%error, "the renewed certificate cannot be used"),
            }
        }
        made.clone()
    }

    /// Resolves when there is a newer identity than this one.
    pub(super) async fn newer_than(&self, this: &Arc<Identity>) {
        let mut identity = self.identity.clone();
        if identity
            .wait_for(|now| !Arc::ptr_eq(now, this))
            .await
            .is_err()
        {
            // Whoever could renew it is gone: it stays as it is.
            std::future::pending::<()>().await;
        }
    }
}
