//! How the errors of the other modules become faults: an arm for each thing a caller can do about.

use farmux_raft::consensus::{ChangeError, ProposeError};
use farmux_raft::state::{Reject, explanation};

use super::{Code, Exit, Fault};
use crate::api::ServeError;
use crate::daemon::{BuildError, OrderError, RunError};
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
            ProposeError::Deadline => Fault::new(Code::OutcomeUnknown).why(why),
            ProposeError::Rejected(reject) => Fault::from(reject),
            ProposeError::TooLarge => Fault::new(Code::RequestTooLarge).why(why),
            ProposeError::Stopped => Fault::new(Code::Stopping),
        }
    }
}

impl From<ChangeError> for Fault {
    fn from(error: ChangeError) -> Fault {
        let code = match error {
            ChangeError::NotLeader(_) => Code::NoLeader,
            ChangeError::NoQuorum => Code::NoQuorum,
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
            OrderError::UnknownNode(_) => Fault::new(Code::NodeUnknown).what(why),
            OrderError::LastNode(_) => Fault::new(Code::LastNode).why(why),
            OrderError::Rejected(reject) => Fault::from(reject),
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

impl From<RunError> for Fault {
    fn from(error: RunError) -> Fault {
        let why = error.to_string();
        match error {
            RunError::Build(BuildError::Listen { .. }) => Fault::new(Code::ListenFailed).why(why),
            RunError::Build(BuildError::Store(_) | BuildError::Home(_)) => {
                Fault::new(Code::DataDamaged).why(why)
            }
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
