//! The wall clock: disciplined by somebody, and like those of the other nodes.

use farmux_netplane::sys::clock_is_synchronised;
use farmux_raft::peer::join::CLOCK_SKEW_MAX;

use super::context::Other;
use super::{Context, Finding};
use crate::fault::Code;

const CHECK: &str = "clock";

/// NTP keeps machines within milliseconds; at a second, what people read is out of order.
const OFFSET_MAX_MS: u64 = 1_000;

pub(super) fn look(context: &Context) -> Vec<Finding> {
    let mut findings = vec![judge(clock_is_synchronised())];
    findings.extend(context.others().iter().filter_map(judge_offset));
    findings
}

/// PURE. `None`: the kernel does not say.
fn judge(synchronised: Option<bool>) -> Finding {
    match synchronised {
        Some(true) => Finding::ok(CHECK, "synchronised"),
        Some(false) => Finding::warn(CHECK, Code::DoctorClock, "not synchronised")
            .why("nobody sets this clock; pages and certificates carry its times"),
        None => Finding::warn(
            CHECK,
            Code::DoctorClock,
            "the kernel does not say whose it is",
        ),
    }
}

/// PURE. `None`: nobody knows.
fn judge_offset(other: &Other) -> Option<Finding> {
    let offset = other.clock_offset_ms?;
    let what = format!("{}: {offset} ms apart", other.name);
    let skew_max = u64::try_from(CLOCK_SKEW_MAX.as_millis()).unwrap_or(u64::MAX);
    Some(match offset.unsigned_abs() {
        far if far > skew_max => Finding::fail(CHECK, Code::DoctorClock, what)
            .why("a node whose clock differs by more than 10 s cannot join"),
        far if far > OFFSET_MAX_MS => Finding::warn(CHECK, Code::DoctorClock, what)
            .why("what people read of two nodes is not in order"),
        _ => Finding::ok(CHECK, what),
    })
}

#[cfg(test)]
mod tests {
    use super::super::Level;
    use super::*;

    #[test]
    fn a_clock_of_its_own_is_told() {
        assert_eq!(judge(Some(true)).level, Level::Ok);
        assert_eq!(judge(Some(false)).level, Level::Warn);
        assert_eq!(judge(None).level, Level::Warn);
        let level = |clock_offset_ms| {
            let other = Other {
                name: "lb2".to_owned(),
                peer: Vec::new(),
                clock_offset_ms,
            };
            judge_offset(&other).map(|finding| finding.level)
        };
        assert_eq!(level(None), None);
        assert_eq!(level(Some(-12)), Some(Level::Ok));
        assert_eq!(level(Some(1_500)), Some(Level::Warn));
        assert_eq!(level(Some(-10_001)), Some(Level::Fail));
        assert_eq!(level(Some(i64::MIN)), Some(Level::Fail));
    }
}
