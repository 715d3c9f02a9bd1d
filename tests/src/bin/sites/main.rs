//! The sites of `deploy/example`, broken in every way that they must survive: `tests/sites.sh`.
//!
//! ```text
//!   1     three servers behind one VIP, a standby, a last resort; 50 FTP sessions lose the owner
//!   2     six servers in front of one file server; one page a cause
//!   3     five hundred servers, only watched; a relay with every fault; leaders killed
//!   idle  a control connection that is silent for as long as its transfer takes
//! ```

#![expect(clippy::print_stdout, reason = "a run tells its steps")]

mod idle;
mod one;
mod scene;
mod three;
mod transfers;
mod two;

use anyhow::{Context, Result, bail};

/// The issue asks for ten minutes; `tests/sites.sh idle SECONDS` tries others.
const IDLE_SECONDS: u32 = 600;

/// The issue asks for a hundred, within a thousand transitions.
const LONG_KILLS: usize = 100;

fn main() -> Result<()> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match words[..] {
        ["1"] => one::run(),
        ["2"] => two::run(),
        ["3"] => three::run(""),
        ["3", "long"] => three::long(None, LONG_KILLS),
        ["3", "long", seed] => three::long(Some(seed.parse().context("SEED")?), LONG_KILLS),
        ["3", "long", seed, kills] => {
            let seed = seed.parse().context("SEED")?;
            three::long(Some(seed), kills.parse().context("KILLS")?)
        }
        ["3", part] => three::run(part),
        ["idle"] => idle::run(IDLE_SECONDS),
        ["idle", seconds] => idle::run(seconds.parse().context("SECONDS")?),
        _ => bail!("usage: sites 1|2|3 [PART | long [SEED [KILLS]]]|idle [SECONDS]"),
    }
}

/// Every line of a run goes through here.
fn tell(line: &str) {
    println!("{line}");
}
