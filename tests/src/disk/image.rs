//! PURE. Two trees of files: as whoever uses them sees them, and as a power cut would leave them.
//!
//! ```text
//!   write, set length ─▶ now ── sync of the file ────▶ durable: what it holds
//!   create, rename, … ─▶ now ── sync of its folder ──▶ durable: what it is called, and whether
//!                        now ◀───── power cut ──────── durable, and by chance some of the rest
//! ```
//!
//! Nothing but a sync makes anything durable: stricter than any file system in use, where a rename
//! often takes the content with it. `sync_file_range` never comes here: it is no promise.

use std::collections::{BTreeMap, BTreeSet};

use crate::chance::Chance;

/// The number of a file or folder.
pub type Number = u64;

/// The folder that is there from the start; FUSE's own number for it.
pub const ROOT: Number = 1;

/// What the system is told when it cannot be done, as in `errno.h`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Refused(pub i32);

/// Names and what they stand for.
pub type Entries = BTreeMap<String, Number>;

/// What something is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content {
    /// Bytes.
    File(Vec<u8>),
    /// Names.
    Folder(Entries),
}

/// A file or a folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// What it holds.
    pub content: Content,
    /// Permission bits.
    pub mode: u32,
}

/// A change of a file that no sync has made durable.
#[derive(Debug, Clone)]
enum Change {
    Bytes { at: usize, bytes: Vec<u8> },
    Length(usize),
}

/// Which syncs are obeyed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Obeys {
    /// All, as a disk should.
    All,
    /// `fsync` only: an `fdatasync` is answered, and nothing happens.
    NoDataSync,
}

/// What a power cut leaves of the changes that were not synced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Leaves {
    /// None of them.
    Nothing,
    /// Some, in whatever order, some of those torn at a sector.
    Some,
}

/// A disk.
#[derive(Debug)]
pub struct Image {
    now: BTreeMap<Number, Node>,
    durable: BTreeMap<Number, Node>,
    changes: BTreeMap<Number, Vec<Change>>,
    next: Number,
    obeys: Obeys,
}

/// What a disk writes whole or not at all.
const SECTOR: usize = 512;

impl Image {
    /// An empty one.
    pub fn new(obeys: Obeys) -> Image {
        let root = Node {
            content: Content::Folder(Entries::new()),
            mode: 0o700,
        };
        let now = BTreeMap::from([(ROOT, root)]);
        Image {
            durable: now.clone(),
            now,
            changes: BTreeMap::new(),
            next: ROOT + 1,
            obeys,
        }
    }

    /// From now on it obeys these syncs.
    pub fn obey(&mut self, obeys: Obeys) {
        self.obeys = obeys;
    }

    /// What is there.
    ///
    /// **Errors**: nothing is.
    pub fn node(&self, number: Number) -> Result<&Node, Refused> {
        self.now.get(&number).ok_or(Refused(libc::ENOENT))
    }

    /// What a name in a folder stands for.
    ///
    /// **Errors**: nothing.
    pub fn look(&self, folder: Number, name: &str) -> Result<Number, Refused> {
        let number = self.entries(folder)?.get(name).copied();
        number.ok_or(Refused(libc::ENOENT))
    }

    /// The names in a folder.
    ///
    /// **Errors**: it is none.
    pub fn entries(&self, folder: Number) -> Result<&Entries, Refused> {
        match &self.node(folder)?.content {
            Content::Folder(entries) => Ok(entries),
            Content::File(_) => Err(Refused(libc::ENOTDIR)),
        }
    }

    fn entries_mut(&mut self, folder: Number) -> Result<&mut Entries, Refused> {
        let node = self.now.get_mut(&folder).ok_or(Refused(libc::ENOENT))?;
        match &mut node.content {
            Content::Folder(entries) => Ok(entries),
            Content::File(_) => Err(Refused(libc::ENOTDIR)),
        }
    }

    fn bytes_mut(&mut self, file: Number) -> Result<&mut Vec<u8>, Refused> {
        let node = self.now.get_mut(&file).ok_or(Refused(libc::ENOENT))?;
        match &mut node.content {
            Content::File(bytes) => Ok(bytes),
            Content::Folder(_) => Err(Refused(libc::EISDIR)),
        }
    }

    /// Makes something in a folder.
    ///
    /// **Errors**: the name is taken.
    pub fn make(&mut self, folder: Number, name: &str, node: Node) -> Result<Number, Refused> {
        if self.look(folder, name).is_ok() {
            return Err(Refused(libc::EEXIST));
        }
        let number = self.next;
        self.entries_mut(folder)?.insert(name.to_owned(), number);
        self.next += 1;
        // As a power cut would find it, if only its name became durable: empty.
        self.durable.insert(number, node.clone());
        self.now.insert(number, node);
        Ok(number)
    }

    /// Takes a name away; what it stood for stays for those that have it open.
    ///
    /// **Errors**: there is none, or a folder that is not empty.
    pub fn remove(&mut self, folder: Number, name: &str) -> Result<(), Refused> {
        let number = self.look(folder, name)?;
        if self.entries(number).is_ok_and(|inside| !inside.is_empty()) {
            return Err(Refused(libc::ENOTEMPTY));
        }
        self.entries_mut(folder)?.remove(name);
        Ok(())
    }

