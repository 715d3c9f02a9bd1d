//! Programs and maps of the kernel: loading, pinning, reading and writing. `hook` attaches them.
//!
//! ```text
//!   object (ELF, from clang) ──load──▶ programs, maps ──▶ <pins>/NAME, where there is a bpffs
//!                                        │ take over what is pinned there already
//! ```

use std::collections::BTreeMap;
use std::error::Error;
use std::ffi::CString;
use std::fmt;
use std::fs;
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use aya::maps::{HashMap, Map, MapData, PerCpuArray, PerCpuValues};
use aya::programs::SchedClassifier;
use aya::{Ebpf, EbpfLoader};

use super::shared::SharedWords;

/// What clang made of `bpf/fence.c`; empty where the build had no clang.
pub static FENCE: &[u8] = aya::include_bytes_aligned!(concat!(env!("OUT_DIR"), "/fence.o"));

/// Loaded programs with their maps.
#[derive(Debug)]
pub struct Bpf {
    pub(super) ebpf: Ebpf,
    pub(super) pins: Option<PathBuf>,
    /// Interfaces with filters of ours, which have no pin to be found by.
    pub(super) filtered: BTreeMap<u32, String>,
}

/// A key of a hash map and its value.
type Pair<const K: usize, const V: usize> = ([u8; K], [u8; V]);

/// What a map must look like to be taken over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MapShape {
    /// What it is called in the object, and in the folder of pins.
    pub name: &'static str,
    /// Bytes of a key.
    pub key_bytes: u32,
    /// Bytes of a value.
    pub value_bytes: u32,
    /// How many it holds.
    pub entries: u32,
}

/// Why the kernel has no programs of ours.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BpfError {
    /// The build had no clang.
    #[error("this farmux was built without it, because clang was missing")]
    NotBuilt,
    /// A capability is missing, or the kernel is locked down.
    #[error("the kernel does not allow it ({0})")]
    Forbidden(String),
    /// More VIPs than the maps have room for.
    #[error("its maps are full")]
    Full,
    /// On that interface another qdisc stands where the programs would be attached.
    #[error("{0} has an ingress qdisc, where clsact belongs")]
    Occupied(String),
    /// Anything else, an old kernel among it.
    #[error("{0}")]
    Kernel(String),
}

impl BpfError {
    /// What an operator does about it.
    pub fn mend(&self) -> &'static str {
        match self {
            BpfError::NotBuilt => "Install Debian's package clang and build farmux again.",
            BpfError::Forbidden(_) => {
                "Run farmux with CAP_BPF, CAP_PERFMON and CAP_NET_ADMIN, as its systemd unit does."
            }
            BpfError::Occupied(_) => {
                "Delete it: tc qdisc del dev INTERFACE ingress. clsact takes its filters as well."
            }
            BpfError::Full => "Remove VIPs that nobody uses.",
            BpfError::Kernel(_) => "It needs Linux 5.8 or newer with BPF and tc (cls_bpf).",
        }
    }
}

impl Bpf {
    /// Loads an object, with its maps pinned in the folder `pins` where that is in a bpffs; maps
    /// that are pinned there already are taken over with all that is in them, unless they have
    /// another shape: then they, and what is attached with them, make way.
    ///
    /// **Errors**: [`BpfError`]; nothing was attached.
    pub fn load(object: &[u8], pins: &Path, shapes: &[MapShape]) -> Result<Bpf, BpfError> {
        if object.is_empty() {
            return Err(BpfError::NotBuilt);
        }
        let pinned = make_pins(pins).then(|| pins.to_owned());
        let mut ebpf = load_maps(object, pinned.as_deref(), shapes)?;
        if !fits(&ebpf, shapes)? {
            remove_pins(pins);
            make_pins(pins);
            ebpf = load_maps(object, pinned.as_deref(), shapes)?;
        }
        for (_, program) in ebpf.programs_mut() {
            let program: &mut SchedClassifier = program.try_into().map_err(said)?;
            program.load().map_err(said)?;
        }
        Ok(Bpf {
            ebpf,
            pins: pinned,
            filtered: BTreeMap::new(),
        })
    }

