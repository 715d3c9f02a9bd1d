//! The admin API as one client asks it: of any node, with an end to its patience, and each answer
//! told apart by what is certain after it.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result};
use farmux_node::api::types::{
    ApplyAnswer, ApplyRequest, CheckFields, Chosen, ExportAnswer, Reading, WatchAnswer,
    WatchFields, WatchOrder, WatchRequest,
};
use farmux_node::cli::client::Client;
use farmux_node::fault::{Code, Fault};
use tokio::runtime::{Builder, Runtime};

/// One client, which reaches every node.
#[derive(Debug)]
pub struct Asker {
    runtime: Runtime,
    nodes: Vec<Client>,
    patience: Duration,
}

/// Why there is no answer.
#[derive(Debug, Clone)]
pub enum Failure {
    /// Certainly nothing came about.
    Refused(Fault),
    /// It was made from a revision that is the newest no more; which is.
    Moved(u64),
    /// Whatever was asked for may have come about, or may still.
    Open(Fault),
}

/// Which copy a node answers from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Copy {
    /// The newest there is.
    Newest,
    /// Whatever it has.
    Own,
}

impl Asker {
    /// A client of the nodes behind these sockets.
    ///
    /// **Errors**: no runtime.
    pub fn new(sockets: &[PathBuf], patience: Duration) -> Result<Asker> {
        let runtime = Builder::new_current_thread().enable_all().build();
        Ok(Asker {
            runtime: runtime.context("a runtime")?,
            nodes: sockets
                .iter()
                .map(|socket| Client::of_socket(socket))
                .collect(),
            patience,
        })
    }

    /// The configuration with its revision.
    ///
    /// **Errors**: no answer; nothing comes about by asking.
    pub fn config(&self, node: usize, copy: Copy) -> Result<ExportAnswer, Failure> {
        let path = match copy {
            Copy::Newest => "/v1/config?newest=true",
            Copy::Own => "/v1/config",
        };
        let answer: Reading<ExportAnswer> = self.wait(self.nodes[node].get(path))?;
        Ok(answer.data)
    }

    /// Replaces the configuration, if `base` is the newest revision; which revision it made.
    ///
    /// **Errors**: [`Failure`].
    pub fn apply(&self, node: usize, toml: String, base: u64) -> Result<Option<u64>, Failure> {
        let request = ApplyRequest {
            toml,
            dry_run: false,
            note: String::new(),
            base: Some(base),
        };
        let answer: ApplyAnswer = self.wait(self.nodes[node].post("/v1/config", &request))?;
        Ok(answer.revision)
    }

    /// Adds a watch that is hardly ever checked, with a label `v`.
    ///
    /// **Errors**: [`Failure`].
    pub fn add(&self, node: usize, name: &str, label: &str) -> Result<Option<u64>, Failure> {
        let fields = WatchFields {
            // Nobody is there, and within the time of a run nobody asks.
            address: Some("10.0.0.250".to_owned()),
            port: Some(9),
            labels: [("v".to_owned(), label.to_owned())].into(),
            check: CheckFields {
                kind: Some("tcp".to_owned()),
                interval: Some("1h".to_owned()),
                ..CheckFields::default()
            },
            ..WatchFields::default()
        };
        let name = name.to_owned();
        let fields = Box::new(fields);
        self.order(node, WatchOrder::Add { name, fields })
    }

    /// Labels a watch anew, whatever its label was.
    ///
    /// **Errors**: [`Failure`].
    pub fn label(&self, node: usize, name: &str, label: &str) -> Result<Option<u64>, Failure> {
        let which = Chosen {
            names: [name.to_owned()].into(),
            ..Chosen::default()
        };
        let fields = Box::new(WatchFields {
            labels: [("v".to_owned(), label.to_owned())].into(),
            ..WatchFields::default()
        });
        self.order(node, WatchOrder::Set { which, fields })
    }

    fn order(&self, node: usize, order: WatchOrder) -> Result<Option<u64>, Failure> {
        let request = WatchRequest {
            order,
            dry_run: false,
            note: String::new(),
        };
        let answer: WatchAnswer = self.wait(self.nodes[node].post("/v1/watches", &request))?;
        Ok(answer.revision)
    }

    fn wait<T>(&self, asked: impl Future<Output = Result<T, Fault>>) -> Result<T, Failure> {
        let bounded = async { tokio::time::timeout(self.patience, asked).await };
        match self.runtime.block_on(bounded) {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(fault)) => Err(Failure::of(fault)),
            Err(_) => Err(Failure::Open(
                Fault::new(Code::OutcomeUnknown).why("no answer in time"),
            )),
        }
    }
}

impl Failure {
    fn of(fault: Fault) -> Failure {
        // Its number is no field of a fault: it stands at the end of its text.
        let newest = fault
            .what
            .rsplit_once("the newest is r")
            .and_then(|(_, number)| number.parse().ok());
        match newest {
            Some(newest) if fault.code == "FMX-S030" => Failure::Moved(newest),
            Some(_) | None if is_certain(&fault) => Failure::Refused(fault),
            Some(_) | None => Failure::Open(fault),
        }
    }

    /// In words.
    pub fn text(&self) -> String {
        match self {
            Failure::Refused(fault) => format!("refused: {fault}"),
            Failure::Open(fault) => format!("open: {fault}"),
            Failure::Moved(newest) => format!("r{newest} is the newest"),
        }
    }
}

/// Whether nothing was changed, as the catalogue says of these.
fn is_certain(fault: &Fault) -> bool {
    let certain = [
        Code::DaemonAbsent,
        Code::NoLeader,
        Code::NoQuorum,
        Code::NoCluster,
        Code::Stopping,
        Code::WatchesRefused,
        Code::ConfigUnreadable,
    ];
    certain.iter().any(|code| fault.code == code.to_string()) || fault.code.starts_with("FMX-S")
}
