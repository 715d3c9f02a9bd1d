//! Administrators' certificates: made, listed, ended.

use axum::extract::{Path, State as Shared};
use farmux_raft::id::{AdminName, UnixMillis};
use farmux_raft::state::{AdminCert, Command};

use super::super::answer::{Answer, Order, answer, parse};
use super::super::types::{
    AdminCertAnswer, AdminCertReport, AdminCertRequest, AdminCertState, Done, Moment, Reading,
};
use super::{Daemon, change, freshness, member};
use crate::daemon::wall_clock;

/// `POST /v1/admin-certs`.
pub(crate) async fn create(
    Shared(node): Daemon,
    Order(request): Order<AdminCertRequest>,
) -> Answer<AdminCertAnswer> {
    let (pem, expires) = node.create_admin_cert(&request.name).await?;
    answer(AdminCertAnswer {
        name: request.name,
        expires: Moment(expires),
        pem,
    })
}

/// `GET /v1/admin-certs`.
pub(crate) async fn list(Shared(node): Daemon) -> Answer<Reading<Vec<AdminCertReport>>> {
    let member = member(&node)?;
    let now = wall_clock();
    let report = |(name, cert): (&String, &AdminCert)| report(name, cert, now);
    let data = member.state().admins.iter().map(report).collect();
    answer(Reading {
        fresh: freshness(&node, &member),
        data,
    })
}

fn report(name: &str, cert: &AdminCert, now: UnixMillis) -> AdminCertReport {
    AdminCertReport {
        name: name.to_owned(),
        issued: Moment(cert.issued),
        expires: Moment(cert.expires),
        revoked: cert.revoked.map(Moment),
        state: match cert.revoked {
            _ if now >= cert.expires => AdminCertState::Expired,
            Some(_) => AdminCertState::Revoked,
            None => AdminCertState::Good,
        },
    }
}

/// `DELETE /v1/admin-certs/NAME`.
pub(crate) async fn revoke(Shared(node): Daemon, Path(name): Path<String>) -> Answer<Done> {
    let name: AdminName = parse(&name)?;
    let command = Command::RevokeAdminCert {
        name: name.to_string(),
    };
    answer(change(&node, command).await?)
}
