//! How the errors of the other modules become faults: an arm for each thing a caller can do about.

use std::io;
use std::path::Path;

use farmux_raft::consensus::{ChangeError, NewestError, ProposeError};
use farmux_raft::state::{Reject, explanation};
use farmux_store::{OpenError, SeedError};

use super::{Code, Exit, Fault};
use crate::api::ServeError;
use crate::backup::RestoreError;
use crate::daemon::{BuildError, OrderError, RunError};
use crate::identity::{HomeError, is_full};
use crate::settings::SettingsError;

impl From<Reject> for Fault {
    fn from(reject: Reject) -> Fault {
        let why = explanation(reject.code()).map_or("", |explanation| explanation.what);
        Fault {
            code: reject.code().to_owned(),
            exit: Exit::Refused,
            what: reject.to_string(),
            why: why.to_owned(),
            mend: reject.mend().to_owned(),
            status: 409,
        }
    }
}

impl From<ProposeError> for Fault {
    fn from(error: ProposeError) -> Fault {
        let why = error.to_string();
        match error {
            ProposeError::NoLeader => Fault::new(Code::NoLeader).why(why),
            ProposeError::NoQuorum => Fault::new(Code::NoQuorum).why(why),
            ProposeError::Full(_) => Fault::new(Code::NoRoom).why(why),
            ProposeError::Crowded => Fault::new(Code::Crowded).why(why),
            ProposeError::Deadline => Fault::new(Code::OutcomeUnknown).why(why),
            ProposeError::Rejected(reject) => Fault::from(reject),
            ProposeError::TooLarge => Fault::new(Code::RequestTooLarge).why(why),
            ProposeError::NewerFormat { .. } => Fault::new(Code::FormatOlder).why(why),
            ProposeError::Stopped => Fault::new(Code::Stopping),
        }
    }
}

impl From<NewestError> for Fault {
    fn from(error: NewestError) -> Fault {
        let code = match error {
            NewestError::NoLeader => Code::NoLeader,
            NewestError::NoQuorum => Code::NoQuorum,
            NewestError::Behind => Code::RequestSlow,
            NewestError::OlderFormat => Code::FormatOlder,
            NewestError::Stopped => Code::Stopping,
        };
        Fault::new(code).why(error)
    }
}

impl From<ChangeError> for Fault {
    fn from(error: ChangeError) -> Fault {
        let code = match error {
            ChangeError::NotLeader(_) => Code::NoLeader,
            ChangeError::NoQuorum => Code::NoQuorum,
            ChangeError::Full(_) => Code::NoRoom,
            ChangeError::InProgress => Code::Busy,
            ChangeError::LastVoter(_) => Code::LastNode,
            ChangeError::WouldLoseQuorum(_) => Code::WouldLoseMajority,
            ChangeError::Undecided => Code::OutcomeUnknown,
            ChangeError::Stopped => Code::Stopping,
            ChangeError::NotMember(_)
            | ChangeError::NotCaughtUp { .. }
            | ChangeError::NoSuccessor => Code::MembershipFailed,
        };
        Fault::new(code).why(error)
    }
}

impl From<OrderError> for Fault {
    fn from(error: OrderError) -> Fault {
        let why = error.to_string();
        match error {
            OrderError::NoCluster => Fault::new(Code::NoCluster),
            OrderError::InCluster(name) => {
                Fault::new(Code::InCluster).what(format!("this node is in cluster {name} already"))
            }
            OrderError::Busy => Fault::new(Code::Busy).why(why),
            OrderError::Settings(_) => Fault::new(Code::InitFailed).why(why),
            OrderError::Lifetime => Fault::new(Code::RequestInvalid)
                .what(why)
                .mend("farmux cluster token create --ttl 1h"),
            OrderError::NoRoom(path) => disk_full(&path),
            OrderError::UnknownNode(_) => Fault::new(Code::NodeUnknown).what(why),
            OrderError::LastNode(_) => Fault::new(Code::LastNode).why(why),
            OrderError::Rejected(reject) => Fault::from(reject),
            OrderError::Full(_) => Fault::new(Code::NoRoom).why(why),
            OrderError::Agreement(_) => Fault::new(Code::MembershipFailed).why(why),
            OrderError::Join { what, mend } => Fault::new(Code::JoinRefused).why(what).mend(mend),
            OrderError::Local(_) => Fault::new(Code::Broken).why(why),
        }
    }
}

