//! One request and its answer, both streamed, on a client's connection.
//!
//! ```text
//!   client ──up──▶ server      up and down run side by side: a server may answer early,
//!   client ◀─down── server     and a client may go on sending
//! ```

use std::future::poll_fn;
use std::task::{Context, Poll};

use super::connection::{After, Client};
use super::flow::Stop;
use super::head::find_end;
use super::refusal::{Failure, Refusal};
use super::request::{Facts, field_room};
use super::{response, write};
use crate::serve::service::Service;
use crate::serve::upstream::Upstream;
use crate::tcp::relay;

/// Interim answers to one request; a server that sends more is broken or hostile.
const INTERIMS_MAX: u32 = 16;

/// Which connections will do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wanted {
    /// An idle one if there is one.
    Any,
    /// Only a new one: an idle one has just let us down.
    New,
}

/// Why there is no answer yet.
enum Trouble {
    /// The server closed; whether it had begun to answer.
    Lost { begun: bool },
    /// It answers nonsense; what kind of.
    Bad(&'static str),
    /// Nobody moved for too long.
    Silence,
    /// The client broke the framing of its body.
    Refused(Refusal),
    /// The client closed or failed.
    ClientGone,
}

/// What an answer's head came to.
enum Heard {
    /// An interim answer, now written or thrown away.
    Interim,
    /// The server switched protocols.
    Tunnel,
    /// The final answer, staged for the client.
    Final { keeps: bool, close: bool },
    /// Not an answer at all; why not.
    Bad(&'static str),
}

/// Has a request answered whose head is staged in `client.up`.
pub(crate) async fn run(client: &mut Client, service: &Service, facts: &Facts) -> After {
    let mut upstream = match acquire(client, service, facts, Wanted::Any).await {
        Ok(upstream) => upstream,
        Err(after) => return after,
    };
    client.deadline.touch();
    let mut interims = 0;
    loop {
        let trouble = match await_head(client, &mut upstream).await {
            Ok(length) => match hear(client, &mut upstream, service, facts, length) {
                Heard::Final { keeps, close } => {
                    return finish(client, upstream, service, keeps, close).await;
                }
                Heard::Tunnel => return tunnel(client, upstream).await,
                Heard::Interim if interims < INTERIMS_MAX => {
                    interims += 1;
                    match client.flush().await {
                        Ok(()) => continue,
                        Err(_) => Trouble::ClientGone,
                    }
                }
                Heard::Interim => Trouble::Bad("too-many-interim-answers"),
                Heard::Bad(reason) => Trouble::Bad(reason),
            },
            Err(trouble) => trouble,
        };
        let unheard = matches!(trouble, Trouble::Lost { begun: false }) && interims == 0;
        let again = upstream.reused && facts.idempotent && !client.up.has_carried();
        if !(unheard && again) {
            return give_up(client, upstream, service, facts, trouble).await;
        }
        drop(upstream);
        upstream = match acquire(client, service, facts, Wanted::New).await {
            Ok(upstream) => upstream,
            Err(after) => return after,
        };
        client.up.rewind();
        client.up_failed = false;
    }
}

/// Gets a connection to a server, or tells the client that there is none.
async fn acquire(
    client: &mut Client,
    service: &Service,
    facts: &Facts,
    wanted: Wanted,
) -> Result<Upstream, After> {
    let ends = client.ends;
    let idle = |work| match wanted {
        Wanted::Any => Upstream::idle(service, &ends, work, !facts.is_repeatable()),
        Wanted::New => Err(work),
    };
    let work = match service.pick_now(ends.client.ip(), None).map(idle) {
        Ok(Ok(upstream)) => return Ok(upstream),
        Ok(Err(work)) => Some(work),
        Err(_) => None,
    };
    // On the heap, as it is seldom needed: every client's task would be larger for it.
    let connected = Box::pin(async {
        let work = match work {
            Some(work) => work,
            None => match idle(service.pick(ends.client.ip(), None).await?) {
                Ok(upstream) => return Ok(upstream),
                Err(work) => work,
            },
        };
        Upstream::open(service, &ends, work).await
    });
    match client.peer.unless_gone(connected).await {
        Some(Ok(upstream)) => Ok(upstream),
        Some(Err(failure)) => Err(Box::pin(client.fail(service, facts, failure)).await),
        None => Err(After::Close),
    }
}

/// Sends the request and waits for a whole answer head; its length.
async fn await_head(client: &mut Client, upstream: &mut Upstream) -> Result<usize, Trouble> {
    let mut scanned = 0;
    poll_fn(|cx| {
        let polled = poll_head(cx, client, upstream, &mut scanned);
        if polled.is_pending() {
            if client.up.take_moved() {
                client.deadline.touch();
            }
            if client.deadline.poll(cx).is_ready() {
                return Poll::Ready(Err(Trouble::Silence));
            }
        }
        polled
    })
    .await
}

fn poll_head(
    cx: &mut Context<'_>,
    client: &mut Client,
    upstream: &mut Upstream,
    scanned: &mut usize,
) -> Poll<Result<usize, Trouble>> {
    if !client.up_failed {
        match client
            .up
            .poll(cx, &mut client.peer, &mut upstream.peer.stream)
        {
            Poll::Ready(Err(Stop::Refused(reason))) => {
                return Poll::Ready(Err(Trouble::Refused(reason)));
            }
            Poll::Ready(Err(Stop::Source)) => return Poll::Ready(Err(Trouble::ClientGone)),
            // The server may have answered and closed before it had read everything.
            Poll::Ready(Err(Stop::Sink)) => client.up_failed = true,
            Poll::Ready(Ok(())) | Poll::Pending => {}
        }
    }
    loop {
        if !upstream.peer.buffer.is_empty() {
            match find_end(upstream.peer.buffer.data(), scanned) {
                Ok(Some(length)) => return Poll::Ready(Ok(length)),
                Ok(None) => {}
                Err(reason) => return Poll::Ready(Err(Trouble::Bad(reason.name()))),
            }
        }
        match upstream.peer.poll_fill(cx) {
            Poll::Ready(Ok(count)) if count > 0 => {}
            Poll::Ready(_) => {
                let begun = !upstream.peer.buffer.is_empty();
                return Poll::Ready(Err(Trouble::Lost { begun }));
            }
            Poll::Pending => break,
        }
    }
    if client.up.is_over() && client.peer.poll_gone(cx) {
        return Poll::Ready(Err(Trouble::ClientGone));
    }
    Poll::Pending
}

/// Takes an answer's head off the server's buffer and stages what the client gets of it.
fn hear(
    client: &mut Client,
    upstream: &mut Upstream,
    service: &Service,
    facts: &Facts,
    length: usize,
) -> Heard {
    let mut room = field_room();
    let head = &upstream.peer.buffer.data()[..length];
    let answer = match response::parse(head, &mut room, facts) {
        Ok(answer) => answer,
        Err(reason) => return Heard::Bad(reason.name()),
    };
    let status = answer.facts.status;
    let interim = |lead: &mut Vec<u8>| {
        write::interim(lead, &answer);
        write::Coding::Plain
    };
    let heard = match status {
        101 if facts.upgrade => {
            client.down.begin(super::framing::Framing::None, interim);
            Heard::Tunnel
        }
        101 => return Heard::Bad("unasked-101"),
        100..200 => {
            if !facts.http10 {
                client.down.begin(super::framing::Framing::None, interim);
            }
            Heard::Interim
        }
        _ => {
            let close = facts.close || !client.up.is_over() || service.sends_away(client.vip);
            client.down.begin(answer.facts.body, |lead| {
                write::response(lead, &answer, facts, close)
            });
            Heard::Final {
                keeps: answer.facts.keeps,
                close,
            }
        }
    };
    upstream.peer.buffer.consume(length);
    if matches!(heard, Heard::Final { .. }) {
        // What came with the head leaves with it, in one write.
        if let Err(reason) = client.down.stage(&mut upstream.peer.buffer) {
            return Heard::Bad(reason.name());
        }
    }
    heard
}

/// Streams the rest of both bodies, and decides what becomes of both connections.
async fn finish(
    client: &mut Client,
    mut upstream: Upstream,
    service: &Service,
    keeps: bool,
    close: bool,
) -> After {
    let done = poll_fn(|cx| {
        let polled = poll_bodies(cx, client, &mut upstream);
        if polled.is_pending() {
            // Both are asked: what one of them moved must not count for the other later.
            if client.up.take_moved() | client.down.take_moved() {
                client.deadline.touch();
            }
            if client.deadline.poll(cx).is_ready() {
                return Poll::Ready(Err(Stop::Source));
            }
        }
        polled
    })
    .await;
    match done {
        Ok(()) => {}
        Err(Stop::Sink) => return After::Close,
        Err(Stop::Source | Stop::Refused(_)) => {
            upstream.work.server().count_failure();
            service.count_failure(Failure::CutOff, client.ends.client);
            return After::Reset;
        }
    }
    let sent = client.up.is_over() && !client.up_failed;
    if keeps && sent && upstream.peer.buffer.is_empty() {
        upstream.keep(&client.ends);
    }
    match (close, sent && client.peer.buffer.is_empty()) {
        (false, _) => After::Again,
        (true, true) => After::Close,
        (true, false) => After::Linger,
    }
}

fn poll_bodies(
    cx: &mut Context<'_>,
    client: &mut Client,
    upstream: &mut Upstream,
) -> Poll<Result<(), Stop>> {
    if !client.up_failed && !client.up.is_over() {
        let polled = client
            .up
            .poll(cx, &mut client.peer, &mut upstream.peer.stream);
        // Whatever went wrong with the request: the answer is on its way, and is let through.
        client.up_failed = matches!(polled, Poll::Ready(Err(_)));
    }
    client
        .down
        .poll(cx, &mut upstream.peer, &mut client.peer.stream)
}

/// Bytes both ways after a `101`, whatever they mean.
async fn tunnel(client: &mut Client, mut upstream: Upstream) -> After {
    if client.flush().await.is_err() {
        return After::Close;
    }
    // Nothing in the stream says where it ends: one that is cut off must not look whole to anybody.
    upstream.peer.resets_with(&client.peer);
    match relay::both_ways(&mut client.peer, &mut upstream.peer, &mut client.deadline).await {
        relay::End::Closed => After::Close,
        relay::End::Broken => {
            client.peer.reset_on_close();
            After::Reset
        }
    }
}

/// Answers in the server's stead.
async fn give_up(
    client: &mut Client,
    upstream: Upstream,
    service: &Service,
    facts: &Facts,
    trouble: Trouble,
) -> After {
    let failure = match trouble {
        Trouble::ClientGone => return After::Close,
        Trouble::Refused(reason) => return client.refuse(service, reason).await,
        Trouble::Silence if client.up.is_starving() => {
            return client.refuse(service, Refusal::BodyTimeout).await;
        }
        Trouble::Silence => Failure::AnswerTimeout,
        Trouble::Lost { .. } => Failure::Closed,
        Trouble::Bad(reason) => {
            let server = &upstream.work.server().name;
            tracing::trace!(service = %service.key, %server, reason, "bad answer");
            Failure::BadAnswer
        }
    };
    upstream.work.server().count_failure();
    drop(upstream);
    client.fail(service, facts, failure).await
}
