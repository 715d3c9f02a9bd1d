//! Fuzz targets: one for each decoder that reads bytes of somebody else's, and what must be true
//! of whatever it takes. The one list of them is [`TARGETS`].
//!
//! ```text
//!   tests/fuzz/corpus/TARGET/*  ──┐
//!   mutated by libFuzzer (bin)  ──┼─▶ Target::play ─▶ decode, measured ─▶ properties (panic)
//!   mutated by us, seeded (CI)  ──┘
//! ```
//!
//! | file     | targets                                                   |
//! |----------|-----------------------------------------------------------|
//! | `web`    | heads and bodies of HTTP, PROXY headers                   |
//! | `ftp`    | lines, replies, whole sessions                            |
//! | `link`   | ARP and neighbour advertisements                          |
//! | `peers`  | lease datagrams, frames and messages of nodes, tokens     |
//! | `disk`   | entries, snapshots, the records of the store              |
//! | `words`  | configuration, sheets of watches, bodies of the admin API |
//! | `probes` | what servers answer to checks                             |
//! | `mail`   | what goes out with names and causes of anybody's          |
//!
//! It knows neither an engine nor an allocator: whoever plays passes a way to measure memory.

pub mod corpus;
mod disk;
mod ftp;
mod link;
mod mail;
pub mod meter;
pub mod mutate;
mod peers;
mod plain;
mod probes;
mod web;
mod words;

pub use meter::{Measure, Meter};

/// A decoder, and what must be true of it.
#[derive(Clone, Copy)]
pub struct Target {
    /// As the command line and the folder of its corpus call it.
    pub name: &'static str,
    /// What it reads, in a few words.
    pub reads: &'static str,
    run: fn(&Meter, &[u8]),
}

impl Target {
    /// Plays one input.
    ///
    /// **Panics**: a property does not hold.
    pub fn play(&self, measure: Measure, input: &[u8]) {
        (self.run)(&Meter::new(measure, input.len()), input);
    }
}

/// The target of this name.
pub fn target(name: &str) -> Option<Target> {
    TARGETS.into_iter().find(|target| target.name == name)
}

/// Longest input that is played: decoders that take more have bounds of their own, which tests
/// beside them try.
pub const INPUT_BYTES_MAX: usize = 4096;

const fn reads(name: &'static str, reads: &'static str, run: fn(&Meter, &[u8])) -> Target {
    Target { name, reads, run }
}

/// Every target.
pub const TARGETS: [Target; 20] = [
    reads("http-request", "a request's head", web::request),
    reads("http-answer", "an answer's head", web::answer),
    reads("http-chunks", "a body in chunks", web::chunks),
    reads("proxy", "PROXY headers, versions 1 and 2", web::proxy),
    reads("ftp-line", "lines of FTP clients", ftp::line),
    reads("ftp-reply", "replies of FTP servers", ftp::reply),
    reads("ftp-session", "both sides of an FTP session", ftp::session),
    reads("arp", "ARP and neighbour advertisements", link::frame),
    reads("lease", "datagrams of the lease", peers::lease),
    reads("frame", "frames between nodes", peers::frame),
    reads("message", "what nodes and joiners say", peers::message),
    reads("token", "join tokens and other short words", peers::token),
    reads(
        "entry",
        "entries of the log, and a state's record",
        disk::entry,
    ),
    reads(
        "snapshot",
        "snapshots, of nodes and for keeping",
        disk::snapshot,
    ),
    reads("store", "mark, vote and values of the store", disk::store),
    reads("config", "a configuration in TOML", words::config),
    reads("import", "a sheet of watches", words::import),
    reads("api", "bodies of the admin API", words::api),
    reads("probe", "what servers answer to checks", probes::probe),
    reads("mail", "names and causes that go out", mail::mail),
];
