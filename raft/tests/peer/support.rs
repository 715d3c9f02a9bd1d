//! A cluster of certificates, a node that counts what it hears, and a client that obeys no rule.

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use farmux_raft::consensus::{BoxFuture, Request, Rpc, RpcReply};
use farmux_raft::id::{ClusterId, ClusterName, NodeId, UnixMillis};
use farmux_raft::peer::certificate::{Bearer, Ca};
use farmux_raft::peer::join::{JoinAnswer, JoinRefusal, JoinRequest};
use farmux_raft::peer::key::{NodeKey, SigningRequest};
use farmux_raft::peer::{
    Addresses, Handler, Identity, PeerClient, PeerReply, PeerRequest, PeerServer, Refusals,
};
use farmux_raft::state::NodeRole;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, Error, SignatureScheme};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, watch};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// The first epoch of every cluster.
pub(crate) const EPOCH: u64 = 0;

pub(crate) const DAY_MS: u64 = 24 * 3_600_000;

/// Longest wait for something that must happen: far more than it takes, also on a busy machine.
pub(crate) const SOON: Duration = Duration::from_secs(10);

pub(crate) fn now() -> UnixMillis {
    let since = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .expect("after 1970");
    UnixMillis(u64::try_from(since.as_millis()).expect("it fits for ages"))
}

pub(crate) fn ca(cluster: u128) -> Ca {
    Ca::create(ClusterId(cluster), &cluster_name(), now()).expect("a CA")
}

/// All clusters of these tests have one name, so that only the CA tells them apart.
pub(crate) fn cluster_name() -> ClusterName {
    "prod".parse().expect("a name")
}

pub(crate) fn node_bearer(node: u64) -> Bearer {
    let (role, name) = (NodeRole::Balancer, format!("lb{node}"));
    Bearer::Node {
        node: NodeId(node),
        role,
        name: name.parse().expect("a name"),
    }
}

pub(crate) fn admin_bearer() -> Bearer {
    Bearer::Admin {
        name: "ana".parse().expect("a name"),
    }
}

/// A key with a leaf signed at some time.
pub(crate) fn leaf(ca: &Ca, bearer: &Bearer, at: UnixMillis) -> (NodeKey, CertificateDer<'static>) {
    let key = NodeKey::generate();
    let request = key.request().key().expect("our own request");
    let leaf = ca.sign(&request, bearer, &[], at).expect("signed");
    (key, leaf)
}

pub(crate) fn identity_at(ca: &Ca, node: u64, at: UnixMillis) -> Identity {
    let (key, leaf) = leaf(ca, &node_bearer(node), at);
    let ca = ca.certificate().clone();
    Identity::new(cluster_name(), EPOCH, key, leaf, ca).expect("it fits together")
}

pub(crate) fn identity(ca: &Ca, node: u64) -> Identity {
    identity_at(ca, node, now())
}

pub(crate) fn fixed<T>(value: T) -> watch::Receiver<T> {
    watch::channel(value).1
}

type OnJoin = Box<dyn Fn(JoinRequest) -> Result<JoinAnswer, JoinRefusal> + Send + Sync>;

/// A node that counts what reaches it.
#[derive(Default)]
pub(crate) struct Counting {
    pub(crate) raft: AtomicU64,
    pub(crate) asked: AtomicU64,
    pub(crate) joins: AtomicU64,
    pub(crate) removed: Mutex<BTreeSet<NodeId>>,
    pub(crate) heard: Mutex<BTreeMap<NodeId, u64>>,
    /// Answers to snapshot pieces wait for it.
    pub(crate) snapshots_may_end: Notify,
    pub(crate) on_join: Option<OnJoin>,
}

impl Counting {
    /// Everything that any handler was asked.
    pub(crate) fn all(&self) -> u64 {
        [&self.raft, &self.asked, &self.joins]
            .iter()
            .map(|c| c.load(Ordering::SeqCst))
            .sum()
    }
}

impl Handler for Counting {
    fn admits(&self, node: NodeId) -> bool {
        !self.removed.lock().expect("no panic").contains(&node)
    }

    fn raft(&self, from: NodeId, rpc: Rpc) -> BoxFuture<'_, RpcReply> {
        self.raft.fetch_add(1, Ordering::SeqCst);
        *self
            .heard
            .lock()
            .expect("no panic")
            .entry(from)
            .or_default() += 1;
        Box::pin(async move {
            let large = matches!(rpc.request, Request::Snapshot { .. });
            if large {
                self.snapshots_may_end.notified().await;
            }
            RpcReply::PreVote(!large)
        })
    }

    fn ask(&self, from: NodeId, request: PeerRequest) -> BoxFuture<'_, PeerReply> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        Box::pin(async move {
            match request {
                PeerRequest::Renew(SigningRequest(bytes)) => PeerReply::Renewed(bytes),
                PeerRequest::Status
                | PeerRequest::Leave
                | PeerRequest::Admit
                | PeerRequest::Order(_)
                | PeerRequest::Drill(_)
                | PeerRequest::Probes(_) => PeerReply::Failed(format!("{from}")),
            }
        })
    }

    fn join(
        &self,
        _: SocketAddr,
        request: JoinRequest,
    ) -> BoxFuture<'_, Result<JoinAnswer, JoinRefusal>> {
        self.joins.fetch_add(1, Ordering::SeqCst);
        let answer = match &self.on_join {
            Some(on_join) => on_join(request),
            None => Err(JoinRefusal::TokenUnknown),
        };
        Box::pin(async move { answer })
    }
}

