//! The admin API as a single register: a short run under faults, and that the checker tells an
//! answer from an old copy. `tests/linear.sh` plays 20,000 operations.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use farmux_tests::faults::cut::Cut;
use farmux_tests::lab::cluster::{AGREES_WITHIN, Cluster};
use farmux_tests::lab::wait;
use farmux_tests::linear::model::{Asked, Operation, Said, is_linearizable};
use farmux_tests::linear::{Asker, Copy, Failure, run};

/// Two keys' worth.
const OPERATIONS: usize = 1_000;

#[test]
fn what_clients_see_under_faults_is_one_register() -> Result<()> {
    let outcome = run(OPERATIONS, 6, Copy::Newest, |_| ())?;
    ensure!(outcome.violations.is_empty(), "{:?}", outcome.violations);
    ensure!(outcome.operations == OPERATIONS, "{outcome}");
    Ok(())
}

/// A node that hears nothing of the log knows what was, and says so when asked for its own copy: a
/// checker that took that for the newest would be worth nothing. Asked for the newest it says that
/// it cannot; and that nothing changes by a change it does not say either.
#[test]
fn an_answer_from_an_old_copy_fits_no_register_and_the_newest_is_none() -> Result<()> {
    let cluster = Cluster::form_watching(3)?;
    let sockets: Vec<_> = cluster.nodes.iter().map(|node| node.socket()).collect();
    let asker = Asker::new(&sockets, Duration::from_secs(10))?;
    let words = |failure: Failure| anyhow::anyhow!(failure.text());
    let made = asker.add(0, "key1", "key1-0").map_err(words)?;
    // Once all three have agreed on the format that has the question.
    let before = wait::until("the newest", AGREES_WITHIN, || {
        asker.config(2, Copy::Newest).ok()
    })?;
    ensure!(Some(before.revision) == made, "{made:?}");
    let lan = cluster.lab.bridge();
    Cut::make(&lan, &[Cut::Log("lb3".to_owned())])?;
    // It may have led until now: then this is decided as soon as another leads.
    let made = asker.label(0, "key1", "key1-1").map_err(words)?;
    let old = asker.config(2, Copy::Own).map_err(words)?;
    ensure!(old.toml.contains("key1-0"), "{}", old.toml);
    let refused = asker.config(2, Copy::Newest);
    ensure!(matches!(refused, Err(Failure::Refused(_))), "{refused:?}");
    // It is so, as far as lb3 knows; and it is not so.
    let same = asker.label(2, "key1", "key1-0");
    ensure!(matches!(same, Err(Failure::Refused(_))), "{same:?}");
    Cut::mend(&lan)?;

    let made = made.context("a revision")?;
    let set = Operation {
        asked: Asked::Set(1),
        said: Said::Made(made),
        from: 0,
        to: 1,
    };
    let get = |value, revision| Operation {
        asked: Asked::Get,
        said: Said::Read { value, revision },
        from: 2,
        to: 3,
    };
    ensure!(is_linearizable(&[set, get(1, made)]));
    ensure!(!is_linearizable(&[set, get(0, old.revision)]));
    Ok(())
}
