//! PURE. Why a cluster is not `ok`, the worst first.

use std::collections::BTreeMap;

use farmux_raft::id::ServerName;
use farmux_raft::state::{AdminState, Advice, Culprit, Page, Server, State, Subject, span_text};

use super::View;
use super::blame::{NAMES_MAX, blame};
use crate::api::types::{
    Answering, ClusterStatus, Condition, FarmStatus, MemberKind, Overall, Reason,
};

/// Everything that is not as it should be, and what one should know.
pub(super) fn reasons(view: &View<'_>, status: &ClusterStatus) -> Vec<Reason> {
    let mut reasons = Vec::new();
    let mut add = |level, text: String| reasons.push(Reason { level, text });
    if view.log.removed {
        let text = "this node was removed from the cluster, and what it shows is old: farmux \
                    cluster leave   (here), then join anew";
        add(Overall::Critical, text.to_owned());
    }
    agreement(view, status, &mut add);
    super::room::full(view, &mut add);
    vips(view, status, &mut add);
    troubles(view, &mut add);
    unfenced(view, &mut add);
    probing(view, &mut add);
    nodes(status, &mut add);
    at_rest(status, &mut add);
    settling(view, &mut add);
    super::format::notice(&status.format, &status.nodes, &mut add);
    for farm in &status.farms {
        farm_as_a_whole(view.state, farm, &mut add);
    }
    blame(view.state, &mut add);
    silences(view, &mut add);
    unwilling(view.state, &mut add);
    suspicions(view.state, &mut add);
    if status.pages.failing > 0 {
        let failing = status.pages.failing;
        add(
            Overall::Degraded,
            format!("{failing} page deliveries fail: farmux page list"),
        );
    }
    channels(status, &mut add);
    // Stable: within a level they stay in the order in which they were found.
    reasons.sort_by_key(|reason| std::cmp::Reverse(reason.level));
    reasons
}

