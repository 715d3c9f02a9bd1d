//! Opening: what was acknowledged is all there, or an error says what is not.

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::SystemTime;

use farmux_raft::codec::{self, DecodeError};
use farmux_raft::consensus::Room;
use farmux_raft::consensus::record::{EntryRecord, LogIdRecord};
use farmux_raft::id::NodeId;
use farmux_raft::state::State;
use tokio::sync::watch;

use crate::chain::Chain;
use crate::error::OpenError;
use crate::files;
use crate::flusher::{Flusher, Lookout, Pump, Tail};
use crate::kv::{Kv, KvError};
use crate::log::LogStore;
use crate::machine::Machine;
use crate::mark::{Mark, MarkFile};
use crate::media::{Media, System};
use crate::record::{
    Order, ReadError, StoredBase, StoredCommitted, StoredEntry, StoredVote, delete_entries,
    get_single, scan_entries,
};
use crate::room::PretendFull;
use crate::snapshot::{SnapshotFile, SnapshotRecord};

/// An open store: what consensus runs on.
pub struct Store {
    /// The log, for openraft.
    pub log: LogStore,
    /// The state machine, for openraft.
    pub machine: Machine,
    /// The applied state, always the newest.
    pub state: watch::Receiver<Arc<State>>,
    /// What the disk still takes, for consensus to mind.
    pub room: watch::Receiver<Room>,
    /// For a drill: it is said that the disk takes no more.
    pub pretend_full: PretendFull,
}

/// Stores that are being opened right now.
static OPENING: AtomicUsize = AtomicUsize::new(0);

/// Whether a store is being opened right now. sled panics on some damaged files; that panic is
/// caught and becomes an [`OpenError`], so a panic hook that ends the process must let it pass.
pub fn is_opening() -> bool {
    OPENING.load(Ordering::SeqCst) > 0
}

impl Store {
    /// Opens the store of `me` in `folder`, or makes one where there is none.
    ///
    /// Blocks: it reads the whole log.
    ///
    /// **Errors**: see [`OpenError`]; each variant says what the caller does.
    pub fn open(folder: &Path, me: NodeId) -> Result<Store, OpenError> {
        OPENING.fetch_add(1, Ordering::SeqCst);
        let opened = std::panic::catch_unwind(|| open(folder, me));
        OPENING.fetch_sub(1, Ordering::SeqCst);
        opened.unwrap_or_else(|panic| {
            let text = panic.downcast_ref::<String>().map(String::as_str);
            let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
            Err(OpenError::damaged(
                folder,
                text.unwrap_or("the database panicked"),
            ))
        })
    }

    /// Moves a damaged store out of the way, for whoever wants to look at it; returns where it is
    /// now.
    ///
    /// **Errors**: those of the system; the caller stops.
    pub fn set_aside(folder: &Path) -> std::io::Result<PathBuf> {
        let since = SystemTime::now()
            .duration_since(SystemTime::UNIX_EPOCH)
            .unwrap_or_default();
        let mut aside = folder.as_os_str().to_owned();
        aside.push(format!(".damaged-{}", since.as_millis()));
        let aside = PathBuf::from(aside);
        std::fs::rename(folder, &aside)?;
        files::sync_folder(files::parent(folder))?;
        Ok(aside)
    }
}

fn open(folder: &Path, me: NodeId) -> Result<Store, OpenError> {
    files::make_folder(folder).map_err(OpenError::io(folder))?;
    let (opened, mark, lookout) = Opened::new(Arc::new(System), folder, me)?;
    let flusher = Flusher::spawn(opened.kv.clone(), mark, opened.tail.clone(), lookout);
    let flusher = flusher.map_err(OpenError::io(folder))?;
    Ok(store(me, opened, flusher))
}

fn store(me: NodeId, opened: Opened, flusher: Flusher) -> Store {
    let room = opened.room;
    let (machine, state) = Machine::new(opened.file, opened.snapshot, room.clone());
    Store {
        log: LogStore::new(me, opened.kv, opened.tail, flusher, room.clone()),
        machine,
        state,
        room,
        pretend_full: opened.pretended,
    }
}

