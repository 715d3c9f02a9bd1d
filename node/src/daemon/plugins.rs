//! What `exec` checks need of this machine: a folder that root alone can write, and a user without
//! rights. Looked at when the daemon starts, so that whoever types `farmux run` sees why not; the
//! prober looks again before each plugin.

use std::fs::{Metadata, symlink_metadata};
use std::net::SocketAddr;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use farmux_netplane::probe::{ExecUser, ProbeSettings, Trust};

use crate::settings::Settings;

/// Why `exec` checks cannot be made as `node.toml` says.
#[derive(Debug, thiserror::Error)]
pub enum PluginsUnusable {
    /// The folder is not there, or not one that is run from: mend it, or leave `exec_dir` away.
    #[error("exec_dir = {path:?} {why}")]
    Folder {
        /// The folder.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// Nobody is called so here: name another user.
    #[error("exec_user = {0:?}: /etc/passwd has no such user")]
    NoUser(String),
    /// Plugins do not run as root: name another user.
    #[error("exec_user = {0:?} is root, or of root's group, and plugins run without rights")]
    Root(String),
    /// The users of this machine are not known.
    #[error("exec_user: /etc/passwd cannot be read: {0}")]
    Users(#[from] std::io::Error),
}

/// What the prober has to know of this machine.
///
/// **Errors**: [`PluginsUnusable`]; without `exec_dir` there is none.
pub(super) fn probe_settings(settings: &Settings) -> Result<ProbeSettings, PluginsUnusable> {
    // Addresses of our own, from which probes leave where the kernel would take a VIP.
    let mut own: Vec<_> = settings.peer.iter().map(SocketAddr::ip).collect();
    own.dedup();
    let Some(folder) = &settings.exec_dir else {
        return Ok(ProbeSettings::plain(own));
    };
    let unusable = |why| PluginsUnusable::Folder {
        path: folder.clone(),
        why,
    };
    let found = symlink_metadata(folder);
    let found = found.map_err(|error| unusable(format!("cannot be looked at: {error}")))?;
    only_roots(&found).map_err(|why| unusable(why.to_owned()))?;
    for above in folder.ancestors().skip(1) {
        nobody_renames_in(above).map_err(|why| unusable(format!("lies in {above:?}, {why}")))?;
    }
    let name = &settings.exec_user;
    let (uid, gid) = user_in(&std::fs::read_to_string(Path::new(USERS))?, name)
        .ok_or_else(|| PluginsUnusable::NoUser(name.clone()))?;
    Ok(ProbeSettings {
        trust: Trust::system(),
        own,
        exec_dir: Some(folder.clone()),
        exec_user: ExecUser::new(uid, gid).ok_or_else(|| PluginsUnusable::Root(name.clone()))?,
    })
}

/// Whoever can write there decides what runs.
fn only_roots(folder: &Metadata) -> Result<(), &'static str> {
    if !folder.is_dir() {
        return Err("is no folder (a link to one is none either)");
    }
    if folder.uid() != 0 {
        return Err("is not root's: chown root");
    }
    match folder.mode() & WRITE_BY_OTHERS {
        0 => Ok(()),
        _ => Err("can be written by others than root: chmod go-w"),
    }
}

/// Whoever can rename what is in a folder above decides what runs, too.
fn nobody_renames_in(folder: &Path) -> Result<(), String> {
    let found = symlink_metadata(folder)
        .map_err(|_| "which cannot be looked at: write the whole path, from / on".to_owned())?;
    let open = found.mode() & WRITE_BY_OTHERS != 0 && found.mode() & STICKY == 0;
    match found.uid() != 0 || open || !found.is_dir() {
        true => Err("which is not a folder that only root can change".to_owned()),
        false => Ok(()),
    }
}

/// The user id and the group id of a user. **Source**: passwd(5).
fn user_in(passwd: &str, name: &str) -> Option<(u32, u32)> {
    let line = |line: &str| {
        let mut fields = line.split(':');
        let own = fields.next() == Some(name);
        let (uid, gid) = (fields.nth(1)?, fields.next()?);
        own.then_some((uid.parse().ok()?, gid.parse().ok()?))
    };
    passwd.lines().find_map(line)
}

/// Who is known to this machine itself; no directory service is asked.
const USERS: &str = "/etc/passwd";

/// Write permission for the group and for all.
const WRITE_BY_OTHERS: u32 = 0o022;

/// In such a folder everybody can make files, and rename only their own.
const STICKY: u32 = 0o1000;

#[cfg(test)]
mod tests {
    use std::fs::{Permissions, set_permissions};
    use std::os::unix::fs::{PermissionsExt, chown};

