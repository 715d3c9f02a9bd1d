//! Linearizability of the admin API: `tests/linear.sh [OPERATIONS [SEED [own-copy]]]`.
//!
//! Exit 0: every history fits; 3: one does not (it is printed); 1: the cluster did not come back.

#![expect(clippy::print_stdout, reason = "a script prints its rows")]

use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use farmux_tests::linear::{self, Copy};

/// The number.
const OPERATIONS: usize = 20_000;

/// A history that no register explains.
const WRONG: u8 = 3;

fn main() -> Result<ExitCode> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let mut copy = Copy::Newest;
    let (operations, seed) = match words[..] {
        [] => (OPERATIONS, 1),
        [operations] => (operations.parse().context("OPERATIONS")?, 1),
        [operations, seed, ref more @ ..] if more.is_empty() || *more == ["own-copy"] => {
            if !more.is_empty() {
                copy = Copy::Own;
            }
            (
                operations.parse().context("OPERATIONS")?,
                seed.parse().context("SEED")?,
            )
        }
        _ => bail!("usage: linear [OPERATIONS [SEED [own-copy]]]"),
    };
    let outcome = linear::run(operations, seed, copy, |line| println!("{line}"))?;
    for (key, history) in &outcome.violations {
        println!("{key} fits no register, seed {seed}:");
        let mut history = history.clone();
        history.sort_by_key(|one| one.from);
        for one in history {
            println!("  {one:?}");
        }
    }
    println!("{outcome}");
    Ok(match outcome.violations.is_empty() {
        true => ExitCode::SUCCESS,
        false => ExitCode::from(WRONG),
    })
}