/// What somebody may have forgotten, and what changes too often to be told of.
fn silences(view: &View<'_>, add: &mut impl FnMut(Overall, String)) {
    let state = view.state;
    for (number, silence) in state.silences.iter() {
        if silence.is_forgotten(view.now) {
            let text = format!(
                "silence {number} ({}) of {} has lasted for more than a day: farmux silence list",
                silence.matcher, silence.author.0
            );
            add(Overall::Degraded, text);
        }
    }
    let orders = state.maintenances.iter();
    let mut orders = orders.filter(|(_, order)| order.is_forgotten(view.now));
    if let Some(((farm, server), order)) = orders.next() {
        let more = match orders.count() {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        let text = format!(
            "maintenance of {farm}/{server}{more} by {} has lasted for more than a day: farmux \
             farm show {farm}",
            order.author.0
        );
        add(Overall::Degraded, text);
    }
    let flapping: Vec<String> = state
        .flaps
        .iter()
        .map(|subject| state.title(subject))
        .collect();
    if let Some(first) = flapping.first() {
        let text = match flapping.len() {
            1 => format!("{first} is flapping"),
            count => format!("{first} and {} more are flapping", count - 1),
        };
        add(Overall::Degraded, text);
    }
}

/// What would not carry a page.
fn channels(status: &ClusterStatus, add: &mut impl FnMut(Overall, String)) {
    if status.pages.heartbeat_failing.is_some() {
        let text = "the heartbeat does not get through: farmux page list";
        add(Overall::Degraded, text.to_owned());
    }
    for canary in &status.pages.canaries {
        let contact = &canary.contact;
        for one in canary.channels.iter().filter(|one| !one.taken) {
            let (channel, words) = (one.channel, &one.words);
            let text = format!(
                "the last canary did not reach {contact} by {channel} ({words}): farmux contact \
                 test {contact}"
            );
            add(Overall::Degraded, text);
        }
    }
}

/// Nodes that suspect themselves, and what was found out.
fn suspicions(state: &State, add: &mut impl FnMut(Overall, String)) {
    for (node, suspicion) in state.suspicions.iter() {
        let name = state.node_name(*node);
        let (failed, total) = (suspicion.failed, suspicion.total);
        let began = format!("{failed} of {total} targets of {name} began to fail at once");
        let found = match suspicion.culprit() {
            None => "another node is asked whether it is the node or they",
            Some(Culprit::Path) => "another node reaches them: the path of this one is down",
            Some(Culprit::Servers) => "another node sees the same: they are down",
            Some(Culprit::Alone) => "no other node could tell whether it is the node or they",
        };
        add(Overall::Degraded, format!("{began}; {found}"));
    }
}

fn agreement(view: &View<'_>, status: &ClusterStatus, add: &mut impl FnMut(Overall, String)) {
    match (status.survives.failures, &status.leader) {
        (None, _) => {
            let voters = view.voters();
            let answer = voters.iter().filter(|node| view.answers(**node)).count();
            let moves = match view.state.config.vips.is_empty() {
                true => "",
                false => " and no VIP moves",
            };
            let text = format!(
                "no majority: {answer} of {} voters answer; nothing can be changed{moves}",
                voters.len()
            );
            add(Overall::Critical, text);
        }
        (Some(_), None) => {
            add(
                Overall::Critical,
                "no leader: an election is under way".to_owned(),
            );
        }
        (Some(_), Some(_)) => {}
    }
}

fn vips(view: &View<'_>, status: &ClusterStatus, add: &mut impl FnMut(Overall, String)) {
    for vip in &status.vips {
        if let Some((node, millis)) = view.alone_for(&vip.name) {
            let who = view.node_name(node).map_or(node.to_string(), String::from);
            let span = span_text(millis);
            let text = format!(
                "{who} has gone on with VIP {} for {span} although no majority answers; it yields \
                 to whoever claims it (farmux explain FMX-230)",
                vip.name
            );
            add(Overall::Critical, text);
        }
        let holders: Vec<String> = view
            .holders(&vip.name)
            .map(|node| view.node_name(node).map_or(node.to_string(), String::from))
            .collect();
        if holders.len() > 1 {
            let who = holders.join(" and ");
            add(
                Overall::Critical,
                format!(
                    "{who} both say they own VIP {}: ask again; it must not last",
                    vip.name
                ),
            );
        } else if vip.owner.is_none() {
            add(
                Overall::Critical,
                format!("nobody owns VIP {} ({})", vip.name, vip.address),
            );
        }
    }
}

/// What the nodes that answer say stands in the way of a VIP: the owner's word is the worst.
fn troubles(view: &View<'_>, add: &mut impl FnMut(Overall, String)) {
    for (node, report) in &view.reports {
        for (vip, trouble) in &report.troubles {
            let level = match report.held.contains(vip) {
                true => Overall::Critical,
                false => Overall::Degraded,
            };
            add(
                level,
                format!("VIP {vip} on {}: {trouble}", view.state.node_name(*node)),
            );
        }
        for text in &report.disturbances {
            let node = view.state.node_name(*node);
            add(Overall::Degraded, format!("node {node}: {text}"));
        }
    }
}

/// Where the kernel does not keep a VIP from answering after its time: said once a node, for it has
/// one cause.
fn unfenced(view: &View<'_>, add: &mut impl FnMut(Overall, String)) {
    for (node, report) in &view.reports {
        let name = view.state.node_name(*node);
        let whys: BTreeMap<&str, bool> = report
            .unfenced
            .values()
            .map(|unfenced| (unfenced.why.as_str(), unfenced.at_all))
            .collect();
        for (why, at_all) in whys {
            let level = match at_all {
                true => Overall::Degraded,
                false => Overall::Ok,
            };
            add(level, format!("node {name}: {why}"));
        }
    }
}

/// What keeps a node from making its checks.
fn probing(view: &View<'_>, add: &mut impl FnMut(Overall, String)) {
    for (node, report) in &view.reports {
        let name = view.state.node_name(*node);
        for shortage in &report.shortages {
            add(Overall::Degraded, format!("node {name}: {shortage}"));
        }
        if report.blind > 0 {
            let (count, some) = (report.blind, report.blind_some.join(", "));
            let more = match count > report.blind_some.len() {
                true => ", …",
                false => "",
            };
            let text = format!(
                "node {name} cannot make {count} of its checks, and their verdicts are old: \
                 {some}{more}"
            );
            add(Overall::Degraded, text);
        }
    }
}

fn nodes(status: &ClusterStatus, add: &mut impl FnMut(Overall, String)) {
    for node in &status.nodes {
        match (node.answering, node.member) {
            (Answering::No, MemberKind::Voter | MemberKind::Learner) => {
                add(
                    Overall::Degraded,
                    format!("node {} does not answer", node.name),
                );
            }
            (Answering::No | Answering::Yes | Answering::Itself, MemberKind::Outside) => {
                add(
                    Overall::Ok,
                    format!("node {} has not joined completely", node.name),
                );
            }
            (Answering::Yes | Answering::Itself, MemberKind::Learner) => {
                add(
                    Overall::Ok,
                    format!("node {} is catching up and does not vote yet", node.name),
                );
            }
            (Answering::Yes | Answering::Itself, MemberKind::Voter) => {}
        }
    }
}

/// Nodes that take nothing on, by somebody's order; and what they have all the same.
fn at_rest(status: &ClusterStatus, add: &mut impl FnMut(Overall, String)) {
    for node in &status.nodes {
        let Some(order) = &node.maintenance else {
            continue;
        };
        let name = &node.name;
        let why = match order.why.as_str() {
            "" => String::new(),
            why => format!(", {why}"),
        };
        let vips = status.vips.iter();
        let has = vips.filter(|vip| vip.owner.as_ref() == Some(name));
        let has: Vec<String> = has.map(|vip| format!("VIP {}", vip.name)).collect();
        let still = match has.is_empty() {
            true => String::new(),
            false => format!(
                " and still owns {}, which nobody else took",
                has.join(" and ")
            ),
        };
        let text = format!(
            "node {name} is in maintenance ({}{why}){still}: farmux node maintenance {name} off",
            order.author
        );
        add(Overall::Degraded, text);
    }
}

/// Who started a moment ago is silent about VIPs: were their owner to die now, they would wait.
fn settling(view: &View<'_>, add: &mut impl FnMut(Overall, String)) {
    // Where there is no VIP nobody waits for its vote.
    if view.state.config.vips.is_empty() {
        return;
    }
    for node in view.voters().into_iter().filter(|n| view.is_settling(*n)) {
        let name = view.state.node_name(node);
        add(
            Overall::Degraded,
            format!("node {name} started a moment ago and does not vote on VIPs yet"),
        );
    }
}

fn farm_as_a_whole(state: &State, farm: &FarmStatus, add: &mut impl FnMut(Overall, String)) {
    let FarmStatus {
        name,
        condition,
        reason,
        servers,
        serving,
        unknown,
        ..
    } = farm;
    match (incident(state, &Subject::Farm(name.clone())), condition) {
        (None, Condition::Down) => add(Overall::Critical, format!("farm {name} is down: {reason}")),
        (Some(page), _) => {
            add(
                Overall::Critical,
                format!("farm {name} is down: {}", page.cause),
            );
        }
        (None, Condition::Degraded) => {
            add(
                Overall::Degraded,
                format!("farm {name} is degraded: {reason}"),
            );
        }
        (None, Condition::Serving | Condition::Undecided) => {
            if *servers > 0 && *serving == 0 && *unknown == 0 {
                let text =
                    format!("farm {name} serves nothing: none of {servers} servers may be used");
                add(Overall::Critical, text);
            }
        }
    }
    if *unknown > 0 {
        add(
            Overall::Ok,
            format!("farm {name}: {unknown} servers wait for their first verdict"),
        );
    }
}

/// Servers that are well and whose own pages want no new work: nobody was called for them.
fn unwilling(state: &State, add: &mut impl FnMut(Overall, String)) {
    for advice in [Advice::Overload, Advice::Quiesce] {
        let mut names = Vec::new();
        for (farm, rules) in &state.config.farms {
            let ready = |(_, server): &(_, &Server)| server.admin == AdminState::Ready;
            let asks = |(server, _): &(&ServerName, _)| state.server_advice(farm, server) == advice;
            let all = rules.servers.iter().filter(ready).filter(asks);
            names.extend(all.map(|(server, _)| format!("{farm}/{server}")));
        }
        let shown = names.get(..NAMES_MAX).unwrap_or(&names).join(" ");
        let more = if names.len() > NAMES_MAX { " …" } else { "" };
        match names.len() {
            0 => {}
            1 => add(
                Overall::Ok,
                format!("server {shown} is up, {advice}: by its own page"),
            ),
            many => add(
                Overall::Ok,
                format!("{many} servers are up, {advice}: by their own pages: {shown}{more}"),
            ),
        }
    }
}

/// The page that opened the incident of a subject that is down now.
pub(super) fn incident<'a>(state: &'a State, subject: &Subject) -> Option<&'a Page> {
    state
        .incidents
        .get(subject)
        .and_then(|id| state.pages.get(id))
}