/// A node's peer port.
pub(crate) struct Port {
    pub(crate) address: SocketAddr,
    pub(crate) handler: Arc<Counting>,
    pub(crate) refusals: Arc<Refusals>,
    _server: PeerServer,
}

impl Port {
    pub(crate) async fn open(identity: Identity) -> Port {
        Port::open_with(
            identity,
            Counting::default(),
            "127.0.0.1:0".parse().expect("any"),
        )
        .await
    }

    pub(crate) async fn open_with(identity: Identity, handler: Counting, at: SocketAddr) -> Port {
        let listener = TcpListener::bind(at).await.expect("a free port");
        let address = listener.local_addr().expect("bound");
        let (handler, refusals) = (Arc::new(handler), Arc::new(Refusals::default()));
        let identity = fixed(Arc::new(identity));
        let server = PeerServer::spawn(vec![listener], identity, handler.clone(), refusals.clone());
        Port {
            address,
            handler,
            refusals,
            _server: server.expect("a good identity"),
        }
    }
}

/// A node's client that knows one other node.
pub(crate) fn client(
    identity: Identity,
    to: u64,
    address: SocketAddr,
) -> (PeerClient, Arc<Refusals>) {
    let refusals = Arc::new(Refusals::default());
    let addresses = Addresses::from([(NodeId(to), vec![address])]);
    let client = PeerClient::new(
        fixed(Arc::new(identity)),
        fixed(addresses),
        refusals.clone(),
    );
    (client.expect("a good identity"), refusals)
}

pub(crate) fn small_rpc() -> Rpc {
    Rpc {
        cluster: ClusterId(7),
        epoch: EPOCH,
        request: Request::PreVote { last: None },
    }
}

/// Waits until a condition holds.
pub(crate) async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let end = tokio::time::Instant::now() + SOON;
    while !holds() {
        assert!(
            tokio::time::Instant::now() < end,
            "it never came about: {what}"
        );
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Bounds a future that must end.
pub(crate) async fn soon<T>(what: impl Future<Output = T>) -> T {
    tokio::time::timeout(SOON, what)
        .await
        .expect("it ends in time")
}

/// An address that is taken, and where nobody listens, as long as the socket lives.
pub(crate) fn deaf() -> (tokio::net::TcpSocket, SocketAddr) {
    let socket = tokio::net::TcpSocket::new_v4().expect("a socket");
    socket
        .bind("127.0.0.1:0".parse().expect("any"))
        .expect("a free port");
    let address = socket.local_addr().expect("bound");
    (socket, address)
}

/// A client that believes every server and shows what it is given.
pub(crate) struct Stranger {
    pub(crate) alpn: Vec<&'static [u8]>,
    pub(crate) shows: Option<(NodeKey, CertificateDer<'static>)>,
    pub(crate) versions: &'static [&'static rustls::SupportedProtocolVersion],
}

impl Stranger {
    pub(crate) fn peer(shows: Option<(NodeKey, CertificateDer<'static>)>) -> Stranger {
        Stranger {
            alpn: vec![b"farmux-peer/1"],
            shows,
            versions: rustls::ALL_VERSIONS,
        }
    }

    /// In TLS 1.3 the client is done before the server has looked at its certificate.
    pub(crate) async fn connect(self, to: SocketAddr) -> std::io::Result<TlsStream<TcpStream>> {
        let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_protocol_versions(self.versions)
            .expect("ring knows them")
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(Credulous));
        let mut config = match self.shows {
            Some((key, leaf)) => {
                let key = PrivatePkcs8KeyDer::from_pem_slice(key.to_pem().as_bytes());
                let key = PrivateKeyDer::Pkcs8(key.expect("our own PEM"));
                builder
                    .with_client_auth_cert(vec![leaf], key)
                    .expect("a pair")
            }
            None => builder.with_no_client_auth(),
        };
        config.alpn_protocols = self.alpn.iter().map(|alpn| alpn.to_vec()).collect();
        let tcp = TcpStream::connect(to).await?;
        let name = ServerName::try_from("anybody").expect("a name");
        TlsConnector::from(Arc::new(config))
            .connect(name, tcp)
            .await
    }
}

#[derive(Debug)]
struct Credulous;

impl ServerCertVerifier for Credulous {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        ring::default_provider()
            .signature_verification_algorithms
            .supported_schemes()
    }
}

/// A frame as it is on the wire, spelled out so that the tests do not trust the code.
pub(crate) struct RawFrame {
    pub(crate) kind: u8,
    pub(crate) cluster: u128,
    pub(crate) epoch: u64,
    pub(crate) from: u64,
    pub(crate) to: u64,
    pub(crate) length: u32,
    pub(crate) payload: Vec<u8>,
}

impl RawFrame {
    /// A Raft question from node 2 to node 1 of cluster 7.
    pub(crate) fn raft() -> RawFrame {
        let payload = small_rpc().encode().expect("it is small");
        let length = u32::try_from(payload.len()).expect("it is small");
        RawFrame {
            kind: 2,
            cluster: 7,
            epoch: EPOCH,
            from: 2,
            to: 1,
            length,
            payload,
        }
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        let mut bytes = vec![1, self.kind];
        bytes.extend(self.cluster.to_be_bytes());
        for field in [self.epoch, self.from, self.to, 1] {
            bytes.extend(field.to_be_bytes());
        }
        bytes.extend(self.length.to_be_bytes());
        bytes.extend(&self.payload);
        bytes
    }
}
