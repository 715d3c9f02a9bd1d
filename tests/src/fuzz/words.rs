//! What operators and their tools write: documents, sheets, bodies of the admin API. What is taken
//! says the same again when it is written out, and no complaint is longer than a screen.

use std::collections::BTreeMap;
use std::fmt::Debug;

use farmux_node::api::report::NodeReport;
use farmux_node::api::types;
use farmux_node::config::{Chosen, ConfigError, Import, export, export_csv, import_csv, read};
use farmux_raft::state::Config;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::meter::Meter;

/// Complaints that one answer carries at most, and how long each may be: an operator reads them.
const ERRORS_MAX: usize = 25;
const ERROR_CHARS_MAX: usize = 6_000;

fn complaints(errors: &[ConfigError]) {
    assert!(!errors.is_empty(), "refused without a word");
    for error in errors {
        let text = error.to_string();
        let odd = |c: char| c.is_control() && c != '\n';
        assert!(!text.chars().any(odd), "{text:?}");
        assert!(text.chars().count() <= ERROR_CHARS_MAX, "{text}");
    }
}

pub(super) fn config(meter: &Meter, input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else {
        return;
    };
    let (none, nodes) = (Config::default(), BTreeMap::new());
    let config = match meter.within(|| read(text, &none, &nodes)) {
        Ok(config) => config,
        Err(errors) => {
            assert!(errors.len() <= ERRORS_MAX, "{}", errors.len());
            return complaints(&errors);
        }
    };
    let written = export(&config);
    let again = read(&written, &config, &nodes);
    assert_eq!(again.as_ref(), Ok(&config), "{written}");
    assert_eq!(export(&config), written);
}

pub(super) fn import(meter: &Meter, input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else {
        return;
    };
    let (none, nodes) = (Config::default(), BTreeMap::new());
    let sheet = |csv: &str| Import {
        csv: csv.to_owned(),
        replace: None,
    };
    let import = sheet(text);
    let (config, touched) = match meter.within(|| import_csv(&none, &nodes, &import)) {
        Ok(imported) => imported,
        Err(errors) => return complaints(&errors),
    };
    assert_eq!(touched, config.watches.len());
    let written = export_csv(&config, &Chosen::default());
    let again = import_csv(&config, &nodes, &sheet(&written));
    assert_eq!(again, Ok((config, touched)), "{written}");
}

/// The first byte says which body it is.
pub(super) fn api(meter: &Meter, input: &[u8]) {
    let Some((kind, body)) = input.split_first() else {
        return;
    };
    match kind % 19 {
        0 => order::<types::InitRequest>(meter, body),
        1 => secret_order(meter, body),
        2 => order::<types::TokenRequest>(meter, body),
        3 => order::<types::AdminCertRequest>(meter, body),
        4 => order::<types::RemoveRequest>(meter, body),
        5 => order::<types::ApplyRequest>(meter, body),
        6 => order::<types::RollbackRequest>(meter, body),
        7 => order::<types::AdminRequest>(meter, body),
        8 => order::<types::MoveRequest>(meter, body),
        9 => order::<types::MaintenanceRequest>(meter, body),
        10 => order::<types::ResolveRequest>(meter, body),
        11 => order::<types::AckManyRequest>(meter, body),
        12 => order::<types::AckRequest>(meter, body),
        13 => order::<types::SilenceRequest>(meter, body),
        14 => order::<types::PreferRequest>(meter, body),
        15 => order::<types::PauseRequest>(meter, body),
        16 => order::<types::WatchRequest>(meter, body),
        17 => order::<types::ImportRequest>(meter, body),
        _ => report(meter, body),
    }
}

fn order<T: DeserializeOwned + Serialize + PartialEq + Debug>(meter: &Meter, body: &[u8]) {
    let Ok(order) = meter.within(|| serde_json::from_slice::<T>(body)) else {
        return;
    };
    let written = serde_json::to_vec(&order).expect("it is plain data");
    let again: T = serde_json::from_slice(&written)
        .unwrap_or_else(|error| panic!("{error}: {}", written.escape_ascii()));
    assert_eq!(again, order);
}

/// A join order holds a token and a passphrase for nobody's eyes: it is not shown where it fails.
fn secret_order(meter: &Meter, body: &[u8]) {
    let Ok(order) = meter.within(|| serde_json::from_slice::<types::JoinRequest>(body)) else {
        return;
    };
    let written = serde_json::to_vec(&order).expect("it is plain data");
    let again = serde_json::from_slice::<types::JoinRequest>(&written);
    assert!(again.is_ok_and(|again| again == order));
}

/// What another node says of itself.
fn report(meter: &Meter, body: &[u8]) {
    if let Ok(report) = meter.within(|| NodeReport::decode(body)) {
        let again = NodeReport::decode(&report.encode()).expect("it was written now");
        assert_eq!(again, report);
    }
}
