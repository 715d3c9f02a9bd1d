//! The log as openraft sees it: entries, vote, purge point; each answer behind the barrier.

#![expect(
    clippy::result_large_err,
    reason = "openraft wants its own error by value"
)]

use std::fmt::Debug;
use std::ops::{Bound, ControlFlow, RangeBounds};
use std::sync::{Arc, Mutex, MutexGuard};

use farmux_raft::codec;
use farmux_raft::consensus::record::{ENTRY_BYTES_MAX, EntryRecord, LogIdRecord, VoteRecord};
use farmux_raft::consensus::{Room, TypeConfig};
use farmux_raft::id::NodeId;
use openraft::storage::{LogFlushed, RaftLogStorage};
use openraft::{AnyError, StorageIOError, Vote};
use openraft::{Entry, LogId, LogState, OptionalSend, RaftLogReader, StorageError};
use tokio::sync::watch;

use crate::chain::Chain;
use crate::flusher::{Flusher, Tail};
use crate::kv::{Batch, Kv};
use crate::record::{
    Order, StoredBase, StoredCommitted, StoredEntry, StoredVote, delete_entries, get_single,
    put_entry, put_single, scan_entries,
};
use crate::room;

type Failure = StorageError<NodeId>;

/// The log on the disk; a handle that is cheap to clone, for readers too.
#[derive(Clone)]
pub struct LogStore {
    me: NodeId,
    kv: Arc<dyn Kv>,
    tail: Arc<Mutex<Tail>>,
    flusher: Arc<Flusher>,
    room: watch::Receiver<Room>,
}

/// Bytes of entries read at once for a follower: what one RPC may carry beside one entry more.
const READ_BYTES_MAX: u64 = ENTRY_BYTES_MAX;

impl LogStore {
    pub(crate) fn new(
        me: NodeId,
        kv: Arc<dyn Kv>,
        tail: Arc<Mutex<Tail>>,
        flusher: Flusher,
        room: watch::Receiver<Room>,
    ) -> Self {
        LogStore {
            me,
            kv,
            tail,
            flusher: Arc::new(flusher),
            room,
        }
    }

    fn tail(&self) -> MutexGuard<'_, Tail> {
        self.tail.lock().expect("no holder of this lock can panic")
    }

    /// Entries of a range, up to so many bytes, at least one if there is one.
    fn read(&self, from: u64, to: u64, bytes_max: u64) -> Result<Vec<Entry<TypeConfig>>, Failure> {
        let mut entries = Vec::new();
        let mut bytes = 0;
        let mut damaged = None;
        let scanned = scan_entries(&*self.kv, from, to, |stored| {
            bytes += u64::try_from(stored.bytes.len()).unwrap_or(u64::MAX);
            if bytes > bytes_max && !entries.is_empty() {
                return ControlFlow::Break(());
            }
            match codec::decode::<EntryRecord>(&stored.bytes) {
                Ok(record) => {
                    entries.push(Entry::from(record));
                    ControlFlow::Continue(())
                }
                Err(error) => {
                    damaged = Some(StorageIOError::read_log_at_index(stored.index, any(&error)));
                    ControlFlow::Break(())
                }
            }
        });
        scanned.map_err(|e| StorageIOError::read_logs(any(&e)))?;
        match damaged {
            Some(error) => Err(error.into()),
            None => Ok(entries),
        }
    }

    /// The entry at an index, with its link.
    fn at(&self, index: u64) -> Result<Option<(LogIdRecord, Chain)>, Failure> {
        let mut found = None;
        let scanned = scan_entries(&*self.kv, index, index, |stored| {
            found = Some(stored);
            ControlFlow::Break(())
        });
        scanned.map_err(|e| StorageIOError::read_log_at_index(index, any(&e)))?;
        let Some(stored) = found else { return Ok(None) };
        let record: EntryRecord = codec::decode(&stored.bytes)
            .map_err(|e| StorageIOError::read_log_at_index(index, any(&e)))?;
        Ok(Some((record.id, stored.chain)))
    }

    /// Links entries to the end of the log; returns where it ends then.
    fn link(
        &self,
        entries: impl IntoIterator<Item = Entry<TypeConfig>>,
    ) -> Result<(Batch, Option<(LogIdRecord, Chain)>), Failure> {
        let mut batch = Batch::default();
        let mut last = self.tail().last;
        for entry in entries {
            let record = EntryRecord::from(entry);
            let id = record.id;
            let bytes = codec::encode(&record)
                .map_err(|e| StorageIOError::write_log_entry(id.into(), any(&e)))?;
            let chain = last
                .map_or_else(|| Chain::start(None), |(_, chain)| chain)
                .next(&bytes);
            put_entry(
                &mut batch,
                &StoredEntry {
                    index: id.index,
                    chain,
                    bytes,
                },
            );
            last = Some((id, chain));
        }
        Ok((batch, last))
    }
}

