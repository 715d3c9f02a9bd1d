//! Who this node is: what it needs to prove itself to its peers, in one value.

use rustls::pki_types::CertificateDer;

use super::certificate::{Bearer, CertificateError, Names, ca_cluster, not_after};
use super::key::NodeKey;
use crate::id::{ClusterId, ClusterName, NodeId, NodeName, UnixMillis};
use crate::state::NodeRole;

/// Who this node is, with the key that proves it.
///
/// Made by [`Identity::new`] only, so that leaf, CA and words always agree.
#[derive(Debug, Clone)]
pub struct Identity {
    cluster: ClusterId,
    cluster_name: ClusterName,
    epoch: u64,
    node: NodeId,
    name: NodeName,
    role: NodeRole,
    key: NodeKey,
    leaf: CertificateDer<'static>,
    ca: CertificateDer<'static>,
    not_after: UnixMillis,
}

/// Why the parts make no identity.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IdentityError {
    /// Leaf or CA cannot be read.
    #[error(transparent)]
    Certificate(#[from] CertificateError),
    /// The leaf was signed for another cluster than the CA's.
    #[error("the node's certificate and the CA's name different clusters")]
    OtherCluster,
    /// The leaf belongs to an administrator.
    #[error("the certificate belongs to an administrator, not to a node")]
    NoNode,
    /// The leaf was made for another key.
    #[error("the node's certificate was made for another key")]
    OtherKey,
}

impl Identity {
    /// Puts the parts together.
    ///
    /// **Errors**: the parts do not agree; a caller that read them from disk stops.
    pub fn new(
        cluster_name: ClusterName,
        epoch: u64,
        key: NodeKey,
        leaf: CertificateDer<'static>,
        ca: CertificateDer<'static>,
    ) -> Result<Identity, IdentityError> {
        let names = Names::read(&leaf)?;
        if ca_cluster(&ca)? != names.cluster {
            return Err(IdentityError::OtherCluster);
        }
        let Bearer::Node { node, role, name } = names.bearer else {
            return Err(IdentityError::NoNode);
        };
        if super::certificate::key_fingerprint(&leaf)? != key.fingerprint() {
            return Err(IdentityError::OtherKey);
        }
        let not_after = not_after(&leaf)?;
        let cluster = names.cluster;
        Ok(Identity {
            cluster,
            cluster_name,
            epoch,
            node,
            name,
            role,
            key,
            leaf,
            ca,
            not_after,
        })
    }

    /// The same node with a new leaf for the same key.
    ///
    /// **Errors**: as [`Identity::new`]; also `OtherCluster` when the leaf is another node's.
    pub fn renewed(&self, leaf: CertificateDer<'static>) -> Result<Identity, IdentityError> {
        let (name, key, ca) = (self.cluster_name.clone(), self.key.clone(), self.ca.clone());
        let next = Identity::new(name, self.epoch, key, leaf, ca)?;
        if next.node == self.node {
            Ok(next)
        } else {
            Err(IdentityError::OtherCluster)
        }
    }

    /// The same node in a later epoch of its cluster.
    pub fn recovered(&self, epoch: u64) -> Identity {
        Identity {
            epoch,
            ..self.clone()
        }
    }

    /// Which cluster it belongs to.
    pub fn cluster(&self) -> ClusterId {
        self.cluster
    }

    /// What that cluster is called.
    pub fn cluster_name(&self) -> &ClusterName {
        &self.cluster_name
    }

    /// The cluster's epoch when it joined; `cluster recover` raises it.
    pub fn epoch(&self) -> u64 {
        self.epoch
    }

    /// Which node it is.
    pub fn node(&self) -> NodeId {
        self.node
    }

    /// What it is called.
    pub fn name(&self) -> &NodeName {
        &self.name
    }

    /// As what it joined.
    pub fn role(&self) -> NodeRole {
        self.role
    }

    /// Its key.
    pub fn key(&self) -> &NodeKey {
        &self.key
    }

    /// Its certificate.
    pub fn leaf(&self) -> &CertificateDer<'static> {
        &self.leaf
    }

    /// The CA that it trusts.
    pub fn ca(&self) -> &CertificateDer<'static> {
        &self.ca
    }

    /// Until when its certificate is good.
    pub fn not_after(&self) -> UnixMillis {
        self.not_after
    }
}
