//! Faults, round by round: `tests/faults.sh fence [ROUNDS [PART]]`; what must change nothing, for a
//! while: `tests/faults.sh calm [SECONDS [PART]]`; a table of all faults and what becomes of them:
//! `tests/faults.sh matrix [PART]`; and one of them each minute: `tests/faults.sh soak [MINUTES]`.
//!
//! Exit 0 only if every round is as promised.

#![expect(clippy::print_stdout, reason = "a script prints its rows")]

use std::time::Duration;

use anyhow::{Context, Result, bail};
use farmux_tests::faults::rows::ROWS;
use farmux_tests::faults::{CALM, CASES, Policy, Scene, Verdict, matrix, soak};

/// A distribution worth the name.
const ROUNDS: usize = 20;
/// The promise for default settings.
const SILENCE_MAX: Duration = Duration::from_millis(300);
/// How long nothing may move.
const CALM_SECONDS: u64 = 60;
/// As the first proof was.
const SOAK_MINUTES: usize = 60;
/// A part of what it was.
const GROWTH_MAX: f64 = 0.05;
/// How long a stranger claims.
const CLAIMS_FOR: Duration = Duration::from_secs(60);

fn main() -> Result<()> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match words[..] {
        ["fence"] => fence(ROUNDS, ""),
        ["fence", rounds] => fence(rounds.parse().context("ROUNDS")?, ""),
        ["fence", rounds, part] => fence(rounds.parse().context("ROUNDS")?, part),
        ["matrix"] => matrix(""),
        ["matrix", part] => matrix(part),
        ["calm"] => calm(CALM_SECONDS, ""),
        ["calm", seconds] => calm(seconds.parse().context("SECONDS")?, ""),
        ["calm", seconds, part] => calm(seconds.parse().context("SECONDS")?, part),
        ["soak"] => soak(SOAK_MINUTES, 1),
        ["soak", minutes] => soak(minutes.parse().context("MINUTES")?, 1),
        ["soak", minutes, seed] => soak(
            minutes.parse().context("MINUTES")?,
            seed.parse().context("SEED")?,
        ),
        _ => bail!(
            "usage: faults fence [ROUNDS [PART]] | calm [SECONDS [PART]] | matrix [PART] | \
             soak [MINUTES [SEED]]"
        ),
    }
}

/// 20 % loss, and a machine whose cores are all taken: nothing moves.
fn calm(seconds: u64, part: &str) -> Result<()> {
    let mut sum = Sum::default();
    let mut scene = Scene::set(Policy::Hold, CLAIMS_FOR)?;
    scene.calm_for = Duration::from_secs(seconds);
    for case in CALM.iter().filter(|case| case.name.contains(part)) {
        let seen = scene.round(case);
        let said = sum.take(Policy::Hold, &seen);
        println!("{} seconds={seconds}: {said}", case.name);
    }
    sum.end()
}

/// Every row whose name contains `part`, as a table.
fn matrix(part: &str) -> Result<()> {
    let (mut played, mut wrong) = (0, 0);
    let mut set = None;
    println!("{}", matrix::HEAD);
    for row in ROWS.iter().filter(|row| row.name.contains(part)) {
        // After a row that broke it, the next begins with a new one.
        let (mut scene, mut bell) = match set.take() {
            Some(set) => set,
            None => matrix::set()?,
        };
        played += 1;
        match matrix::play(&mut scene, &mut bell, row) {
            Ok(outcome) => {
                let complaints = outcome.complaints(SILENCE_MAX);
                wrong += usize::from(!complaints.is_empty());
                let word = match complaints.is_empty() {
                    true => "ok".to_owned(),
                    false => format!("WRONG ({})", complaints.join("; ")),
                };
                println!("{} {word}", outcome.line());
                set = Some((scene, bell));
            }
            Err(error) => {
                wrong += 1;
                println!("| {} | {} | WRONG ({error:#})", row.name, row.what);
            }
        }
    }
    println!("\nrows={played} wrong={wrong}");
    if played == 0 || wrong > 0 {
        let names = ROWS.iter().map(|row| row.name).collect::<Vec<_>>();
        bail!(
            "{wrong} of {played} rows are not as promised; there are {}",
            names.join(", ")
        );
    }
    Ok(())
}

/// Load, and a random fault each minute: nothing may be wrong, and nothing may grow.
fn soak(minutes: usize, seed: u64) -> Result<()> {
    let soaked = soak::soak(minutes, seed, SILENCE_MAX, |line| println!("{line}"))?;
    println!("{}", soaked.line());
    let (memory, descriptors) = soaked.growth();
    if soaked.wrong() > 0 || memory >= GROWTH_MAX || descriptors > 0 {
        bail!("not as promised");
    }
    Ok(())
}

/// What came of all rounds.
#[derive(Debug, Default)]
struct Sum {
    two_owners: usize,
    rounds: usize,
    wrong: usize,
    overlap: Duration,
}

/// Every case whose row (`release owner-killed`) contains `part`.
fn fence(rounds: usize, part: &str) -> Result<()> {
    let mut sum = Sum::default();
    for policy in [Policy::Release, Policy::Hold] {
        let mut scene = None;
        for case in CASES.iter().filter(|case| case.policies.contains(&policy)) {
            let row = format!("{} {}", policy.word(), case.name);
            if !row.contains(part) {
                continue;
            }
            for round in 1..=rounds {
                // After a round that broke it, the next begins with a new one.
                let mut here = match scene.take() {
                    Some(scene) => scene,
                    None => Scene::set(policy, CLAIMS_FOR)?,
                };
                let seen = here.round(case);
                println!("{row} {round}/{rounds}: {}", sum.take(policy, &seen));
                scene = seen.is_ok().then_some(here);
            }
        }
    }
    sum.end()
}

impl Sum {
    /// Prints the sum.
    ///
    /// **Errors**: a round was not as promised.
    fn end(&self) -> Result<()> {
        println!(
            "two_owners={} rounds={} wrong={} hold_overlap_max_ms={}",
            self.two_owners,
            self.rounds,
            self.wrong,
            self.overlap.as_millis()
        );
        if self.rounds == 0 {
            let names = CASES.iter().chain(CALM).map(|case| case.name);
            bail!(
                "nothing was played; there are: {}",
                names.collect::<Vec<_>>().join(", ")
            );
        }
        if self.wrong > 0 {
            bail!("{} rounds are not as promised", self.wrong);
        }
        Ok(())
    }

    /// Counts a round; what to say of it.
    fn take(&mut self, policy: Policy, seen: &Result<Verdict>) -> String {
        self.rounds += 1;
        let verdict = match seen {
            Ok(verdict) => verdict,
            Err(error) => {
                self.wrong += 1;
                return format!("WRONG: {error:#}");
            }
        };
        self.two_owners += usize::from(verdict.is_two_owners());
        if policy == Policy::Hold {
            self.overlap = self.overlap.max(verdict.overlap());
        }
        let complaints = verdict.complaints(SILENCE_MAX);
        if complaints.is_empty() {
            return format!("ok {verdict}");
        }
        self.wrong += 1;
        format!("WRONG: {}; {verdict}", complaints.join("; "))
    }
}
