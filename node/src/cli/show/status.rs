//! `farmux status`: the first lines say all that matters, the tables below say the rest.

use std::fmt::Write;

use farmux_raft::id::UnixMillis;

use super::super::terminal::{Mood, Paint};
use super::table::{Columns, Word};
use super::vip::pause_words;
use super::{condition_words, role_words};
use crate::api::types::{
    Answering, ClusterStatus, DrillsStatus, FarmStatus, MemberKind, NodeStatus, Overall,
    PageStatus, Reason, StatusReport, Survives, VipStatus, WatchCounts,
};

/// The whole report.
pub fn status(report: &StatusReport, paint: Paint, now: UnixMillis) -> String {
    let mut text = String::new();
    let head = overall_words(report.overall);
    let head = paint.paint(head.1, head.0);
    let StatusReport { node, version, .. } = report;
    let Some(cluster) = &report.cluster else {
        let _ = writeln!(
            text,
            "overall   {head}   seen from {node}, farmux {version}"
        );
        text.push_str(&reasons(&report.reasons, paint));
        return text;
    };
    let seen = format!(
        "cluster {}, seen from {node}, farmux {version}",
        cluster.name
    );
    let _ = writeln!(text, "overall   {head}   {seen}");
    text.push_str(&head_lines(cluster, paint, now));
    if !report.reasons.is_empty() {
        text.push('\n');
        text.push_str(&reasons(&report.reasons, paint));
    }
    text.push('\n');
    text.push_str(&nodes(&cluster.nodes, paint));
    if !cluster.farms.is_empty() {
        text.push('\n');
        text.push_str(&farms(&cluster.farms, paint));
    }
    text
}

fn head_lines(cluster: &ClusterStatus, paint: Paint, now: UnixMillis) -> String {
    let mut text = String::new();
    let leader = match &cluster.leader {
        Some(leader) => format!("{leader} (term {})", cluster.term),
        None => paint.paint(Mood::Bad, "NONE"),
    };
    let _ = writeln!(text, "leader    {leader}");
    if cluster.watches.total() > 0 {
        let _ = writeln!(text, "watches   {}", watch_words(cluster.watches, paint));
    }
    for vip in &cluster.vips {
        let _ = writeln!(text, "vip       {}", vip_words(vip, paint, now));
    }
    if let Some(pause) = &cluster.paused {
        let words = paint.paint(Mood::Poor, &pause_words(pause, now));
        let _ = writeln!(text, "paused    {words}");
    }
    let _ = writeln!(
        text,
        "survives  {}",
        survives_words(&cluster.survives, paint)
    );
    for sentence in &cluster.survives.alone {
        let _ = writeln!(text, "          {sentence}");
    }
    let PageStatus {
        incidents,
        due,
        failing,
        ..
    } = cluster.pages;
    let _ = writeln!(
        text,
        "pages     {incidents} open incidents, {due} deliveries due, {failing} of them failing"
    );
    text.push_str(&drill_lines(&cluster.drills, paint));
    let _ = writeln!(text, "fresh     {}", cluster.fresh.in_words());
    text
}

/// What is rehearsed: what runs, then what was proved when; amber where that is long ago, or never.
fn drill_lines(drills: &DrillsStatus, paint: Paint) -> String {
    let mut lines = Vec::new();
    if let Some(running) = &drills.running {
        lines.push(paint.paint(Mood::Loud, &format!("RUNNING: {running}")));
    }
    if let Some(locked) = &drills.locked {
        lines.push(paint.paint(Mood::Poor, &format!("locked {locked}")));
    }
    for line in &drills.last {
        let next = line.next.map_or(String::new(), |next| {
            format!("; next {} UTC", next.to_the_second())
        });
        let text = format!("{}{next}", line.text);
        lines.push(match (line.failed, line.due) {
            (true, _) => paint.paint(Mood::Bad, &text),
            (false, true) => paint.paint(Mood::Poor, &text),
            (false, false) => text,
        });
    }
    let never = match (drills.last.is_empty(), drills.never.as_slice()) {
        (_, []) => None,
        (true, _) => Some("none ever ran: farmux drill list".to_owned()),
        (false, never) => Some(format!("never: {}", never.join(", "))),
    };
    lines.extend(never.map(|never| paint.paint(Mood::Poor, &never)));
    let heads = std::iter::once("drills").chain(std::iter::repeat(""));
    let line = |(head, line): (&str, &String)| format!("{head:<9} {line}\n");
    heads.zip(&lines).map(line).collect()
}

fn overall_words(overall: Overall) -> (&'static str, Mood) {
    match overall {
        Overall::Ok => ("OK", Mood::Good),
        Overall::NoCluster => ("NO CLUSTER", Mood::Poor),
        Overall::Degraded => ("DEGRADED", Mood::Poor),
        Overall::Critical => ("CRITICAL", Mood::Bad),
    }
}

/// `500: 496 up, 3 down, 1 unknown`; whoever is in none of these is not told of.
pub(super) fn watch_words(counts: WatchCounts, paint: Paint) -> String {
    let WatchCounts {
        up,
        down,
        unreachable,
        unknown,
    } = counts;
    let mut words = vec![format!("{up} up")];
    if down > 0 {
        words.push(paint.paint(Mood::Bad, &format!("{down} down")));
    }
    for (count, word) in [(unreachable, "unreachable"), (unknown, "unknown")] {
        if count > 0 {
            words.push(paint.paint(Mood::Poor, &format!("{count} {word}")));
        }
    }
    format!("{}: {}", counts.total(), words.join(", "))
}

