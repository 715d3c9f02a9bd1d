//! Tasks of all nodes on one thread, in an order that the dice choose; and what a node's
//! [`Clockwork`] is.
//!
//! ```text
//!   wakers ──> ready (a set: the order of waking is nothing) ──dice──> poll by its node's clock
//!   timers (in true time) ──> wakers
//! ```
//!
//! tokio wakes those who watch a channel in an order of its own that no seed reaches; so whoever is
//! ready is first collected, and only then somebody is chosen. For the same reason a task has at
//! most one timer for a moment: openraft's `select!` asks its branches in an order of its own, and
//! does or does not look at the clock before it takes what has come.

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock};
use std::task::{Context, Poll, Wake, Waker};
use std::time::{Duration, Instant, SystemTime};

use farmux_raft::clockwork::{Clockwork, Safeguard, drive};
use farmux_raft::lease::BootTime;

use super::dice::Dice;

/// A moment of true time, in nanoseconds since the world began.
pub(super) type Moment = u64;

/// A task's work.
pub(super) type Job = Pin<Box<dyn Future<Output = ()> + Send>>;

/// A task: of which node, and which one.
type TaskId = (usize, u64);

/// A node's clock: how it runs, and what it showed when the world began.
#[derive(Debug, Clone, Copy)]
pub(super) struct Clock {
    /// Per mille of true time.
    pub(super) rate: u64,
    /// In nanoseconds.
    pub(super) offset: u64,
}

impl Clock {
    /// What it shows.
    pub(super) fn show(self, now: Moment) -> BootTime {
        BootTime(self.offset + now * self.rate / 1000)
    }

    /// The first moment at which it shows `time`.
    pub(super) fn moment(self, time: BootTime) -> Moment {
        (time.0.saturating_sub(self.offset) * 1000).div_ceil(self.rate)
    }
}

/// What wakers and clocks reach.
#[derive(Default)]
pub(super) struct Core(Mutex<Inner>);

#[derive(Default)]
struct Inner {
    now: Moment,
    ready: BTreeSet<TaskId>,
    spawned: Vec<(TaskId, Job)>,
    timers: BTreeSet<(Moment, TaskId)>,
    /// Who runs now.
    current: Option<TaskId>,
    serial: u64,
}

impl Core {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().expect("no holder of this lock can panic")
    }

    /// True time now.
    pub(super) fn now(&self) -> Moment {
        self.lock().now
    }

    /// Lets time come.
    pub(super) fn set_now(&self, now: Moment) {
        self.lock().now = now;
    }

    /// When the next timer is due.
    pub(super) fn next_timer(&self) -> Option<Moment> {
        self.lock().timers.first().map(|(at, _)| *at)
    }

    /// Wakes whoever waited for this moment.
    pub(super) fn fire(&self) {
        let mut inner = self.lock();
        while let Some((_, id)) = inner
            .timers
            .first()
            .copied()
            .filter(|due| due.0 <= inner.now)
        {
            inner.timers.pop_first();
            inner.ready.insert(id);
        }
    }

    /// Starts a task of a node.
    pub(super) fn spawn(&self, node: usize, job: Job) {
        let mut inner = self.lock();
        inner.serial += 1;
        let id = (node, inner.serial);
        inner.ready.insert(id);
        inner.spawned.push((id, job));
    }
}

struct TaskWaker {
    id: TaskId,
    core: Arc<Core>,
}

impl Wake for TaskWaker {
    fn wake(self: Arc<Self>) {
        self.core.lock().ready.insert(self.id);
    }
}

/// A node's machine, as what runs on it sees it.
pub(super) struct Machine {
    pub(super) node: usize,
    pub(super) clock: Clock,
    pub(super) core: Arc<Core>,
    pub(super) dice: Mutex<Dice>,
    pub(super) lacking: BTreeSet<Safeguard>,
    /// How far its wall clock is beside true time, in milliseconds.
    pub(super) wall_ms: Arc<AtomicU64>,
    /// The entry that is carried out, or was last.
    pub(super) entry: AtomicU64,
}

impl Clockwork for Machine {
    fn now(&self) -> Instant {
        base() + Duration::from_nanos(self.clock.show(self.core.now()).0)
    }

    fn wake_at(&self, at: Instant, _waker: Waker) {
        let shown = at.saturating_duration_since(base());
        let time = BootTime(u64::try_from(shown.as_nanos()).unwrap_or(u64::MAX / 2000));
        let moment = self.clock.moment(time);
        let mut inner = self.core.lock();
        // Whoever waits runs now, and is woken by its one waker.
        let id = inner.current.expect("only tasks wait");
        inner.timers.insert((moment, id));
    }

    fn spawn(&self, task: Job) {
        self.core.spawn(self.node, task);
    }

