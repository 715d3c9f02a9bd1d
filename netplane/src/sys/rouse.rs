//! A timer of the kernel by which this process goes on, should it be stopped by then.

use std::io;
use std::mem::zeroed;
use std::ptr::null_mut;
use std::time::Duration;

/// Sends this process `SIGCONT` once, when its time is over: whoever stopped it may be dead by
/// then. Dropped before, it sends nothing.
#[derive(Debug)]
pub struct Rouser(libc::timer_t);

// SAFETY: it is a number of the kernel's, which looks like a pointer and belongs to the process.
unsafe impl Send for Rouser {}

// SAFETY: as above; a shared one can do nothing.
unsafe impl Sync for Rouser {}

impl Rouser {
    /// Arms one, by the clock that goes on while the machine sleeps.
    ///
    /// **Errors**: the user has too many timers and signals (`RLIMIT_SIGPENDING`).
    ///
    /// **Source**: `timer_create(2)`; `signal(7)`: a stopped process is continued by `SIGCONT`
    /// even where that is ignored.
    pub fn after(span: Duration) -> io::Result<Rouser> {
        // SAFETY: a sigevent of zeros is a valid one, whatever else it holds.
        let mut event: libc::sigevent = unsafe { zeroed() };
        event.sigev_notify = libc::SIGEV_SIGNAL;
        event.sigev_signo = libc::SIGCONT;
        let mut timer: libc::timer_t = null_mut();
        // SAFETY: both are valid, and `timer` is written only where the call succeeds.
        let made =
            unsafe { libc::timer_create(libc::CLOCK_BOOTTIME, &raw mut event, &raw mut timer) };
        if made != 0 {
            return Err(io::Error::last_os_error());
        }
        let rouser = Rouser(timer);
        // Zero would disarm it.
        let span = span.max(Duration::from_nanos(1));
        let seconds = libc::time_t::try_from(span.as_secs()).unwrap_or(libc::time_t::MAX);
        let once = libc::itimerspec {
            it_interval: libc::timespec {
                tv_sec: 0,
                tv_nsec: 0,
            },
            it_value: libc::timespec {
                tv_sec: seconds,
                tv_nsec: libc::c_long::from(span.subsec_nanos().cast_signed()),
            },
        };
        // SAFETY: the timer was made above; `once` outlives the call, and nothing is written.
        match unsafe { libc::timer_settime(rouser.0, 0, &raw const once, null_mut()) } {
            0 => Ok(rouser),
            _ => Err(io::Error::last_os_error()),
        }
    }
}

impl Drop for Rouser {
    fn drop(&mut self) {
        // SAFETY: it was made by this process, and is deleted once.
        unsafe { libc::timer_delete(self.0) };
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    /// Without the timer nobody lets this process go on but whoever runs the tests, by ending it.
    #[test]
    fn a_stopped_process_goes_on_by_itself() {
        let before = Instant::now();
        let dropped = Rouser::after(Duration::from_millis(1)).expect("one timer is to be had");
        drop(dropped);
        // Much longer than from here to the stop: what comes before it wakes nobody.
        let span = Duration::from_secs(1);
        let _rouser = Rouser::after(span).expect("one timer is to be had");
        // SAFETY: it only sends a signal, and this thread takes it before it goes on; all stop.
        let stopped = unsafe { libc::raise(libc::SIGSTOP) };
        assert_eq!(stopped, 0, "it is us");
        assert!(before.elapsed() >= span, "it was stopped until then");
    }
}
