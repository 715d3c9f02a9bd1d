//! `farmux vip list`, `farmux vip show`, and what a move will do.

use std::fmt::Write;
use std::time::Duration;

use farmux_raft::id::UnixMillis;
use farmux_raft::state::{OnQuorumLoss, duration_text};

use super::super::terminal::{Mood, Paint};
use super::table::{Columns, Word};
use crate::api::types::{ClaimReport, FenceReport, MovePlan, Reading, Right, VipReport};

/// All VIPs, a line each.
pub fn vips(reading: &Reading<Vec<VipReport>>, paint: Paint, now: UnixMillis) -> String {
    let header = [
        "VIP", "ADDRESS", "NETWORK", "OWNER", "FOR", "RIGHT", "BALLOT", "FENCE",
    ];
    let mut columns = Columns::new(paint, &header);
    for vip in &reading.data {
        let owner = vip.owner.as_ref().map_or("NOBODY", |owner| owner.as_str());
        let mood = match vip.owner {
            Some(_) => Mood::Good,
            None => Mood::Bad,
        };
        columns.row([
            Word::from(&vip.name),
            Word::from(vip.address),
            Word::from(&vip.network),
            Word::moody((owner, mood)),
            Word::from(vip.since.map_or(String::new(), |since| since.ago(now))),
            Word::from(vip.right.map_or("", |right| right_words(right).0)),
            Word::from(vip.ballot.as_deref().unwrap_or_default()),
            Word::from(vip.fence.as_ref().map_or("", |fence| fence.mode.as_str())),
        ]);
    }
    format!(
        "{}\n{}\n",
        columns.finish("no VIPs"),
        reading.fresh.in_words()
    )
}

/// Each VIP as [`vip`] shows it.
pub fn all_vips(reading: &Reading<Vec<VipReport>>, paint: Paint, now: UnixMillis) -> String {
    let each = reading.data.iter().map(|vip| lines(vip, paint, now));
    let mut text = each.collect::<Vec<_>>().join("\n");
    if text.is_empty() {
        text.push_str("no VIPs\n");
    }
    format!("{text}\n{}\n", reading.fresh.in_words())
}

/// One VIP, a line a fact.
pub fn vip(reading: &Reading<VipReport>, paint: Paint, now: UnixMillis) -> String {
    let lines = lines(&reading.data, paint, now);
    format!("{lines}\n{}\n", reading.fresh.in_words())
}

fn lines(vip: &VipReport, paint: Paint, now: UnixMillis) -> String {
    let mut text = String::new();
    let mut line = |name: &str, words: &str| {
        let _ = writeln!(text, "{name:<16}{words}");
    };
    line("vip", &format!("{} {}", vip.name, vip.address));
    let gateway = vip
        .gateway
        .map_or(String::new(), |gateway| format!(", gateway {gateway}"));
    line("network", &format!("{}{gateway}", vip.network));
    let loss = match vip.on_quorum_loss {
        OnQuorumLoss::Release => "release: without a majority the address goes",
        OnQuorumLoss::Hold => "hold: its owner goes on while the gateway answers",
        OnQuorumLoss::HoldOrTake => {
            "hold: its owner goes on while the gateway answers, and the survivor of a pair takes it"
        }
    };
    line("on quorum loss", loss);
    let since = vip
        .since
        .map_or(String::new(), |since| format!(", for {}", since.ago(now)));
    match &vip.owner {
        Some(owner) => line("owner", &format!("{owner}{since}")),
        None => line("owner", &paint.paint(Mood::Bad, "NOBODY")),
    }
    if let Some(right) = vip.right {
        let (_, words, mood) = right_words(right);
        let ballot = vip.ballot.as_deref().unwrap_or("-");
        line(
            "by right of",
            &format!("{}, ballot {ballot}", paint.paint(mood, words)),
        );
    }
    if let Some(work) = vip.in_flight {
        line("in flight", &format!("{work}; {} idle", work.idle));
    }
    for other in &vip.others {
        let words = match &other.unfit {
            None => "could take it".to_owned(),
            Some(why) => paint.paint(Mood::Poor, &format!("could not take it: {why}")),
        };
        line("beside", &format!("{} {words}", other.node));
    }
    match &vip.fence {
        Some(fence) => fence_lines(fence, now, &mut line),
        None => line("fence", "not known"),
    }
    text
}

fn fence_lines(fence: &FenceReport, now: UnixMillis, line: &mut impl FnMut(&str, &str)) {
    line("fence", &fence.mode);
    for (reason, count) in &fence.drops {
        line("dropped", &format!("{count} {reason}"));
    }
    match &fence.last_claim {
        Some(claim) => {
            let ClaimReport { mac, at } = claim;
            let words = format!("{mac}, {} ago; {} in all", at.ago(now), fence.claims);
            line("last claim", &words);
        }
        None => line("last claim", "none"),
    }
    if let Some(trouble) = &fence.trouble {
        line("fence trouble", trouble);
    }
}

/// In a table, in a line, and how good it is.
fn right_words(right: Right) -> (&'static str, &'static str, Mood) {
    match right {
        Right::Lease => ("lease", "lease, from a majority", Mood::Good),
        Right::Hold => (
            "HOLD",
            "hold: no majority answers, and it goes on",
            Mood::Poor,
        ),
    }
}

/// What a move will do, before it is asked for a yes.
pub fn move_plan(plan: &MovePlan, wait: Duration) -> String {
    let mut text = String::new();
    for one in &plan.moves {
        let _ = writeln!(
            text,
            "VIP {} ({}) goes from {} to {}; in flight there now: {}",
            one.vip, one.address, one.from, one.to, one.in_flight
        );
    }
    if let Some(leader) = &plan.leader {
        let to = match &leader.to {
            Some(to) => to.as_str(),
            None => "another node",
        };
        let _ = writeln!(text, "the leadership goes from {} to {to}", leader.from);
    }
    if !plan.moves.is_empty() {
        let wait = match wait {
            Duration::ZERO => "what is in flight is cut at once".to_owned(),
            wait => format!(
                "what is in flight gets {}; what is left then is cut",
                duration_text(wait)
            ),
        };
        let _ = writeln!(text, "clients are asked to come again; {wait}");
    }
    text
}
