//! Whose certificates a probed server may show: those that the machine's administrator trusts.
//!
//! The same bundle as for mail relays counts: `SSL_CERT_FILE`, or Debian's, or where there is none
//! Mozilla's roots as this binary was built with. Thousands of probes share what was read; it is
//! read again a minute later at the earliest, so that a CA added with `update-ca-certificates`
//! counts soon. One reader at a time, on a thread of its own: a disk that hangs holds up only
//! those probes that have nothing older to go by, and those no longer than their timeout.

use std::fs;
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use rustls::client::Resumption;
use rustls::client::WebPkiServerVerifier;
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, RootCertStore};

use super::judge::Judge;

/// Where the trusted certificates are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trust {
    file: PathBuf,
}

/// How to speak TLS, or why it cannot be said: in words.
type Client = Result<Arc<ClientConfig>, String>;

/// Clients for all probes of this machine.
#[derive(Debug)]
pub(in crate::probe) struct Clients {
    trust: Trust,
    provider: Arc<CryptoProvider>,
    unverified: Arc<ClientConfig>,
    last: Mutex<Option<(Instant, Client)>>,
    reading: Arc<tokio::sync::Mutex<()>>,
}

impl Trust {
    /// The machine's own: `SSL_CERT_FILE`, or Debian's bundle.
    pub fn system() -> Trust {
        let named = std::env::var_os("SSL_CERT_FILE").filter(|path| !path.is_empty());
        Trust::file(named.map_or_else(|| PathBuf::from(DEBIAN_BUNDLE), PathBuf::from))
    }

    /// The certificates in this PEM file.
    pub fn file(file: PathBuf) -> Trust {
        Trust { file }
    }

    fn roots(&self) -> Result<RootCertStore, String> {
        let wrong =
            |why: &dyn std::fmt::Display| format!("certificates in {}: {why}", self.file.display());
        let mut roots = RootCertStore::empty();
        match fs::read(&self.file) {
            Ok(pem) => {
                for root in CertificateDer::pem_slice_iter(&pem) {
                    let root = root.map_err(|error| wrong(&error))?;
                    // A bundle may hold some that rustls does not understand; the others count.
                    let _ = roots.add(root);
                }
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
            }
            Err(error) => return Err(wrong(&error)),
        }
        match roots.is_empty() {
            true => Err(wrong(&"none of use")),
            false => Ok(roots),
        }
    }
}

impl Clients {
    /// Nothing is read before the first probe that verifies.
    pub(in crate::probe) fn new(trust: Trust) -> Clients {
        let provider = Arc::new(ring::default_provider());
        Clients {
            trust,
            unverified: client(&provider, None),
            provider,
            last: Mutex::new(None),
            reading: Arc::default(),
        }
    }

    /// How to speak TLS with a server whose certificate must be good, or need not be.
    ///
    /// **Errors**: none of the outer kind; the inner: the bundle cannot be used.
    pub(in crate::probe) async fn client(self: &Arc<Self>, verify: bool) -> io::Result<Client> {
        if !verify {
            return Ok(Ok(Arc::clone(&self.unverified)));
        }
        loop {
            let last = self.last();
            match last {
                Some((read, client)) if read.elapsed() < READ_AGAIN_AFTER => return Ok(client),
                Some(_) | None => {}
            }
            match Arc::clone(&self.reading).try_lock_owned() {
                Ok(reading) => {
                    let clients = Arc::clone(self);
                    // It goes on when the probe that began it is given up.
                    let read = tokio::task::spawn_blocking(move || {
                        let read = clients.read();
                        drop(reading);
                        read
                    });
                    return read.await.map_err(io::Error::other);
                }
                Err(_) => match last {
                    Some((_, client)) => return Ok(client),
                    None => drop(self.reading.lock().await),
                },
            }
        }
    }

    fn last(&self) -> Option<(Instant, Client)> {
        let last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        last.clone()
    }

    fn read(&self) -> Client {
        let read = self.trust.roots().and_then(|roots| {
            let provider = Arc::clone(&self.provider);
            let strict = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider);
            let strict = strict.build().map_err(|error| error.to_string())?;
            Ok(client(&self.provider, Some(strict)))
        });
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        *last = Some((Instant::now(), read.clone()));
        read
    }
}

fn client(
    provider: &Arc<CryptoProvider>,
    strict: Option<Arc<WebPkiServerVerifier>>,
) -> Arc<ClientConfig> {
    let judge = Judge::new(strict, Arc::clone(provider));
    let client = ClientConfig::builder_with_provider(Arc::clone(provider))
        .with_safe_default_protocol_versions()
        .expect("ring has ciphers for TLS 1.2 and 1.3");
    let mut client = client
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(judge))
        .with_no_client_auth();
    client.resumption = Resumption::disabled();
    client.alpn_protocols = vec![b"http/1.1".to_vec()];
    Arc::new(client)
}

/// Written by Debian's `ca-certificates`.
const DEBIAN_BUNDLE: &str = "/etc/ssl/certs/ca-certificates.crt";

/// A bundle holds 140 certificates and takes milliseconds to parse: once a minute is nothing, once
/// a probe would be most of its work.
const READ_AGAIN_AFTER: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests {
    use super::*;

    async fn client_of(clients: &Arc<Clients>) -> Client {
        clients.client(true).await.expect("no panic on the way")
    }

    /// Many probes at once read the bundle once, and a bundle that changes does not tear them.
    #[tokio::test]
    async fn a_bundle_is_read_once_for_all() {
        let clients = Arc::new(Clients::new(Trust::file("/nowhere/at/all".into())));
        let all = (0..100).map(|_| client_of(&clients));
        let all = futures_util::future::join_all(all).await;
        let first = all
            .first()
            .expect("a hundred")
            .clone()
            .expect("Mozilla's roots");
        for client in all {
            assert!(Arc::ptr_eq(&client.expect("the same"), &first));
        }
        assert!(Arc::ptr_eq(
            &client_of(&clients).await.expect("the same"),
            &first
        ));
    }

    #[tokio::test]
    async fn a_bundle_without_certificates_is_named() {
        let folder = tempfile::tempdir().expect("a folder");
        for (name, text) in [("empty", ""), ("garbage", "no certificate\n")] {
            let file = folder.path().join(name);
            fs::write(&file, text).expect("writes");
            let clients = Arc::new(Clients::new(Trust::file(file.clone())));
            let why = client_of(&clients).await.err();
            let wanted = format!("certificates in {}: none of use", file.display());
            assert_eq!(why, Some(wanted));
        }
        let clients = Arc::new(Clients::new(Trust::file(folder.path().to_path_buf())));
        assert!(client_of(&clients).await.is_err());
        let needless = clients.client(false).await.expect("no panic");
        assert!(
            needless.is_ok(),
            "nothing is read where nothing is verified"
        );
    }
}
