//! TLS 1.3 on ring: every configuration of ours, and what each demands of the other end.
//!
//! ```text
//!   port 7946   ALPN farmux-peer/1   both ends show a node leaf of this cluster
//!               ALPN farmux-join/1   the joiner shows nothing; it pins the CA that its token names
//!   port 9443   http/1.1             the client shows an admin leaf of this cluster, or nothing
//! ```
//!
//! All of it is demanded within the handshake: whoever fails it has not had one byte read.
//! Sessions are never resumed, because a resumed one would not look at the certificate again.

use std::sync::Arc;
use std::time::Duration;

use rustls::client::Resumption;
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::server::NoServerSessionStorage;
use rustls::server::danger::ClientCertVerifier;
use rustls::version::TLS13;
use rustls::{ClientConfig, ServerConfig};
use tokio::net::TcpStream;
use tokio_rustls::{LazyConfigAcceptor, server};

use super::certificate::{Bearer, Names, server_name};
use super::identity::Identity;
use super::key::NodeKey;
use super::refusal::Refusal;
use super::verify::{AnyNode, ClientOf, Trust, Wanted};
use crate::id::{ClusterId, NodeId};

/// Between nodes.
pub(super) const PEER_ALPN: &[u8] = b"farmux-peer/1";

/// Between a joiner and a node.
pub(super) const JOIN_ALPN: &[u8] = b"farmux-join/1";

/// The longest a handshake may take. It needs two round trips and a millisecond of arithmetic;
/// five seconds forgive a lost packet or two, and bound what a silent client costs.
pub const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(5);

/// Why a configuration could not be made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TlsError {
    /// Certificate or key is of no use to rustls.
    #[error("the certificate or its key cannot be used: {0}")]
    Material(String),
    /// What the other end must be signed by cannot be used.
    #[error("the CA's certificate cannot be used: {0}")]
    Authority(String),
}

/// What the peer port needs, made from one identity; a renewed identity makes a new one.
#[derive(Debug, Clone)]
pub(super) struct PeerTls {
    pub(super) peer_server: Arc<ServerConfig>,
    pub(super) join_server: Arc<ServerConfig>,
    pub(super) client: Arc<ClientConfig>,
}

impl PeerTls {
    pub(super) fn new(identity: &Identity) -> Result<PeerTls, TlsError> {
        let verifier = ClientOf::new(identity.ca(), identity.cluster(), Wanted::Node)?;
        let mut client = client_with(Trust::Ca(identity.ca()), Some(identity.cluster()))?
            .with_client_auth_cert(vec![identity.leaf().clone()], identity.key().to_der())
            .map_err(material)?;
        harden_client(&mut client, PEER_ALPN);
        Ok(PeerTls {
            peer_server: server(identity, Some(Arc::new(verifier)), PEER_ALPN)?,
            join_server: server(identity, None, JOIN_ALPN)?,
            client: Arc::new(client),
        })
    }
}

/// What the admin port demands: a client certificate of role admin, or none at all. Whoever shows
/// a bad one is refused; whoever shows none is a guest, whom the caller lets see next to nothing.
///
/// **Errors**: the identity is of no use to rustls.
pub fn admin_server_config(identity: &Identity) -> Result<Arc<ServerConfig>, TlsError> {
    let verifier = ClientOf::new(identity.ca(), identity.cluster(), Wanted::Admin)?;
    server(identity, Some(Arc::new(verifier)), b"http/1.1")
}

/// How an administrator calls any node of the cluster whose CA this is.
///
/// Every node answers alike, so any node's leaf will do, at whatever address it is reached.
///
/// **Errors**: certificate or key is of no use to rustls.
pub fn admin_client_config(
    ca: &CertificateDer<'static>,
    leaf: CertificateDer<'static>,
    key: &NodeKey,
) -> Result<Arc<ClientConfig>, TlsError> {
    let mut config = client_with(Trust::Ca(ca), None)?
        .with_client_auth_cert(vec![leaf], key.to_der())
        .map_err(material)?;
    harden_client(&mut config, b"http/1.1");
    Ok(Arc::new(config))
}