impl RaftLogReader<TypeConfig> for LogStore {
    async fn try_get_log_entries<RB: RangeBounds<u64> + Clone + Debug + OptionalSend>(
        &mut self,
        range: RB,
    ) -> Result<Vec<Entry<TypeConfig>>, Failure> {
        match inclusive(&range) {
            Some((from, to)) => self.read(from, to, u64::MAX),
            None => Ok(Vec::new()),
        }
    }

    async fn limited_get_log_entries(
        &mut self,
        start: u64,
        end: u64,
    ) -> Result<Vec<Entry<TypeConfig>>, Failure> {
        match inclusive(&(start..end)) {
            Some((from, to)) => self.read(from, to, READ_BYTES_MAX),
            None => Ok(Vec::new()),
        }
    }
}

impl RaftLogStorage<TypeConfig> for LogStore {
    type LogReader = LogStore;

    async fn get_log_state(&mut self) -> Result<LogState<TypeConfig>, Failure> {
        let tail = self.tail();
        Ok(LogState {
            last_purged_log_id: tail.base.map(Into::into),
            last_log_id: tail.last.map(|(id, _)| id.into()),
        })
    }

    async fn get_log_reader(&mut self) -> LogStore {
        self.clone()
    }

    async fn save_vote(&mut self, vote: &Vote<NodeId>) -> Result<(), Failure> {
        self.some_room().await;
        let mut batch = Batch::default();
        put_single(&mut batch, &StoredVote((*vote).into()));
        self.kv
            .write(batch)
            .map_err(|e| StorageIOError::write_vote(any(&e)))?;
        self.tail().vote = Some((*vote).into());
        self.flusher.durable().await;
        Ok(())
    }

    /// A leader that starts again does not go on leading, as openraft would have it: it stands for
    /// election like everybody. So a term never outlives what its leader had in memory, and leases,
    /// which begin anew then, are told apart by the term.
    async fn read_vote(&mut self) -> Result<Option<Vote<NodeId>>, Failure> {
        let vote = self.tail().vote;
        Ok(vote.map(|vote| {
            let committed = vote.committed && vote.node != self.me;
            VoteRecord { committed, ..vote }.into()
        }))
    }

    /// Waits for no barrier: losing it only makes a restart wait for the leader to say it again. So
    /// it is left out where there is no room.
    async fn save_committed(&mut self, committed: Option<LogId<NodeId>>) -> Result<(), Failure> {
        if !self.has_room() {
            return Ok(());
        }
        let mut batch = Batch::default();
        put_single(&mut batch, &StoredCommitted(committed.map(Into::into)));
        self.kv
            .write(batch)
            .map_err(|e| StorageIOError::write_logs(any(&e)).into())
    }

    async fn read_committed(&mut self) -> Result<Option<LogId<NodeId>>, Failure> {
        let stored: Option<StoredCommitted> =
            get_single(&*self.kv).map_err(|e| StorageIOError::read_logs(any(&e)))?;
        let committed = stored.and_then(|stored| stored.0);
        // It is not behind the barrier, but entries are; so it never names one that is not there.
        let last = self.tail().last.map(|(id, _)| id);
        Ok(committed.min(last).map(Into::into))
    }

