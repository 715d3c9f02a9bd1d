//! The two questions that TLS asks us: may this client come in, and is this the server we wanted?
//!
//! Both answer with rustls' own chain checks first (signature, time, purpose) and then look at the
//! one name of ours in the leaf. A refusal of ours travels through rustls as [`Refusal`].

use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{verify_server_cert_signed_by_trust_anchor, verify_server_name};
use rustls::crypto::{WebPkiSupportedAlgorithms, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::server::{ParsedCertificate, WebPkiClientVerifier};
use rustls::{
    CertificateError, DigitallySignedStruct, DistinguishedName, Error, OtherError,
    PeerIncompatible, RootCertStore, SignatureScheme,
};

use super::certificate::{Bearer, Names, fingerprint};
use super::refusal::Refusal;
use super::tls::{TlsError, provider};
use crate::id::ClusterId;

/// Whom a port is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wanted {
    Node,
    /// Or for whoever shows nothing, and gets next to nothing.
    Admin,
}

/// Lets clients of one cluster and one role in.
#[derive(Debug)]
pub(super) struct ClientOf {
    chain: Arc<dyn ClientCertVerifier>,
    cluster: ClusterId,
    wanted: Wanted,
}

impl ClientOf {
    pub(super) fn new(
        ca: &CertificateDer<'static>,
        cluster: ClusterId,
        wanted: Wanted,
    ) -> Result<ClientOf, TlsError> {
        let chain = WebPkiClientVerifier::builder_with_provider(Arc::new(roots(ca)?), provider())
            // Our names tell nobody anything before the handshake is over.
            .clear_root_hint_subjects()
            .build()
            .map_err(|error| TlsError::Authority(error.to_string()))?;
        Ok(ClientOf {
            chain,
            cluster,
            wanted,
        })
    }
}

impl ClientCertVerifier for ClientOf {
    fn client_auth_mandatory(&self) -> bool {
        match self.wanted {
            Wanted::Node => true,
            Wanted::Admin => false,
        }
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        self.chain.root_hint_subjects()
    }

    fn verify_client_cert(
        &self,
        leaf: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        let verified = self.chain.verify_client_cert(leaf, intermediates, now)?;
        let names = Names::read(leaf).map_err(|_| refuse(Refusal::Nameless))?;
        if names.cluster != self.cluster {
            return Err(refuse(Refusal::WrongNode));
        }
        match (self.wanted, names.bearer) {
            (Wanted::Node, Bearer::Node { .. }) | (Wanted::Admin, Bearer::Admin { .. }) => {
                Ok(verified)
            }
            (Wanted::Node, Bearer::Admin { .. }) | (Wanted::Admin, Bearer::Node { .. }) => {
                Err(refuse(Refusal::WrongRole))
            }
        }
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Err(only_tls13())
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        leaf: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.chain.verify_tls13_signature(message, leaf, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.chain.supported_verify_schemes()
    }
}

/// By what a client knows the cluster.
#[derive(Debug, Clone, Copy)]
pub(super) enum Trust<'a> {
    /// It has the CA's certificate.
    Ca(&'a CertificateDer<'static>),
    /// It has a token, which names the CA by its fingerprint; the server sends the certificate.
    Fingerprint([u8; 32]),
}

/// Accepts servers that are nodes of one cluster; a certain node where the caller wants one.
#[derive(Debug)]
pub(super) struct AnyNode {
    anchor: Anchor,
    /// The cluster, when the server's name counts too: peers want a certain node.
    named: Option<ClusterId>,
    algorithms: WebPkiSupportedAlgorithms,
}

#[derive(Debug)]
enum Anchor {
    Roots(RootCertStore),
    Fingerprint([u8; 32]),
}

impl AnyNode {
    pub(super) fn new(trust: Trust<'_>, named: Option<ClusterId>) -> Result<AnyNode, TlsError> {
        let anchor = match trust {
            Trust::Ca(ca) => Anchor::Roots(roots(ca)?),
            Trust::Fingerprint(wanted) => Anchor::Fingerprint(wanted),
        };
        let algorithms = provider().signature_verification_algorithms;
        Ok(AnyNode {
            anchor,
            named,
            algorithms,
        })
    }
}

impl ServerCertVerifier for AnyNode {
    fn verify_server_cert(
        &self,
        leaf: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        _ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let pinned;
        let roots = match &self.anchor {
            Anchor::Roots(roots) => roots,
            Anchor::Fingerprint(wanted) => {
                let ca = intermediates
                    .iter()
                    .find(|sent| fingerprint(sent) == *wanted);
                let ca = ca
                    .ok_or_else(|| refuse(Refusal::ForeignCa))?
                    .clone()
                    .into_owned();
                pinned = self::roots(&ca).map_err(|_| refuse(Refusal::ForeignCa))?;
                &pinned
            }
        };
        let parsed = ParsedCertificate::try_from(leaf)?;
        verify_server_cert_signed_by_trust_anchor(
            &parsed,
            roots,
            intermediates,
            now,
            self.algorithms.all,
        )?;
        let names = Names::read(leaf).map_err(|_| refuse(Refusal::Nameless))?;
        if matches!(names.bearer, Bearer::Admin { .. }) {
            return Err(refuse(Refusal::WrongRole));
        }
        if let Some(cluster) = self.named {
            if names.cluster != cluster {
                return Err(refuse(Refusal::WrongNode));
            }
            verify_server_name(&parsed, name)?;
        }
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Err(only_tls13())
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        leaf: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, leaf, signature, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

fn roots(ca: &CertificateDer<'static>) -> Result<RootCertStore, TlsError> {
    let mut roots = RootCertStore::empty();
    roots
        .add(ca.clone())
        .map_err(|error| TlsError::Authority(error.to_string()))?;
    Ok(roots)
}

fn refuse(refusal: Refusal) -> Error {
    Error::InvalidCertificate(CertificateError::Other(OtherError(Arc::new(refusal))))
}

/// Our configurations speak TLS 1.3 only, so rustls never gets here.
fn only_tls13() -> Error {
    Error::PeerIncompatible(PeerIncompatible::Tls13RequiredForQuic)
}