    /// Takes the pins beside ours away whose names begin alike: those of other versions.
    pub fn remove_others(&self, prefix: &str) {
        let Some((pins, above)) = self
            .pins
            .as_ref()
            .and_then(|pins| Some((pins, pins.parent()?)))
        else {
            return;
        };
        for entry in fs::read_dir(above).into_iter().flatten().flatten() {
            let alike = entry.file_name().to_string_lossy().starts_with(prefix);
            if alike && entry.path() != *pins {
                remove_pins(&entry.path());
            }
        }
    }

    /// Whether the maps outlive this process.
    pub fn is_pinned(&self) -> bool {
        self.pins.is_some()
    }

    /// The values of an array map, as memory shared with the kernel.
    ///
    /// **Errors**: [`BpfError`]; there is no such map, or no memory.
    pub fn words(&self, map: &str, count: usize) -> Result<SharedWords, BpfError> {
        let data = self.ebpf.map(map).and_then(data).ok_or_else(|| none(map))?;
        SharedWords::map(data.fd().as_fd(), count).map_err(said)
    }

    /// The counters of a map that has one a key and core.
    ///
    /// **Errors**: [`BpfError`]; there is no such map, or it was taken before.
    pub fn counters(&mut self, map: &str) -> Result<Counters, BpfError> {
        let taken = self.ebpf.take_map(map).ok_or_else(|| none(map))?;
        let counters = PerCpuArray::try_from(taken).map_err(said)?;
        Ok(Counters(Mutex::new(counters)))
    }

    /// All that is in a hash map.
    ///
    /// **Errors**: [`BpfError`]; there is no such map of these sizes.
    pub fn entries<const K: usize, const V: usize>(
        &self,
        map: &str,
    ) -> Result<Vec<Pair<K, V>>, BpfError> {
        let found = self.ebpf.map(map).ok_or_else(|| none(map))?;
        let hash: HashMap<_, [u8; K], [u8; V]> = HashMap::try_from(found).map_err(said)?;
        hash.iter().collect::<Result<_, _>>().map_err(said)
    }

    /// Puts a value into a hash map, unless that is there already: whoever reads it at that moment
    /// is not disturbed for nothing.
    ///
    /// **Errors**: [`BpfError`]; it is full, or of other sizes.
    pub fn keep<const K: usize, const V: usize>(
        &mut self,
        map: &str,
        key: [u8; K],
        value: [u8; V],
    ) -> Result<(), BpfError> {
        let found = self.ebpf.map_mut(map).ok_or_else(|| none(map))?;
        let mut hash: HashMap<_, [u8; K], [u8; V]> = HashMap::try_from(found).map_err(said)?;
        match hash.get(&key, 0) {
            Ok(there) if there == value => Ok(()),
            Ok(_) | Err(_) => hash.insert(key, value, 0).map_err(said),
        }
    }

    /// Takes a key out of a hash map; `V` is the size of its values.
    ///
    /// **Errors**: [`BpfError`]; it is not in there.
    pub fn take_out<const K: usize, const V: usize>(
        &mut self,
        map: &str,
        key: [u8; K],
    ) -> Result<(), BpfError> {
        let found = self.ebpf.map_mut(map).ok_or_else(|| none(map))?;
        let mut hash: HashMap<_, [u8; K], [u8; V]> = HashMap::try_from(found).map_err(said)?;
        hash.remove(&key).map_err(said)
    }
}

/// Counters of the kernel, one a key and core.
pub struct Counters(Mutex<PerCpuArray<MapData, u64>>);

impl Counters {
    /// What all cores counted under a key; 0 where the kernel does not tell.
    pub fn sum(&self, key: u32) -> u64 {
        let values = self.lock().get(&key, 0);
        values.map_or(0, |values| values.iter().sum())
    }

    /// Begins anew under a key.
    ///
    /// **Errors**: [`BpfError`]; it goes on from what it was.
    pub fn clear(&self, key: u32) -> Result<(), BpfError> {
        let mut counters = self.lock();
        let cores = counters.get(&key, 0).map_err(said)?.len();
        let none = PerCpuValues::try_from(vec![0; cores]).map_err(said)?;
        counters.set(key, none, 0).map_err(said)
    }

    fn lock(&self) -> MutexGuard<'_, PerCpuArray<MapData, u64>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Counters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Counters")
    }
}

