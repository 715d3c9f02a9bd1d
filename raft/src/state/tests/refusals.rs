//! Refusals: each has a code of its own, and words for the operator.

use std::collections::BTreeSet;

use super::*;
use crate::state::drill::{DrillKind, RunId};

/// One of each; a new variant belongs here too.
fn all() -> Vec<Reject> {
    let (farm, server) = shop_server("s1");
    let ballot = Ballot::default();
    let fault = Fault {
        at: String::new(),
        kind: FaultKind::Missing,
    };
    let token = TokenId(1);
    vec![
        Reject::AlreadyInitialised,
        Reject::NotInitialised,
        Reject::UnknownNode(NodeId(1)),
        Reject::BadNode {
            name: name("lb1"),
            fault: fault.clone(),
        },
        Reject::NodeNameTaken {
            node: NodeId(1),
            name: name("lb1"),
        },
        Reject::NodeAddressTaken {
            address: String::new(),
            owner: String::new(),
        },
        Reject::TooManyNodes { max: 7 },
        Reject::LastBalancer(NodeId(1)),
        Reject::Witness(NodeId(1)),
        Reject::UnknownToken,
        Reject::TokenExpired(token),
        Reject::TokenUsed(token),
        Reject::TokenRole {
            token,
            role: NodeRole::Witness,
        },
        Reject::TokenLifetime(token),
        Reject::TokenExists(token),
        Reject::TooManyTokens { max: 100 },
        Reject::RevisionMoved {
            base: RevisionId(1),
            newest: RevisionId(2),
        },
        Reject::RevisionNotKept {
            wanted: RevisionId(1),
            oldest: RevisionId(2),
            newest: RevisionId(9),
        },
        Reject::InvalidConfig(vec![fault]),
        Reject::BadText {
            what: "it".to_owned(),
            min: 1,
            max: 2,
        },
        Reject::UnknownFarm(farm.clone()),
        Reject::UnknownServer {
            farm: farm.clone(),
            server: server.clone(),
        },
        Reject::UnknownVip(name("front")),
        Reject::UnknownAddress([10, 0, 0, 9].into()),
        Reject::LastServer {
            farm,
            server,
            service: name("web"),
        },
        Reject::StaleBallot {
            vip: name("front"),
            given: ballot,
            newest: ballot,
        },
        Reject::StaleTerm {
            given: 1,
            current: 2,
        },
        Reject::TooManyChanges { have: 2, max: 1 },
        Reject::QuorumBackwards,
        Reject::WatchOfOwner(name("fs1")),
        Reject::UnknownPage(PageId(1)),
        Reject::NotAddressed {
            page: PageId(1),
            contact: name("ops"),
        },
        Reject::AlreadyAcknowledged {
            page: PageId(1),
            by: "ada".to_owned(),
        },
        Reject::UnknownMessage {
            contact: name("ops"),
            bundle: 1,
        },
        Reject::TooManyAdmins { max: 100 },
        Reject::UnknownAdmin("ada".to_owned()),
        Reject::AdminRevoked {
            name: "ada".to_owned(),
        },
        Reject::SilenceTime,
        Reject::TooManySilences { max: 1 },
        Reject::UnknownSilence(1),
        Reject::MatcherTerms { max: 1 },
        Reject::MaintenanceTime,
    ]
}

/// Those that drills meet.
fn of_drills() -> Vec<Reject> {
    vec![
        Reject::DrillsLocked {
            by: "ada".to_owned(),
            why: "fair".to_owned(),
        },
        Reject::DrillRunning {
            run: RunId(1),
            kind: DrillKind::VipMove,
        },
        Reject::UnknownDrill(RunId(1)),
        Reject::DrillSettled(name("weekly")),
    ]
}

#[test]
fn every_refusal_has_a_code_of_its_own_and_every_code_an_explanation() {
    let all = [all(), of_drills()].concat();
    let codes: BTreeSet<&str> = all.iter().map(Reject::code).collect();
    assert_eq!(codes.len(), all.len(), "two refusals share a code");
    let explained: Vec<&str> = EXPLANATIONS.iter().map(|e| e.code).collect();
    assert_eq!(
        explained,
        codes.into_iter().collect::<Vec<_>>(),
        "in order, each once"
    );
    for refusal in all {
        assert!(!refusal.mend().is_empty(), "{refusal}");
        assert!(!refusal.to_string().is_empty());
    }
}

#[test]
fn administrators_are_listed_until_their_certificates_run_out() {
    let mut house = House::bare();
    let cert = |n: u32, expires| Command::RecordAdminCert {
        name: format!("admin{n}"),
        expires: UnixMillis(expires),
    };
    let later = house.at + 1_000_000;
    for n in 0..100 {
        assert_eq!(house.order(cert(n, later)), Ok(Applied::Done));
    }
    assert_eq!(
        house.order(cert(100, later)),
        Err(Reject::TooManyAdmins { max: 100 })
    );
    assert_eq!(
        house.order(cert(0, later)),
        Ok(Applied::Done),
        "a renewal needs no room"
    );
    house.at = later;
    assert_eq!(house.order(cert(100, later * 2)), Ok(Applied::Done));
    assert_eq!(house.state.admins.len(), 1);
}

#[test]
fn a_revoked_administrator_stays_out_until_the_last_certificate_has_run_out() {
    let mut house = House::bare();
    let cert = |expires| Command::RecordAdminCert {
        name: "ada".to_owned(),
        expires: UnixMillis(expires),
    };
    let revoke = || Command::RevokeAdminCert {
        name: "ada".to_owned(),
    };
    let standing = |house: &House| house.state.admin_standing("ada");
    let unknown = Err(Reject::UnknownAdmin("ada".to_owned()));
    assert_eq!(standing(&house), AdminStanding::Unknown);
    assert_eq!(house.order(revoke()), unknown);

    let (early, late) = (house.at + 500_000, house.at + 1_000_000);
    assert_eq!(house.order(cert(late)), Ok(Applied::Done));
    assert_eq!(house.order(cert(early)), Ok(Applied::Done));
    assert_eq!(standing(&house), AdminStanding::Good);
    assert_eq!(house.order(revoke()), Ok(Applied::Done));
    assert_eq!(house.order(revoke()), Ok(Applied::Unchanged));
    assert_eq!(standing(&house), AdminStanding::Revoked);

    house.at = early;
    let revoked = Reject::AdminRevoked {
        name: "ada".to_owned(),
    };
    assert_eq!(
        house.order(cert(late * 2)),
        Err(revoked),
        "the first certificate, which lives longer, would be good again"
    );
    house.at = late;
    assert_eq!(house.order(revoke()), unknown, "TLS refuses it by itself");
    assert_eq!(house.order(cert(late * 2)), Ok(Applied::Done));
    assert_eq!(standing(&house), AdminStanding::Good);
}
