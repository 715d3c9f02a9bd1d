//! Drills on a laboratory's LAN: `tests/drills.sh [all|run|guards|kill [PART]]`.
//!
//! Exit 0 only if everything is as promised.

#![expect(clippy::print_stdout, reason = "a script prints its rows")]

use anyhow::{Result, bail};
use farmux_tests::drills::kills::{self, Victim};
use farmux_tests::drills::rows::{ROWS, Row};
use farmux_tests::drills::{Site, play, refuse};

fn main() -> Result<()> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let (what, part) = match words[..] {
        [] => ("all", ""),
        [what] => (what, ""),
        [what, part] => (what, part),
        _ => ("", ""),
    };
    let mut site = Site::form()?;
    let mut sum = Sum::default();
    match what {
        "all" => {
            run(&site, part, &mut sum);
            guards(&site, part, &mut sum);
            kill(&mut site, part, &mut sum);
        }
        "run" => run(&site, part, &mut sum),
        "guards" => guards(&site, part, &mut sum),
        "kill" => kill(&mut site, part, &mut sum),
        _ => bail!("usage: drills [all|run|guards|kill [PART]]"),
    }
    sum.end()
}

fn rows(part: &str) -> impl Iterator<Item = &'static Row> {
    let part = part.to_owned();
    ROWS.iter().filter(move |row| row.kind.contains(&part))
}

/// Each drill once, beside an independent client.
fn run(site: &Site, part: &str, sum: &mut Sum) {
    for row in rows(part) {
        match play::play(site, row) {
            Ok(outcome) => {
                let mut wrong = outcome.complaints();
                wrong.extend(outcome.disagreement());
                sum.take(&outcome.line(), &wrong);
            }
            Err(error) => sum.take(&format!("drill={}", row.kind), &[format!("{error:#}")]),
        }
    }
}

/// What must fail, fails; what is locked, stops.
fn guards(site: &Site, part: &str, sum: &mut Sum) {
    for (name, guard) in refuse::GUARDS {
        if !name.contains(part) {
            continue;
        }
        let wrong: Vec<String> = guard(site, refuse::STOPS_WITHIN)
            .err()
            .map(|error| format!("{error:#}"))
            .into_iter()
            .collect();
        sum.take(&format!("guard={name}"), &wrong);
    }
}

/// Each drill, once for everybody who may die in the middle.
fn kill(site: &mut Site, part: &str, sum: &mut Sum) {
    for row in rows(part) {
        for victim in Victim::ALL {
            let name = format!("drill={} dies={victim:?}", row.kind);
            match kills::play(site, row, victim) {
                Ok(undone) => {
                    let wrong: Vec<String> = undone.complaint().into_iter().collect();
                    sum.take(&format!("{name} {}", undone.line()), &wrong);
                }
                Err(error) => {
                    let mut wrong = vec![format!("{error:#}")];
                    // The next row shall find it whole.
                    let mended = site.revive().and_then(|()| site.wait_until_well()).err();
                    wrong.extend(mended.map(|error| format!("and then: {error:#}")));
                    sum.take(&name, &wrong);
                }
            }
        }
    }
}

#[derive(Default)]
struct Sum {
    rows: usize,
    wrong: usize,
}

impl Sum {
    fn take(&mut self, line: &str, wrong: &[String]) {
        self.rows += 1;
        let verdict = match wrong {
            [] => "ok".to_owned(),
            wrong => {
                self.wrong += 1;
                format!("WRONG ({})", wrong.join("; "))
            }
        };
        println!("{line} {verdict}");
    }

    fn end(&self) -> Result<()> {
        println!("rows={} wrong={}", self.rows, self.wrong);
        if self.wrong > 0 || self.rows == 0 {
            bail!("{} of {} rows are not as promised", self.wrong, self.rows);
        }
        Ok(())
    }
}
