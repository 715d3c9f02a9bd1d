//! The flusher: the one thread through which every answer goes. It gathers whoever waits, and makes
//! all they wrote durable at once.
//!
//! ```text
//!   log ─write─> Kv
//!       ─job──────> [ gather jobs ─> tail as it is now ─> Kv.barrier() ─> mark ─> answers ]
//! ```
//!
//! The tail is read before the barrier, so that a mark never says more than the barrier made
//! durable.

use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use farmux_raft::consensus::record::{LogIdRecord, VoteRecord};

use crate::chain::Chain;
use crate::kv::Kv;
use crate::mark::MarkFile;

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

/// The thread, as those see it who wait for it.
pub(crate) struct Flusher {
    jobs: Option<Sender<Answer>>,
    thread: Option<JoinHandle<()>>,
}

/// How soon writes that nobody waits for (what is committed, what was purged) become durable.
const IDLE_FLUSH: Duration = Duration::from_millis(500);

/// Answers gathered for one barrier: bounds the mark's age; more than openraft ever has under way.
const ANSWERS_MAX: usize = 1_000;

impl Flusher {
    pub(crate) fn spawn(
        kv: Arc<dyn Kv>,
        mark: MarkFile,
        tail: Arc<Mutex<Tail>>,
    ) -> std::io::Result<Self> {
        let (jobs, inbox) = channel();
        let thread = std::thread::Builder::new()
            .name("farmux-flusher".to_owned())
            .spawn(move || run(&*kv, mark, &tail, &inbox))?;
        Ok(Flusher {
            jobs: Some(jobs),
            thread: Some(thread),
        })
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

fn run(kv: &dyn Kv, mut mark: MarkFile, tail: &Mutex<Tail>, inbox: &Receiver<Answer>) {
    loop {
        let first = match inbox.recv_timeout(IDLE_FLUSH) {
            Ok(answer) => Some(answer),
            Err(RecvTimeoutError::Timeout) => None,
            Err(RecvTimeoutError::Disconnected) => return flush(kv, &mut mark, tail),
        };
        let mut answers: Vec<Answer> = first.into_iter().collect();
        answers.extend(inbox.try_iter().take(ANSWERS_MAX));
        flush(kv, &mut mark, tail);
        answers.into_iter().for_each(|answer| answer());
    }
}

/// The barrier.
fn flush(kv: &dyn Kv, mark: &mut MarkFile, tail: &Mutex<Tail>) {
    let Tail { vote, last, .. } = tail
        .lock()
        .expect("no holder of this lock can panic")
        .clone();
    if let Err(error) = kv.barrier() {
        die("the log", &error);
    }
    if (vote, last) != (mark.newest().vote, mark.newest().last)
        && let Err(error) = mark.set(vote, last)
    {
        die(&mark.path().display().to_string(), &error);
    }
}

/// After a failed sync nobody knows what is on the disk, and a second one would lie: the kernel
/// forgets what it could not write. The process ends, and the next one looks.
fn die(what: &str, error: &dyn std::fmt::Display) -> ! {
    tracing::error!(%what, %error, "cannot be made durable; ending the process");
    std::process::abort()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kv::{Batch, KvError, Visit};
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
            let mark = MarkFile::create(&folder.path().join("mark"), NodeId(1)).expect("a mark");
            let tail = Arc::new(Mutex::new(Tail {
                vote: None,
                base: None,
                last: None,
            }));
            let flusher = Flusher::spawn(Arc::new(Broken), mark, tail).expect("it starts");
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
