//! Rows of the fault matrix that nothing else plays; `tests/faults.sh matrix` plays all of them.

use std::time::Duration;

use farmux_tests::faults::matrix;
use farmux_tests::faults::rows::ROWS;

/// A failover's bound on a busy machine; the promise is 300 ms.
const SILENCE_MAX: Duration = Duration::from_secs(1);

/// Plays these rows, one after another in the same LAN.
fn play(names: &[&str]) {
    let (mut scene, mut bell) = matrix::set().expect("a cluster");
    for name in names {
        let row = ROWS.iter().find(|row| row.name == *name);
        let row = row.unwrap_or_else(|| panic!("no row {name}"));
        let outcome = matrix::play(&mut scene, &mut bell, row);
        let outcome = outcome.unwrap_or_else(|error| panic!("{name}: {error:#}"));
        let complaints = outcome.complaints(SILENCE_MAX);
        assert!(complaints.is_empty(), "{complaints:?} {}", outcome.line());
    }
}

#[test]
fn a_disk_that_fails_a_full_memory_and_a_clock_that_is_wrong_harm_one_node_alone() {
    play(&["fsync-eio", "memory", "clock-hour-back"]);
}

#[test]
fn disks_that_take_half_a_second_lose_no_leader_and_keep_no_page() {
    play(&["fsync-500"]);
}

#[test]
fn pages_find_a_way_without_half_the_paths_names_or_a_relay() {
    play(&["partial", "names-gone", "relay-and-owner"]);
}

#[test]
fn a_lost_data_folder_is_joined_again() {
    play(&["data-lost"]);
}
