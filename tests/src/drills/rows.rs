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
}

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
    /// No node: the daemons pretend, or nothing is injected.
    None,
}

const fn row(
    kind: &'static str,
    words: &'static [&'static str],
    outage: Outage,
    hits: Hits,
) -> Row {
    Row {
        kind,
        words,
        outage,
        hits,
    }
}

/// All of them; what moves the VIP leaves it on another node, which the next one finds.
pub const ROWS: &[Row] = &[
    row("vip-move", &[], Outage::Partial, Hits::Owner),
    row("owner-crash", &[], Outage::Whole, Hits::Owner),
    row("owner-pause", &[], Outage::Whole, Hits::Owner),
    row("node-isolate", &[], Outage::Whole, Hits::Node),
    row("gateway-loss", &[], Outage::Whole, Hits::Node),
    row(
        "server-down",
        &["--target", "shop/s1"],
        Outage::Partial,
        Hits::None,
    ),
    row(
        "server-slow",
        &["--target", "shop/s1"],
        Outage::Partial,
        Hits::None,
    ),
    row(
        "file-server-down",
        &["--target", "files"],
        Outage::None,
        Hits::None,
    ),
    row("page-test", &[], Outage::None, Hits::None),
    row(
        "quorum-loss",
        &["--force", "prod"],
        Outage::None,
        Hits::Owner,
    ),
    row("disk-full", &[], Outage::None, Hits::Node),
    row("restore", &[], Outage::None, Hits::None),
];
