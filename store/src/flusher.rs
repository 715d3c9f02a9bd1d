//! The flusher: the one thread through which every answer goes. It gathers whoever waits, and makes
//! all they wrote durable at once.
//!
//! ```text
//!   log ─write─> Kv
//!       ─job──────> [ gather jobs ─> tail as it is now ─> Kv.barrier() ─> mark ─> answers ]
//!       ◀─Room (watch)─ [ looks at the disk before each, and while there is no room it waits ]
//! ```
//!
//! The tail is read before the barrier, so that a mark never says more than the barrier made
//! durable.

use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use farmux_raft::clockwork::{Safeguard, lacks};
use farmux_raft::consensus::Room;
use farmux_raft::consensus::record::{LogIdRecord, VoteRecord};
use tokio::sync::watch;

use crate::chain::Chain;
use crate::kv::Kv;
use crate::mark::MarkFile;
use crate::room::{PretendFull, Reserve};

/// The end of the log as it was written last, durable or not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Tail {
    /// The vote.
    pub(crate) vote: Option<VoteRecord>,
    /// Up to where the log was purged.
    pub(crate) base: Option<LogIdRecord>,
    /// The last entry, or the base, with its link; `None` in an empty log.
    pub(crate) last: Option<(LogIdRecord, Chain)>,
}

/// What is called when all that was written before is durable.
pub(crate) type Answer = Box<dyn FnOnce() + Send>;

/// The flusher, as those see it who wait for it.
pub(crate) struct Flusher {
    jobs: Option<Sender<Answer>>,
    thread: Option<JoinHandle<()>>,
}

/// The flusher's work itself: of its thread, or of a simulator that does it when it likes.
pub struct Pump {
    kv: Arc<dyn Kv>,
    mark: MarkFile,
    tail: Arc<Mutex<Tail>>,
    inbox: Receiver<Answer>,
    waiting: Vec<Answer>,
    lookout: Lookout,
}

/// Looks how much room there is, for all to see.
pub(crate) struct Lookout {
    reserve: Option<Box<dyn Reserve>>,
    pretended: PretendFull,
    room: watch::Sender<Room>,
}

impl Lookout {
    /// Looks for the first time.
    pub(crate) fn new(reserve: Option<Box<dyn Reserve>>) -> Self {
        let room = watch::Sender::new(Room::Enough);
        let mut lookout = Lookout {
            reserve,
            pretended: PretendFull::default(),
            room,
        };
        lookout.look();
        lookout
    }

    /// How much room there is, always the newest.
    pub(crate) fn room(&self) -> watch::Receiver<Room> {
        self.room.subscribe()
    }

    /// What a drill says instead.
    pub(crate) fn pretended(&self) -> PretendFull {
        self.pretended.clone()
    }

    fn look(&mut self) -> Room {
        let room = self.reserve.as_mut().map_or(Room::Enough, |one| one.look());
        let room = self.pretended.over(room);
        let changed = self.room.send_replace(room) != room;
        match (changed, room) {
            (false, _) => {}
            (true, Room::Enough) => tracing::info!("there is room on the disk"),
            (true, Room::Short) => tracing::warn!("the disk is full: changes wait"),
            (true, Room::Gone) => tracing::warn!("the disk is full: votes wait, too"),
        }
        room
    }
}

/// What was written did not become durable.
#[derive(Debug, thiserror::Error)]
#[error("{what}: {error}")]
pub struct FlushError {
    what: String,
    error: String,
}

/// How often it looks how much room there is while nobody waits.
const LOOK: Duration = Duration::from_millis(500);

/// After so many looks (5 s) writes that nobody waits for (what is committed, what was purged)
/// become durable by themselves. Rarely, for on a slow disk whoever comes meanwhile waits for them.
const LOOKS_UNTIL_FLUSH: u32 = 10;

/// Answers gathered for one barrier: bounds the mark's age; more than openraft ever has under way.
const ANSWERS_MAX: usize = 1_000;

impl Flusher {
    pub(crate) fn spawn(
        kv: Arc<dyn Kv>,
        mark: MarkFile,
        tail: Arc<Mutex<Tail>>,
        lookout: Lookout,
    ) -> std::io::Result<Self> {
        let (mut flusher, pump) = Self::pumped(kv, mark, tail, lookout);
        let thread = std::thread::Builder::new()
            .name("farmux-flusher".to_owned())
            .spawn(move || pump.run())?;
        flusher.thread = Some(thread);
        Ok(flusher)
    }

    /// A flusher whose work somebody else does.
    pub(crate) fn pumped(
        kv: Arc<dyn Kv>,
        mark: MarkFile,
        tail: Arc<Mutex<Tail>>,
        lookout: Lookout,
    ) -> (Self, Pump) {
        let (jobs, inbox) = channel();
        let flusher = Flusher {
            jobs: Some(jobs),
            thread: None,
        };
        let waiting = Vec::new();
        let pump = Pump {
            kv,
            mark,
            tail,
            inbox,
            waiting,
            lookout,
        };
        (flusher, pump)
    }

    /// Calls back when everything written until now is durable. Never blocks.
    pub(crate) fn when_durable(&self, answer: Answer) {
        let jobs = self.jobs.as_ref().expect("there until it is dropped");
        jobs.send(answer)
            .expect("the flusher ends only when it is dropped, or with the process");
    }

