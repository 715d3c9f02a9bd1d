//! Every byte of a snapshot counts, and what may be read of it has words of its own.

use std::sync::OnceLock;

use farmux_raft::consensus::record::LogIdRecord;
use farmux_raft::id::{ClusterId, NodeId, UnixMillis};
use farmux_raft::peer::certificate::Ca;
use farmux_raft::state::{Cluster, LeaseKey, State};
use farmux_store::Saved;

use super::*;
use crate::api::types::Moment;
use crate::cli::show;
use crate::cli::terminal::Paint;
use crate::daemon::wall_clock;

const PASSPHRASE: &str = "correct horse battery";

fn saved() -> Saved {
    let (id, name) = (ClusterId(7), "prod".parse().expect("a name"));
    let ca = Ca::create(id, &name, wall_clock()).expect("a clock of today");
    let cluster = Cluster {
        id,
        name,
        epoch: 3,
        secrets: ca.secrets(LeaseKey([5; 32])),
    };
    Saved {
        at: LogIdRecord {
            term: 4,
            node: NodeId(1),
            index: 99,
        },
        state: State {
            cluster: Some(cluster),
            ..State::default()
        },
    }
}

/// The same file for all tests: sealing takes its time.
fn sealed() -> &'static (Saved, Vec<u8>) {
    static FILE: OnceLock<(Saved, Vec<u8>)> = OnceLock::new();
    FILE.get_or_init(|| {
        let saved = saved();
        let bytes = seal(
            &saved,
            Some(true),
            &"lb1".parse().expect("a name"),
            PASSPHRASE,
        );
        (saved, bytes.expect("it is small"))
    })
}

#[test]
fn it_opens_with_its_passphrase_only_and_shows_no_secret_before() {
    let (saved, bytes) = sealed();
    let (header, back) = open(bytes, PASSPHRASE).expect("the right passphrase");
    assert_eq!(&back, saved);
    assert_eq!((header.epoch, header.applied), (3, 99));
    assert!(header.sealing.rounds >= 600_000);
    assert_eq!(inspect(bytes), Ok(header));
    let wrong = open(bytes, "correct horse batterz").map(|_| ());
    assert_eq!(wrong, Err(FileError::Passphrase));
    let text = String::from_utf8_lossy(bytes);
    assert!(!text.contains("PRIVATE KEY") && !text.contains("CERTIFICATE"));
}

#[test]
fn a_file_that_is_cut_changed_or_foreign_is_named_as_such() {
    let (_, bytes) = sealed();
    let cuts = [0, 1, 7, 8, 13, 14, 45, bytes.len() / 2, bytes.len() - 1];
    for cut in cuts {
        let error = inspect(&bytes[..cut]).expect_err("it is cut");
        let expected = match cut {
            0..8 => FileError::Foreign,
            _ => error.clone(),
        };
        assert_eq!(error, expected, "cut at {cut}");
        assert!(!matches!(
            error,
            FileError::Version(_) | FileError::Passphrase
        ));
    }
    // A bit here and there, in each part of it.
    for place in (0..bytes.len()).step_by(37).chain([9, bytes.len() - 1]) {
        let mut changed = bytes.clone();
        changed[place] ^= 1;
        let error = inspect(&changed).expect_err("a bit is another");
        match place {
            0..8 => assert_eq!(error, FileError::Foreign),
            8 | 9 if changed[8..10] > [0, 1][..] => assert!(matches!(error, FileError::Version(_))),
            _ => assert!(matches!(error, FileError::Damaged(_)), "{place}: {error:?}"),
        }
    }
    assert_eq!(inspect(&[b'x'; 200]), Err(FileError::Foreign));
}

/// The checksum can be made anew by anybody; the seal cannot.
#[test]
fn another_header_on_a_sealed_state_does_not_open() {
    let (_, bytes) = sealed();
    let parts = file::take_apart(bytes).expect("it is whole");
    let mut header = parts.header.clone();
    header.cluster = "test".to_owned();
    let mut forged = file::start(&header);
    forged.extend_from_slice(parts.sealed);
    let forged = file::finish(forged);
    assert_eq!(inspect(&forged).expect("it is whole").cluster, "test");
    let opened = open(&forged, PASSPHRASE).map(|_| ());
    assert_eq!(opened, Err(FileError::Passphrase));
}