    async fn append<I>(
        &mut self,
        entries: I,
        callback: LogFlushed<TypeConfig>,
    ) -> Result<(), Failure>
    where
        I: IntoIterator<Item = Entry<TypeConfig>> + OptionalSend,
        I::IntoIter: OptionalSend,
    {
        self.some_room().await;
        let (batch, last) = self.link(entries)?;
        self.kv
            .write(batch)
            .map_err(|e| StorageIOError::write_logs(any(&e)))?;
        self.tail().last = last;
        self.flusher
            .when_durable(Box::new(move || callback.log_io_completed(Ok(()))));
        Ok(())
    }

    /// The mark goes down first: whatever happens between, the log reaches it.
    async fn truncate(&mut self, log_id: LogId<NodeId>) -> Result<(), Failure> {
        self.some_room().await;
        let base = self.tail().base;
        let before = match log_id.index.checked_sub(1) {
            Some(index) => self.at(index)?,
            None => None,
        };
        let last = match (before, base) {
            (Some(last), _) => Some(last),
            (None, Some(base)) => Some((base, self.base_chain(base)?)),
            (None, None) => None,
        };
        self.tail().last = last;
        self.flusher.durable().await;
        delete_entries(&*self.kv, log_id.index, u64::MAX, Order::FromEnd)
            .map_err(|e| StorageIOError::write_logs(any(&e)).into())
    }

    /// The new beginning is written first, so that no entry of the log is ever missing behind it.
    /// Without room entries that could go stay: the next purge takes them, too.
    async fn purge(&mut self, log_id: LogId<NodeId>) -> Result<(), Failure> {
        let base = LogIdRecord::from(log_id);
        let reaches_on = self
            .tail()
            .last
            .is_some_and(|(last, _)| last.index > base.index);
        if reaches_on && !self.has_room() {
            return Ok(());
        }
        self.some_room().await;
        let chain = match self.at(base.index)? {
            Some((id, chain)) if id == base => chain,
            Some(_) | None => Chain::start(Some(base)),
        };
        let mut batch = Batch::default();
        put_single(&mut batch, &StoredBase(base, chain));
        self.kv
            .write(batch)
            .map_err(|e| StorageIOError::write_logs(any(&e)))?;
        {
            let mut tail = self.tail();
            tail.base = Some(base);
            if tail.last.is_none_or(|(last, _)| last.index <= base.index) {
                tail.last = Some((base, chain));
            }
        }
        delete_entries(&*self.kv, 0, base.index, Order::FromStart)
            .map_err(|e| StorageIOError::write_logs(any(&e)).into())
    }
}

impl LogStore {
    fn has_room(&self) -> bool {
        *self.room.borrow() == Room::Enough
    }

    /// Waits while nothing can be handed to the database, as for a disk that hangs. That entries
    /// are not even taken while room is short is for consensus to see to.
    async fn some_room(&self) {
        room::wait_for(&self.room, Room::Short).await;
    }

    fn base_chain(&self, base: LogIdRecord) -> Result<Chain, Failure> {
        let stored: Option<StoredBase> =
            get_single(&*self.kv).map_err(|e| StorageIOError::read_logs(any(&e)))?;
        match stored {
            Some(StoredBase(id, chain)) if id == base => Ok(chain),
            Some(_) | None => {
                let error = AnyError::error("the purge point is not what was written");
                Err(StorageIOError::read_logs(error).into())
            }
        }
    }
}

/// A range with both ends included; `None` if it is empty.
fn inclusive(range: &impl RangeBounds<u64>) -> Option<(u64, u64)> {
    let from = match range.start_bound() {
        Bound::Included(index) => *index,
        Bound::Excluded(index) => index.checked_add(1)?,
        Bound::Unbounded => 0,
    };
    let to = match range.end_bound() {
        Bound::Included(index) => *index,
        Bound::Excluded(index) => index.checked_sub(1)?,
        Bound::Unbounded => u64::MAX,
    };
    (from <= to).then_some((from, to))
}

pub(crate) fn any(error: &(impl std::error::Error + 'static)) -> AnyError {
    AnyError::new(error)
}