impl From<SettingsError> for Fault {
    fn from(error: SettingsError) -> Fault {
        Fault::new(Code::SettingsInvalid).why(error)
    }
}

impl From<OpenError> for Fault {
    fn from(error: OpenError) -> Fault {
        let why = error.to_string();
        match error {
            OpenError::Io { path, source } => unusable(&path, &source),
            OpenError::InUse(path) => Fault::new(Code::DataInUse).why(why).mend(format!(
                "fuser -v {}   (stop that process, then: systemctl restart farmux)",
                path.display()
            )),
            OpenError::OtherVersion { .. } => Fault::new(Code::DataVersion).why(why),
            OpenError::OtherNode { .. } | OpenError::Damaged { .. } => {
                Fault::new(Code::DataDamaged).why(why)
            }
        }
    }
}

impl From<HomeError> for Fault {
    fn from(error: HomeError) -> Fault {
        let why = error.to_string();
        match error {
            HomeError::Io { path, source } => unusable(&path, &source),
            HomeError::Loose { path, .. } => Fault::new(Code::DataAccess).why(why).mend(format!(
                "chmod go= {}   (then systemctl restart farmux; join anew if others read it)",
                path.display()
            )),
            HomeError::NotEmpty { .. } => Fault::new(Code::JoinRefused)
                .why(why)
                .mend("empty the data folder, or name another in node.toml"),
            HomeError::Damaged { .. } | HomeError::Identity { .. } => {
                Fault::new(Code::DataDamaged).why(why)
            }
        }
    }
}

impl From<RestoreError> for Fault {
    fn from(error: RestoreError) -> Fault {
        let why = error.to_string();
        match error {
            RestoreError::Running(_) => {
                let fault = Fault::new(Code::RestoreNotEmpty).why(why);
                fault.mend("systemctl stop farmux, then run the same command again")
            }
            RestoreError::Home(HomeError::NotEmpty { .. }) => {
                Fault::new(Code::RestoreNotEmpty).why(why)
            }
            RestoreError::Home(error) => Fault::from(error),
            RestoreError::Network { network, .. } => {
                let mend = format!("add `{network} = \"INTERFACE\"` under [networks] in node.toml");
                Fault::new(Code::RestoreRefused).why(why).mend(mend)
            }
            RestoreError::Rejected(reject) => Fault::new(Code::RestoreRefused)
                .why(why)
                .mend(reject.mend()),
            RestoreError::Seed(SeedError::Open(error)) => Fault::from(error),
            RestoreError::Seed(SeedError::Occupied(_)) => {
                Fault::new(Code::RestoreNotEmpty).why(why)
            }
            RestoreError::Seed(SeedError::Part(_)) | RestoreError::Certificate(_) => {
                Fault::new(Code::Broken).why(why)
            }
        }
    }
}

/// A file or folder that the system does not let us use.
fn unusable(path: &Path, error: &io::Error) -> Fault {
    match is_full(error) {
        true => disk_full(path),
        false => Fault::new(Code::DataAccess)
            .why(format!("{}: {error}", path.display()))
            .mend(format!(
                "ls -ld {}; dmesg | tail   (then systemctl restart farmux)",
                path.display()
            )),
    }
}

fn disk_full(path: &Path) -> Fault {
    let path = path.display();
    Fault::new(Code::DiskFull)
        .why(format!("no space is left in {path}"))
        .mend(format!(
            "free space in {path}, then systemctl restart farmux"
        ))
}

impl From<RunError> for Fault {
    fn from(error: RunError) -> Fault {
        let why = error.to_string();
        match error {
            RunError::Build(BuildError::Listen { .. }) => Fault::new(Code::ListenFailed).why(why),
            RunError::Build(BuildError::Plugins(_)) => Fault::new(Code::SettingsInvalid).why(why),
            RunError::Build(BuildError::Store(error)) => Fault::from(error),
            RunError::Build(BuildError::Home(error)) => Fault::from(error),
            RunError::Address(_) => Fault::new(Code::AddressAbsent).why(why),
            RunError::Build(BuildError::Part(_)) | RunError::System(_) => {
                Fault::new(Code::Broken).why(why)
            }
            RunError::Api(ServeError::SocketTaken(_)) => Fault::new(Code::SocketTaken).why(why),
            RunError::Api(ServeError::Socket { .. } | ServeError::Listen { .. }) => {
                Fault::new(Code::ListenFailed).why(why)
            }
        }
    }
}