#[test]
fn a_seal_that_would_be_weak_or_take_for_ever_is_refused() {
    let (_, bytes) = sealed();
    let parts = file::take_apart(bytes).expect("it is whole");
    for rounds in [1, u32::MAX] {
        let mut header = parts.header.clone();
        header.sealing.rounds = rounds;
        let mut forged = file::start(&header);
        forged.extend_from_slice(parts.sealed);
        let opened = open(&file::finish(forged), PASSPHRASE).map(|_| ());
        assert!(matches!(opened, Err(FileError::Damaged(_))), "{rounds}");
    }
    let mut header = parts.header.clone();
    header.sealing.cipher = "rot13".to_owned();
    let forged = file::finish(file::start(&header));
    let opened = open(&forged, PASSPHRASE).map(|_| ());
    assert!(matches!(opened, Err(FileError::Version(_))));
}

#[test]
fn a_draft_that_is_not_whole_leaves_what_was_there() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("prod.farmux");
    std::fs::write(&path, "before").expect("a file");
    let (_, bytes) = sealed();
    let mut draft = Draft::begin(&path).expect("it can be written");
    draft.add(&bytes[..bytes.len() / 2]).expect("it can");
    assert!(matches!(draft.keep(), Err(WriteError::File(_))));
    assert_eq!(std::fs::read(&path).expect("it is there"), b"before");
    assert_eq!(std::fs::read_dir(folder.path()).expect("it is").count(), 1);

    let mut draft = Draft::begin(&path).expect("it can be written");
    for piece in bytes.chunks(1000) {
        draft.add(piece).expect("it can");
    }
    assert_eq!(draft.keep().expect("it is whole").cluster, "prod");
    assert_eq!(&std::fs::read(&path).expect("it is there"), bytes);
    let mode = std::fs::metadata(&path)
        .expect("it is")
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[test]
fn what_may_be_read_is_golden() {
    let mut header = Header {
        cluster: "prod".to_owned(),
        cluster_id: "00ff".to_owned(),
        epoch: 2,
        revision: 12,
        applied: 345,
        newest: Some(false),
        saved: Moment(UnixMillis(1_700_000_000_000)),
        saved_by: "lb1".parse().expect("a name"),
        version: "0.1.0".to_owned(),
        members: vec![MemberLine {
            name: "lb1".parse().expect("a name"),
            role: farmux_raft::state::NodeRole::Balancer,
            peer: vec!["10.0.0.11:7946".parse().expect("an address")],
        }],
        counts: Counts {
            vips: 1,
            farms: 2,
            servers: 3,
            watches: 4,
            contacts: 5,
            admins: 6,
            pages: 7,
            revisions: 8,
        },
        sealing: Sealing {
            key: "pbkdf2-hmac-sha256".to_owned(),
            rounds: 600_000,
            salt: "00".to_owned(),
            cipher: "chacha20-poly1305".to_owned(),
            nonce: "11".to_owned(),
        },
    };
    let now = UnixMillis(1_700_000_000_000 + 3 * 86_400_000);
    let expected = "\
cluster   prod (00ff)
epoch     2
state     r12, log index 345
newest    no majority confirmed it: what was decided last may be missing
saved     2023-11-14 22:13:20 UTC (3d ago) by lb1, farmux 0.1.0
holds     1 VIPs, 2 farms with 3 servers, 4 watches, 5 contacts, 6 administrators, 7 pages, \
8 revisions
sealed    pbkdf2-hmac-sha256, 600000 rounds, chacha20-poly1305
checksum  right

NODE  ROLE      PEER
lb1   balancer  10.0.0.11:7946
";
    assert_eq!(show::snapshot(&header, Paint::Plain, now), expected);
    for (newest, line) in [(Some(true), "newest    yes\n"), (None, "")] {
        header.newest = newest;
        let (before, after) = expected.split_once("newest").expect("it is in there");
        let (_, after) = after.split_once('\n').expect("it is a line");
        let expected = format!("{before}{line}{after}");
        assert_eq!(show::snapshot(&header, Paint::Plain, now), expected);
    }
}

/// A header of a version before this one has no `newest`, and such a version reads ours.
#[test]
fn whether_it_is_the_newest_may_be_unsaid() {
    let (_, bytes) = sealed();
    let header = inspect(bytes).expect("it is whole");
    assert_eq!(header.newest, Some(true));
    let mut words = serde_json::to_value(&header).expect("a header is JSON");
    words
        .as_object_mut()
        .expect("it has fields")
        .remove("newest");
    let older: Header = serde_json::from_value(words).expect("it is read");
    assert_eq!(older.newest, None);
}
