//! PURE. What arrives: who says it, whether it is of this time, and what becomes of it.

use std::sync::atomic::Ordering::Relaxed;

use super::{Engine, GREETED, Output, Source};
use crate::epoch::{Epoch, Era};
use crate::id::{NodeId, VipName};
use crate::lease::acceptor::{Answer, Refusal, Request};
use crate::lease::session::Verdict;
use crate::lease::wire::{self, Body, Datagram, Header, HelloKind, Kind};
use crate::lease::{BootTime, Ignored};

impl Engine {
    /// Takes a datagram; `now` was read after it was received and before anything is sent.
    pub fn receive(&mut self, now: BootTime, source: Source, bytes: &[u8]) {
        self.counters.received.fetch_add(1, Relaxed);
        if let Err(reason) = self.try_receive(now, source, bytes) {
            self.counters.count(reason);
        }
    }

    fn try_receive(&mut self, now: BootTime, source: Source, bytes: &[u8]) -> Result<(), Ignored> {
        let table = self.table.as_ref().ok_or(Ignored::NoMembership)?;
        let Datagram { header, kind } = wire::open(bytes, &table.key)?;
        self.admit(&header, source)?;
        let numbers = (self.nonce, self.used);
        let session = self.sessions.entry(header.from).or_default();
        match session.judge(now, &header, &kind, numbers) {
            Verdict::Take => {}
            Verdict::Ignore(reason) => return Err(reason),
            Verdict::TellNonce(reason) => {
                self.say(header.from, header.counter, header.from_nonce, GREETED);
                // The question of a greeting is answered, not ignored.
                let greeting = kind == Kind::Hello(HelloKind::Question);
                return if greeting { Ok(()) } else { Err(reason) };
            }
            Verdict::AskNonce(reason) => {
                self.ask(header.from, Kind::Hello(HelloKind::Question));
                return if kind == Kind::Hello(HelloKind::Question) {
                    self.say(header.from, header.counter, header.from_nonce, GREETED);
                    Ok(())
                } else {
                    Err(reason)
                };
            }
        }
        self.heard.note(header.from, header.legs, now);
        match kind {
            Kind::Hello(HelloKind::Question) => {
                self.say(header.from, header.counter, header.from_nonce, GREETED);
                Ok(())
            }
            Kind::Hello(HelloKind::Answer) => Ok(()),
            Kind::About(group, body) => self.about(now, &header, group, body),
        }
    }

    /// Whether the sender is one of ours, and of our time.
    fn admit(&mut self, header: &Header, source: Source) -> Result<(), Ignored> {
        let table = self.table.as_ref().ok_or(Ignored::NoMembership)?;
        let roster = &table.roster;
        let known = |node: &NodeId| roster.members.contains_key(node);
        if header.cluster != roster.cluster {
            return Err(Ignored::Cluster);
        }
        let (theirs, ours) = (Epoch(header.epoch), Epoch(roster.epoch));
        match theirs.beside(ours) {
            Era::Newer => {
                self.hear_epoch(theirs);
                self.drop_leases(|_| true);
                return Err(Ignored::HigherEpoch);
            }
            // Neither can tell which of the two goes on: an operator has to.
            Era::Rival => return Err(Ignored::RivalEpoch),
            Era::Same | Era::Older => {}
        }
        if theirs.beside(Epoch(self.epoch_heard)) != Era::Same {
            if ours == Epoch(self.epoch_heard) {
                // Whoever is left behind learns it from us; it need not be in our roster.
                let answer = self.seal(header.from, header.counter, header.from_nonce, GREETED);
                self.outputs
                    .extend(answer.map(|bytes| Output::Reply(source, bytes)));
            }
            return Err(Ignored::LowerEpoch);
        }
        if !known(&roster.me) {
            return Err(Ignored::NoMembership);
        }
        if header.to != roster.me {
            return Err(Ignored::NotForUs);
        }
        if header.from == roster.me || !known(&header.from) {
            return Err(Ignored::UnknownSender);
        }
        Ok(())
    }

    fn about(
        &mut self,
        now: BootTime,
        header: &Header,
        group: VipName,
        body: Body,
    ) -> Result<(), Ignored> {
        let table = self.table.as_ref().ok_or(Ignored::NoMembership)?;
        if !table.seats.contains_key(&group) {
            return Err(Ignored::UnknownGroup);
        }
        let (ballot, answer) = match body {
            Body::Prepare(ballot) => {
                return self.serve(now, header, group, Request::Prepare(ballot));
            }
            Body::Propose(ballot, lease) => {
                return self.serve(now, header, group, Request::Propose(ballot, lease));
            }
            Body::Release(ballot, to) => {
                self.heard_release(now, &group, ballot);
                return self.serve(now, header, group, Request::Release(ballot, to));
            }
            Body::Holding(theirs) => {
                self.counters.holding.fetch_add(1, Relaxed);
                self.heard_holding(now, &group, theirs);
                return Ok(());
            }
            Body::Promise(ballot) => (ballot, Answer::Promised),
            Body::Accepted(ballot) => (ballot, Answer::Accepted),
            Body::Refuse(ballot, refusal) => (ballot, Answer::Refused(refusal)),
        };
        self.poll_seat(now, &group);
        self.answered(now, &group, header.from, (header.counter, ballot), answer)
    }

    /// Asks our own acceptor in a peer's name, and answers the peer.
    fn serve(
        &mut self,
        now: BootTime,
        header: &Header,
        group: VipName,
        request: Request,
    ) -> Result<(), Ignored> {
        let table = self.table.as_ref().ok_or(Ignored::NoMembership)?;
        let me = table.roster.me;
        let lends = !matches!(request, Request::Release(..));
        let lease = table
            .seats
            .get(&group)
            .and_then(|seat| seat.proposer.lease());
        if lends && self.generations.is_too_old(header.membership_index) {
            return Err(Ignored::OldMembership);
        }
        // Whoever comes back and asks before it hears that we hold would win with our own vote.
        if lends && lease.is_some_and(|lease| lease.alone_since.is_some()) {
            return Err(Ignored::Holding);
        }
        let answer = match table.roster.is_voter(header.from) {
            true => self.acceptor.handle(now, &group, request)?,
            false => Answer::Refused(Refusal::NotAVoter),
        };
        let reserved = self.acceptor.is_reserved_for(&group, me, now);
        let seats = self.table.as_mut().map(|table| &mut table.seats);
        if let Some(seat) = seats.and_then(|seats| seats.get_mut(&group)) {
            match (request, answer) {
                (Request::Release(..), _) if reserved => seat.moved = Some(now),
                (Request::Propose(..), Answer::Accepted) => seat.proposer.heard_lent(),
                (Request::Prepare(_) | Request::Propose(..) | Request::Release(..), _) => {}
            }
        }
        let (Request::Prepare(ballot) | Request::Propose(ballot, _) | Request::Release(ballot, _)) =
            request;
        let body = match answer {
            Answer::Promised => Body::Promise(ballot),
            Answer::Accepted => Body::Accepted(ballot),
            Answer::Refused(refusal) => Body::Refuse(ballot, refusal),
        };
        self.say(
            header.from,
            header.counter,
            header.from_nonce,
            Kind::About(group, body),
        );
        Ok(())
    }
}
