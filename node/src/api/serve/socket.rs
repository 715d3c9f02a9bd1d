//! The admin socket: for root only, replaced when nobody answers on it, refused when somebody does.

use std::io;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::path::Path;

use tokio::net::{UnixListener, UnixStream};

use super::ServeError;

/// Makes the socket, mode 0600, and its folder where it is missing.
pub(super) async fn bind(path: &Path) -> Result<UnixListener, ServeError> {
    let failed = |source| ServeError::Socket {
        path: path.to_owned(),
        source,
    };
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).map_err(failed)?;
    }
    match std::fs::symlink_metadata(path) {
        Ok(found) if found.file_type().is_socket() => {
            if UnixStream::connect(path).await.is_ok() {
                return Err(ServeError::SocketTaken(path.to_owned()));
            }
            std::fs::remove_file(path).map_err(failed)?;
        }
        Ok(_) => {
            let other = "something that is no socket is there; farmux does not remove it";
            return Err(failed(io::Error::new(io::ErrorKind::AlreadyExists, other)));
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(failed(error)),
    }
    // It appears under another name first, so that nobody can open it before its mode is right.
    let fresh = path.with_extension("new");
    remove(&fresh).map_err(failed)?;
    let listener = UnixListener::bind(&fresh).map_err(failed)?;
    std::fs::set_permissions(&fresh, std::fs::Permissions::from_mode(0o600)).map_err(failed)?;
    std::fs::rename(&fresh, path).map_err(failed)?;
    Ok(listener)
}

fn remove(path: &Path) -> io::Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn it_is_private_and_a_stale_one_is_replaced() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("run/admin.sock");
        let first = bind(&path).await.expect("a new socket");
        let mode = path.metadata().expect("it is there").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        assert!(matches!(bind(&path).await, Err(ServeError::SocketTaken(_))));
        drop(first);
        let second = bind(&path).await.expect("nobody answers on the old one");
        drop(second);
        std::fs::remove_file(&path).expect("it is there");
        std::fs::write(&path, "precious").expect("a file");
        assert!(matches!(bind(&path).await, Err(ServeError::Socket { .. })));
        assert_eq!(
            std::fs::read_to_string(&path).expect("it is there"),
            "precious"
        );
    }
}
