//! Both kinds of clockwork keep the same promises.

use std::collections::VecDeque;
use std::sync::Mutex;
use std::task::{Context, Poll};
use std::time::Duration;

use super::*;

const MS: Duration = Duration::from_millis(1);

/// A clock that jumps to the next moment for which somebody waits.
struct Jumping {
    now: Mutex<Instant>,
    wakes: Mutex<Vec<(Instant, Waker)>>,
    tasks: Mutex<VecDeque<Pin<Box<dyn Future<Output = ()> + Send>>>>,
    entry: Mutex<u64>,
}

impl Clockwork for Jumping {
    fn now(&self) -> Instant {
        *self.now.lock().expect("not poisoned")
    }

    fn wake_at(&self, at: Instant, waker: Waker) {
        self.wakes.lock().expect("not poisoned").push((at, waker));
    }

    fn spawn(&self, task: Pin<Box<dyn Future<Output = ()> + Send>>) {
        self.tasks.lock().expect("not poisoned").push_back(task);
    }

    fn roll(&self) -> u64 {
        7
    }

    fn wall(&self) -> SystemTime {
        SystemTime::UNIX_EPOCH + 9 * MS
    }

    fn lacks(&self, safeguard: Safeguard) -> bool {
        safeguard != Safeguard::Barrier
    }

    fn carries_out(&self, index: u64) {
        *self.entry.lock().expect("not poisoned") = index;
    }

    fn carried_out(&self) -> u64 {
        *self.entry.lock().expect("not poisoned")
    }
}

/// Runs everything until nobody waits for a time any more.
fn run(jumping: &Arc<Jumping>, first: impl Future<Output = ()> + Send + 'static) {
    let clockwork: Arc<dyn Clockwork> = jumping.clone();
    drive(&clockwork, || {
        jumping.spawn(Box::pin(first));
        loop {
            let count = jumping.tasks.lock().expect("not poisoned").len();
            for _ in 0..count {
                let task = jumping.tasks.lock().expect("not poisoned").pop_front();
                let mut task = task.expect("it was counted");
                let mut context = Context::from_waker(Waker::noop());
                if task.as_mut().poll(&mut context) == Poll::Pending {
                    jumping.tasks.lock().expect("not poisoned").push_back(task);
                }
            }
            let mut wakes = jumping.wakes.lock().expect("not poisoned");
            wakes.sort_by_key(|(at, _)| *at);
            if jumping.tasks.lock().expect("not poisoned").is_empty() {
                return;
            }
            if wakes.is_empty() {
                continue;
            }
            *jumping.now.lock().expect("not poisoned") = wakes.remove(0).0;
        }
    });
}

/// What both do in the same way.
async fn promises() {
    let start = now();
    sleep(30 * MS).await;
    assert!(elapsed(start) >= 30 * MS);
    assert_eq!(timeout(50 * MS, async { 3 }).await, Ok(3));
    assert_eq!(
        timeout(MS, std::future::pending::<()>()).await,
        Err(Elapsed)
    );
    assert_eq!(spawn(async { 4 }).await.expect("it ends well"), 4);
    let long = spawn(sleep(3_600_000 * MS));
    long.abort();
    assert!(long.await.is_err(), "it was ended");
    let mut set = TaskSet::default();
    for number in [30_u32, 10, 20] {
        set.spawn(async move {
            sleep(number * MS).await;
            number
        });
    }
    assert_eq!((set.len(), set.is_empty()), (3, false));
    let mut seen = Vec::new();
    while let Some(outcome) = set.next().await {
        seen.push(outcome.expect("it ends well"));
    }
    assert_eq!(seen, [10, 20, 30]);
    assert_eq!(blocking(|| 5).await, 5);
}

#[test]
fn tokio_keeps_the_promises() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build();
    runtime.expect("a runtime").block_on(promises());
    assert!(!lacks(Safeguard::VoteGuard), "a daemon has them all");
    carries_out(12);
    assert_eq!(
        page_number(3),
        3,
        "and every page the number of its transition"
    );
}

#[test]
fn a_driven_thread_keeps_the_promises_without_waiting() {
    let jumping = Arc::new(Jumping {
        now: Mutex::new(Instant::now()),
        wakes: Mutex::default(),
        tasks: Mutex::default(),
        entry: Mutex::default(),
    });
    let begun = Instant::now();
    run(&jumping, async {
        promises().await;
        assert_eq!(random::<12>(), [7, 0, 0, 0, 0, 0, 0, 0, 7, 0, 0, 0]);
        assert!(lacks(Safeguard::VoteGuard) && !lacks(Safeguard::Barrier));
        assert_eq!(wall(), SystemTime::UNIX_EPOCH + 9 * MS);
        carries_out(12);
        assert_eq!(page_number(3), 12);
        // The hour that was given up still has its wake-up.
    });
    assert!(jumping.now() > begun + 60 * MS);
    assert!(begun.elapsed() < Duration::from_secs(60));
}
