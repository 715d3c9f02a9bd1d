//! Events: what the pages of incidents say.

use std::collections::{BTreeMap, BTreeSet};

use super::incident::Event;
use super::{AdminState, CheckKey, Health, HealthRecord, Parent, Server, State};
use crate::id::{FarmName, PageId, ServerName, UnixMillis};

impl State {
    /// Something went away.
    pub(super) fn down_event(&self, member: &Parent, at: UnixMillis) -> Event {
        let failed: Vec<_> = self
            .member_records(member)
            .filter(|(_, record)| record.health == Health::Down)
            .collect();
        let first = failed.iter().min_by_key(|(_, record)| record.since);
        let several = self.config.checks_of(member).count() > 1;
        let cause = match first {
            Some((CheckKey::Server { service, .. }, record)) if several => {
                format!("{service}: {}", record.reason)
            }
            Some((_, record)) => record.reason.clone(),
            None => String::new(),
        };
        let affected = self.affected(member);
        let evidence = failed.iter().map(|(key, _)| self.check_evidence(key));
        let evidence = evidence.chain(affected.lines());
        Event {
            at: first.map_or(at, |(_, record)| record.since),
            cause,
            left: self.left(member, &affected),
            evidence: evidence.take(EVIDENCE_LINES_MAX).collect(),
            verdict: None,
        }
    }

    /// Something is back.
    pub(super) fn up_event(&self, member: &Parent, down: PageId, at: UnixMillis) -> Event {
        let records = self.member_records(member);
        let at = records.map(|(_, record)| record.since).max().unwrap_or(at);
        Event {
            left: self.left(member, &Affected::default()),
            ..Event::plain(at, self.since_page("up again", down, at))
        }
    }

    /// `3 of 4 up`, and who else is affected.
    fn left(&self, member: &Parent, affected: &Affected) -> String {
        let standing = match member {
            Parent::Server(farm, _) => Some(self.farm_standing(farm).to_string()),
            Parent::Watch(_) => None,
        };
        let words = standing.into_iter().chain(affected.summary());
        words.collect::<Vec<_>>().join("; ")
    }

    /// Whoever depends on something, and whoever of the same address fails with it.
    fn affected(&self, member: &Parent) -> Affected {
        let mut all = self.dependants_of(member);
        let siblings = self.siblings_of(member);
        all.extend(siblings.filter(|sibling| self.is_down(sibling)).cloned());
        let mut affected = Affected::default();
        for one in all.into_iter().filter(|one| !self.config.is_suspended(one)) {
            match one {
                Parent::Watch(watch) => affected.watches.push(watch.to_string()),
                Parent::Server(farm, server) => {
                    affected.servers.entry(farm).or_default().insert(server);
                }
            }
        }
        affected
    }

    /// The records of one thing's checks, as far as there are verdicts.
    pub fn member_records<'a>(
        &'a self,
        member: &'a Parent,
    ) -> impl Iterator<Item = (&'a CheckKey, &'a HealthRecord)> {
        let keys = self.config.checks_of(member);
        keys.filter_map(|key| self.health.get_key_value(&key))
    }

    /// `check web on 10.0.0.21:80: connection refused, seen by lb1`.
    fn check_evidence(&self, key: &CheckKey) -> String {
        let Some(record) = self.health.get(key) else {
            return String::new();
        };
        let check = match key {
            CheckKey::Server { service, .. } => format!("check {service}"),
            CheckKey::Watch(_) => "check".to_owned(),
        };
        let target = self.config.target(key);
        let target = target.map_or_else(String::new, |target| format!(" on {target}"));
        let seen = record.authority.map_or_else(String::new, |authority| {
            format!(", seen by {}", self.node_name(authority.node()))
        });
        format!("{check}{target}: {}{seen}", record.reason)
    }

    /// One line for each server that does not serve.
    pub(super) fn farm_evidence(&self, name: &FarmName) -> Vec<String> {
        let Some(farm) = self.config.farms.get(name) else {
            return vec![];
        };
        let line = |(server, ordered): (&ServerName, &Server)| {
            let member = Parent::Server(name.clone(), server.clone());
            let failed = self
                .member_records(&member)
                .find(|(_, record)| record.health == Health::Down)
                .map(|(key, record)| match key {
                    CheckKey::Server { service, .. } => format!("{service}: {}", record.reason),
                    CheckKey::Watch(_) => record.reason.clone(),
                });
            match (ordered.admin, failed) {
                (AdminState::Ready, None) => None,
                (AdminState::Ready, Some(failed)) => Some(format!("{server}: {failed}")),
                (admin @ (AdminState::Drain | AdminState::Maintenance), _) => {
                    Some(format!("{server}: in {admin} by order"))
                }
            }
        };
        let lines = farm.servers.iter().filter_map(line);
        lines.take(EVIDENCE_LINES_MAX).collect()
    }
}

/// Who suffers from a failure beside its subject.
#[derive(Debug, Default)]
struct Affected {
    servers: BTreeMap<FarmName, BTreeSet<ServerName>>,
    watches: Vec<String>,
}

impl Affected {
    /// `143 servers in 3 farms affected`.
    fn summary(&self) -> Option<String> {
        let plural = |count: usize, word: &str| match count {
            1 => format!("1 {word}"),
            count => format!("{count} {word}s"),
        };
        let watches = match self.watches.len() {
            0 => None,
            count => Some(plural(count, "watch").replace("watchs", "watches")),
        };
        let servers = match self.servers.values().map(BTreeSet::len).sum() {
            0 => None,
            count => {
                let farms = plural(self.servers.len(), "farm");
                Some(format!("{} in {farms}", plural(count, "server")))
            }
        };
        let words: Vec<String> = servers.into_iter().chain(watches).collect();
        (!words.is_empty()).then(|| format!("{} affected", words.join(" and ")))
    }

    /// Everybody's name: `affected in shop: s1 s2 s3`.
    fn lines(&self) -> Vec<String> {
        let mut lines = Vec::new();
        for (farm, servers) in &self.servers {
            let names = servers.iter().map(ServerName::as_str);
            wrap(&format!("affected in {farm}:"), names, &mut lines);
        }
        if !self.watches.is_empty() {
            let names = self.watches.iter().map(String::as_str);
            wrap("affected watches:", names, &mut lines);
        }
        lines
    }
}

/// Names behind a head, as many to a line as fit.
fn wrap<'a>(head: &str, names: impl Iterator<Item = &'a str>, lines: &mut Vec<String>) {
    let mut line = head.to_owned();
    for name in names {
        if line.len() + 1 + name.len() > AFFECTED_COLUMNS {
            lines.push(std::mem::replace(&mut line, head.to_owned()));
        }
        line.push(' ');
        line.push_str(name);
    }
    lines.push(line);
}

/// Each line of a page carries so much; 20 of them name some four hundred servers.
const AFFECTED_COLUMNS: usize = 190;

/// A mail stays readable; `farmux farm show` has the rest.
const EVIDENCE_LINES_MAX: usize = 20;
