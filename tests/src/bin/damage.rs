//! Bits flipped in the files of a stopped node: `tests/damage.sh [PLACES]`.
//!
//! Exit 0 only if each is named and refused, or mended from the others.

#![expect(clippy::print_stdout, reason = "a script prints its rows")]

use anyhow::{Context, Result, bail, ensure};
use farmux_tests::damage;

/// The number, of each file.
const PLACES: usize = 50;

fn main() -> Result<()> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let places = match words[..] {
        [] => PLACES,
        [places] => places.parse().context("PLACES")?,
        _ => bail!("usage: damage [PLACES]"),
    };
    ensure!(places > 0, "PLACES: at least 1");
    let outcome = damage::run(places, |line| println!("{line}"))?;
    println!("{outcome}");
    ensure!(outcome.wrong.is_empty(), "not as promised");
    Ok(())
}
