//! Disks that forget what was not synced, and lose their power all in the same instant: a file
//! system in memory, mounted through FUSE.
//!
//! ```text
//!   farmux ─ system calls ─ kernel ─ /dev/fuse ─ thread "disk" ─┐
//!   farmux ─ …                                  thread "disk" ──┼─ one lock ─ an Image each (PURE)
//!                                                     cut() ────┘
//! ```
//!
//! The daemon is the real one and knows nothing of it; no call can go round it, whatever library
//! makes it. The kernel keeps nothing back: each write comes here before its caller goes on.

pub mod image;
mod wire;

use std::ffi::CString;
use std::fs::{self, File};
use std::io::{Read, Write};
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anyhow::{Context, Result};
use rustix::mount::{MountFlags, UnmountFlags, mount, unmount};

pub use image::{Leaves, Obeys};

use crate::chance::Chance;
use image::{Content, Entries, Image, Node, Number, Refused};
use wire::{Asked, Message, WRITE_BYTES_MAX};

/// Some disks with one power line; dropped, they are unmounted.
#[derive(Debug)]
pub struct Disks {
    shared: Arc<Mutex<Shared>>,
    mounted: Vec<PathBuf>,
}

#[derive(Debug)]
struct Shared {
    images: Vec<Image>,
    power: Power,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Power {
    On,
    /// Nothing is answered with success any more.
    Off,
}

impl Disks {
    /// An empty disk in each folder, which is made where there is none.
    ///
    /// **Errors**: no right to mount, or no `/dev/fuse`.
    pub fn mount(folders: &[PathBuf], obeys: Obeys) -> Result<Disks> {
        let images = folders.iter().map(|_| Image::new(obeys)).collect();
        let shared = Shared {
            images,
            power: Power::On,
        };
        let mut disks = Disks {
            shared: Arc::new(Mutex::new(shared)),
            mounted: Vec::new(),
        };
        for (number, folder) in folders.iter().enumerate() {
            let device = attach(folder).with_context(|| format!("mount {}", folder.display()))?;
            disks.mounted.push(folder.clone());
            let shared = Arc::clone(&disks.shared);
            std::thread::Builder::new()
                .name("disk".to_owned())
                .spawn(move || serve(device, number, &shared))?;
        }
        Ok(disks)
    }

    /// Changes which syncs all of them obey.
    pub fn obey(&self, obeys: Obeys) {
        let mut shared = lock(&self.shared);
        shared.images.iter_mut().for_each(|image| image.obey(obeys));
    }

    /// The power goes, for all in one instant: whatever is asked from now on fails. Whoever used
    /// the disks is to be killed before [`Disks::restore`].
    pub fn cut(&self) {
        lock(&self.shared).power = Power::Off;
    }

