//! From a saved state to the data folder of a machine that the daemon then starts on.
//!
//! ```text
//!   check_place   no daemon here, nothing in the data folder, the VIPs' networks are here
//!                 (the caller makes sure that no saved member answers: `alone`)
//!   restore       store first, identity last: without one there is no node, so that a restore
//!                 that was cut short is begun anew
//! ```

use std::os::unix::net::UnixStream;
use std::path::PathBuf;

use farmux_raft::id::NodeId;
use farmux_raft::peer::certificate::{CertificateError, certificate_from_pem};
use farmux_raft::peer::issue::{IssueError, issue_node};
use farmux_raft::peer::key::random;
use farmux_raft::peer::{Addresses, Identity, IdentityError};
use farmux_raft::state::{FreshStart, LeaseKey, NodeRole, Reject, State};
use farmux_store::{Saved, SeedError};

use crate::daemon::{describe, store_folder, wall_clock};
use crate::identity::{Home, HomeError};
use crate::settings::Settings;

/// Why nothing was restored; the data folder is as empty as it was, but for the machine's own key.
#[derive(Debug, thiserror::Error)]
pub enum RestoreError {
    /// The daemon runs.
    #[error("the daemon answers on {}", .0.display())]
    Running(PathBuf),
    /// The data folder is not empty, or cannot be used.
    #[error(transparent)]
    Home(#[from] HomeError),
    /// A VIP's network is not in `node.toml`.
    #[error("VIP {vip} lives in network {network}, which node.toml does not name")]
    Network {
        /// Which VIP.
        vip: String,
        /// Which network.
        network: String,
    },
    /// The state does not take this machine.
    #[error(transparent)]
    Rejected(#[from] Reject),
    /// The store was not written.
    #[error(transparent)]
    Seed(#[from] SeedError),
    /// No certificate could be made for this machine.
    #[error("{0}")]
    Certificate(String),
}

/// What a machine is after a restore.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Restored {
    /// Which node it is.
    pub node: NodeId,
    /// The cluster's epoch.
    pub epoch: u64,
}

/// Whether this machine can be restored on.
///
/// **Errors**: `Running`, `Home`, `Network`.
pub fn check_place(settings: &Settings, state: &State) -> Result<Home, RestoreError> {
    if UnixStream::connect(&settings.socket).is_ok() {
        return Err(RestoreError::Running(settings.socket.clone()));
    }
    let home = Home::open(&settings.data)?;
    home.check_empty()?;
    home.check_room()?;
    for (name, vip) in &state.config.vips {
        if !settings.networks.contains_key(&vip.network) {
            return Err(RestoreError::Network {
                vip: name.to_string(),
                network: vip.network.to_string(),
            });
        }
    }
    Ok(home)
}

/// Makes this machine the one node of a cluster that goes on where the saved one was.
///
/// **Errors**: [`RestoreError`]; of what it wrote only the machine's own key is left, which the
/// next attempt takes.
pub async fn restore(
    settings: &Settings,
    home: &Home,
    mut saved: Saved,
) -> Result<Restored, RestoreError> {
    let node = saved.state.restore(FreshStart {
        node: describe(settings, NodeRole::Balancer),
        lease_key: LeaseKey(random()),
        tag: u32::from_be_bytes(random()),
        at: wall_clock(),
    })?;
    let identity = identify(home, node, &saved.state)?;
    let epoch = identity.epoch();
    let folder = store_folder(&settings.data);
    let seeded = saved.seed(&folder, node).await.map_err(RestoreError::from);
    let done = match seeded {
        Ok(()) => home
            .save(&identity, &Addresses::new())
            .map_err(RestoreError::from),
        Err(error) => Err(error),
    };
    if let Err(error) = done {
        // Without an identity nothing would ever read it; the next attempt needs the place.
        let _ = std::fs::remove_dir_all(&folder);
        return Err(error);
    }
    Ok(Restored { node, epoch })
}

/// This machine's certificate, by the saved cluster's own CA.
fn identify(home: &Home, node: NodeId, state: &State) -> Result<Identity, RestoreError> {
    let cluster = state.cluster.as_ref().ok_or(Reject::NotInitialised)?;
    let key = home.key()?;
    let leaf = issue_node(state, node, &key.request(), wall_clock())?;
    let ca = certificate_from_pem(&cluster.secrets.ca_certificate)?;
    Ok(Identity::new(
        cluster.name.clone(),
        cluster.epoch,
        key,
        leaf,
        ca,
    )?)
}

impl From<IssueError> for RestoreError {
    fn from(error: IssueError) -> RestoreError {
        RestoreError::Certificate(error.to_string())
    }
}

impl From<CertificateError> for RestoreError {
    fn from(error: CertificateError) -> RestoreError {
        RestoreError::Certificate(error.to_string())
    }
}

impl From<IdentityError> for RestoreError {
    fn from(error: IdentityError) -> RestoreError {
        RestoreError::Certificate(error.to_string())
    }
}
