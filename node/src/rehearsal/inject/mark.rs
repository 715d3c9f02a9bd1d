//! The mark of a run that kills or stops this daemon: written before the word is given, and found
//! by the process after this one, so that it does not fail for the same run once more.
//!
//! ```text
//!   mark ─ g ─▶ SIGKILL ─ a quick supervisor ─▶ next process: Inject again ─▶ Injected
//! ```
//!
//! It outlives the process, and need not outlive the machine: nothing is synced.

use std::path::PathBuf;

use super::Place;
use super::book::TIMER_MAX;
use crate::drill::RunId;

/// Sets it, instead of an older one.
///
/// **Errors**: it cannot be written; in words.
pub(super) fn set(place: &Place, run: RunId) -> Result<(), String> {
    let mark = path(place);
    let made = mark.parent().map_or(Ok(()), std::fs::create_dir_all);
    let set = made.and_then(|()| std::fs::write(&mark, run.0.to_string()));
    set.map_err(|error| format!("{}: {error}", mark.display()))
}

/// Takes it away, where nothing has happened.
pub(super) fn clear(place: &Place) {
    // Left behind, it speaks of a run that is over soon.
    let _ = std::fs::remove_file(path(place));
}

/// The run for which a former process failed, lately: runs of a cluster that this machine has left,
/// or that was restored, may have the same number.
pub(super) fn former(place: &Place) -> Option<RunId> {
    let mark = path(place);
    let written = std::fs::metadata(&mark).ok()?.modified().ok()?;
    let lately = written.elapsed().is_ok_and(|ago| ago < TIMER_MAX);
    let run = std::fs::read_to_string(&mark).ok()?.parse().ok()?;
    lately.then_some(RunId(run))
}

fn path(place: &Place) -> PathBuf {
    place.data.join("drills").join("failed-for")
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::time::SystemTime;

    use super::*;

    #[test]
    fn the_next_process_finds_it_for_a_while() {
        let folder = tempfile::tempdir().expect("a folder is to be had");
        let place = Place::of_test(folder.path());
        assert_eq!(former(&place), None);
        set(&place, RunId(7)).expect("a folder is there");
        set(&place, RunId(12)).expect("a folder is there");
        assert_eq!(former(&place), Some(RunId(12)));
        let file = File::options().write(true).open(path(&place));
        let long_ago = SystemTime::now() - TIMER_MAX;
        file.and_then(|file| file.set_modified(long_ago))
            .expect("a file");
        assert_eq!(former(&place), None, "whose run is that?");
        set(&place, RunId(13)).expect("a folder is there");
        clear(&place);
        assert_eq!(former(&place), None);
    }
}