    /// Moves a name, over another if there is one.
    ///
    /// **Errors**: there is none, or the other is a folder that is not empty.
    pub fn rename(
        &mut self,
        (from, name): (Number, &str),
        (to, new): (Number, &str),
    ) -> Result<(), Refused> {
        let number = self.look(from, name)?;
        let taken = self.look(to, new).ok();
        if taken.is_some_and(|taken| self.entries(taken).is_ok_and(|inside| !inside.is_empty())) {
            return Err(Refused(libc::ENOTEMPTY));
        }
        self.entries_mut(from)?.remove(name);
        self.entries_mut(to)?.insert(new.to_owned(), number);
        Ok(())
    }

    /// Permission bits; durable at once, because nothing here rests on them.
    ///
    /// **Errors**: nothing is there.
    pub fn set_mode(&mut self, number: Number, mode: u32) -> Result<(), Refused> {
        for tree in [&mut self.now, &mut self.durable] {
            tree.get_mut(&number).ok_or(Refused(libc::ENOENT))?.mode = mode & 0o7777;
        }
        Ok(())
    }

    /// The bytes of a file.
    ///
    /// **Errors**: it is none.
    pub fn read(&self, file: Number, at: usize, most: usize) -> Result<&[u8], Refused> {
        match &self.node(file)?.content {
            Content::File(bytes) => {
                let from = at.min(bytes.len());
                Ok(&bytes[from..bytes.len().min(from.saturating_add(most))])
            }
            Content::Folder(_) => Err(Refused(libc::EISDIR)),
        }
    }

    /// Writes into a file.
    ///
    /// **Errors**: it is none.
    pub fn write(&mut self, file: Number, at: usize, bytes: &[u8]) -> Result<(), Refused> {
        self.change(
            file,
            Change::Bytes {
                at,
                bytes: bytes.to_vec(),
            },
        )
    }

    /// Makes a file shorter or longer.
    ///
    /// **Errors**: it is none.
    pub fn set_length(&mut self, file: Number, length: usize) -> Result<(), Refused> {
        self.change(file, Change::Length(length))
    }

    fn change(&mut self, file: Number, change: Change) -> Result<(), Refused> {
        change.make(self.bytes_mut(file)?);
        self.changes.entry(file).or_default().push(change);
        Ok(())
    }

    /// Makes durable what a file or folder holds; `data`: it was an `fdatasync`.
    ///
    /// **Errors**: nothing is there.
    pub fn sync(&mut self, number: Number, data: bool) -> Result<(), Refused> {
        let node = self.now.get(&number).ok_or(Refused(libc::ENOENT))?;
        if data && self.obeys == Obeys::NoDataSync {
            return Ok(());
        }
        let durable = self.durable.get_mut(&number);
        let durable = durable.ok_or(Refused(libc::ENOENT))?;
        match (&node.content, &mut durable.content) {
            (Content::Folder(entries), durable) => *durable = Content::Folder(entries.clone()),
            (Content::File(_), Content::File(bytes)) => {
                let changes = self.changes.remove(&number).unwrap_or_default();
                changes.iter().for_each(|change| change.make(bytes));
            }
            (Content::File(_), Content::Folder(_)) => unreachable!("a number is never used again"),
        }
        Ok(())
    }

    /// The power goes; what is there when it comes back.
    pub fn cut(&mut self, leaves: Leaves, chance: &mut Chance) {
        if leaves == Leaves::Some {
            for (number, changes) in &self.changes {
                let Some(Node {
                    content: Content::File(bytes),
                    ..
                }) = self.durable.get_mut(number)
                else {
                    continue;
                };
                let kept = changes.iter().filter_map(|change| change.torn(chance));
                kept.for_each(|change| change.make(bytes));
            }
            for (number, node) in &self.now {
                if let (Content::Folder(entries), Some(durable)) =
                    (&node.content, self.durable.get_mut(number))
                    && chance.below(2) == 0
                {
                    durable.content = Content::Folder(entries.clone());
                }
            }
        }
        self.changes.clear();
        self.forget_the_nameless();
        self.now = self.durable.clone();
    }

    /// Lets go of what has no name any more: nobody has it open after a power cut.
    fn forget_the_nameless(&mut self) {
        let mut named = BTreeSet::from([ROOT]);
        let mut folders = vec![ROOT];
        while let Some(folder) = folders.pop() {
            let Some(Node {
                content: Content::Folder(entries),
                ..
            }) = self.durable.get(&folder)
            else {
                continue;
            };
            folders.extend(entries.values().filter(|number| named.insert(**number)));
        }
        self.durable.retain(|number, _| named.contains(number));
    }
}

impl Change {
    fn make(&self, file: &mut Vec<u8>) {
        match self {
            Change::Length(length) => file.resize(*length, 0),
            Change::Bytes { at, bytes } => {
                let end = at + bytes.len();
                if file.len() < end {
                    file.resize(end, 0);
                }
                file[*at..end].copy_from_slice(bytes);
            }
        }
    }