    use super::*;

    fn settings(exec: &str) -> Settings {
        let text = format!(
            "name = \"lb1\"\npeer = [\"10.0.0.11:7946\"]\nadmin = \"10.0.0.11:9443\"\n{exec}\n"
        );
        Settings::parse(&text).expect("good settings")
    }

    fn why(exec: &str) -> String {
        let unusable = probe_settings(&settings(exec)).expect_err(exec);
        unusable.to_string()
    }

    #[test]
    fn it_is_off_by_default() {
        let own = vec!["10.0.0.11".parse().expect("an address")];
        let plain = probe_settings(&settings("")).expect("nothing is asked");
        assert_eq!(plain, ProbeSettings::plain(own));
        probe_settings(&settings("exec_user = \"nemo\"")).expect("nobody runs anything");
    }

    /// Runs as root, as all tests that need its rights do.
    #[test]
    fn only_a_folder_of_root_and_a_user_without_rights_will_do() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path();
        let mode = |mode| set_permissions(path, Permissions::from_mode(mode)).expect("ours");
        let exec_dir = format!("exec_dir = \"{}\"", path.display());
        mode(0o755);
        let inner = path.join("plugins");
        std::fs::create_dir(&inner).expect("it is ours");
        let below = format!("exec_dir = \"{}\"", inner.display());
        probe_settings(&settings(&below)).expect("root's own, in root's own");
        mode(0o777);
        assert!(why(&below).contains("not a folder that only root can change"));
        mode(0o755);
        chown(path, Some(65_534), None).expect("we are root");
        assert!(why(&below).contains("not a folder that only root can change"));
        chown(path, Some(0), None).expect("we are root");
        let good = probe_settings(&settings(&exec_dir)).expect("root's own");
        assert_eq!(good.exec_dir.as_deref(), Some(path));
        assert_eq!(good.exec_user, ExecUser::NOBODY, "on every Debian");

        let user = |name: &str| format!("{exec_dir}\nexec_user = \"{name}\"");
        assert!(why(&user("nemo")).contains("no such user"));
        assert!(why(&user("root")).contains("is root"));
        for open in [0o775, 0o757, 0o777] {
            mode(open);
            assert!(why(&exec_dir).contains("can be written by others than root"));
        }
        mode(0o755);
        chown(path, Some(65_534), None).expect("root may");
        assert!(why(&exec_dir).contains("is not root's"));
        assert!(why("exec_dir = \"/etc/passwd\"").contains("is no folder"));
        assert!(why("exec_dir = \"/nowhere/plugins\"").contains("cannot be looked at"));
    }

    #[test]
    fn users_are_found_by_their_whole_name() {
        let passwd = "root:x:0:0:root:/root:/bin/sh\n# odd\nnobody2:x:7:8::/:/bin/false\n\
                      nobody:x:65534:65533:nobody:/nonexistent:/usr/sbin/nologin\nbad:x:y:1::/:\n";
        assert_eq!(user_in(passwd, "nobody"), Some((65_534, 65_533)));
        for name in ["nobod", "", "bad", "# odd", "x"] {
            assert_eq!(user_in(passwd, name), None, "{name:?}");
        }
    }
}
