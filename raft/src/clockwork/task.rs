//! Tasks: started, waited for, ended.

use std::fmt;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

use tokio::sync::oneshot;
use tokio::task::JoinSet;

use super::installed;

/// A task that was started; dropping this lets it go on.
pub struct Task<T>(Handle<T>);

enum Handle<T> {
    System(tokio::task::JoinHandle<T>),
    Driven {
        outcome: oneshot::Receiver<T>,
        end: Arc<End>,
    },
}

/// Tells a driven task to end.
#[derive(Default)]
struct End(Mutex<Order>);

#[derive(Default)]
struct Order {
    given: bool,
    waker: Option<Waker>,
}

/// A task came to no outcome.
#[derive(Debug, thiserror::Error)]
pub enum TaskError {
    /// It was ended, or panicked.
    #[error(transparent)]
    System(#[from] tokio::task::JoinError),
    /// It was ended, or its machine was.
    #[error("the task was ended")]
    Ended,
}

/// Starts a task.
pub fn spawn<F>(future: F) -> Task<F::Output>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    let Some(clockwork) = installed() else {
        return Task(Handle::System(tokio::spawn(future)));
    };
    let (sender, outcome) = oneshot::channel();
    let end = Arc::new(End::default());
    let mut future = Box::pin(future);
    let order = end.clone();
    clockwork.spawn(Box::pin(async move {
        let ended_or_done = poll_fn(|context| match order.is_given(context) {
            true => Poll::Ready(None),
            false => future.as_mut().poll(context).map(Some),
        });
        if let Some(value) = ended_or_done.await {
            _ = sender.send(value);
        }
    }));
    Task(Handle::Driven { outcome, end })
}

/// Does what waits for a disk or takes long, where it holds up nobody.
///
/// **Panics**: when `work` does.
pub async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    match installed() {
        None => tokio::task::spawn_blocking(work)
            .await
            .expect("what is done here does not panic"),
        Some(_) => work(),
    }
}

impl End {
    fn is_given(&self, context: &mut Context<'_>) -> bool {
        let mut order = self.0.lock().expect("no holder of this lock can panic");
        order.waker = Some(context.waker().clone());
        order.given
    }

    fn give(&self) {
        let mut order = self.0.lock().expect("no holder of this lock can panic");
        order.given = true;
        let waker = order.waker.take();
        drop(order);
        waker.into_iter().for_each(Waker::wake);
    }
}

impl<T> Task<T> {
    /// Ends it where it waits next.
    pub fn abort(&self) {
        match &self.0 {
            Handle::System(handle) => handle.abort(),
            Handle::Driven { end, .. } => end.give(),
        }
    }
}

impl<T> Future for Task<T> {
    type Output = Result<T, TaskError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        match &mut self.0 {
            Handle::System(handle) => Pin::new(handle).poll(context).map_err(Into::into),
            Handle::Driven { outcome, .. } => Pin::new(outcome)
                .poll(context)
                .map_err(|_| TaskError::Ended),
        }
    }
}

impl<T> fmt::Debug for Task<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Task")
    }
}

impl TaskError {
    /// Whether the task panicked.
    pub fn is_panic(&self) -> bool {
        match self {
            TaskError::System(error) => error.is_panic(),
            TaskError::Ended => false,
        }
    }
}

/// Some tasks; dropping it ends those that are left.
///
/// A wake-up costs as much as the tasks that ended, however many there are: the system's own set
/// holds those that it runs. A simulator has few, and looks at all of its own.
#[derive(Debug)]
pub struct TaskSet<T> {
    system: JoinSet<T>,
    driven: Vec<Task<T>>,
}

impl<T> Default for TaskSet<T> {
    fn default() -> Self {
        TaskSet {
            system: JoinSet::new(),
            driven: Vec::new(),
        }
    }
}

impl<T: Send + 'static> TaskSet<T> {
    /// Starts one more.
    pub fn spawn(&mut self, future: impl Future<Output = T> + Send + 'static) {
        match installed() {
            None => drop(self.system.spawn(future)),
            Some(_) => self.driven.push(spawn(future)),
        }
    }

    /// The outcome of the next one that ends; `None` when none is left.
    pub async fn next(&mut self) -> Option<Result<T, TaskError>> {
        poll_fn(|context| {
            for place in 0..self.driven.len() {
                if let Poll::Ready(outcome) = Pin::new(&mut self.driven[place]).poll(context) {
                    drop(self.driven.remove(place));
                    return Poll::Ready(Some(outcome));
                }
            }
            match self.system.poll_join_next(context) {
                Poll::Ready(Some(outcome)) => Poll::Ready(Some(outcome.map_err(Into::into))),
                Poll::Ready(None) if self.driven.is_empty() => Poll::Ready(None),
                Poll::Ready(None) | Poll::Pending => Poll::Pending,
            }
        })
        .await
    }

    /// Ends all of them.
    pub fn abort_all(&mut self) {
        self.system.abort_all();
        self.driven.iter().for_each(Task::abort);
    }
}

impl<T> TaskSet<T> {
    /// How many there are whose outcome nobody took yet.
    pub fn len(&self) -> usize {
        self.system.len() + self.driven.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl<T> Drop for TaskSet<T> {
    fn drop(&mut self) {
        // The system's set does so itself.
        self.driven.iter().for_each(Task::abort);
    }
}