fn vip_words(vip: &VipStatus, paint: Paint, now: UnixMillis) -> String {
    let VipStatus {
        name,
        address,
        network,
        ..
    } = vip;
    let owner = match &vip.owner {
        Some(owner) => owner.to_string(),
        None => paint.paint(Mood::Bad, "NOBODY"),
    };
    let since = vip
        .since
        .map_or(String::new(), |since| format!(", for {}", since.ago(now)));
    let others: Vec<&str> = vip.moves_with.iter().map(|vip| vip.as_str()).collect();
    let together = match others.as_slice() {
        [] => String::new(),
        others => format!(", together with {}", others.join(" and ")),
    };
    let prefer = vip.prefer.as_ref();
    let prefer = prefer.filter(|prefer| vip.owner.as_ref() != Some(*prefer));
    let prefer = prefer.map_or(String::new(), |prefer| format!(", prefers {prefer}"));
    let alone = vip.alone_since.map_or(String::new(), |since| {
        let span = since.ago(now);
        paint.paint(
            Mood::Bad,
            &format!(", ALONE for {span}: no majority answers"),
        )
    });
    format!("{name} {address} on {network}: {owner}{since}{together}{prefer}{alone}")
}

fn survives_words(survives: &Survives, paint: Paint) -> String {
    let hint = survives
        .hint
        .as_ref()
        .map_or(String::new(), |hint| format!(": {hint}"));
    let whose = match survives.whose.as_str() {
        "" => String::new(),
        whose => format!(": {whose}"),
    };
    match survives.failures {
        None => paint.paint(Mood::Bad, "NO MAJORITY") + &hint,
        Some(0) => paint.paint(Mood::Poor, "NO FAILURE") + &hint,
        Some(1) => format!("1 failure{whose}"),
        Some(more) => format!("{more} failures{whose}"),
    }
}

fn reasons(reasons: &[Reason], paint: Paint) -> String {
    let line = |reason: &Reason| {
        let (word, mood) = match reason.level {
            Overall::Ok => ("note", Mood::Loud),
            Overall::NoCluster | Overall::Degraded | Overall::Critical => {
                overall_words(reason.level)
            }
        };
        format!(
            "{}  {}\n",
            paint.paint(mood, &format!("{word:<8}")),
            reason.text
        )
    };
    reasons.iter().map(line).collect()
}

fn nodes(nodes: &[NodeStatus], paint: Paint) -> String {
    let header = [
        "NODE", "ID", "ROLE", "MEMBER", "STATE", "LAG", "VERSION", "PEER", "ADMIN",
    ];
    let mut columns = Columns::new(paint, &header);
    for node in nodes {
        let (state, mood) = match (node.answering, node.leads) {
            (Answering::Itself, true) => ("leader, here", Mood::Good),
            (Answering::Itself, false) => ("here", Mood::Good),
            (Answering::Yes, true) => ("leader", Mood::Good),
            (Answering::Yes, false) => ("answers", Mood::Good),
            (Answering::No, _) => ("SILENT", Mood::Bad),
        };
        let (state, mood) = match (&node.maintenance, mood) {
            (None, mood) => (state.to_owned(), mood),
            (Some(_), Mood::Bad) => (format!("{state}, maintenance"), Mood::Bad),
            (Some(_), Mood::Good | Mood::Poor | Mood::Loud) => {
                (format!("{state}, maintenance"), Mood::Poor)
            }
        };
        let member = match node.member {
            MemberKind::Voter => "voter",
            MemberKind::Learner => "learner",
            MemberKind::Outside => "outside",
        };
        let peer: Vec<String> = node.peer.iter().map(ToString::to_string).collect();
        columns.row([
            Word::from(&node.name),
            Word::from(node.id),
            Word::from(role_words(node.role)),
            Word::from(member),
            Word::moody((&state, mood)),
            Word::from(
                node.lag_entries
                    .map_or(String::new(), |lag| lag.to_string()),
            ),
            Word::from(node.version.as_deref().unwrap_or_default()),
            Word::from(peer.join(",")),
            Word::from(node.admin),
        ]);
    }
    columns.finish("no nodes")
}

fn farms(farms: &[FarmStatus], paint: Paint) -> String {
    let header = [
        "FARM",
        "VIP",
        "SERVICES",
        "CONDITION",
        "SERVING",
        "DOWN",
        "UNREACHABLE",
        "UNKNOWN",
        "DRAIN",
        "MAINTENANCE",
    ];
    let mut columns = Columns::new(paint, &header);
    for farm in farms {
        let serving = format!("{} of {}", farm.serving, farm.servers);
        let mood = match farm.serving {
            0 => Mood::Bad,
            some if some < farm.servers => Mood::Poor,
            _ => Mood::Good,
        };
        columns.row([
            Word::from(&farm.name),
            Word::from(&farm.vip),
            Word::from(farm.services.join(", ")),
            Word::moody(condition_words(farm.condition)),
            Word::moody((&serving, mood)),
            Word::from(farm.down),
            Word::from(farm.unreachable),
            Word::from(farm.unknown),
            Word::from(farm.draining),
            Word::from(farm.maintenance),
        ]);
    }
    columns.finish("no farms")
}
