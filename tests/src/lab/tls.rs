//! A TLS client that shows any certificate it is given and trusts any server: an intruder's tool.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{ClientConfig, ClientConnection, DigitallySignedStruct, SignatureScheme, StreamOwned};

/// Who is still connected after this long was let in: a refusal takes a few milliseconds.
const LET_IN_AFTER: Duration = Duration::from_millis(700);

/// A certificate chain and its key.
#[derive(Debug)]
pub struct Shown {
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
}

impl Shown {
    /// From PEM: the chain, leaf first, and the key, in any order.
    ///
    /// **Errors**: there is no key, or no certificate.
    pub fn from_pem(pem: &str) -> Result<Shown> {
        let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem.as_bytes()).collect();
        let key = PrivateKeyDer::from_pem_slice(pem.as_bytes()).context("a key")?;
        Ok(Shown {
            chain: chain.context("certificates")?,
            key,
        })
    }

    /// One that its bearer signed himself.
    ///
    /// **Errors**: the system gives no random bytes.
    pub fn self_signed(name: &str) -> Result<Shown> {
        let made = rcgen::generate_simple_self_signed([name.to_owned()]).context("sign")?;
        let key = PrivateKeyDer::try_from(made.signing_key.serialize_der());
        let key = key.map_err(anyhow::Error::msg)?;
        Ok(Shown {
            chain: vec![made.cert.der().clone()],
            key,
        })
    }
}

/// What became of an attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// Still connected, and the server waits for us to speak; with the first of what it said.
    LetIn(String),
    /// Closed, reset, or an alert; with the reason as this side saw it.
    Refused(String),
}

impl Outcome {
    /// Whether it was not let in.
    pub fn is_refused(&self) -> bool {
        matches!(self, Outcome::Refused(_))
    }

    /// Whether it was let in as far as to be told that it may do nothing.
    pub fn is_forbidden(&self) -> bool {
        matches!(self, Outcome::LetIn(said) if said.starts_with("HTTP/1.1 403"))
    }
}

/// Opens TLS 1.3 with this certificate and ALPN, says `hello`, and sees whether it is hung up on.
///
/// **Errors**: nobody listens; anything after that is an [`Outcome`].
pub fn knock(to: SocketAddr, alpn: &[u8], shown: Option<&Shown>, hello: &[u8]) -> Result<Outcome> {
    let provider = Arc::new(ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider.clone())
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Gullible(provider)));
    let mut config = match shown {
        Some(shown) => config.with_client_auth_cert(shown.chain.clone(), shown.key.clone_key())?,
        None => config.with_no_client_auth(),
    };
    config.alpn_protocols = vec![alpn.to_vec()];
    let name = ServerName::try_from("farmux.test")?;
    let tls = ClientConnection::new(Arc::new(config), name)?;
    let stream = connect(to)?;
    Ok(hang_on(StreamOwned::new(tls, stream), hello))
}

/// Opens a plain connection, sends bytes, and sees whether the server hangs up.
///
/// **Errors**: nobody listens.
pub fn knock_plainly(to: SocketAddr, bytes: &[u8]) -> Result<Outcome> {
    Ok(hang_on(connect(to)?, bytes))
}

fn connect(to: SocketAddr) -> Result<TcpStream> {
    let stream = TcpStream::connect_timeout(&to, super::http::PATIENCE).context("connect")?;
    stream.set_read_timeout(Some(LET_IN_AFTER))?;
    Ok(stream)
}

/// In TLS 1.3 the client is done before the server has judged it: only reading tells.
fn hang_on(mut stream: impl Read + Write, hello: &[u8]) -> Outcome {
    if let Err(refusal) = stream.write_all(hello).and_then(|()| stream.flush()) {
        return Outcome::Refused(refusal.to_string());
    }
    let mut said = [0; 512];
    let mut first = String::new();
    loop {
        match stream.read(&mut said) {
            Ok(0) => return Outcome::Refused("closed".to_owned()),
            Ok(count) if first.is_empty() => {
                first = String::from_utf8_lossy(&said[..count]).into_owned();
            }
            Ok(_) => {}
            Err(silence) if silence.kind() == ErrorKind::WouldBlock => {
                return Outcome::LetIn(first);
            }
            Err(refusal) => return Outcome::Refused(refusal.to_string()),
        }
    }
}

/// Trusts every server.
#[derive(Debug)]
struct Gullible(Arc<CryptoProvider>);

impl ServerCertVerifier for Gullible {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
