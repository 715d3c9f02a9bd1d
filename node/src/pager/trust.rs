//! Whose certificates a relay or a webhook may show: those that the machine's administrator trusts.
//!
//! Debian's bundle is read at every delivery, so that a CA added with `update-ca-certificates`
//! counts at once; a company's own relay is trusted that way. `SSL_CERT_FILE` names another file.
//! Where there is no bundle, Mozilla's roots as this binary was built with take its place: a page
//! shall not fail because a package is missing.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use lettre::transport::smtp::client::{Certificate, CertificateStore, TlsParameters};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, RootCertStore};

/// Where the trusted certificates are.
#[derive(Debug, Clone)]
pub struct Trust {
    file: PathBuf,
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

    /// How we speak TLS as a client of HTTP.
    ///
    /// **Errors**: the bundle is there and cannot be used, in words.
    pub(super) async fn client(&self) -> Result<ClientConfig, String> {
        let wrong = |why: String| format!("certificates in {}: {why}", self.file.display());
        let mut roots = RootCertStore::empty();
        match tokio::fs::read(&self.file).await {
            Ok(pem) => {
                for root in usable_roots(&pem).map_err(wrong)? {
                    roots.add(root).map_err(|error| wrong(error.to_string()))?;
                }
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
            }
            Err(error) => return Err(wrong(error.to_string())),
        }
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| error.to_string())?;
        Ok(builder.with_root_certificates(roots).with_no_client_auth())
    }

    /// What TLS with this host must prove; the certificate must name the host, name or address.
    ///
    /// **Errors**: the bundle is there and cannot be used, in words.
    pub(super) async fn parameters(&self, host: &str) -> Result<TlsParameters, String> {
        let wrong = |why: String| format!("certificates in {}: {why}", self.file.display());
        let mut builder = TlsParameters::builder(host.to_owned());
        match tokio::fs::read(&self.file).await {
            Ok(pem) => {
                builder = builder.certificate_store(CertificateStore::None);
                for root in usable_roots(&pem).map_err(wrong)? {
                    let root = Certificate::from_der(root.to_vec())
                        .map_err(|error| wrong(error.to_string()))?;
                    builder = builder.add_root_certificate(root);
                }
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                builder = builder.certificate_store(CertificateStore::WebpkiRoots);
            }
            Err(error) => return Err(wrong(error.to_string())),
        }
        builder
            .build_rustls()
            .map_err(|error| wrong(error.to_string()))
    }
}

/// The roots that rustls understands: a bundle may hold some it does not, and the others count.
fn usable_roots(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, String> {
    let mut scratch = RootCertStore::empty();
    let mut roots = Vec::new();
    for root in CertificateDer::pem_slice_iter(pem) {
        let root = root.map_err(|error| error.to_string())?;
        if scratch.add(root.clone()).is_ok() {
            roots.push(root);
        }
    }
    if roots.is_empty() {
        return Err("none of use".to_owned());
    }
    Ok(roots)
}

/// Written by Debian's `ca-certificates`.
const DEBIAN_BUNDLE: &str = "/etc/ssl/certs/ca-certificates.crt";
