//! The state machine as openraft sees it: the state in memory, its start in a snapshot file.
//!
//! After a boot the snapshot is read and openraft applies what was committed behind it once more;
//! `apply` is pure, so that gives the same state.

use std::io::Cursor;
use std::sync::Arc;

use farmux_raft::clockwork;
use farmux_raft::consensus::record::SnapshotMetaRecord;
use farmux_raft::consensus::{Room, TypeConfig};
use farmux_raft::id::NodeId;
use farmux_raft::state::{Applied, Reject, State};
use openraft::storage::RaftStateMachine;
use openraft::{EmptyNode, Entry, EntryPayload, LogId, OptionalSend, RaftSnapshotBuilder};
use openraft::{Snapshot, SnapshotMeta, StorageError, StorageIOError, StoredMembership};
use tokio::sync::watch;

use crate::log::any;
use crate::snapshot::{self, SnapshotError, SnapshotFile, SnapshotRecord};

type Failure = StorageError<NodeId>;

/// The replicated state and what turned it into what it is.
pub struct Machine {
    state: Arc<State>,
    last: Option<LogId<NodeId>>,
    membership: StoredMembership<NodeId, EmptyNode>,
    file: Arc<SnapshotFile>,
    publish: watch::Sender<Arc<State>>,
    observer: Option<Observer>,
    room: watch::Receiver<Room>,
}

/// Hears of every state with its last entry; whoever reads both channels may see the state a step
/// ahead of the index.
#[doc(hidden)]
pub type Observer = Box<dyn Fn(u64, &Arc<State>) + Send + Sync>;

/// Makes a snapshot of the state as it was when this was made.
pub struct Builder {
    state: Arc<State>,
    last: Option<LogId<NodeId>>,
    membership: StoredMembership<NodeId, EmptyNode>,
    file: Arc<SnapshotFile>,
    room: watch::Receiver<Room>,
}

impl Machine {
    pub(crate) fn new(
        file: SnapshotFile,
        start: Option<SnapshotRecord>,
        room: watch::Receiver<Room>,
    ) -> (Self, watch::Receiver<Arc<State>>) {
        let (publish, state) = watch::channel(Arc::default());
        let mut machine = Machine {
            state: Arc::default(),
            last: None,
            membership: StoredMembership::default(),
            file: Arc::new(file),
            publish,
            observer: None,
            room,
        };
        if let Some(record) = start {
            machine.become_snapshot(record);
        }
        (machine, state)
    }

    fn become_snapshot(&mut self, record: SnapshotRecord) {
        let meta = SnapshotMeta::from(record.meta);
        self.state = Arc::new(record.state);
        self.last = meta.last_log_id;
        self.membership = meta.last_membership;
        self.publish.send_replace(self.state.clone());
        self.tell();
    }

    /// The same, watched by a simulator.
    #[doc(hidden)]
    #[must_use]
    pub fn observed(self, observer: Observer) -> Machine {
        let machine = Machine {
            observer: Some(observer),
            ..self
        };
        machine.tell();
        machine
    }

    fn tell(&self) {
        if let (Some(observer), Some(last)) = (&self.observer, self.last) {
            observer(last.index, &self.state);
        }
    }

    fn apply_one(&mut self, entry: Entry<TypeConfig>) -> Result<Applied, Reject> {
        self.last = Some(entry.log_id);
        clockwork::carries_out(entry.log_id.index);
        match entry.payload {
            EntryPayload::Blank => Ok(Applied::Done),
            // The state that others may be reading is left to them; this is a copy of it.
            EntryPayload::Normal(proposal) => {
                let term = entry.log_id.leader_id.term;
                Arc::make_mut(&mut self.state).apply(term, proposal)
            }
            EntryPayload::Membership(membership) => {
                self.membership = StoredMembership::new(Some(entry.log_id), membership);
                Ok(Applied::Done)
            }
        }
    }
}

impl RaftStateMachine<TypeConfig> for Machine {
    type SnapshotBuilder = Builder;

