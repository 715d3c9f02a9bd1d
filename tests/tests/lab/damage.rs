//! A bit here and there in the files of a stopped node. `tests/damage.sh` flips at 50 places of
//! each.

use anyhow::{Result, ensure};
use farmux_tests::damage::run;

/// Of each file.
const PLACES: usize = 2;

#[test]
fn a_flipped_bit_is_named_or_mended_and_nobody_diverges() -> Result<()> {
    let outcome = run(PLACES, |_| ())?;
    ensure!(outcome.wrong.is_empty(), "{}", outcome.wrong.join("\n"));
    let noticed = outcome.refused + outcome.set_aside;
    ensure!(noticed > 0, "no flip that counts: {outcome}");
    Ok(())
}
