//! A prober that does nothing but connect: what the watching of farmux is measured against.
//!
//! ```text
//!   due ── socket, connect ──▶ target ── writable ──▶ SO_ERROR, SO_LINGER 0, close
//! ```
//!
//! One thread, one epoll, no timers but its own: each target has its turn once a second, and one
//! that still hangs then is given up. Nothing is judged, remembered or told.

use std::fs;
use std::net::{SocketAddr, SocketAddrV4};
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use rustix::event::Timespec;
use rustix::event::epoll::{self, CreateFlags, EventData, EventFlags};
use rustix::io::Errno;
use socket2::{Domain, SockAddr, Socket, Type};

use crate::target;

/// The interval of each target.
const INTERVAL: Duration = Duration::from_secs(1);

/// Probes made, and what they cost.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Made {
    /// Connects begun.
    pub(crate) probes: u64,
    /// Those that ended with a connection.
    pub(crate) passed: u64,
    /// CPU time of this process meanwhile.
    pub(crate) cpu: Duration,
}

/// Connects to `count` targets once a second each, to the last `hanging` of them in vain; measures
/// for `span`, after one round.
///
/// **Errors**: no epoll, or a socket could not be made.
pub(crate) fn run(count: usize, hanging: usize, span: Duration) -> Result<Made> {
    let targets = (0..count).map(|number| {
        let SocketAddr::V4(at) = target(number, count - hanging) else {
            return SocketAddrV4::new([127, 0, 0, 1].into(), 1);
        };
        at
    });
    let targets: Vec<SockAddr> = targets.map(SockAddr::from).collect();
    let epoll = epoll::create(CreateFlags::CLOEXEC).context("epoll")?;
    let mut open: Vec<Option<Socket>> = targets.iter().map(|_| None).collect();
    let apart = INTERVAL / u32::try_from(count).context("so many targets")?;
    let begun = Instant::now();
    let (mut next, mut passed, mut started) = (0_u32, 0, 0);
    let mut measured: Option<(Instant, Duration)> = None;
    let mut events = Vec::with_capacity(1024);
    loop {
        let now = Instant::now();
        match measured {
            None if now >= begun + INTERVAL => {
                (passed, started) = (0, 0);
                measured = Some((now, cpu()?));
            }
            Some((since, before)) if now >= since + span => {
                let cpu = cpu()?.saturating_sub(before);
                let probes = started;
                return Ok(Made {
                    probes,
                    passed,
                    cpu,
                });
            }
            None | Some(_) => {}
        }
        while begun + apart * next <= now {
            let place = usize::try_from(next).context("a small number")? % count;
            // Dropping one that still hangs gives it up.
            open[place] = start(&epoll, &targets[place], place)?;
            started += 1;
            next += 1;
        }
        let wait = (begun + apart * next).saturating_duration_since(Instant::now());
        // Whole milliseconds, as every epoll had until 2021 and as tokio has: what became due
        // meanwhile starts together.
        let wait =
            Timespec::try_from(wait.max(Duration::from_millis(1))).context("a short time")?;
        events.clear();
        match epoll::wait(
            &epoll,
            rustix::buffer::spare_capacity(&mut events),
            Some(&wait),
        ) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => return Err(error).context("epoll_wait"),
        }
        for event in &events {
            let place = usize::try_from(event.data.u64()).context("a small number")?;
            if let Some(socket) = open[place].take() {
                passed += u64::from(finish(&socket));
            }
        }
    }
}

fn start(epoll: &OwnedFd, target: &SockAddr, place: usize) -> Result<Option<Socket>> {
    let kind = Type::STREAM.nonblocking().cloexec();
    let socket = Socket::new(Domain::IPV4, kind, None).context("a socket")?;
    // It is under way, or it failed: epoll says so either way.
    let _ = socket.connect(target);
    let data = EventData::new_u64(place as u64);
    let flags = EventFlags::OUT | EventFlags::ONESHOT;
    epoll::add(epoll, &socket, data, flags).context("epoll_ctl")?;
    Ok(Some(socket))
}

/// Whether it is connected; closing it leaves no trace.
fn finish(socket: &Socket) -> bool {
    let error = socket.take_error();
    let _ = socket.set_linger(Some(Duration::ZERO));
    matches!(error, Ok(None))
}

/// CPU time of this process, which has one thread: nanoseconds on a CPU (`proc(5)`, schedstat).
fn cpu() -> Result<Duration> {
    let text = fs::read_to_string("/proc/self/schedstat").context("schedstat")?;
    let nanos = text.split_whitespace().next().context("three numbers")?;
    Ok(Duration::from_nanos(nanos.parse().context("a number")?))
}
