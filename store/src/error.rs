//! Why a store does not open, as far as the daemon can do something about it.

use std::path::{Path, PathBuf};

use farmux_raft::id::NodeId;

/// Why a store does not open.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The system refused: permissions, space, a broken disk. The daemon stops; an operator mends
    /// it.
    #[error("{}: {source}", path.display())]
    Io {
        /// Which file or folder.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// Another process has it open. The daemon stops.
    #[error("{}: in use by another process", .0.display())]
    InUse(PathBuf),
    /// It belongs to another node. The daemon stops: the identity and the store do not fit.
    #[error("{}: belongs to {found}, not to {expected}", path.display())]
    OtherNode {
        /// The store.
        path: PathBuf,
        /// Whose it is.
        found: NodeId,
        /// Who wanted to open it.
        expected: NodeId,
    },
    /// A newer or older farmux wrote it. The daemon stops; nothing is damaged.
    #[error("{}: {reason}", path.display())]
    OtherVersion {
        /// Which file.
        path: PathBuf,
        /// Which formats.
        reason: String,
    },
    /// What was acknowledged is not all there. Set it aside with [`crate::Store::set_aside`], and
    /// come back under a new id as a learner, never empty under the old one.
    #[error("{}: damaged: {reason}", path.display())]
    Damaged {
        /// Which file.
        path: PathBuf,
        /// What is missing.
        reason: String,
    },
}

impl OpenError {
    pub(crate) fn io(path: &Path) -> impl FnOnce(std::io::Error) -> OpenError {
        let path = path.to_owned();
        move |source| OpenError::Io { path, source }
    }

    pub(crate) fn damaged(path: &Path, reason: impl std::fmt::Display) -> OpenError {
        OpenError::Damaged {
            path: path.to_owned(),
            reason: reason.to_string(),
        }
    }

    /// Bytes that are no record: of another version, or damaged.
    pub(crate) fn undecodable(path: &Path, error: farmux_raft::codec::DecodeError) -> OpenError {
        use farmux_raft::codec::DecodeError;
        match error {
            DecodeError::Format { .. } => OpenError::OtherVersion {
                path: path.to_owned(),
                reason: error.to_string(),
            },
            DecodeError::Short(_) | DecodeError::TooLarge { .. } | DecodeError::Content(_) => {
                OpenError::damaged(path, error)
            }
        }
    }
}
