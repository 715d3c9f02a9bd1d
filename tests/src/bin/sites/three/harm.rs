//! Servers whose words are meant to get into a mail's envelope, its head, or a reader's terminal.

use std::collections::BTreeSet;

use anyhow::{Result, ensure};
use farmux_tests::judge::Letter;
use farmux_tests::lab::neighbourhood::order::Act;
use farmux_tests::lab::post::relay::Taken;

use super::attentive;
use super::scene::{OPS, Scene};

/// How many of them: each kind of check meets each kind of harm.
const HOUSES: usize = 30;

/// What a line of a mail may hold of what a server said, and as much again of our own.
const LINE_CHARS_MAX: usize = 400;

/// The bound for what a server said, in all of a mail.
const EVIDENCE_CHARS_MAX: usize = 200;

/// They break, and every mail about it is as harmless as one about a plain refusal.
pub(crate) fn tainted(scene: &mut Scene) -> Result<()> {
    let plain = scene.post.relay.count();
    scene.order(Act::Kill, &[5])?;
    scene.wait_for_pages()?;
    let fields: BTreeSet<String> = scene
        .post
        .relay
        .taken_after(plain)
        .iter()
        .flat_map(|taken| Letter::read(&taken.raw).fields)
        .map(|(name, _)| name)
        .collect();
    let before = scene.post.relay.count();
    let houses: Vec<u16> = attentive(10, HOUSES).collect();
    scene.order(Act::Taint, &houses)?;
    scene.wait_for_pages()?;
    for taken in scene.post.relay.taken_after(before) {
        harmless(&taken, &fields)?;
    }
    let all: Vec<u16> = houses.into_iter().chain([5]).collect();
    scene.order(Act::Heal, &all)?;
    scene.wait_for_pages()
}

fn harmless(taken: &Taken, fields: &BTreeSet<String>) -> Result<()> {
    let letter = Letter::read(&taken.raw);
    let subject = &letter.subject;
    ensure!(taken.to == [OPS], "{subject}: for {:?}", taken.to);
    for (name, value) in &letter.fields {
        ensure!(fields.contains(name), "{subject}: a field {name}");
        let to_thief = value.contains("thief@") && name != "subject";
        ensure!(!to_thief, "{subject}: {name}: {value}");
    }
    let lines = letter.body.lines().chain([subject.as_str()]);
    for line in lines {
        let count = line.chars().count();
        ensure!(
            count <= LINE_CHARS_MAX,
            "{subject}: {count} characters in a line"
        );
        let odd = |c: char| c.is_control() || ('\u{202A}'..='\u{202E}').contains(&c);
        ensure!(!line.contains(odd), "{subject}: {line:?}");
    }
    let said = letter.body.matches("xxxx").count() * 4;
    ensure!(
        said <= EVIDENCE_CHARS_MAX,
        "{subject}: {said} bytes of what it said"
    );
    Ok(())
}
