//! A few power cuts of all nodes at once, on disks that forget what was not synced.
//! `tests/powercut.sh` plays 100.

use anyhow::{Result, ensure};
use farmux_tests::disk::{Leaves, Obeys};
use farmux_tests::powercut::{Outcome, Scene, run};

const ROUNDS: usize = 3;

#[test]
fn what_was_confirmed_survives_the_power_cut_of_all_nodes() -> Result<()> {
    let outcome = run(ROUNDS, 6, |_| ())?;
    ensure!(outcome.wrong.is_empty(), "{}", outcome.wrong.join("\n"));
    ensure!(outcome.confirmed > 0, "{outcome}");
    Ok(())
}

/// The proof of the proof: where `fdatasync` does nothing, and nobody can know, confirmed writes
/// are gone, and the judge sees it.
#[test]
fn on_a_disk_that_ignores_fdatasync_the_judge_finds_losses() -> Result<()> {
    let mut scene = Scene::set(6)?;
    let mut outcome = Outcome::default();
    // A start syncs all that is there: what is lost then is what the next round confirms.
    scene.round(Leaves::Nothing, &mut outcome)?;
    ensure!(outcome.wrong.is_empty(), "{:?}", outcome.wrong);
    scene.obey(Obeys::NoDataSync);
    scene.round(Leaves::Nothing, &mut outcome)?;
    ensure!(outcome.lost > 0, "{outcome}: {:?}", outcome.wrong);
    Ok(())
}
