//! PURE. FUSE's messages as the kernel sends and takes them: as much as a database and a few small
//! files need. Whatever else is asked is answered with ENOSYS, which the kernel takes for no.
//!
//! **Source**: Linux, `include/uapi/linux/fuse.h`, version 7.31. Numbers are in the machine's
//! order.

use super::image::{Content, Entries, Node, Number, Refused};

/// Length of what every message to us begins with.
const HEADER_BYTES: usize = 40;

/// The longest write we take at once; the kernel's own bound without further negotiation.
pub(super) const WRITE_BYTES_MAX: u32 = 128 << 10;

/// The version we speak; kernels speak all older ones too.
const VERSION: (u32, u32) = (7, 31);

/// Writes longer than a page (`FUSE_BIG_WRITES`).
const FLAGS: u32 = 1 << 5;

/// What is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Asked<'a> {
    Init,
    Destroy,
    Look {
        name: &'a str,
    },
    Attributes,
    SetAttributes {
        mode: Option<u32>,
        length: Option<u64>,
    },
    MakeFolder {
        name: &'a str,
        mode: u32,
    },
    MakeFile {
        name: &'a str,
        mode: u32,
    },
    /// The same, and it is opened.
    Create {
        name: &'a str,
        mode: u32,
    },
    Remove {
        name: &'a str,
    },
    Rename {
        name: &'a str,
        to: Number,
        new: &'a str,
    },
    Open,
    Read {
        at: u64,
        most: u32,
    },
    Write {
        at: u64,
        bytes: &'a [u8],
    },
    Room,
    /// A file or folder is closed.
    Close,
    Sync {
        data: bool,
    },
    Names {
        after: u64,
        most: u32,
    },
    /// Nothing is expected back.
    Notice,
    Other,
}

/// A message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Message<'a> {
    pub(super) unique: u64,
    pub(super) number: Number,
    pub(super) asked: Asked<'a>,
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_ne_bytes(*bytes.get(at..)?.first_chunk()?))
}

fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_ne_bytes(*bytes.get(at..)?.first_chunk()?))
}

/// A text that ends with a zero, and what stands behind it.
fn text(bytes: &[u8]) -> Option<(&str, &[u8])> {
    let end = bytes.iter().position(|byte| *byte == 0)?;
    Some((std::str::from_utf8(&bytes[..end]).ok()?, &bytes[end + 1..]))
}

/// Which message it is.
pub(super) fn unique(bytes: &[u8]) -> Option<u64> {
    u64_at(bytes, 8)
}

/// Reads a message; `None`: it is none that we understand.
pub(super) fn read(bytes: &[u8]) -> Option<Message<'_>> {
    let (operation, unique, number) = (u32_at(bytes, 4)?, u64_at(bytes, 8)?, u64_at(bytes, 16)?);
    let asked = asked(operation, bytes.get(HEADER_BYTES..)?)?;
    Some(Message {
        unique,
        number,
        asked,
    })
}

fn asked(operation: u32, body: &[u8]) -> Option<Asked<'_>> {
    Some(match operation {
        1 => Asked::Look {
            name: text(body)?.0,
        },
        2 | 36 | 42 => Asked::Notice,
        3 => Asked::Attributes,
        4 => {
            let valid = u32_at(body, 0)?;
            let (length, mode) = (u64_at(body, 16)?, u32_at(body, 68)?);
            Asked::SetAttributes {
                mode: (valid & 1 != 0).then_some(mode),
                length: (valid & 8 != 0).then_some(length),
            }
        }
        8 => Asked::MakeFile {
            mode: u32_at(body, 0)?,
            name: text(body.get(16..)?)?.0,
        },
        9 => Asked::MakeFolder {
            mode: u32_at(body, 0)?,
            name: text(body.get(8..)?)?.0,
        },
        10 | 11 => Asked::Remove {
            name: text(body)?.0,
        },
        12 => rename(u64_at(body, 0)?, body.get(8..)?)?,
        14 | 27 => Asked::Open,
        15 => Asked::Read {
            at: u64_at(body, 8)?,
            most: u32_at(body, 16)?,
        },
        16 => {
            let length = usize::try_from(u32_at(body, 16)?).ok()?;
            Asked::Write {
                at: u64_at(body, 8)?,
                bytes: body.get(40..)?.get(..length)?,
            }
        }
        17 => Asked::Room,
        18 | 29 => Asked::Close,
        20 | 30 => Asked::Sync {
            data: operation == 20 && u32_at(body, 8)? & 1 != 0,
        },
        26 => Asked::Init,
        28 => Asked::Names {
            after: u64_at(body, 8)?,
            most: u32_at(body, 16)?,
        },
        35 => Asked::Create {
            mode: u32_at(body, 4)?,
            name: text(body.get(16..)?)?.0,
        },
        38 => Asked::Destroy,
        // With flags (exchange, no replacing) nobody here renames.
        45 if u32_at(body, 8)? == 0 => rename(u64_at(body, 0)?, body.get(16..)?)?,
        _ => Asked::Other,
    })
}

fn rename(to: Number, names: &[u8]) -> Option<Asked<'_>> {
    let (name, rest) = text(names)?;
    let new = text(rest)?.0;
    Some(Asked::Rename { name, to, new })
}

/// An answer, with its header.
pub(super) fn answer(unique: u64, said: Result<Vec<u8>, Refused>) -> Vec<u8> {
    let (error, body) = match said {
        Ok(body) => (0, body),
        Err(Refused(errno)) => (-errno, Vec::new()),
    };
    let length = u32::try_from(16 + body.len()).expect("answers are short");
    let mut bytes = length.to_ne_bytes().to_vec();
    bytes.extend(error.to_ne_bytes());
    bytes.extend(unique.to_ne_bytes());
    bytes.extend(body);
    bytes
}

