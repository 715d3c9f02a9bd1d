//! The rows of the matrix: what is broken, and what may come of it. How it is broken is in `acts`.

use anyhow::Result;

use super::acts::{
    Undo, away, clock, cpu_stolen, data_lost, descriptors, disk_full, flap, fsync_eio,
    hears_nothing, kill, log_cut, loss, loss_and_owner, memory, names_gone, not_heard, partial,
    pause, power_off, relay_and_owner, relay_gone, slow_disks, unplug,
};
use super::scene::Scene;

/// A fault, and what may come of it.
#[derive(Debug, Clone, Copy)]
pub struct Row {
    /// As the table names it.
    pub name: &'static str,
    /// What it is, in the table's words.
    pub what: &'static str,
    /// Breaks it.
    pub begin: fn(&mut Scene) -> Result<Undo>,
    /// What may come of it.
    pub bounds: Bounds,
}

/// What may come of a fault.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    /// How many requests may fail, where that is promised.
    pub failed: Option<usize>,
    /// How many terms of the log may begin.
    pub terms: u64,
    /// Whether the page of the watch has to come while it lasts.
    pub told: bool,
    /// Parts of the subjects of pages that are right, beside those of the watch that goes down.
    pub pages: &'static [&'static str],
}

/// Votes may be split, and whoever is cut off may ask for them more than once.
const TERMS: u64 = 6;

/// The owner goes, and with it, for as long as its lease lasts, what it answered.
const MOVES: Bounds = Bounds {
    failed: None,
    terms: TERMS,
    told: true,
    pages: &["VIP front: moved", "node lb"],
};
/// Nothing of it reaches a client.
const UNSEEN: Bounds = Bounds {
    failed: Some(0),
    pages: &[],
    ..MOVES
};
/// A cable that is loose is told, and so is a node that sees no majority.
const UNPLUGGED: Bounds = Bounds {
    pages: &["VIP front: moved", "node lb", "carrier of lb", "quorum: "],
    ..MOVES
};

/// No client sees it; that a node does not answer, or is cut off, is told.
const TOLD: Bounds = Bounds {
    failed: Some(0),
    ..UNPLUGGED
};

/// A page finds its way when it can.
const LATER: Bounds = Bounds {
    told: false,
    ..MOVES
};

/// A fifth is lost: who hears nothing for three seconds says so.
const LOSSY: Bounds = Bounds {
    failed: Some(0),
    pages: &["node lb"],
    ..MOVES
};

/// Two fifths are lost; or a fifth with the owner dead, when two nodes are the majority. Where
/// nobody could change anything for seconds, that is told.
const LOSSY_MAJORITY: Bounds = Bounds {
    pages: &["VIP front: moved", "node lb", "quorum: "],
    ..LATER
};

/// A channel that fails several times is told by those that are left, or when it works again.
const RELAY: Bounds = Bounds {
    pages: &["VIP front: moved", "node lb", "channel ops/mail"],
    ..LATER
};

/// The owner goes on; that its disk is full is told. It may have come to own by plan just before,
/// which puts off a connection or two.
const DISK: Bounds = Bounds {
    pages: &["disk of lb", "VIP front: moved"],
    ..MOVES
};

/// All of them, in the order of the table.
pub const ROWS: &[Row] = &[
    row("kill", "owner killed (kill -9), started again", kill, MOVES),
    row("pause", "owner stopped (SIGSTOP), continued", pause, MOVES),
    row(
        "power-off",
        "owner without power, on again",
        power_off,
        UNPLUGGED,
    ),
    row(
        "unplug",
        "owner's cable pulled, plugged in again",
        unplug,
        UNPLUGGED,
    ),
    row("flap", "owner's cable loose: 1 Hz", flap, UNPLUGGED),
    row(
        "not-heard",
        "what the owner sends is lost",
        not_heard,
        UNPLUGGED,
    ),
    row(
        "hears-nothing",
        "what is sent to the owner is lost",
        hears_nothing,
        UNPLUGGED,
    ),
    row(
        "partial",
        "owner and stand-by cut from each other",
        partial,
        MOVES,
    ),
    row(
        "loss-5",
        "5 % of frames between nodes lost",
        |s| loss(s, 5),
        UNSEEN,
    ),
    row(
        "loss-20",
        "20 % of frames between nodes lost",
        |s| loss(s, 20),
        LOSSY,
    ),
    row(
        "loss-40",
        "40 % of frames between nodes lost",
        |s| loss(s, 40),
        LOSSY_MAJORITY,
    ),
    row(
        "log-cut",
        "the log's connections of the owner cut",
        log_cut,
        TOLD,
    ),
    row(
        "fsync-eio",
        "owner's fsync fails once (EIO)",
        fsync_eio,
        MOVES,
    ),
    row(
        "fsync-30",
        "every fsync takes 30 ms longer",
        |s| slow_disks(s, 30),
        UNSEEN,
    ),
    row(
        "fsync-100",
        "every fsync takes 100 ms longer",
        |s| slow_disks(s, 100),
        UNSEEN,
    ),
    row(
        "fsync-500",
        "every fsync takes 500 ms longer",
        |s| slow_disks(s, 500),
        UNSEEN,
    ),
    row(
        "disk-full",
        "owner's disk filled to the last byte, emptied",
        disk_full,
        DISK,
    ),
    row(
        "clock-day-ahead",
        "owner's wall clock a day ahead",
        |s| clock(s, "+1d"),
        MOVES,
    ),
    row(
        "clock-hour-back",
        "owner's wall clock an hour behind",
        |s| clock(s, "-1h"),
        MOVES,
    ),
    row(
        "cpu-stolen",
        "four busy processes a core",
        cpu_stolen,
        UNSEEN,
    ),
    row(
        "descriptors",
        "owner has 64 file descriptors left",
        descriptors,
        MOVES,
    ),
    row(
        "data-lost",
        "stand-by's data folder lost, joined again",
        data_lost,
        TOLD,
    ),
    row(
        "memory",
        "owner may use 8 MiB more, and 800 clients come",
        memory,
        MOVES,
    ),
    row("away", "stand-by away for 10,000 changes", away, TOLD),
    row("names-gone", "no name server answers", names_gone, UNSEEN),
    row(
        "relay-gone",
        "mail relay gone",
        relay_gone,
        Bounds {
            failed: Some(0),
            ..RELAY
        },
    ),
    row(
        "relay-and-owner",
        "relay gone and owner killed",
        relay_and_owner,
        RELAY,
    ),
    row(
        "loss-and-owner",
        "20 % loss and owner killed",
        loss_and_owner,
        LOSSY_MAJORITY,
    ),
];

const fn row(
    name: &'static str,
    what: &'static str,
    begin: fn(&mut Scene) -> Result<Undo>,
    bounds: Bounds,
) -> Row {
    Row {
        name,
        what,
        begin,
        bounds,
    }
}