/// What was found in a folder, whole; its mark and its lookout are the flusher's.
struct Opened {
    kv: Arc<dyn Kv>,
    tail: Arc<Mutex<Tail>>,
    file: SnapshotFile,
    snapshot: Option<SnapshotRecord>,
    room: watch::Receiver<Room>,
    pretended: PretendFull,
}

impl Opened {
    fn new(
        media: Arc<dyn Media>,
        folder: &Path,
        me: NodeId,
    ) -> Result<(Self, MarkFile, Lookout), OpenError> {
        let database = folder.join("log");
        let kv = media.database(&database)?;
        let mark = open_mark(&*media, &folder.join("mark"), me, &*kv, &database)?;
        let at = folder.join("snapshot");
        let lookout = Lookout::new(media.reserve(&database, &at)?);
        let (file, snapshot) = SnapshotFile::open(media, &at)?;
        let reached = snapshot.as_ref().and_then(|snapshot| snapshot.meta.last);
        let tail = verify(&*kv, mark.newest(), reached)
            .map_err(|problem| problem.into_error(&database))?;
        let opened = Opened {
            kv,
            tail: Arc::new(Mutex::new(tail)),
            file,
            snapshot,
            room: lookout.room(),
            pretended: lookout.pretended(),
        };
        Ok((opened, mark, lookout))
    }
}

impl Store {
    /// Opens a store on other media than this machine's, for a simulator, which flushes it too.
    ///
    /// **Errors**: as [`Store::open`].
    #[doc(hidden)]
    pub fn open_on(
        media: Arc<dyn Media>,
        folder: &Path,
        me: NodeId,
    ) -> Result<(Store, Pump), OpenError> {
        let (opened, mark, lookout) = Opened::new(media, folder, me)?;
        let (flusher, pump) =
            Flusher::pumped(opened.kv.clone(), mark, opened.tail.clone(), lookout);
        Ok((store(me, opened, flusher), pump))
    }
}

fn open_mark(
    media: &dyn Media,
    path: &Path,
    me: NodeId,
    kv: &dyn Kv,
    database: &Path,
) -> Result<MarkFile, OpenError> {
    let mark = match MarkFile::open(media, path)? {
        Some(mark) => mark,
        None if is_empty(kv).map_err(|e| OpenError::damaged(database, e))? => {
            MarkFile::create(media, path, me)?
        }
        None => {
            return Err(OpenError::damaged(
                path,
                "it is missing, and the log is not empty",
            ));
        }
    };
    let found = mark.newest().node;
    if found != me {
        return Err(OpenError::OtherNode {
            path: path.to_owned(),
            found,
            expected: me,
        });
    }
    Ok(mark)
}

fn is_empty(kv: &dyn Kv) -> Result<bool, KvError> {
    let mut empty = true;
    kv.scan(&[], &[0xff], &mut |_, _| {
        empty = false;
        ControlFlow::Break(())
    })?;
    Ok(empty)
}

/// What is wrong with a log.
#[derive(Debug)]
pub(crate) enum Problem {
    Read(ReadError),
    Lacks(String),
}

impl Problem {
    fn into_error(self, path: &Path) -> OpenError {
        match self {
            Problem::Read(ReadError::Decode { error, .. }) => OpenError::undecodable(path, error),
            Problem::Read(error @ (ReadError::Kv(_) | ReadError::Altered { .. })) => {
                OpenError::damaged(path, error)
            }
            Problem::Lacks(what) => OpenError::damaged(path, what),
        }
    }
}

impl From<ReadError> for Problem {
    fn from(error: ReadError) -> Self {
        Problem::Read(error)
    }
}

impl From<KvError> for Problem {
    fn from(error: KvError) -> Self {
        Problem::Read(error.into())
    }
}

