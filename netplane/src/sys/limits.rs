//! How many descriptors this process may open.
#![expect(
    unsafe_code,
    reason = "getrlimit and setrlimit have no safe form in std"
)]

/// Raises the soft limit of open files to the hard one; how many may be open then.
///
/// A limit that cannot be raised is left as it is: fewer clients are let in.
pub fn raise_open_files() -> u64 {
    let mut limit = libc::rlimit {
        rlim_cur: 0,
        rlim_max: 0,
    };
    // SAFETY: the pointer is to a live local that the call fills in.
    if unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limit) } != 0 {
        return SOFT_DEFAULT;
    }
    if limit.rlim_cur < limit.rlim_max {
        let raised = libc::rlimit {
            rlim_cur: limit.rlim_max,
            ..limit
        };
        // SAFETY: the pointer is to a live local that the call only reads.
        if unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &raw const raised) } == 0 {
            return raised.rlim_cur;
        }
    }
    limit.rlim_cur
}

/// What Linux gives a process that nobody configured.
const SOFT_DEFAULT: u64 = 1024;

#[cfg(test)]
mod tests {
    #[test]
    fn raising_twice_says_the_same() {
        let once = super::raise_open_files();
        assert!(once > 0);
        assert_eq!(super::raise_open_files(), once);
    }
}
