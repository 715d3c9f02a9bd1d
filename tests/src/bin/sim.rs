//! The simulator by command: `sim --seed N --rounds M [--trace] [--without SAFEGUARD]`.
//!
//! ```text
//!   0  all is well      2  bad words      10  crashed      11  stuck      12  wrong
//! ```

#![expect(clippy::print_stdout, reason = "it prints what it finds")]
#![expect(clippy::print_stderr, reason = "progress is no result")]

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use farmux_tests::sim::{Quirk, Report, Verdict, round};

/// What was asked for.
struct Wish {
    seed: u64,
    rounds: u64,
    trace: bool,
    without: Option<Quirk>,
}

/// How it ended.
const CRASHED: u8 = 10;
const STUCK: u8 = 11;
const WRONG: u8 = 12;

fn main() -> ExitCode {
    match wish(std::env::args().skip(1)) {
        Ok(wish) => ExitCode::from(play(&wish)),
        Err(error) => {
            eprintln!("{error:#}\nusage: sim --seed N --rounds M [--trace] [--without SAFEGUARD]");
            ExitCode::from(2)
        }
    }
}

fn wish(mut words: impl Iterator<Item = String>) -> Result<Wish> {
    let mut wish = Wish {
        seed: 1,
        rounds: 1,
        trace: false,
        without: None,
    };
    while let Some(word) = words.next() {
        let mut next = || words.next().with_context(|| format!("{word} what?"));
        match word.as_str() {
            "--seed" => wish.seed = next()?.parse().context("a seed is a number")?,
            "--rounds" => wish.rounds = next()?.parse().context("rounds are a number")?,
            "--trace" => wish.trace = true,
            "--without" => {
                let name = next()?;
                let quirk = Quirk::ALL.into_iter().find(|quirk| quirk.word() == name);
                let known = Quirk::ALL.map(Quirk::word).join(", ");
                wish.without = Some(quirk.with_context(|| format!("one of {known}"))?);
            }
            _ => bail!("{word}?"),
        }
    }
    Ok(wish)
}

/// Plays until a round ends badly; the exit code.
fn play(wish: &Wish) -> u8 {
    let begun = Instant::now();
    let mut shown = begun;
    let mut sum = Sum::default();
    for seed in wish.seed..wish.seed.saturating_add(wish.rounds) {
        let Ok(report) = std::panic::catch_unwind(|| round(seed, wish.without, wish.trace)) else {
            println!("seed {seed}: CRASHED\n{}", again(seed, wish.without));
            return CRASHED;
        };
        report.trace.iter().for_each(|line| println!("{line}"));
        sum.add(&report);
        let code = match &report.verdict {
            None => 0,
            Some(Verdict::Stuck(_)) => STUCK,
            Some(Verdict::Wrong(_)) => WRONG,
        };
        if let Some(Verdict::Stuck(why) | Verdict::Wrong(why)) = &report.verdict {
            let word = if code == WRONG { "WRONG" } else { "STUCK" };
            println!("seed {seed}: {word} {why}");
            println!("{}", again(seed, wish.without));
            sum.show(begun);
            return code;
        }
        if shown.elapsed() >= Duration::from_secs(5) {
            shown = Instant::now();
            eprintln!("seed {seed}: {}", sum.pace(begun));
        }
        if wish.rounds == 1 {
            println!("seed {seed}: hash {:016x}", report.hash);
        }
    }
    sum.show(begun);
    0
}

/// The command that plays a round once more, and says what happens in it.
fn again(seed: u64, without: Option<Quirk>) -> String {
    let without = without.map_or(String::new(), |quirk| {
        format!(" --without {}", quirk.word())
    });
    format!(
        "again: cargo run --release -p farmux-tests --bin sim -- --seed {seed} --trace{without}"
    )
}

#[derive(Default)]
struct Sum {
    rounds: u32,
    simulated: Duration,
    faults: BTreeMap<&'static str, u64>,
    acknowledged: u64,
    gains: u64,
    holds: u64,
    mails: u64,
    by_own_word: u64,
}

impl Sum {
    fn add(&mut self, report: &Report) {
        self.rounds += 1;
        self.simulated += report.simulated;
        for (name, count) in &report.faults {
            *self.faults.entry(name).or_default() += count;
        }
        self.acknowledged += report.acknowledged;
        self.gains += report.gains;
        self.holds += report.holds;
        self.mails += report.mails;
        self.by_own_word += report.by_own_word;
    }

    fn pace(&self, begun: Instant) -> String {
        let taken = begun.elapsed().as_secs_f64().max(0.001);
        let rounds = f64::from(self.rounds) / taken;
        let simulated = self.simulated.as_secs_f64() / taken;
        format!(
            "{} rounds, {rounds:.1} a second, {simulated:.0} simulated seconds a second",
            self.rounds
        )
    }

    fn show(&self, begun: Instant) {
        println!("{}", self.pace(begun));
        println!(
            "{} changes acknowledged, {} gains of the VIP, {} holds",
            self.acknowledged, self.gains, self.holds
        );
        println!(
            "{} mails to whoever is on call, {} of them by a node's own word",
            self.mails, self.by_own_word
        );
        let faults = self.faults.iter();
        let faults: Vec<String> = faults.map(|(name, n)| format!("{n} {name}")).collect();
        println!("{}", faults.join(", "));
    }
}
