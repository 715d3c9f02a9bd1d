//! Power cuts of all nodes at once: `tests/powercut.sh [ROUNDS [SEED]]`.
//!
//! Exit 0 only if nothing that was confirmed is lost and the cluster serves after each.

#![expect(clippy::print_stdout, reason = "a script prints its rows")]

use anyhow::{Context, Result, bail, ensure};
use farmux_tests::powercut;

/// The number.
const ROUNDS: usize = 100;

fn main() -> Result<()> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let (rounds, seed) = match words[..] {
        [] => (ROUNDS, 1),
        [rounds] => (rounds.parse().context("ROUNDS")?, 1),
        [rounds, seed] => (
            rounds.parse().context("ROUNDS")?,
            seed.parse().context("SEED")?,
        ),
        _ => bail!("usage: powercut [ROUNDS [SEED]]"),
    };
    ensure!(rounds > 0, "ROUNDS: at least 1");
    let outcome = powercut::run(rounds, seed, |line| println!("{line}"))?;
    println!("{outcome}");
    ensure!(outcome.wrong.is_empty(), "not as promised, seed {seed}");
    Ok(())
}
