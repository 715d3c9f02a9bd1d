//! The data folder: what is written can be read, and what is wrong is named.

use farmux_raft::id::{ClusterId, NodeId, UnixMillis};
use farmux_raft::peer::certificate::{Bearer, Ca};
use farmux_raft::state::NodeRole;

use super::*;

const NOW: UnixMillis = UnixMillis(1_800_000_000_000);

fn home() -> (tempfile::TempDir, Home) {
    let folder = tempfile::tempdir().expect("a folder");
    let home = Home::open(&folder.path().join("data")).expect("a new folder");
    (folder, home)
}

fn identity(key: NodeKey) -> Identity {
    let name: ClusterName = "prod".parse().expect("a name");
    let ca = Ca::create(ClusterId(7), &name, NOW).expect("a CA");
    let bearer = Bearer::Node {
        node: NodeId(3),
        role: NodeRole::Balancer,
        name: "lb3".parse().expect("a name"),
    };
    let request = key.request().key().expect("our own request");
    let leaf = ca.sign(&request, &bearer, &[], NOW).expect("signed");
    Identity::new(name, 1, key, leaf, ca.certificate().clone()).expect("it fits together")
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path)
        .expect("it is there")
        .permissions()
        .mode()
        & 0o7777
}

#[test]
fn what_is_saved_is_loaded_and_nobody_else_may_read_it() {
    let (_folder, home) = home();
    assert!(home.load().expect("nothing is wrong").is_none());
    let saved = identity(home.key().expect("a key"));
    let members = Addresses::from([(
        NodeId(1),
        vec!["10.0.0.11:7946".parse().expect("an address")],
    )]);
    home.save(&saved, &members).expect("saved");
    assert_eq!(home.members().expect("readable"), members);
    let loaded = home.load().expect("readable").expect("there is one");
    assert_eq!(loaded.node(), NodeId(3));
    assert_eq!(loaded.cluster_name(), saved.cluster_name());
    assert_eq!((loaded.leaf(), loaded.ca()), (saved.leaf(), saved.ca()));
    assert_eq!(loaded.key().fingerprint(), saved.key().fingerprint());
    assert_eq!(mode(home.folder()), 0o700);
    for file in [KEY_FILE, IDENTITY_FILE] {
        assert_eq!(mode(&home.folder().join(file)), 0o600);
    }
    home.forget().expect("forgotten");
    assert!(home.load().expect("nothing is wrong").is_none());
    home.check_empty().expect("nothing is left");
}

#[test]
fn the_key_of_an_interrupted_join_is_kept() {
    let (_folder, home) = home();
    let first = home.key().expect("made").fingerprint();
    assert_eq!(home.key().expect("read").fingerprint(), first);
    fs::write(home.folder().join("node.key.new"), "half").expect("a crash left it");
    home.check_empty()
        .expect("a key and what a crash left are no former life");
}

#[test]
fn a_former_life_is_named() {
    let (_folder, home) = home();
    fs::create_dir(home.folder().join("store")).expect("a folder");
    match home.check_empty() {
        Err(HomeError::NotEmpty { entry, .. }) => assert_eq!(entry, "store"),
        other => panic!("{other:?}"),
    }
}

#[test]
fn damage_and_loose_modes_are_named() {
    let (_folder, home) = home();
    let saved = identity(home.key().expect("a key"));
    home.save(&saved, &Addresses::new()).expect("saved");
    let (key, words) = (
        home.folder().join(KEY_FILE),
        home.folder().join(IDENTITY_FILE),
    );

    let good = fs::read(&words).expect("readable");
    fs::write(&words, &good[..good.len() / 2]).expect("cut");
    assert!(matches!(home.load(), Err(HomeError::Damaged { path, .. }) if path == words));
    fs::write(&words, &good).expect("mended");

    let mut loose = fs::metadata(&key).expect("there").permissions();
    loose.set_mode(0o640);
    fs::set_permissions(&key, loose.clone()).expect("chmod");
    assert!(matches!(
        home.load(),
        Err(HomeError::Loose { mode: 0o640, .. })
    ));
    loose.set_mode(0o600);
    fs::set_permissions(&key, loose).expect("chmod");

    fs::write(&key, NodeKey::generate().to_pem()).expect("another key");
    let other_key = |error: &HomeError| {
        matches!(
            error,
            HomeError::Identity {
                source: IdentityError::OtherKey,
                ..
            }
        )
    };
    assert!(home.load().is_err_and(|error| other_key(&error)));
    fs::remove_file(&key).expect("gone");
    assert!(matches!(home.load(), Err(HomeError::Damaged { path, .. }) if path == key));
}

#[test]
fn a_folder_that_others_may_read_is_closed() {
    let folder = tempfile::tempdir().expect("a folder");
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).expect("chmod");
    Home::open(folder.path()).expect("it is ours");
    assert_eq!(mode(folder.path()), 0o700);
}

/// One bit flipped anywhere: the file is named, or the identity is the one that was saved. Without
/// the sum, an epoch, a name and an address that were others read as well as the right ones.
#[test]
fn a_flipped_bit_is_named_or_changes_nothing() {
    let (_folder, home) = home();
    let saved = identity(home.key().expect("a key"));
    let members = Addresses::from([(
        NodeId(1),
        vec!["10.0.0.11:7946".parse().expect("an address")],
    )]);
    home.save(&saved, &members).expect("saved");
    let told = |identity: &Identity| {
        let words = (identity.epoch(), identity.cluster_name().clone());
        let proofs = (identity.leaf().clone(), identity.ca().clone());
        (words, proofs, identity.key().fingerprint())
    };
    for file in [KEY_FILE, IDENTITY_FILE] {
        let path = home.folder().join(file);
        let whole = fs::read(&path).expect("it is there");
        let mut named = 0;
        for place in 0..whole.len() {
            let mut bytes = whole.clone();
            bytes[place] ^= 1 << (place % 8);
            fs::write(&path, bytes).expect("it can be written");
            let loaded = home
                .load()
                .and_then(|identity| Ok((identity, home.members()?)));
            match loaded {
                Ok((loaded, found)) => {
                    let loaded = loaded.expect("there is one");
                    assert_eq!(told(&loaded), told(&saved), "{file}: bit of byte {place}");
                    assert_eq!(found, members, "{file}: bit of byte {place}");
                }
                Err(error) => {
                    // The two are checked together: either is a hint where to look.
                    let text = error.to_string();
                    let hint = text.contains(KEY_FILE) || text.contains(IDENTITY_FILE);
                    assert!(hint, "{file}: bit of byte {place}: {text}");
                    named += 1;
                }
            }
        }
        assert!(
            named > whole.len() / 2,
            "{file}: {named} of {}",
            whole.len()
        );
        fs::write(&path, whole).expect("it can be written");
    }
}

/// What was written before there was a sum.
#[test]
fn an_identity_without_a_sum_is_read() {
    let (_folder, home) = home();
    let saved = identity(home.key().expect("a key"));
    home.save(&saved, &Addresses::new()).expect("saved");
    let path = home.folder().join(IDENTITY_FILE);
    let text = fs::read_to_string(&path).expect("it is there");
    let mut words: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    let fields = words.as_object_mut().expect("an object");
    assert!(fields.remove("sum").is_some(), "{text}");
    fs::write(&path, words.to_string()).expect("it can be written");
    assert!(home.load().expect("readable").is_some());
}
