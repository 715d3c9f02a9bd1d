//! Being run in time: real-time scheduling, where the system allows it.

use std::io;

/// Puts the calling thread before all that is not real-time (`SCHED_FIFO`), but not its children.
///
/// **Errors**: not allowed (`CAP_SYS_NICE`, `LimitRTPRIO=`); the thread goes on as before, and a
/// busy machine may lose leases.
pub fn schedule_first() -> io::Result<()> {
    let param = libc::sched_param {
        sched_priority: PRIORITY,
    };
    let policy = libc::SCHED_FIFO | libc::SCHED_RESET_ON_FORK;
    // SAFETY: `param` is a valid sched_param that outlives the call; 0 is the calling thread.
    match unsafe { libc::sched_setscheduler(0, policy, &raw const param) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// Puts the calling thread before ordinary ones, without being real-time.
///
/// **Errors**: not allowed (`CAP_SYS_NICE`); the thread goes on as before.
pub fn hurry() -> io::Result<()> {
    // SAFETY: no memory is involved; on Linux, 0 is the calling thread alone.
    match unsafe { libc::setpriority(libc::PRIO_PROCESS, 0, NICE) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// Low among the real-time ones: the kernel's own threads (50 and up) keep their place.
const PRIORITY: i32 = 10;
/// Well before what serves and probes, so that an address comes and goes at once on a busy machine.
const NICE: i32 = -15;
