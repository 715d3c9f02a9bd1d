//! A thousand transitions and a hundred dead leaders, at random from a seed that is told.
//!
//! Each round breaks and mends ten houses at random, some of them again before anybody can have
//! noticed, and kills the leader at a moment of its choice; it ends when all is told and the node
//! is back.

use std::time::Duration;

use anyhow::Result;
use farmux_tests::chance::Chance;
use farmux_tests::lab::neighbourhood::kind::Kind;
use farmux_tests::lab::neighbourhood::order::Act;

use super::leader::{Moment, arm, revive, strike};
use super::scene::{Scene, now_ms};
use crate::tell;

/// Transitions of a round; those that are undone in the same round come on top.
const HOUSES: usize = 10;

/// How many of them change again.
const FLICKERS: usize = 2;

/// From one change to the next.
const PAUSE_MS_MAX: u64 = 300;

/// How long after the last change a leader dies that dies at no certain point: from before the
/// first verdict to after the last mail.
const DEATH_MS_MAX: u64 = 6_000;

/// After how long a flicker changes again: around the time that a verdict takes.
const FLICKER_MS_MAX: u64 = 5_000;

/// Runs as many rounds as leaders shall die.
pub(crate) fn run(scene: &mut Scene, seed: Option<u64>, kills: usize) -> Result<()> {
    let seed = seed.unwrap_or_else(now_ms);
    tell(&format!(
        "site3 long seed={seed} kills={kills}; again: tests/sites.sh 3 long {seed} {kills}"
    ));
    let mut chance = Chance::new(seed);
    for number in 1..=kills {
        let moments = [Moment::BeforeData, Moment::AfterReply, Moment::InStorm];
        let moment = chance.pick(&moments);
        let title = format!("round {number} of {kills}, the leader dies {moment:?}");
        scene.step(&title, |scene| round(scene, &mut chance, moment));
    }
    let all: Vec<u16> = (0..scene.street.count()).collect();
    scene.step("all healed", |scene| {
        scene.excuse_storm();
        scene.order(Act::Heal, &all)?;
        scene.wait_for_pages()
    });
    Ok(())
}

fn round(scene: &mut Scene, chance: &mut Chance, moment: Moment) -> Result<()> {
    let count = u64::from(scene.street.count());
    let mut houses = Vec::new();
    while houses.len() < HOUSES {
        let house = u16::try_from(chance.below(count))?;
        if !houses.contains(&house) {
            houses.push(house);
        }
    }
    let armed = arm(scene, moment);
    for house in &houses {
        turn(scene, chance, *house)?;
        pass(scene, chance, PAUSE_MS_MAX);
    }
    for house in &houses[..FLICKERS] {
        pass(scene, chance, FLICKER_MS_MAX);
        turn(scene, chance, *house)?;
    }
    if moment == Moment::InStorm {
        pass(scene, chance, DEATH_MS_MAX);
    }
    let dead = strike(scene, armed);
    scene.wait_for_pages()?;
    revive(scene, &dead?)
}

/// Breaks a house that works, and mends one that does not.
fn turn(scene: &mut Scene, chance: &mut Chance, house: u16) -> Result<()> {
    let acts: &[Act] = match (scene.is_up(house), Kind::of(house).notices_silence()) {
        (false, _) => &[Act::Heal],
        (true, false) => &[Act::Kill, Act::Unplug],
        (true, true) => &[Act::Kill, Act::Unplug, Act::Hang, Act::Spoil, Act::Taint],
    };
    scene.order(chance.pick(acts), &[house])
}

fn pass(scene: &Scene, chance: &mut Chance, max_ms: u64) {
    scene.pass(Duration::from_millis(chance.below(max_ms)));
}