/// How a joiner calls a node of the cluster that its token names.
pub(super) fn join_client_config(ca_fingerprint: [u8; 32]) -> Result<Arc<ClientConfig>, TlsError> {
    let mut config = client_with(Trust::Fingerprint(ca_fingerprint), None)?.with_no_client_auth();
    harden_client(&mut config, JOIN_ALPN);
    Ok(Arc::new(config))
}

/// The name under which a node's leaf is checked.
pub(super) fn tls_name(cluster: ClusterId, node: NodeId) -> ServerName<'static> {
    server_name(cluster, node)
        .try_into()
        .expect("hexadecimal digits and dots make a host name")
}

/// Takes a client in on the admin port, within [`HANDSHAKE_TIMEOUT`]; `None`: a guest, who showed
/// no certificate.
///
/// **Errors**: why it was refused, for the caller to count.
pub async fn accept_admin(
    tcp: TcpStream,
    config: Arc<ServerConfig>,
) -> Result<(server::TlsStream<TcpStream>, Option<Names>), Refusal> {
    let stream = accept(tcp, |_| Ok(config)).await?;
    if stream.get_ref().1.peer_certificates().is_none() {
        return Ok((stream, None));
    }
    match bearer(&stream)? {
        names @ Names {
            bearer: Bearer::Admin { .. },
            ..
        } => Ok((stream, Some(names))),
        Names {
            bearer: Bearer::Node { .. },
            ..
        } => Err(Refusal::WrongRole),
    }
}

/// Takes a client in with the configuration chosen for the protocols that it offers.
pub(super) async fn accept(
    tcp: TcpStream,
    choose: impl FnOnce(&[&[u8]]) -> Result<Arc<ServerConfig>, Refusal>,
) -> Result<server::TlsStream<TcpStream>, Refusal> {
    let handshake = async {
        let acceptor = LazyConfigAcceptor::new(rustls::server::Acceptor::default(), tcp);
        let start = acceptor.await.map_err(|error| Refusal::of(&error))?;
        let offered: Vec<&[u8]> = start
            .client_hello()
            .alpn()
            .map(Iterator::collect)
            .unwrap_or_default();
        let config = choose(&offered)?;
        start
            .into_stream(config)
            .await
            .map_err(|error| Refusal::of(&error))
    };
    tokio::time::timeout(HANDSHAKE_TIMEOUT, handshake)
        .await
        .unwrap_or(Err(Refusal::Slow))
}

/// Who is at the other end of a connection that was accepted.
pub(super) fn bearer(stream: &server::TlsStream<TcpStream>) -> Result<Names, Refusal> {
    let leaf = stream
        .get_ref()
        .1
        .peer_certificates()
        .and_then(<[_]>::first);
    Names::read(leaf.ok_or(Refusal::NoCertificate)?).map_err(|_| Refusal::Nameless)
}

fn server(
    identity: &Identity,
    verifier: Option<Arc<dyn ClientCertVerifier>>,
    alpn: &[u8],
) -> Result<Arc<ServerConfig>, TlsError> {
    // The CA goes along: a joiner has only its fingerprint.
    let chain = vec![identity.leaf().clone(), identity.ca().clone()];
    let key: PrivateKeyDer<'static> = identity.key().to_der();
    let builder = ServerConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&TLS13])
        .map_err(material)?;
    let builder = match verifier {
        Some(verifier) => builder.with_client_cert_verifier(verifier),
        None => builder.with_no_client_auth(),
    };
    let mut config = builder.with_single_cert(chain, key).map_err(material)?;
    config.alpn_protocols = vec![alpn.to_vec()];
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    Ok(Arc::new(config))
}

type ClientBuilder = rustls::ConfigBuilder<ClientConfig, rustls::client::WantsClientCert>;

fn client_with(trust: Trust<'_>, named: Option<ClusterId>) -> Result<ClientBuilder, TlsError> {
    let verifier = AnyNode::new(trust, named)?;
    Ok(ClientConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&TLS13])
        .map_err(material)?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier)))
}

fn harden_client(config: &mut ClientConfig, alpn: &[u8]) {
    config.alpn_protocols = vec![alpn.to_vec()];
    config.resumption = Resumption::disabled();
}

pub(super) fn provider() -> Arc<CryptoProvider> {
    Arc::new(ring::default_provider())
}

fn material(error: rustls::Error) -> TlsError {
    TlsError::Material(error.to_string())
}
