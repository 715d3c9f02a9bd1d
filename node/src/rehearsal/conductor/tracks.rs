//! What happened in runs over time, as files: the newest fifty that this node conducted.
//!
//! ```text
//!   <data>/drills/        0700
//!     17.track            JSON; replaced whole
//! ```
//!
//! They are no part of what is agreed on: one is 50 KiB, and a report without it still has the
//! numbers.

use std::fs;
use std::io::Read;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use crate::drill::{RunId, Track};
use crate::identity::{HomeError, replace};

/// The files of one node.
#[derive(Debug)]
pub(crate) struct Tracks {
    folder: PathBuf,
}

impl Tracks {
    /// Those in a data folder; nothing is made yet.
    pub(crate) fn of(data: &Path) -> Tracks {
        Tracks {
            folder: data.join(FOLDER),
        }
    }

    /// Keeps one, and forgets the oldest where there are too many.
    pub(super) fn keep(&self, run: RunId, track: &Track) -> Result<(), HomeError> {
        let io = |source| HomeError::Io {
            path: self.folder.clone(),
            source,
        };
        let mut builder = fs::DirBuilder::new();
        builder.recursive(true).mode(0o700);
        builder.create(&self.folder).map_err(io)?;
        let bytes = serde_json::to_vec(track).expect("plain data always becomes JSON");
        replace(&self.path(run), &bytes)?;
        for old in self.runs().into_iter().rev().skip(KEPT) {
            // One that stays is removed the next time.
            let _ = fs::remove_file(self.path(old));
        }
        Ok(())
    }

    /// One of them; one that cannot be read is as good as none.
    pub(super) fn find(&self, run: RunId) -> Option<Track> {
        let file = fs::File::open(self.path(run)).ok()?;
        let mut bytes = Vec::new();
        file.take(BYTES_MAX).read_to_end(&mut bytes).ok()?;
        serde_json::from_slice(&bytes).ok()
    }

    /// Removes them all: they are of a cluster that this machine left.
    pub(crate) fn forget(&self) -> std::io::Result<()> {
        match fs::remove_dir_all(&self.folder) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
            other => other,
        }
    }

    fn path(&self, run: RunId) -> PathBuf {
        self.folder.join(format!("{}{ENDING}", run.0))
    }

    /// All runs of which there is one, the oldest first.
    fn runs(&self) -> Vec<RunId> {
        let entries = fs::read_dir(&self.folder).into_iter().flatten().flatten();
        let number = |entry: fs::DirEntry| {
            let name = entry.file_name();
            let number = name.to_str()?.strip_suffix(ENDING)?;
            number.parse().ok().map(RunId)
        };
        let mut runs: Vec<RunId> = entries.filter_map(number).collect();
        runs.sort();
        runs
    }
}

const FOLDER: &str = "drills";

const ENDING: &str = ".track";

/// A year of one drill a week; 2.5 MiB.
const KEPT: usize = 50;

/// 6,000 buckets of two numbers with ten digits, and some names and pages.
const BYTES_MAX: u64 = 256 << 10;

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::drill::Mark;
    use crate::measure::tally::Series;

    #[test]
    fn the_newest_fifty_are_kept() {
        let data = tempfile::tempdir().expect("a folder");
        let tracks = Tracks::of(data.path());
        assert_eq!(tracks.find(RunId(1)), None);
        let mut track = Track::default();
        track.mark(Duration::from_secs(10), Mark::Injected);
        for run in 1..=60 {
            tracks.keep(RunId(run), &track).expect("there is room");
        }
        assert_eq!(tracks.runs().len(), KEPT);
        assert_eq!(tracks.find(RunId(10)), None);
        assert_eq!(tracks.find(RunId(11)), Some(track.clone()));
        tracks.keep(RunId(60), &track).expect("once more");
        assert_eq!(tracks.runs().len(), KEPT);
        fs::write(tracks.path(RunId(60)), "{").expect("a file");
        assert_eq!(tracks.find(RunId(60)), None, "damaged is none");
        tracks.forget().expect("they are ours");
        tracks.forget().expect("there is nothing left");
        assert_eq!(tracks.find(RunId(59)), None);
    }

    #[test]
    fn the_longest_one_is_read_back() {
        let data = tempfile::tempdir().expect("a folder");
        let tracks = Tracks::of(data.path());
        let mut series = Series::default();
        for bucket in 0..6_000 {
            for _ in 0..40 {
                series.add(Duration::from_millis(bucket * 10), bucket % 2 == 0);
            }
        }
        let mut track = Track::default();
        track.set_series(&series);
        for second in 0..200 {
            let page = Mark::Page("x".repeat(200));
            track.mark(Duration::from_secs(second), page);
        }
        tracks.keep(RunId(7), &track).expect("there is room");
        assert_eq!(tracks.find(RunId(7)), Some(track));
    }
}
