//! TLS to another node's admin port, with an administrator's certificate.
//!
//! The certificate file holds, in this order: the administrator's certificate, its key, the
//! cluster's CA. Whoever shows a node certificate of that CA is a node of the cluster, whatever the
//! host is called: the CA signs for nobody else.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use farmux_raft::peer::certificate::{Bearer, Names, server_name};
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme,
};
use tokio_rustls::TlsConnector;

use crate::fault::{Code, Fault};

/// Another node's admin port.
#[derive(Clone)]
pub(super) struct Remote {
    address: String,
    config: Arc<ClientConfig>,
}

impl fmt::Debug for Remote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Remote({})", self.address)
    }
}

impl Remote {
    pub(super) fn new(address: &str, file: &Path) -> Result<Remote, Fault> {
        let unusable = |why: &dyn fmt::Display| {
            Fault::new(Code::CertificateFile).why(format!("{}: {why}", file.display()))
        };
        let pem = std::fs::read(file).map_err(|error| unusable(&error))?;
        let config = client_config(&pem).map_err(|why| unusable(&why))?;
        Ok(Remote {
            address: address.to_owned(),
            config: Arc::new(config),
        })
    }

    pub(super) fn at(&self, address: &str) -> Remote {
        Remote {
            address: address.to_owned(),
            config: Arc::clone(&self.config),
        }
    }

    pub(super) fn address(&self) -> &str {
        &self.address
    }

    pub(super) fn connector(&self) -> TlsConnector {
        TlsConnector::from(Arc::clone(&self.config))
    }

    /// What is sent as SNI: nothing depends on it, see [`NodeOfCluster`].
    pub(super) fn server_name(&self) -> ServerName<'static> {
        ServerName::try_from("node.farmux").expect("this is a host name")
    }
}

/// TLS 1.3 with the certificate, key and CA of one PEM file.
fn client_config(pem: &[u8]) -> Result<ClientConfig, String> {
    let certificates: Vec<CertificateDer<'static>> = CertificateDer::pem_slice_iter(pem)
        .collect::<Result<_, _>>()
        .map_err(|error| error.to_string())?;
    let [leaf, ca] = certificates.as_slice() else {
        return Err(format!(
            "two certificates are needed, there are {}",
            certificates.len()
        ));
    };
    let names = Names::read(leaf).map_err(|error| error.to_string())?;
    if matches!(names.bearer, Bearer::Node { .. }) {
        return Err("this is a node's certificate, not an administrator's".to_owned());
    }
    let key = PrivateKeyDer::from_pem_slice(pem).map_err(|error| error.to_string())?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut roots = RootCertStore::empty();
    roots.add(ca.clone()).map_err(|error| error.to_string())?;
    let chain = WebPkiServerVerifier::builder_with_provider(roots.into(), Arc::clone(&provider))
        .build()
        .map_err(|error| error.to_string())?;
    ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .map_err(|error| error.to_string())?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(NodeOfCluster { chain, names }))
        .with_client_auth_cert(vec![leaf.clone()], key)
        .map_err(|error| error.to_string())
}

/// Accepts every node of the administrator's own cluster, and nobody else.
#[derive(Debug)]
struct NodeOfCluster {
    /// Checks signature, dates and purpose against the cluster's CA.
    chain: Arc<WebPkiServerVerifier>,
    names: Names,
}

impl ServerCertVerifier for NodeOfCluster {
    fn verify_server_cert(
        &self,
        leaf: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _host: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let refused = || rustls::Error::from(CertificateError::ApplicationVerificationFailure);
        let names = Names::read(leaf).map_err(|_| refused())?;
        let Bearer::Node { node, .. } = names.bearer else {
            return Err(refused());
        };
        if names.cluster != self.names.cluster {
            return Err(refused());
        }
        // The name it must bear follows from what it says it is; the CA vouches for both.
        let host = ServerName::try_from(server_name(names.cluster, node)).map_err(|_| refused())?;
        self.chain
            .verify_server_cert(leaf, intermediates, &host, ocsp, now)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        leaf: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.chain.verify_tls12_signature(message, leaf, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        leaf: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.chain.verify_tls13_signature(message, leaf, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.chain.supported_verify_schemes()
    }
}