fn load_maps(object: &[u8], pins: Option<&Path>, shapes: &[MapShape]) -> Result<Ebpf, BpfError> {
    let mut loader = EbpfLoader::new();
    // Nothing of the kernel's own is looked into, so that no type information is needed.
    loader.btf(None);
    if let Some(pins) = pins {
        for shape in shapes {
            loader.map_pin_path(shape.name, pins.join(shape.name));
        }
    }
    loader.load(object).map_err(said)
}

fn fits(ebpf: &Ebpf, shapes: &[MapShape]) -> Result<bool, BpfError> {
    for shape in shapes {
        let data = ebpf.map(shape.name).and_then(data);
        let info = data.ok_or_else(|| none(shape.name))?.info().map_err(said)?;
        let has = (info.key_size(), info.value_size(), info.max_entries());
        if has != (shape.key_bytes, shape.value_bytes, shape.entries) {
            return Ok(false);
        }
    }
    Ok(true)
}

/// The kernel's map behind one of the kinds that are used here.
fn data(map: &Map) -> Option<&MapData> {
    let (Map::Array(data) | Map::HashMap(data) | Map::PerCpuArray(data)) = map else {
        return None;
    };
    Some(data)
}

/// Makes the folder for pins; whether it is in a bpffs.
fn make_pins(pins: &Path) -> bool {
    let above = pins.parent().unwrap_or(pins);
    if !is_bpffs(above) {
        return false;
    }
    let made = fs::DirBuilder::new().mode(0o700).create(pins);
    match made {
        Ok(()) => true,
        Err(error) => error.kind() == io::ErrorKind::AlreadyExists,
    }
}

/// Takes pins away, and with them whatever they alone kept.
pub(super) fn remove_pins(pins: &Path) {
    for entry in fs::read_dir(pins).into_iter().flatten().flatten() {
        if let Err(error) = fs::remove_file(entry.path()) {
            tracing::warn!(pin = %entry.path().display(), %error, "a pin cannot be removed");
        }
    }
    // Nobody reads an empty folder that stays.
    let _ = fs::remove_dir(pins);
}

/// Whether a folder is in a file system for pins.
pub fn is_bpffs(folder: &Path) -> bool {
    let Ok(path) = CString::new(folder.as_os_str().as_bytes()) else {
        return false;
    };
    let mut told = MaybeUninit::<libc::statfs>::uninit();
    // SAFETY: `path` ends with a NUL, and `told` is a place for one statfs.
    if unsafe { libc::statfs(path.as_ptr(), told.as_mut_ptr()) } != 0 {
        return false;
    }
    // SAFETY: the call succeeded, so that it filled all of it in.
    let told = unsafe { told.assume_init() };
    told.f_type == BPFFS
}

fn none(map: &str) -> BpfError {
    BpfError::Kernel(format!("the object has no map {map}"))
}

/// What a failure comes to: not allowed, or the kernel's own word at the end of the chain.
pub(super) fn said(error: impl Error + 'static) -> BpfError {
    tracing::debug!(%error, "BPF");
    // A verifier that refuses says EACCES as well, to whoever lacks CAP_PERFMON.
    match code_of(&error) {
        Some(code @ (libc::EPERM | libc::EACCES)) => {
            BpfError::Forbidden(io::Error::from_raw_os_error(code).to_string())
        }
        Some(libc::E2BIG) => BpfError::Full,
        Some(_) | None => BpfError::Kernel(short(&error.to_string())),
    }
}

/// The kernel's own word at the end of a chain of errors.
pub(super) fn code_of(error: &(dyn Error + 'static)) -> Option<i32> {
    let mut last = error;
    loop {
        if let Some(io) = last.downcast_ref::<io::Error>() {
            return io.raw_os_error();
        }
        last = last.source()?;
    }
}

/// Without a verifier's log, which has thousands of lines.
fn short(text: &str) -> String {
    let line = text.lines().next().unwrap_or_default();
    line.chars().take(SAID_MAX).collect()
}

/// `BPF_FS_MAGIC` of `linux/magic.h`.
const BPFFS: libc::__fsword_t = 0xcafe_4a11;
/// One line on a terminal or two.
const SAID_MAX: usize = 160;