fn words(out: &mut Vec<u8>, numbers: &[u32]) {
    numbers
        .iter()
        .for_each(|number| out.extend(number.to_ne_bytes()));
}

fn longs(out: &mut Vec<u8>, numbers: &[u64]) {
    numbers
        .iter()
        .for_each(|number| out.extend(number.to_ne_bytes()));
}

/// What we speak: `fuse_init_out`.
pub(super) fn init() -> Vec<u8> {
    let mut out = Vec::new();
    words(
        &mut out,
        &[VERSION.0, VERSION.1, 0, FLAGS, 0, WRITE_BYTES_MAX, 1],
    );
    out.resize(64, 0);
    out
}

/// `fuse_attr`; all times are zero, for nobody asks.
fn attributes(out: &mut Vec<u8>, number: Number, node: &Node) {
    let (length, kind) = match &node.content {
        Content::File(bytes) => (bytes.len(), libc::S_IFREG),
        Content::Folder(_) => (0, libc::S_IFDIR),
    };
    let length = u64::try_from(length).expect("it is in memory");
    longs(out, &[number, length, length.div_ceil(512), 0, 0, 0]);
    words(out, &[0, 0, 0, kind | node.mode, 1, 0, 0, 0, 4096, 0]);
}

/// `fuse_attr_out`: asked again each time.
pub(super) fn attributes_of(number: Number, node: &Node) -> Vec<u8> {
    let mut out = Vec::new();
    longs(&mut out, &[0, 0]);
    attributes(&mut out, number, node);
    out
}

/// `fuse_entry_out`: asked again each time.
pub(super) fn entry(number: Number, node: &Node) -> Vec<u8> {
    let mut out = Vec::new();
    longs(&mut out, &[number, 0, 0, 0, 0]);
    attributes(&mut out, number, node);
    out
}

/// `fuse_open_out`: no handle of our own; the kernel drops what it kept of the file.
pub(super) fn opened() -> Vec<u8> {
    vec![0; 16]
}

/// `fuse_write_out`.
pub(super) fn written(count: usize) -> Vec<u8> {
    let mut out = Vec::new();
    words(&mut out, &[u32::try_from(count).expect("bounded"), 0]);
    out
}

/// `fuse_statfs_out`: always half empty.
pub(super) fn room() -> Vec<u8> {
    const BLOCKS: u64 = 1 << 18;
    let mut out = Vec::new();
    longs(
        &mut out,
        &[BLOCKS, BLOCKS / 2, BLOCKS / 2, BLOCKS, BLOCKS / 2],
    );
    words(&mut out, &[4096, 255, 4096, 0]);
    out.resize(80, 0);
    out
}

/// `fuse_dirent`, as many as fit.
pub(super) fn names(entries: &Entries, after: u64, most: u32) -> Vec<u8> {
    let most = usize::try_from(most).unwrap_or(usize::MAX);
    let mut out = Vec::new();
    for ((name, number), place) in entries.iter().zip(1_u64..) {
        if place <= after {
            continue;
        }
        let length = u32::try_from(name.len()).expect("names are short");
        let mut one = Vec::new();
        longs(&mut one, &[*number, place]);
        words(&mut one, &[length, 0]);
        one.extend(name.as_bytes());
        one.resize(one.len().next_multiple_of(8), 0);
        if out.len() + one.len() > most {
            break;
        }
        out.extend(one);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(operation: u32, body: &[u8]) -> Vec<u8> {
        let mut bytes = Vec::new();
        words(&mut bytes, &[0, operation]);
        longs(&mut bytes, &[77, 5]);
        bytes.resize(HEADER_BYTES, 0);
        bytes.extend(body);
        bytes
    }

    #[test]
    fn messages_are_read_as_the_kernel_writes_them() {
        let look = message(1, b"db\0");
        let read_back = read(&look).expect("a message");
        assert_eq!((read_back.unique, read_back.number), (77, 5));
        assert_eq!(read_back.asked, Asked::Look { name: "db" });

        let mut body = Vec::new();
        longs(&mut body, &[9]);
        body.extend(b"a.new\0a\0");
        let renamed = message(12, &body);
        let wanted = Asked::Rename {
            name: "a.new",
            to: 9,
            new: "a",
        };
        assert_eq!(read(&renamed).map(|message| message.asked), Some(wanted));

        let mut body = Vec::new();
        longs(&mut body, &[0]);
        words(&mut body, &[1, 0]);
        let synced = read(&message(20, &body)).map(|m| format!("{:?}", m.asked));
        assert_eq!(synced.as_deref(), Some("Sync { data: true }"));
        assert_eq!(read(&message(20, &[])), None, "cut short");
    }

    #[test]
    fn answers_have_the_lengths_that_the_kernel_wants() {
        let node = Node {
            content: Content::File(vec![1; 700]),
            mode: 0o600,
        };
        assert_eq!(entry(2, &node).len(), 128);
        assert_eq!(attributes_of(2, &node).len(), 104);
        assert_eq!(init().len(), 64);
        assert_eq!(room().len(), 80);
        let entries = Entries::from([("a".to_owned(), 2), ("db".to_owned(), 3)]);
        assert_eq!(names(&entries, 0, 4096).len(), 64);
        assert_eq!(names(&entries, 1, 4096).len(), 32);
        assert_eq!(names(&entries, 0, 40).len(), 32);
    }
}