    async fn applied_state(
        &mut self,
    ) -> Result<(Option<LogId<NodeId>>, StoredMembership<NodeId, EmptyNode>), Failure> {
        Ok((self.last, self.membership.clone()))
    }

    async fn apply<I>(&mut self, entries: I) -> Result<Vec<Result<Applied, Reject>>, Failure>
    where
        I: IntoIterator<Item = Entry<TypeConfig>> + OptionalSend,
        I::IntoIter: OptionalSend,
    {
        let answers = entries
            .into_iter()
            .map(|entry| self.apply_one(entry))
            .collect();
        self.publish.send_if_modified(|published| {
            let modified = !Arc::ptr_eq(published, &self.state);
            *published = self.state.clone();
            modified
        });
        self.tell();
        Ok(answers)
    }

    async fn get_snapshot_builder(&mut self) -> Builder {
        Builder {
            state: self.state.clone(),
            last: self.last,
            membership: self.membership.clone(),
            file: self.file.clone(),
            room: self.room.clone(),
        }
    }

    async fn begin_receiving_snapshot(&mut self) -> Result<Box<Cursor<Vec<u8>>>, Failure> {
        Ok(Box::default())
    }

    async fn install_snapshot(
        &mut self,
        meta: &SnapshotMeta<NodeId, EmptyNode>,
        snapshot: Box<Cursor<Vec<u8>>>,
    ) -> Result<(), Failure> {
        let failed = |error: &SnapshotError| {
            Failure::from(StorageIOError::write_snapshot(
                Some(meta.signature()),
                any(error),
            ))
        };
        let expected = SnapshotMetaRecord::from(meta);
        let read = move || {
            let record = snapshot::decode(snapshot.get_ref())?;
            if record.meta != expected {
                return Err(SnapshotError::Altered);
            }
            Ok((record, snapshot.into_inner()))
        };
        let (record, bytes) = blocking(read).await.map_err(|e| failed(&e))?;
        let (kept, bytes) = (record.meta.clone(), Arc::new(bytes));
        let stored = self.file.replace_with_room(&self.room, kept, bytes).await;
        stored.map_err(|e| failed(&e))?;
        self.become_snapshot(record);
        Ok(())
    }

    async fn get_current_snapshot(&mut self) -> Result<Option<Snapshot<TypeConfig>>, Failure> {
        let file = self.file.clone();
        let stored = blocking(move || file.read())
            .await
            .map_err(|e| StorageIOError::read_snapshot(None, any(&e)))?;
        Ok(stored.map(|(meta, bytes)| Snapshot {
            meta: meta.into(),
            snapshot: Box::new(Cursor::new(bytes)),
        }))
    }
}

impl RaftSnapshotBuilder<TypeConfig> for Builder {
    async fn build_snapshot(&mut self) -> Result<Snapshot<TypeConfig>, Failure> {
        let id = self
            .last
            .map_or_else(|| "empty".to_owned(), |id| id.to_string());
        let meta = SnapshotMeta {
            last_log_id: self.last,
            last_membership: self.membership.clone(),
            snapshot_id: id,
        };
        let record = SnapshotMetaRecord::from(&meta);
        let (kept, state) = (record.clone(), self.state.clone());
        let make = move || {
            let record = SnapshotRecord {
                meta: record,
                state: State::clone(&state),
            };
            Ok(Arc::new(snapshot::encode(&record)?))
        };
        let failed = |error: SnapshotError| {
            StorageIOError::write_snapshot(Some(meta.signature()), any(&error))
        };
        let bytes = blocking(make).await.map_err(failed)?;
        let stored = self.file.replace_with_room(&self.room, kept, bytes.clone());
        stored.await.map_err(failed)?;
        Ok(Snapshot {
            meta,
            snapshot: Box::new(Cursor::new(Arc::unwrap_or_clone(bytes))),
        })
    }
}

/// Runs what encodes megabytes and waits for a disk where it holds up nobody.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, SnapshotError> + Send + 'static,
) -> Result<T, SnapshotError> {
    clockwork::blocking(work).await
}
