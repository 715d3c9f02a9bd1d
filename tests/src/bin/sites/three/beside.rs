//! What looks like the end of servers and is not: a path that is down, and a server that flaps.

use std::time::Duration;

use anyhow::{Result, ensure};
use farmux_tests::judge::Turn;
use farmux_tests::lab::neighbourhood::order::Act;

use super::scene::{QUIET, Scene};

/// Longer than three failures take, and the five seconds in which another node is asked.
const ASTRAY: Duration = Duration::from_secs(12);

/// Every probe of the leader fails, and no server does: each page that names one is wrong.
pub(crate) fn astray(scene: &mut Scene) -> Result<()> {
    let leader = scene.cluster.leader()?;
    let host = scene.cluster.node(&leader).host().clone();
    scene.note_path(&leader, Turn::Down);
    scene.street.mislead(&host)?;
    scene.pass(ASTRAY);
    scene.street.show_the_way(&host)?;
    scene.note_path(&leader, Turn::Up);
    scene.pass(QUIET);
    scene.wait_for_pages()
}

/// Long enough for a verdict, whichever way.
const HALF: Duration = Duration::from_secs(5);

/// Six times down and up are twelve changes.
const TIMES: usize = 6;

/// The first five changes, and the page that says that it flaps.
const PAGES_MAX: usize = 6;

pub(crate) fn flapping(scene: &mut Scene) -> Result<()> {
    scene.apply("storm = \"5s\"\n")?;
    let before = scene.judge().pages;
    for _ in 0..TIMES {
        for act in [Act::Kill, Act::Heal] {
            scene.order_unowed(act, &[450])?;
            scene.pass(HALF);
        }
    }
    scene.pass(QUIET);
    let pages = scene.judge().pages - before;
    ensure!(pages <= PAGES_MAX, "{pages} pages about one that flaps");
    Ok(())
}
