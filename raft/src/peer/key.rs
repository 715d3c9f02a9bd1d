//! A node's own key pair: made here, kept here, shown to nobody.
//!
//! What leaves the machine is a signing request: the public half, with proof that the private half
//! is at hand.

use std::fmt;
use std::sync::Arc;

use rcgen::{
    CertificateParams, CertificateSigningRequestParams, KeyPair, PKCS_ECDSA_P256_SHA256, PublicKey,
    PublicKeyData,
};
use rustls::pki_types::{CertificateSigningRequestDer, PrivateKeyDer, PrivatePkcs8KeyDer};

use super::certificate::CertificateError;

/// An ECDSA P-256 key pair.
///
/// P-256 because every TLS stack, curl's included, accepts it, and signing costs 20 µs.
#[derive(Clone)]
pub struct NodeKey(Arc<KeyPair>);

impl fmt::Debug for NodeKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("NodeKey(…)")
    }
}

impl NodeKey {
    /// Draws a new one.
    ///
    /// **Panics**: when the system has no randomness to give; nothing can be secure then.
    pub fn generate() -> Self {
        NodeKey(Arc::new(
            KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).expect("the kernel gives randomness"),
        ))
    }

    /// Reads what [`NodeKey::to_pem`] wrote.
    ///
    /// **Errors**: `Key`: the text is no private key of our kind.
    pub fn from_pem(pem: &str) -> Result<Self, CertificateError> {
        let pair = KeyPair::from_pem(pem).map_err(|_| CertificateError::Key)?;
        if pair.algorithm() != &PKCS_ECDSA_P256_SHA256 {
            return Err(CertificateError::Key);
        }
        Ok(NodeKey(Arc::new(pair)))
    }

    /// As PKCS #8 in PEM, for a file of mode 0600.
    pub fn to_pem(&self) -> String {
        self.0.serialize_pem()
    }

    /// A request to certify this key; it names nobody, because the signer decides what it may say.
    pub fn request(&self) -> SigningRequest {
        let mut params = CertificateParams::default();
        params.distinguished_name = rcgen::DistinguishedName::new();
        let request = params
            .serialize_request(&*self.0)
            .expect("a request without names can always be written");
        SigningRequest(request.der().to_vec())
    }

    /// SHA-256 of the public key (SPKI), by which a token knows the one that used it first.
    pub fn fingerprint(&self) -> [u8; 32] {
        sha256(&self.0.subject_public_key_info())
    }

    pub(super) fn pair(&self) -> &KeyPair {
        &self.0
    }

    pub(super) fn to_der(&self) -> PrivateKeyDer<'static> {
        PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(self.0.serialize_der()))
    }
}

/// A request to certify a key (PKCS #10, DER). **Source**: RFC 2986.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(transparent)]
pub struct SigningRequest(pub Vec<u8>);

impl SigningRequest {
    /// The key in it, after its signature proved that the sender holds the private half.
    ///
    /// **Errors**: `Request`: damaged, not signed by its own key, or not a P-256 key.
    pub fn key(&self) -> Result<RequestedKey, CertificateError> {
        // A request of ours has about 200 bytes; nothing longer is worth parsing.
        const BYTES_MAX: usize = 4096;
        if self.0.len() > BYTES_MAX {
            return Err(CertificateError::Request);
        }
        let der = CertificateSigningRequestDer::from(self.0.as_slice());
        let parsed = CertificateSigningRequestParams::from_der(&der)
            .map_err(|_| CertificateError::Request)?;
        if PublicKeyData::algorithm(&parsed.public_key) != &PKCS_ECDSA_P256_SHA256 {
            return Err(CertificateError::Request);
        }
        Ok(RequestedKey(parsed.public_key))
    }
}

/// A public key whose owner proved to hold the private half.
#[derive(Debug, Clone)]
pub struct RequestedKey(PublicKey);

impl RequestedKey {
    /// SHA-256 of the public key (SPKI); equal to [`NodeKey::fingerprint`] of its owner.
    pub fn fingerprint(&self) -> [u8; 32] {
        sha256(&self.0.subject_public_key_info())
    }

    pub(super) fn public(&self) -> &PublicKey {
        &self.0
    }
}

/// SHA-256 of some bytes.
pub(super) fn sha256(bytes: &[u8]) -> [u8; 32] {
    let digest = ring::digest::digest(&ring::digest::SHA256, bytes);
    digest.as_ref().try_into().expect("SHA-256 has 32 bytes")
}

/// Random bytes from the kernel.
///
/// **Panics**: when the kernel gives none; nothing can be secure then.
pub fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    let source = ring::rand::SystemRandom::new();
    ring::rand::SecureRandom::fill(&source, &mut bytes).expect("the kernel gives randomness");
    bytes
}
