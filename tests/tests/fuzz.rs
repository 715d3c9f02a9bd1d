//! Every fuzz target with its corpus, and for a moment with inputs made from it; `tests/fuzz.sh`
//! goes on from there. An input that ever broke a target becomes a file of its corpus.

use std::collections::BTreeSet;
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};

use farmux_tests::fuzz::corpus::{self, Seed};
use farmux_tests::fuzz::meter::{BYTES_A_BYTE_MAX, Meter, ROOM_BYTES};
use farmux_tests::fuzz::mutate::{Random, mutated};
use farmux_tests::fuzz::{INPUT_BYTES_MAX, TARGETS, Target};

/// Inputs of the short run, a target: a few seconds for all of them. `FARMUX_FUZZ_INPUTS` plays
/// more, `FARMUX_FUZZ_SEED` others.
const INPUTS: u64 = 3_000;
const SEED: u64 = 6;

/// Files in one corpus: enough to begin with, and few enough to be known by name.
const SEEDS_MAX: usize = 24;

fn held(run: &mut dyn FnMut()) -> u64 {
    allocation_counter::measure(run).bytes_max
}

/// Why a target breaks on an input, if it does.
fn broken(target: &Target, input: &[u8]) -> Option<String> {
    let played = catch_unwind(AssertUnwindSafe(|| target.play(held, input)));
    let panic = played.err()?;
    let text = panic.downcast_ref::<String>().cloned();
    let text = text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
    Some(text.unwrap_or_else(|| "it panicked".to_owned()))
}

/// A number that the environment may set.
fn number(name: &str, otherwise: u64) -> u64 {
    let text = std::env::var(name).ok();
    text.and_then(|text| text.parse().ok()).unwrap_or(otherwise)
}

fn seeds(target: &Target) -> Vec<Seed> {
    corpus::seeds(target.name).unwrap_or_else(|error| panic!("{}: {error}", target.name))
}

#[test]
fn every_target_has_a_small_corpus_with_names() {
    let folders: BTreeSet<String> = fs::read_dir(corpus::folder())
        .expect("the corpora can be read")
        .map(|entry| entry.expect("an entry can be read").file_name())
        .map(|name| name.to_string_lossy().into_owned())
        .collect();
    let targets: BTreeSet<String> = TARGETS.map(|target| target.name.to_owned()).into();
    assert_eq!(folders, targets);
    for target in TARGETS {
        let seeds = seeds(&target);
        assert!(
            (5..=SEEDS_MAX).contains(&seeds.len()),
            "{}: {}",
            target.name,
            seeds.len()
        );
        for Seed { name, bytes } in seeds {
            let letter = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
            assert!(
                name.bytes().all(|byte| letter(byte) || byte == b'-'),
                "{name}"
            );
            assert!(bytes.len() <= INPUT_BYTES_MAX, "{}/{name}", target.name);
        }
    }
}

#[test]
fn every_seed_is_played() {
    let mut found = Vec::new();
    for target in TARGETS {
        for Seed { name, bytes } in seeds(&target) {
            let why = broken(&target, &bytes);
            found.extend(why.map(|why| format!("{}/{name}: {why}", target.name)));
        }
    }
    assert!(found.is_empty(), "\n{}", found.join("\n"));
}

#[test]
fn a_short_run_from_a_fixed_seed() {
    let mut found = Vec::new();
    for target in TARGETS {
        let seeds = seeds(&target);
        let seeds: Vec<&[u8]> = seeds.iter().map(|seed| seed.bytes.as_slice()).collect();
        let mut random = Random::new(number("FARMUX_FUZZ_SEED", SEED));
        for _ in 0..number("FARMUX_FUZZ_INPUTS", INPUTS) {
            let input = mutated(&mut random, &seeds, INPUT_BYTES_MAX);
            if let Some(why) = broken(&target, &input) {
                let shown: String = input.iter().map(|byte| format!("\\x{byte:02x}")).collect();
                let keep = format!(
                    "printf '%b' '{shown}' >tests/fuzz/corpus/{}/NAME",
                    target.name
                );
                found.push(format!("{}: {why}\n  keep it: {keep}", target.name));
                break;
            }
        }
    }
    let seed = number("FARMUX_FUZZ_SEED", SEED);
    let again = format!("again: FARMUX_FUZZ_SEED={seed} tests/run.sh fuzz");
    assert!(found.is_empty(), "\n{}\n{again}", found.join("\n"));
}

#[test]
fn whoever_holds_too_much_is_found() {
    let bytes = usize::try_from(10 * BYTES_A_BYTE_MAX + ROOM_BYTES).expect("it is small");
    let meter = Meter::new(held, 10);
    assert_eq!(meter.within(|| vec![0_u8; bytes].len()), bytes);
    let over = catch_unwind(|| meter.within(|| vec![0_u8; bytes + 1].len()));
    assert!(over.is_err(), "one byte more than is allowed");
    // What was given back does not count.
    meter.within(|| (0..100).map(|_| vec![0_u8; bytes].len()).sum::<usize>());
}