    /// What a power cut leaves of it.
    fn torn(&self, chance: &mut Chance) -> Option<Change> {
        match (chance.below(4), self) {
            (0 | 1, _) => None,
            (2, Change::Bytes { at, bytes }) => {
                let sectors = u64::try_from(bytes.len().div_ceil(SECTOR)).unwrap_or(1);
                let kept = usize::try_from(chance.below(sectors + 1)).unwrap_or(0);
                // Sectors of the disk, not of the write.
                let end = ((at / SECTOR + kept) * SECTOR).saturating_sub(*at);
                let bytes = bytes[..end.min(bytes.len())].to_vec();
                Some(Change::Bytes { at: *at, bytes })
            }
            (_, whole) => Some(whole.clone()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(image: &mut Image, name: &str, bytes: &[u8]) -> Number {
        let node = Node {
            content: Content::File(Vec::new()),
            mode: 0o600,
        };
        let number = image.make(ROOT, name, node).expect("the name is free");
        image.write(number, 0, bytes).expect("it is a file");
        number
    }

    fn read(image: &Image, name: &str) -> Option<Vec<u8>> {
        let number = image.look(ROOT, name).ok()?;
        Some(image.read(number, 0, usize::MAX).expect("a file").to_vec())
    }

    fn cut(image: &mut Image) {
        image.cut(Leaves::Nothing, &mut Chance::new(1));
    }

    #[test]
    fn what_was_synced_stays_and_nothing_else() {
        let mut image = Image::new(Obeys::All);
        let kept = file(&mut image, "kept", b"one");
        file(&mut image, "nameless", b"two");
        image.sync(kept, true).expect("it is there");
        cut(&mut image);
        assert_eq!(read(&image, "kept"), None, "its name was not synced");

        let mut image = Image::new(Obeys::All);
        let kept = file(&mut image, "kept", b"one");
        let empty = file(&mut image, "empty", b"two");
        image.sync(kept, true).expect("it is there");
        image.sync(ROOT, false).expect("it is there");
        image.write(kept, 1, b"XX").expect("it is a file");
        image.set_length(empty, 9).expect("it is a file");
        assert_eq!(read(&image, "kept").as_deref(), Some(&b"oXX"[..]));
        cut(&mut image);
        assert_eq!(read(&image, "kept").as_deref(), Some(&b"one"[..]));
        assert_eq!(read(&image, "empty").as_deref(), Some(&b""[..]));
    }

    #[test]
    fn a_rename_is_durable_with_its_folder_only() {
        let mut image = Image::new(Obeys::All);
        let old = file(&mut image, "a", b"old");
        let new = file(&mut image, "a.new", b"new");
        for number in [old, new, ROOT] {
            image.sync(number, false).expect("it is there");
        }
        image
            .rename((ROOT, "a.new"), (ROOT, "a"))
            .expect("it moves");
        assert_eq!(read(&image, "a").as_deref(), Some(&b"new"[..]));
        cut(&mut image);
        assert_eq!(read(&image, "a").as_deref(), Some(&b"old"[..]));
        assert_eq!(read(&image, "a.new").as_deref(), Some(&b"new"[..]));
        image
            .rename((ROOT, "a.new"), (ROOT, "a"))
            .expect("it moves");
        image.sync(ROOT, false).expect("it is there");
        cut(&mut image);
        assert_eq!(read(&image, "a").as_deref(), Some(&b"new"[..]));
        assert_eq!(read(&image, "a.new"), None);
    }

    #[test]
    fn a_disk_that_ignores_fdatasync_forgets_what_it_confirmed() {
        let mut image = Image::new(Obeys::NoDataSync);
        let lost = file(&mut image, "lost", b"one");
        image.sync(ROOT, false).expect("it is there");
        image.sync(lost, true).expect("it says so");
        cut(&mut image);
        assert_eq!(read(&image, "lost").as_deref(), Some(&b""[..]));
    }

    #[test]
    fn some_of_what_was_not_synced_may_be_there_whole_or_torn() {
        let (mut none, mut whole, mut torn) = (0, 0, 0);
        for seed in 0..200 {
            let mut image = Image::new(Obeys::All);
            let number = file(&mut image, "f", b"");
            image.set_length(number, 4 * SECTOR).expect("a file");
            image.sync(number, true).expect("it is there");
            image.sync(ROOT, false).expect("it is there");
            image.write(number, 0, &[7; 4 * SECTOR]).expect("a file");
            image.cut(Leaves::Some, &mut Chance::new(seed));
            let bytes = read(&image, "f").expect("it is there");
            assert_eq!(bytes.len(), 4 * SECTOR);
            match bytes.iter().filter(|byte| **byte == 7).count() {
                0 => none += 1,
                all if all == 4 * SECTOR => whole += 1,
                some => {
                    assert_eq!(some % SECTOR, 0);
                    torn += 1;
                }
            }
        }
        assert!(
            none > 20 && whole > 20 && torn > 10,
            "{none} {whole} {torn}"
        );
    }
}
