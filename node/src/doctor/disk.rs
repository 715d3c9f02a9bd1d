//! The disk of the data folder: how long a small write takes until it is really there, and how much
//! room is left.

use std::fs::OpenOptions;
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use farmux_netplane::sys::free_bytes;

use farmux_store::FREE_BYTES;

use super::{Context, Finding};
use crate::fault::Code;

/// As many as show the slow ones among them, and few enough for a disk that needs 100 ms each.
const WRITES: usize = 50;

/// A page of the log's database.
const WRITE_BYTES: usize = 4 << 10;

/// Above it each change waits noticeably; failover does not: a lease touches no disk.
const SLOW: Duration = Duration::from_millis(50);

/// Removed again; temporary by its name, so that it is in no join's way.
const TRIAL_FILE: &str = "doctor.new";

/// A few snapshots and the log between them.
const ROOM_MIN: u64 = 64 << 20;

/// Below it somebody should look before the disk is full.
const ROOM_LOW: u64 = 1 << 30;

pub(super) async fn look(context: &Context) -> Vec<Finding> {
    let folder = existing(&context.settings.data);
    let trial = folder.clone();
    let timed = tokio::task::spawn_blocking(move || time_writes(&trial)).await;
    let timed = timed.unwrap_or_else(|error| Err(io::Error::other(error)));
    vec![
        judge(&folder, &timed),
        judge_room(&folder, free_bytes(&folder).map_err(|e| e.to_string())),
    ]
}

/// The folder itself, or the one in which it will be made.
fn existing(data: &Path) -> PathBuf {
    let there = data.ancestors().find(|folder| folder.is_dir());
    there.unwrap_or(Path::new("/")).to_owned()
}

fn time_writes(folder: &Path) -> io::Result<Vec<Duration>> {
    let path = folder.join(TRIAL_FILE);
    let opened = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&path);
    let named = |error: io::Error| {
        let text = format!("{}: {error}", path.display());
        io::Error::new(error.kind(), text)
    };
    let mut file = opened.map_err(named)?;
    let block = [0x5a; WRITE_BYTES];
    let mut taken = Vec::new();
    let mut failed = None;
    for _ in 0..WRITES {
        let before = Instant::now();
        if let Err(error) = file.write_all(&block).and_then(|()| file.sync_data()) {
            failed = Some(error);
            break;
        }
        taken.push(before.elapsed());
    }
    let _ = std::fs::remove_file(&path);
    failed.map_or(Ok(taken), Err)
}

/// PURE.
fn judge(folder: &Path, timed: &io::Result<Vec<Duration>>) -> Finding {
    const CHECK: &str = "disk-sync";
    let folder = folder.display();
    let mut taken = match timed {
        Ok(taken) if !taken.is_empty() => taken.clone(),
        Ok(_) => return Finding::warn(CHECK, Code::DoctorDiskSlow, format!("{folder}: not known")),
        Err(why) => {
            let code = match why.kind() == ErrorKind::StorageFull {
                true => Code::NoRoom,
                false => Code::DataAccess,
            };
            let what = format!("{folder}: cannot be written");
            return Finding::fail(CHECK, code, what).why(why.to_string());
        }
    };
    taken.sort();
    let (median, most) = (taken[taken.len() / 2], taken[taken.len() - 1]);
    let ms = |time: Duration| format!("{:.1} ms", time.as_secs_f64() * 1_000.0);
    let what = format!(
        "{folder}: {} synced writes of 4 KiB, {} in the median, {} at most",
        taken.len(),
        ms(median),
        ms(most)
    );
    match median > SLOW {
        true => Finding::warn(CHECK, Code::DoctorDiskSlow, what),
        false => Finding::ok(CHECK, what),
    }
}

/// PURE.
fn judge_room(folder: &Path, free: Result<u64, String>) -> Finding {
    const CHECK: &str = "disk-room";
    let folder = folder.display();
    let free = match free {
        Ok(free) => free,
        Err(why) => {
            let what = format!("{folder}: not known");
            return Finding::warn(CHECK, Code::DoctorDiskRoom, what).why(why);
        }
    };
    let what = format!("{folder}: {} MiB are free", free >> 20);
    match free {
        0..FREE_BYTES => Finding::fail(CHECK, Code::NoRoom, what)
            .why("so little is left that this node keeps no change")
            .mend(format!("free space in {folder}; it goes on by itself then")),
        FREE_BYTES..ROOM_MIN => Finding::fail(CHECK, Code::DoctorDiskRoom, what),
        ROOM_MIN..ROOM_LOW => Finding::warn(CHECK, Code::DoctorDiskRoom, what),
        ROOM_LOW.. => Finding::ok(CHECK, what),
    }
}

#[cfg(test)]
mod tests {
    use super::super::Level;
    use super::*;

    #[test]
    fn a_slow_disk_warns_and_is_never_refused() {
        let all = |ms: u64| Ok(vec![Duration::from_millis(ms); WRITES]);
        let folder = Path::new("/data");
        assert_eq!(judge(folder, &all(3)).level, Level::Ok);
        assert_eq!(judge(folder, &all(50)).level, Level::Ok);
        assert_eq!(judge(folder, &all(51)).level, Level::Warn);
        assert_eq!(judge(folder, &all(9_000)).level, Level::Warn);
        let mut one = vec![Duration::from_millis(1); WRITES - 1];
        one.push(Duration::from_millis(800));
        let finding = judge(folder, &Ok(one));
        assert_eq!(finding.level, Level::Ok, "one of them is told, and no more");
        assert!(
            finding
                .what
                .ends_with("1.0 ms in the median, 800.0 ms at most")
        );
        let read_only = judge(folder, &Err(ErrorKind::ReadOnlyFilesystem.into()));
        assert_eq!(read_only.level, Level::Fail);
        assert_eq!(read_only.code, Code::DataAccess.to_string());
        let full = judge(folder, &Err(ErrorKind::StorageFull.into()));
        assert_eq!(full.code, Code::NoRoom.to_string());
    }

    #[test]
    fn room_is_told_before_there_is_none() {
        let level = |free| judge_room(Path::new("/data"), Ok(free)).level;
        assert_eq!(level(0), Level::Fail);
        assert_eq!(level(FREE_BYTES), Level::Fail);
        let code = |free| judge_room(Path::new("/data"), Ok(free)).code;
        assert_eq!(code(FREE_BYTES - 1), Code::NoRoom.to_string());
        assert_eq!(code(FREE_BYTES), Code::DoctorDiskRoom.to_string());
        assert_eq!(level(ROOM_MIN), Level::Warn);
        assert_eq!(level(ROOM_LOW), Level::Ok);
        let unknown = judge_room(Path::new("/data"), Err("gone".to_owned()));
        assert_eq!(unknown.level, Level::Warn);
    }

    #[test]
    fn nothing_is_left_behind() {
        let folder = tempfile::tempdir().expect("a folder");
        let taken = time_writes(folder.path()).expect("it can be written");
        assert_eq!(taken.len(), WRITES);
        assert_eq!(std::fs::read_dir(folder.path()).expect("it is").count(), 0);
        assert!(time_writes(Path::new("/proc/nowhere")).is_err());
        assert_eq!(existing(&folder.path().join("a/b")), folder.path());
        assert!(free_bytes(folder.path()).expect("it is there") > 0);
    }
}
