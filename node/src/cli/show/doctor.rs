//! A check-up in words: a line a check, and under it what is not well.

use std::fmt::Write;

use super::super::terminal::{Mood, Paint};
use crate::doctor::{Checkup, Finding, Level};

/// `farmux doctor`.
pub fn checkup(checkup: &Checkup, paint: Paint) -> String {
    let mut text = String::new();
    // Writing to a string cannot fail.
    for finding in &checkup.findings {
        let Finding {
            level,
            check,
            what,
            why,
            mend,
            code,
        } = finding;
        let (word, mood) = match level {
            Level::Ok => ("ok", Mood::Good),
            Level::Warn => ("warn", Mood::Poor),
            Level::Fail => ("FAIL", Mood::Bad),
        };
        let word = paint.paint(mood, &format!("{word:<5}"));
        let _ = writeln!(text, "{word} {check:<12} {what}");
        for (name, words) in [("why", why), ("mend", mend)] {
            if !words.is_empty() {
                let name = format!("{name}:");
                let _ = writeln!(text, "{:19}{name:<5} {words}", "");
            }
        }
        if !code.is_empty() {
            let _ = writeln!(text, "{:19}more: farmux explain {code}", "");
        }
    }
    let Checkup {
        warnings, failures, ..
    } = checkup;
    let checks = checkup.findings.len();
    let _ = writeln!(text, "\n{checks} checks: {failures} fail, {warnings} warn");
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_checkup_is_golden() {
        let finding = |level, check: &str, what: &str, why: &str, mend: &str, code: &str| Finding {
            level,
            check: check.to_owned(),
            what: what.to_owned(),
            why: why.to_owned(),
            mend: mend.to_owned(),
            code: code.to_owned(),
        };
        let sample = Checkup {
            level: Level::Fail,
            warnings: 1,
            failures: 1,
            findings: vec![
                finding(Level::Ok, "interface", "lan (eth0): carrier", "", "", ""),
                finding(
                    Level::Warn,
                    "clock",
                    "not synchronised",
                    "nobody sets it",
                    "chronyd",
                    "FMX-139",
                ),
                finding(
                    Level::Fail,
                    "ports",
                    "TCP 10.0.0.11:7946 (peer): held by nc (7)",
                    "taken",
                    "systemctl stop nc",
                    "FMX-141",
                ),
            ],
        };
        let expected = "\
ok    interface    lan (eth0): carrier
warn  clock        not synchronised
                   why:  nobody sets it
                   mend: chronyd
                   more: farmux explain FMX-139
FAIL  ports        TCP 10.0.0.11:7946 (peer): held by nc (7)
                   why:  taken
                   mend: systemctl stop nc
                   more: farmux explain FMX-141

3 checks: 1 fail, 1 warn
";
        assert_eq!(checkup(&sample, Paint::Plain), expected);
    }
}