    /// Waits until everything written until now is durable.
    pub(crate) async fn durable(&self) {
        let (done, wait) = tokio::sync::oneshot::channel();
        self.when_durable(Box::new(move || _ = done.send(())));
        wait.await
            .expect("the flusher answers, or the process ends");
    }
}

impl Drop for Flusher {
    fn drop(&mut self) {
        self.jobs = None;
        if let Some(thread) = self.thread.take() {
            _ = thread.join();
        }
    }
}

impl Pump {
    fn run(mut self) {
        let mut idle = 0;
        loop {
            let last = match self.inbox.recv_timeout(LOOK) {
                Ok(answer) => {
                    self.waiting.push(answer);
                    false
                }
                Err(RecvTimeoutError::Timeout) => false,
                Err(RecvTimeoutError::Disconnected) => true,
            };
            if !self.wait_for_room() {
                return;
            }
            idle += 1;
            if !last && self.waiting.is_empty() && idle < LOOKS_UNTIL_FLUSH {
                continue;
            }
            idle = 0;
            if let Err(error) = self.flush() {
                die(&error);
            }
            if last {
                return;
            }
        }
    }

    /// Waits while nothing can be written; `false`: nobody is left who would be answered, and what
    /// was written was never answered for.
    fn wait_for_room(&mut self) -> bool {
        while self.lookout.look() == Room::Gone {
            match self.inbox.recv_timeout(LOOK) {
                Ok(answer) => self.waiting.push(answer),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return false,
            }
        }
        true
    }

    /// Whether anybody waits for the next flush.
    pub fn is_awaited(&mut self) -> bool {
        self.waiting.extend(self.inbox.try_iter().take(ANSWERS_MAX));
        !self.waiting.is_empty()
    }

    /// Makes all that was written durable, and answers whoever waits for that.
    ///
    /// **Errors**: [`FlushError`]; nobody is answered, and the process must end.
    pub fn flush(&mut self) -> Result<(), FlushError> {
        self.is_awaited();
        if !lacks(Safeguard::Barrier) {
            flush(&*self.kv, &mut self.mark, &self.tail)?;
        }
        self.waiting.drain(..).for_each(|answer| answer());
        Ok(())
    }
}

/// The barrier.
fn flush(kv: &dyn Kv, mark: &mut MarkFile, tail: &Mutex<Tail>) -> Result<(), FlushError> {
    let Tail { vote, last, .. } = tail
        .lock()
        .expect("no holder of this lock can panic")
        .clone();
    kv.barrier().map_err(|error| failed("the log", &error))?;
    if (vote, last) != (mark.newest().vote, mark.newest().last) {
        mark.set(vote, last)
            .map_err(|error| failed(&mark.path().display().to_string(), &error))?;
    }
    Ok(())
}

fn failed(what: &str, error: &dyn std::fmt::Display) -> FlushError {
    FlushError {
        what: what.to_owned(),
        error: error.to_string(),
    }
}

/// After a failed sync nobody knows what is on the disk, and a second one would lie: the kernel
/// forgets what it could not write. The process ends, and the next one looks.
fn die(error: &FlushError) -> ! {
    let (what, why) = (&error.what, &error.error);
    tracing::error!(%what, %why, "cannot be made durable; ending the process");
    std::process::abort()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kv::{Batch, KvError, Visit};
    use crate::media::System;
    use farmux_raft::id::NodeId;

    /// A database whose disk fails.
    struct Broken;

    impl Kv for Broken {
        fn get(&self, _key: &[u8]) -> Result<Option<Vec<u8>>, KvError> {
            Ok(None)
        }

        fn scan(&self, _: &[u8], _: &[u8], _: &mut Visit<'_>) -> Result<(), KvError> {
            Ok(())
        }

        fn write(&self, _batch: Batch) -> Result<(), KvError> {
            Ok(())
        }

        fn barrier(&self) -> Result<(), KvError> {
            Err(KvError("fdatasync: Input/output error".to_owned()))
        }
    }

    const CHILD: &str = "FARMUX_FLUSHER_TEST_CHILD";

    /// The test runs itself once more, and looks how that process ended.
    #[test]
    fn a_failed_sync_ends_the_process_and_answers_nobody() {
        use std::os::unix::process::ExitStatusExt;
        if std::env::var_os(CHILD).is_some() {
            let folder = tempfile::tempdir().expect("a folder");
            let mark = MarkFile::create(&System, &folder.path().join("mark"), NodeId(1));
            let mark = mark.expect("a mark");
            let tail = Arc::new(Mutex::new(Tail {
                vote: None,
                base: None,
                last: None,
            }));
            let lookout = Lookout::new(None);
            let flusher = Flusher::spawn(Arc::new(Broken), mark, tail, lookout);
            let flusher = flusher.expect("it starts");
            let (answer, wait) = channel();
            flusher.when_durable(Box::new(move || answer.send(()).expect("it is awaited")));
            _ = wait.recv();
            std::process::exit(0);
        }
        let name = "flusher::tests::a_failed_sync_ends_the_process_and_answers_nobody";
        let run = std::process::Command::new(std::env::current_exe().expect("this test"))
            .args(["--exact", name])
            .env(CHILD, "1")
            .output()
            .expect("it runs");
        assert_eq!(run.status.signal(), Some(libc::SIGABRT), "{run:?}");
    }
}
