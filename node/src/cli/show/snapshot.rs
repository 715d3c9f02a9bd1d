//! What is in a snapshot file.

use std::fmt::Write;

use farmux_raft::id::UnixMillis;

use super::super::terminal::Paint;
use super::role_words;
use super::table::{Columns, Word};
use crate::backup::{Counts, Header};

/// Said where it was saved without a majority.
const NOT_NEWEST: &str = "no majority confirmed it: what was decided last may be missing";

/// `farmux snapshot inspect`.
pub fn snapshot(header: &Header, paint: Paint, now: UnixMillis) -> String {
    let Counts {
        vips,
        farms,
        servers,
        watches,
        contacts,
        admins,
        pages,
        revisions,
    } = header.counts;
    let mut text = String::new();
    // Writing to a string cannot fail.
    let mut line = |name: &str, value: String| {
        let _ = writeln!(text, "{name:<9} {value}");
    };
    line(
        "cluster",
        format!("{} ({})", header.cluster, header.cluster_id),
    );
    line("epoch", header.epoch.to_string());
    line(
        "state",
        format!("r{}, log index {}", header.revision, header.applied),
    );
    match header.newest {
        Some(true) => line("newest", "yes".to_owned()),
        Some(false) => line("newest", NOT_NEWEST.to_owned()),
        None => {}
    }
    line(
        "saved",
        format!(
            "{} UTC ({} ago) by {}, farmux {}",
            header.saved.to_the_second(),
            header.saved.ago(now),
            header.saved_by,
            header.version
        ),
    );
    line(
        "holds",
        format!(
            "{vips} VIPs, {farms} farms with {servers} servers, {watches} watches, {contacts} \
             contacts, {admins} administrators, {pages} pages, {revisions} revisions"
        ),
    );
    line(
        "sealed",
        format!(
            "{}, {} rounds, {}",
            header.sealing.key, header.sealing.rounds, header.sealing.cipher
        ),
    );
    line("checksum", "right".to_owned());
    text.push('\n');
    let mut columns = Columns::new(paint, &["NODE", "ROLE", "PEER"]);
    for member in &header.members {
        let peer: Vec<String> = member.peer.iter().map(ToString::to_string).collect();
        columns.row([
            Word::from(&member.name),
            Word::from(role_words(member.role)),
            Word::from(peer.join(",")),
        ]);
    }
    text + &columns.finish("no nodes")
}
