//! How many descriptors the daemon may open: one for each client and one for each server.

use super::{Context, Finding};
use crate::fault::Code;

const CHECK: &str = "descriptors";

/// The daemon raises its own soft limit to the hard one: below this, 30,000 clients are too many.
const LOW: u64 = 65_536;

/// The log, the peers and the probes alone need hundreds.
const LEAST: u64 = 1_024;

pub(super) fn look(context: &Context) -> Vec<Finding> {
    let limits = std::fs::read_to_string(context.process().join("limits"));
    vec![judge(limits.ok().as_deref().and_then(parse))]
}

/// PURE. The hard limit in `/proc/PID/limits`: `Max open files  1024  1048576  files`.
fn parse(limits: &str) -> Option<u64> {
    let line = limits
        .lines()
        .find_map(|line| line.strip_prefix("Max open files"))?;
    match line.split_ascii_whitespace().nth(1)? {
        "unlimited" => Some(u64::MAX),
        number => number.parse().ok(),
    }
}

/// PURE.
fn judge(limit: Option<u64>) -> Finding {
    let Some(limit) = limit else {
        return Finding::warn(CHECK, Code::DoctorDescriptors, "the limit is not known");
    };
    let what = format!("at most {limit}");
    match limit {
        0..LEAST => Finding::fail(CHECK, Code::DoctorDescriptors, what),
        LEAST..LOW => Finding::warn(CHECK, Code::DoctorDescriptors, what),
        LOW.. => Finding::ok(CHECK, what),
    }
}

#[cfg(test)]
mod tests {
    use super::super::Level;
    use super::*;

    #[test]
    fn the_hard_limit_counts() {
        let table = "Limit  Soft Limit  Hard Limit  Units\n\
                     Max open files            1024                 524288               files\n";
        assert_eq!(parse(table), Some(524_288));
        assert_eq!(
            parse("Max open files unlimited unlimited files"),
            Some(u64::MAX)
        );
        assert_eq!(parse(""), None);
        assert_eq!(judge(Some(512)).level, Level::Fail);
        assert_eq!(judge(Some(4_096)).level, Level::Warn);
        assert_eq!(judge(Some(524_288)).level, Level::Ok);
        assert_eq!(judge(None).level, Level::Warn);
    }
}
