//! Every drill, with what it must come to on a healthy site.

/// A drill.
#[derive(Debug, Clone, Copy)]
pub struct Row {
    /// What it is called.
    pub kind: &'static str,
    /// Whom to hit, and what else is typed.
    pub words: &'static [&'static str],
    /// What clients of the VIP may see of it.
    pub outage: Outage,
    /// Whose daemon may die in the middle.
    pub hits: Hits,
    /// Where daemons only pretend: what shows that, and what it says once they do not any more.
    pub pretended: Option<Pretended>,
}

/// What to ask a node, and whether that is an answer of one who does not pretend.
pub type Pretended = (&'static [&'static str], fn(&str) -> bool);

/// What clients of a VIP may see.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outage {
    /// Nothing.
    None,
    /// Some requests fail, and others do not meanwhile: two clients see different ones.
    Partial,
    /// All fail for a moment, for every client.
    Whole,
}

/// What is hit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hits {
    /// The node that owns the VIP.
    Owner,
    /// A node, named as the target.
    Node,
    /// The owner, and all others but one: most nodes see nothing of the run until it is over.
    Majority,
    /// No node: the daemons pretend, or nothing is injected.
    None,
}

const SHOP: Pretended = (&["farm", "list"], |said| said.contains("2 of 2"));
const FILES: Pretended = (&["watch", "list"], |said| said.contains(": 1 up"));
const DISKS: Pretended = (&["status"], |said| !said.contains("no room is left"));

const fn row(kind: &'static str, outage: Outage, hits: Hits) -> Row {
    Row {
        kind,
        words: &[],
        outage,
        hits,
        pretended: None,
    }
}

const fn pretends(row: Row, words: &'static [&'static str], pretended: Pretended) -> Row {
    Row {
        words,
        pretended: Some(pretended),
        ..row
    }
}

const SERVER: &[&str] = &["--target", "shop/s1"];

/// All of them; what moves the VIP leaves it on another node, which the next one finds.
pub const ROWS: &[Row] = &[
    row("vip-move", Outage::Partial, Hits::Owner),
    row("owner-crash", Outage::Whole, Hits::Owner),
    row("owner-pause", Outage::Whole, Hits::Owner),
    row("node-isolate", Outage::Whole, Hits::Node),
    row("gateway-loss", Outage::Whole, Hits::Owner),
    // Its owner holds what it serves: the VIP has a gateway.
    Row {
        words: &["--force", "prod"],
        ..row("quorum-loss", Outage::None, Hits::Majority)
    },
    pretends(
        row("server-down", Outage::Partial, Hits::None),
        SERVER,
        SHOP,
    ),
    pretends(
        row("server-slow", Outage::Partial, Hits::None),
        SERVER,
        SHOP,
    ),
    pretends(
        row("file-server-down", Outage::None, Hits::None),
        &["--target", "files"],
        FILES,
    ),
    row("page-test", Outage::None, Hits::None),
    pretends(row("disk-full", Outage::None, Hits::Node), &[], DISKS),
    row("restore", Outage::None, Hits::None),
];
