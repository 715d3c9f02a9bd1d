//! The boot clock, by which leases end.

/// The time since boot, suspended or not.
///
/// **Units**: nanoseconds of `CLOCK_BOOTTIME`.
///
/// **Panics**: never: Linux has this clock since 2.6.39.
pub fn boottime_ns() -> u64 {
    let mut now = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: `now` is a valid place for one timespec, and nothing else is written.
    let failed = unsafe { libc::clock_gettime(libc::CLOCK_BOOTTIME, &raw mut now) };
    assert!(failed == 0, "no CLOCK_BOOTTIME");
    let secs = u64::try_from(now.tv_sec).expect("the boot clock is never negative");
    secs * 1_000_000_000 + u64::try_from(now.tv_nsec).expect("nanoseconds are never negative")
}
