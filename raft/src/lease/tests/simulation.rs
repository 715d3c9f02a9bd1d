//! Random schedules of whole engines: never two owners; and an owner that loss does not unseat.

use std::time::Duration;

use super::world::{Weather, World};
use crate::lease::Timing;
use crate::lease::time::Margins;

const STORM: Weather = Weather {
    loss: 15,
    twice: 10,
    late: 10,
    mishap_every: Duration::from_millis(250),
};
const CALM: Weather = Weather {
    loss: 0,
    twice: 0,
    late: 0,
    mishap_every: Duration::ZERO,
};

fn timing(margins: Margins) -> Timing {
    Timing::default().with_margins(margins)
}

/// One world of a size that its seed chooses, for ten simulated seconds.
fn storm(seed: u64, margins: Margins) -> World {
    let sizes = [(2, 0), (2, 1), (3, 0), (3, 2), (5, 0)];
    let index = usize::try_from(seed).expect("small") % sizes.len();
    let mut world = World::new(seed, timing(margins), STORM, sizes[index]);
    world.run(Duration::from_secs(10));
    world
}

/// Seeds of a run: one that is named in the environment, or as many as time allows.
fn seeds(count: u64) -> std::ops::Range<u64> {
    let named = std::env::var("FARMUX_SEED")
        .ok()
        .and_then(|seed| seed.parse().ok());
    named.map_or(0..count, |seed: u64| seed..seed + 1)
}

#[test]
fn never_two_owners() {
    let mut gains = 0;
    for seed in seeds(400) {
        let world = storm(seed, Margins::default());
        gains += world.gains;
        if let Some(violation) = world.violation {
            panic!(
                "{violation}; again: FARMUX_SEED={seed} cargo nextest run --release \
                 -p farmux-raft never_two_owners"
            );
        }
    }
    // A storm in which nobody ever owns proves nothing.
    assert!(gains > 100, "only {gains} leases");
}

/// The search finds what it is for: without a margin it sees two owners.
#[test]
fn two_owners_without_margins() {
    let wrong = [
        (
            "no silence",
            Margins {
                silence_percent: 0,
                ..Margins::default()
            },
        ),
        (
            "no 0.9",
            Margins {
                own_percent: 100,
                ..Margins::default()
            },
        ),
    ];
    for (name, margins) in wrong {
        let found = (0..400).any(|seed| storm(seed, margins).violation.is_some());
        assert!(found, "{name}: not seen, so the search is too weak");
    }
}

#[test]
fn an_owner_outlives_twenty_percent_loss_for_a_minute() {
    for seed in seeds(20) {
        let weather = Weather { loss: 20, ..CALM };
        let mut world = World::new(seed, timing(Margins::default()), weather, (3, 0));
        world.run(Duration::from_secs(5));
        assert!(
            world.owner().is_some(),
            "seed {seed}: nobody owns after 5 s"
        );
        let before = world.losses;
        world.run(Duration::from_secs(60));
        assert_eq!(
            world.losses, before,
            "FARMUX_SEED={seed}: the lease was lost"
        );
    }
}

#[test]
fn a_paused_owner_is_followed_within_the_lease() {
    let mut slowest = Duration::ZERO;
    for seed in seeds(100) {
        let mut world = World::new(seed, timing(Margins::default()), CALM, (2, 1));
        world.run(Duration::from_millis(2500 + seed % 30));
        let owner = world.owner().expect("somebody owns a calm world");
        let gains = world.gains;
        world.pause(owner, Duration::from_secs(10));
        let mut waited = Duration::ZERO;
        while world.gains == gains {
            world.run(Duration::from_millis(1));
            waited += Duration::from_millis(1);
            assert!(
                waited < Duration::from_secs(2),
                "FARMUX_SEED={seed}: nobody follows"
            );
        }
        assert_ne!(world.owner(), Some(owner));
        slowest = slowest.max(waited);
    }
    // T, the second's rank, and one more attempt.
    assert!(slowest <= Duration::from_millis(185), "slowest {slowest:?}");
}

#[test]
fn a_planned_move_takes_milliseconds() {
    for seed in seeds(100) {
        let mut world = World::new(seed, timing(Margins::default()), CALM, (3, 0));
        world.run(Duration::from_millis(2500 + seed % 30));
        let owner = world.owner().expect("somebody owns a calm world");
        let to = (owner + 1 + usize::from(seed % 2 == 0)) % 3;
        world.release(owner, Some(to));
        world.run(Duration::from_millis(40));
        assert_eq!(world.owner(), Some(to), "FARMUX_SEED={seed}");
        world.run(Duration::from_secs(3));
        assert_eq!(
            world.owner(),
            Some(to),
            "FARMUX_SEED={seed}: it moved again by itself"
        );
        assert_eq!(world.violation, None);
    }
}

/// With no heir named, the ranks of the others part them: two that propose at once would lend it
/// to themselves, and to nobody, for T.
#[test]
fn whoever_lets_go_is_followed_at_once() {
    for seed in seeds(300) {
        let mut world = World::new(seed, timing(Margins::default()), CALM, (3, 0));
        world.run(Duration::from_millis(2500 + seed % 30));
        let owner = world.owner().expect("somebody owns a calm world");
        world.release(owner, None);
        world.run(Duration::from_millis(40));
        let next = world.owner();
        assert!(
            next.is_some_and(|next| next != owner),
            "FARMUX_SEED={seed}: {next:?}"
        );
        assert_eq!(world.violation, None);
    }
}

#[test]
fn a_calm_world_has_one_owner_for_ever() {
    for size in [(1, 0), (2, 0), (2, 1), (3, 0), (3, 2)] {
        let mut world = World::new(1, timing(Margins::default()), CALM, size);
        world.run(Duration::from_secs(60));
        assert_eq!(
            (world.gains, world.losses),
            (1, 0),
            "{size:?}: {:?}",
            world.history
        );
    }
}