    /// The power is back: what is there is what the cut left.
    pub fn restore(&self, leaves: Leaves, chance: &mut Chance) {
        let mut shared = lock(&self.shared);
        let images = shared.images.iter_mut();
        images.for_each(|image| image.cut(leaves, chance));
        shared.power = Power::On;
    }
}

impl Drop for Disks {
    fn drop(&mut self) {
        for folder in &self.mounted {
            // Its thread ends with it.
            let _ = unmount(folder, UnmountFlags::DETACH);
        }
    }
}

fn lock(shared: &Mutex<Shared>) -> MutexGuard<'_, Shared> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

fn attach(folder: &Path) -> Result<File> {
    fs::create_dir_all(folder)?;
    let device = File::options().read(true).write(true).open("/dev/fuse");
    let device = device.context("open /dev/fuse")?;
    let options = format!(
        "fd={},rootmode=40000,user_id=0,group_id=0",
        device.as_raw_fd()
    );
    let options = CString::new(options)?;
    let flags = MountFlags::NODEV | MountFlags::NOSUID;
    mount("farmux-disk", folder, "fuse", flags, options.as_c_str())?;
    Ok(device)
}

/// Answers the kernel until the disk is unmounted.
fn serve(mut device: File, number: usize, shared: &Mutex<Shared>) {
    // The kernel wants room for the longest write with all that stands before it.
    let mut buffer = vec![0; usize::try_from(WRITE_BYTES_MAX).unwrap_or(0) + (64 << 10)];
    loop {
        let length = match device.read(&mut buffer) {
            Ok(length) => length,
            // ENOENT: whoever asked was killed before we saw it.
            Err(error) if error.raw_os_error() == Some(libc::ENOENT) => continue,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
            Err(_) => return,
        };
        let bytes = &buffer[..length];
        let answer = match wire::read(bytes) {
            Some(message) if message.asked == Asked::Notice => continue,
            Some(message) => {
                let mut shared = lock(shared);
                let power = shared.power;
                let said = power.allows(&message.asked);
                let said = said.and_then(|()| act(&mut shared.images[number], &message));
                wire::answer(message.unique, said)
            }
            // Whoever asked waits for an answer.
            None => match wire::unique(bytes) {
                Some(unique) => wire::answer(unique, Err(Refused(libc::EINVAL))),
                None => return,
            },
        };
        // ENOENT: whoever asked was killed meanwhile.
        let _ = device.write(&answer);
    }
}

impl Power {
    fn allows(self, asked: &Asked<'_>) -> Result<(), Refused> {
        match (self, asked) {
            (Power::On, _) | (Power::Off, Asked::Close | Asked::Init | Asked::Destroy) => Ok(()),
            (Power::Off, _) => Err(Refused(libc::EIO)),
        }
    }
}

/// Does what is asked of one disk.
fn act(image: &mut Image, message: &Message<'_>) -> Result<Vec<u8>, Refused> {
    let number = message.number;
    match message.asked {
        Asked::Init => Ok(wire::init()),
        Asked::Destroy | Asked::Close => Ok(Vec::new()),
        Asked::Look { name } => {
            let found = image.look(number, name)?;
            Ok(wire::entry(found, image.node(found)?))
        }
        Asked::Attributes => Ok(wire::attributes_of(number, image.node(number)?)),
        Asked::SetAttributes { mode, length } => {
            if let Some(length) = length {
                image.set_length(number, place(length)?)?;
            }
            if let Some(mode) = mode {
                image.set_mode(number, mode)?;
            }
            Ok(wire::attributes_of(number, image.node(number)?))
        }
        Asked::MakeFolder { name, mode } => {
            made(image, number, name, Content::Folder(Entries::new()), mode)
        }
        Asked::MakeFile { name, mode } => {
            made(image, number, name, Content::File(Vec::new()), mode)
        }
        Asked::Create { name, mode } => {
            let mut out = made(image, number, name, Content::File(Vec::new()), mode)?;
            out.extend(wire::opened());
            Ok(out)
        }
        Asked::Remove { name } => image.remove(number, name).map(|()| Vec::new()),
        Asked::Rename { name, to, new } => {
            let renamed = image.rename((number, name), (to, new));
            renamed.map(|()| Vec::new())
        }
        Asked::Open => image.node(number).map(|_| wire::opened()),
        Asked::Read { at, most } => {
            let bytes = image.read(number, place(at)?, place(most.into())?)?;
            Ok(bytes.to_vec())
        }
        Asked::Write { at, bytes } => {
            image.write(number, place(at)?, bytes)?;
            Ok(wire::written(bytes.len()))
        }
        Asked::Room => Ok(wire::room()),
        Asked::Sync { data } => image.sync(number, data).map(|()| Vec::new()),
        Asked::Names { after, most } => Ok(wire::names(image.entries(number)?, after, most)),
        Asked::Notice | Asked::Other => Err(Refused(libc::ENOSYS)),
    }
}

fn made(
    image: &mut Image,
    folder: Number,
    name: &str,
    content: Content,
    mode: u32,
) -> Result<Vec<u8>, Refused> {
    let mode = mode & 0o7777;
    let number = image.make(folder, name, Node { content, mode })?;
    Ok(wire::entry(number, image.node(number)?))
}

/// Longer files than this are no test's.
const FILE_BYTES_MAX: u64 = 1 << 30;

fn place(at: u64) -> Result<usize, Refused> {
    let bounded = usize::try_from(at.min(FILE_BYTES_MAX)).ok();
    bounded
        .filter(|_| at <= FILE_BYTES_MAX)
        .ok_or(Refused(libc::EFBIG))
}