    fn roll(&self) -> u64 {
        self.dice
            .lock()
            .expect("no holder of this lock can panic")
            .roll()
    }

    fn wall(&self) -> SystemTime {
        let beside = Duration::from_millis(self.wall_ms.load(Relaxed));
        SystemTime::UNIX_EPOCH + beside + Duration::from_nanos(self.core.now())
    }

    fn lacks(&self, safeguard: Safeguard) -> bool {
        self.lacking.contains(&safeguard)
    }

    fn carries_out(&self, index: u64) {
        self.entry.store(index, Relaxed);
    }

    fn carried_out(&self) -> u64 {
        self.entry.load(Relaxed)
    }
}

/// When every clock showed zero; only differences to it are ever seen.
fn base() -> Instant {
    static BASE: OnceLock<Instant> = OnceLock::new();
    *BASE.get_or_init(Instant::now)
}

/// All tasks of all nodes.
pub(super) struct Tasks {
    core: Arc<Core>,
    machines: BTreeMap<usize, Arc<dyn Clockwork>>,
    jobs: BTreeMap<TaskId, Running>,
    /// How often anything was polled.
    pub(super) polls: u64,
}

/// A task, with its one waker: whoever was told of it need not be told again.
struct Running {
    job: Job,
    waker: Waker,
}

/// Something runs for ever without time passing.
pub(super) struct Livelock;

/// So many polls at one moment are no work any more.
const POLLS_MAX: u64 = 200_000;

impl Tasks {
    pub(super) fn new(core: Arc<Core>) -> Tasks {
        Tasks {
            core,
            machines: BTreeMap::new(),
            jobs: BTreeMap::new(),
            polls: 0,
        }
    }

    /// Gives a node a machine to run on.
    pub(super) fn boot(&mut self, node: usize, machine: Arc<dyn Clockwork>) {
        self.machines.insert(node, machine);
    }

    /// Runs whoever is ready and not paused, until nobody is; returns whose tasks ran.
    pub(super) fn run(
        &mut self,
        dice: &mut Dice,
        is_paused: impl Fn(usize) -> bool,
    ) -> Result<BTreeSet<usize>, Livelock> {
        let mut touched = BTreeSet::new();
        for _ in 0..POLLS_MAX {
            let Some(id) = self.choose(dice, &is_paused) else {
                return Ok(touched);
            };
            touched.insert(id.0);
            self.poll(id);
        }
        Err(Livelock)
    }

    fn choose(&mut self, dice: &mut Dice, is_paused: &impl Fn(usize) -> bool) -> Option<TaskId> {
        self.take_spawned();
        let mut inner = self.core.lock();
        let jobs = &self.jobs;
        inner.ready.retain(|id| jobs.contains_key(id));
        let able = |id: &&TaskId| !is_paused(id.0);
        let count = inner.ready.iter().filter(able).count();
        let place = match count {
            0 => return None,
            1 => 0,
            _ => dice.below(count),
        };
        let id = inner.ready.iter().filter(able).nth(place).copied()?;
        inner.ready.remove(&id);
        Some(id)
    }

    fn take_spawned(&mut self) {
        let spawned = std::mem::take(&mut self.core.lock().spawned);
        for (id, job) in spawned {
            let core = self.core.clone();
            let waker = Waker::from(Arc::new(TaskWaker { id, core }));
            self.jobs.insert(id, Running { job, waker });
        }
    }

    fn poll(&mut self, id: TaskId) {
        self.polls += 1;
        let Some(Running { mut job, waker }) = self.jobs.remove(&id) else {
            return;
        };
        let machine = self.machines.get(&id.0).expect("a task runs on a machine");
        self.core.lock().current = Some(id);
        let left = drive(machine, || {
            let poll = job.as_mut().poll(&mut Context::from_waker(&waker));
            match poll {
                Poll::Ready(()) => {
                    drop(job);
                    None
                }
                Poll::Pending => Some(job),
            }
        });
        self.core.lock().current = None;
        if let Some(job) = left {
            self.jobs.insert(id, Running { job, waker });
        }
    }

    /// Ends all tasks of a node at once.
    pub(super) fn kill(&mut self, node: usize) {
        self.take_spawned();
        let ids: Vec<TaskId> = self
            .jobs
            .keys()
            .copied()
            .filter(|id| id.0 == node)
            .collect();
        let jobs: Vec<Running> = ids.iter().filter_map(|id| self.jobs.remove(id)).collect();
        if let Some(machine) = self.machines.get(&node) {
            drive(machine, || drop(jobs));
        }
    }
}

impl Drop for Tasks {
    fn drop(&mut self) {
        let nodes: Vec<usize> = self.machines.keys().copied().collect();
        nodes.into_iter().for_each(|node| self.kill(node));
    }
}
