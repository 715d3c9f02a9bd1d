//! How the errors of the other modules become faults: an arm for each thing a caller can do about.

use farmux_raft::state::Reject;

use super::{Code, Fault};
use crate::daemon::OrderError;

impl From<Reject> for Fault {
    fn from(reject: Reject) -> Fault {
        Fault::new(Code::ConfigRefused).why(reject)
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