/// Whether the log is all that was answered for: from its base on without a gap, each entry linked
/// to the one before, up to the mark at least. What was written behind the mark was never answered
/// for; where that breaks off, it is cut.
pub(crate) fn verify(
    kv: &dyn Kv,
    mark: &Mark,
    snapshot: Option<LogIdRecord>,
) -> Result<Tail, Problem> {
    let vote = get_single::<StoredVote>(kv)?.map(|stored| stored.0);
    if mark
        .vote
        .is_some_and(|marked| vote.is_none_or(|vote| vote.term < marked.term))
    {
        return Err(Problem::Lacks(format!(
            "vote {vote:?} is older than {:?}",
            mark.vote
        )));
    }
    _ = get_single::<StoredCommitted>(kv)?;
    let base = get_single::<StoredBase>(kv)?;
    if base.is_some_and(|base| snapshot.is_none_or(|reached| reached.index < base.0.index)) {
        let text = format!("the log begins behind {base:?}, the snapshot ends at {snapshot:?}");
        return Err(Problem::Lacks(text));
    }
    let last = walk(kv, mark, base)?;
    Ok(Tail {
        vote,
        base: base.map(|base| base.0),
        last,
    })
}

/// Follows the chain from the base to its end.
fn walk(
    kv: &dyn Kv,
    mark: &Mark,
    base: Option<StoredBase>,
) -> Result<Option<(LogIdRecord, Chain)>, Problem> {
    let mut last = base.map(|base| (base.0, base.1));
    let mut chain = base.map_or_else(|| Chain::start(None), |base| base.1);
    let first = base.map_or(0, |base| base.0.index + 1);
    let mut next = first;
    let mut seen_mark = reaches(mark, last);
    let (mut broken, mut newer) = (None, None);
    scan_entries(kv, first, u64::MAX, |entry| {
        match follow(&entry, next, chain) {
            Ok(id) => {
                (chain, next) = (entry.chain, next + 1);
                last = Some((id, chain));
                seen_mark |= mark.last == last;
                ControlFlow::Continue(())
            }
            Err(Gap::Here(why)) => {
                broken = Some(why);
                ControlFlow::Break(())
            }
            Err(Gap::Newer(error)) => {
                newer = Some(ReadError::Decode {
                    what: format!("entry {next}"),
                    error,
                });
                ControlFlow::Break(())
            }
        }
    })?;
    if let Some(error) = newer {
        // Nothing is missing, and nothing may be cut: a newer farmux reads it.
        return Err(error.into());
    }
    if !seen_mark {
        let why = broken.unwrap_or_else(|| format!("it ends before entry {next}"));
        return Err(Problem::Lacks(format!(
            "{why}, but must reach {:?}",
            mark.last
        )));
    }
    if let Some(why) = broken {
        tracing::warn!(%why, "cutting the end of the log, which was never answered for");
    }
    // Whole or not, nothing may stand behind the end: it would not link to what comes next.
    delete_entries(kv, next, u64::MAX, Order::FromEnd)?;
    Ok(last)
}

/// Whether a log that begins here needs no entry to reach the mark.
fn reaches(mark: &Mark, base: Option<(LogIdRecord, Chain)>) -> bool {
    match (mark.last, base) {
        (None, _) => true,
        (Some(_), None) => false,
        (Some(marked), Some(base)) => base == marked || base.0.index > marked.0.index,
    }
}

/// Why an entry is not the next one.
enum Gap {
    /// The log ends here, or is damaged.
    Here(String),
    /// It is, and another version wrote it.
    Newer(DecodeError),
}

/// Whether this entry is the next one.
fn follow(entry: &StoredEntry, next: u64, chain: Chain) -> Result<LogIdRecord, Gap> {
    if entry.index != next {
        return Err(Gap::Here(format!("entry {next} is missing")));
    }
    if chain.next(&entry.bytes) != entry.chain {
        let why = format!("entry {next} does not link to the one before it");
        return Err(Gap::Here(why));
    }
    let record: EntryRecord = codec::decode(&entry.bytes).map_err(|error| match error {
        DecodeError::Format { .. } => Gap::Newer(error),
        DecodeError::Short(_) | DecodeError::TooLarge { .. } | DecodeError::Content(_) => {
            Gap::Here(format!("entry {next}: {error}"))
        }
    })?;
    if record.id.index == next {
        Ok(record.id)
    } else {
        Err(Gap::Here(format!("entry {next} is another")))
    }
}
