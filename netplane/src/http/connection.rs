//! A client's connection: request after request, in order, until one of the two has had enough.

use std::future::poll_fn;
use std::io;
use std::net::IpAddr;
use std::rc::Rc;
use std::task::Poll;
use std::time::{Duration, SystemTime};

use super::answer::{Answer, Body};
use super::flow::Flow;
use super::framing::Framing;
use super::head::find_end;
use super::refusal::{Failure, Refusal};
use super::request::{self, Facts, field_room};
use super::write::{self, Coding};
use super::{answer, exchange};
use crate::plan::LastResortPage;
use crate::proxy::Ends;
use crate::serve::deadline::Deadline;
use crate::serve::peer::{LINGER_FOR, Peer};
use crate::serve::service::{Idle, Service};
use crate::serve::trickle::Trickle;

/// What becomes of the client's connection after a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum After {
    /// The next request.
    Again,
    /// Closed.
    Close,
    /// Closed, after what the client still sends was thrown away.
    Linger,
    /// Reset, so that a cut answer cannot be taken for a whole one.
    Reset,
}

/// A client and its request in hand.
#[derive(Debug)]
pub(crate) struct Client {
    pub(crate) peer: Peer,
    pub(crate) ends: Ends,
    /// The VIP it came to.
    pub(crate) vip: IpAddr,
    pub(crate) deadline: Deadline,
    /// The request, on its way to the server.
    pub(crate) up: Flow,
    /// The request cannot be sent any further.
    pub(crate) up_failed: bool,
    /// The answer, on its way to the client.
    pub(crate) down: Flow,
}

/// Serves a client that came to `vip` until its connection ends.
pub(crate) async fn serve(service: Rc<Service>, peer: Peer, ends: Ends, vip: IpAddr) {
    let plan = service.plan();
    let mut client = Client {
        peer,
        ends,
        vip,
        deadline: Deadline::new(&plan.limits),
        up: Flow::in_turns(Trickle::new(service.worker.turns.clone())),
        up_failed: false,
        down: Flow::default(),
    };
    let ip = ends.client.ip().to_string();
    let mut first = true;
    let end = loop {
        match one(&mut client, &service, &ip, first).await {
            After::Again => first = false,
            end @ (After::Close | After::Linger | After::Reset) => break end,
        }
    };
    service.forget(ends.client);
    match end {
        After::Again | After::Close => {}
        After::Linger => client.peer.linger(&mut client.deadline).await,
        After::Reset => client.peer.reset_on_close(),
    }
}

/// Reads one request and has it answered.
async fn one(client: &mut Client, service: &Service, ip: &str, first: bool) -> After {
    let limits = service.limits();
    let waits = !first && client.peer.buffer.is_empty();
    let idle = waits.then(|| Idle::new(service, client.vip));
    let length = match client.head(limits.idle, limits.header, idle).await {
        Ok(Some(length)) => length,
        Ok(None) => return After::Close,
        Err(reason) => return client.refuse(service, reason).await,
    };
    let facts = match client.stage(service, ip, length) {
        Ok(facts) => facts,
        Err(reason) => return client.refuse(service, reason).await,
    };
    service.count(|shard| shard.requests.up());
    client.deadline.begin(limits.idle, limits.total);
    exchange::run(client, service, &facts).await
}

impl Client {
    /// Waits for a whole head; `None` when the client goes without having asked anything. A client
    /// that is `between` two requests is so until the first byte of the next.
    async fn head(
        &mut self,
        idle: Duration,
        header: Duration,
        mut between: Option<Idle<'_>>,
    ) -> Result<Option<usize>, Refusal> {
        let mut scanned = 0;
        let mut begun = false;
        let mut blank_line_allowed = true;
        if between.is_some() {
            self.deadline.begin(idle, idle);
        }
        poll_fn(|cx| {
            loop {
                let blank = blank_line_allowed && self.peer.buffer.data().starts_with(b"\r\n");
                if blank {
                    // RFC 9112 section 2.2: one empty line before a request is forgiven.
                    blank_line_allowed = false;
                    self.peer.buffer.consume(2);
                }
                let waits = blank_line_allowed && self.peer.buffer.data() == b"\r";
                if !self.peer.buffer.is_empty() && !waits {
                    match find_end(self.peer.buffer.data(), &mut scanned) {
                        Ok(None) => {}
                        found => return Poll::Ready(found),
                    }
                    if !begun {
                        begun = true;
                        between = None;
                        self.deadline.begin(header, header);
                    }
                }
                match self.peer.poll_fill(cx) {
                    Poll::Ready(Ok(count)) if count > 0 => {}
                    Poll::Ready(_) => return Poll::Ready(Ok(None)),
                    Poll::Pending => break,
                }
            }
            match self.deadline.poll(cx) {
                Poll::Ready(()) if begun => Poll::Ready(Err(Refusal::HeaderTimeout)),
                Poll::Ready(()) => Poll::Ready(Ok(None)),
                Poll::Pending => Poll::Pending,
            }
        })
        .await
    }

    /// Parses the head and stages the request, with as much of its body as is there: what is
    /// refused in it is refused before any server hears of it.
    fn stage(&mut self, service: &Service, ip: &str, length: usize) -> Result<Facts, Refusal> {
        let mut room = field_room();
        let parsed = request::parse(&self.peer.buffer.data()[..length], &mut room)?;
        let facts = parsed.facts;
        let host = &service.host;
        self.up
            .begin(facts.body, |lead| write::request(lead, &parsed, ip, host));
        self.up_failed = false;
        self.peer.buffer.consume(length);
        self.up.stage(&mut self.peer.buffer)?;
        Ok(facts)
    }

    /// Writes what is staged for the client and has no body.
    pub(crate) async fn flush(&mut self) -> io::Result<()> {
        poll_fn(|cx| {
            let Client {
                peer,
                down,
                deadline,
                ..
            } = self;
            let written = down.poll_write(cx, &mut peer.buffer, &mut peer.stream);
            if written.is_pending() && deadline.poll(cx).is_ready() {
                return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
            }
            written
        })
        .await
    }

    /// Refuses the client: counted, answered, closed.
    pub(crate) async fn refuse(&mut self, service: &Service, reason: Refusal) -> After {
        service.count_refusal(reason, self.ends.client);
        self.answer(Answer::closing(reason.status(), reason.name()))
            .await
    }

    /// Tells the client that no server answered: counted, answered, closed; or shows it the page of
    /// last resort, where no server is left.
    pub(crate) async fn fail(
        &mut self,
        service: &Service,
        facts: &Facts,
        reason: Failure,
    ) -> After {
        service.count_failure(reason, self.ends.client);
        let mut answer = Answer {
            head: facts.head,
            ..Answer::closing(reason.status(), reason.name())
        };
        match reason {
            Failure::QueueFull | Failure::QueueTimeout => {
                answer.retry_after = Some(service.retry_after());
            }
            Failure::NoServer => {
                if let Some(page) = &service.plan().last_resort {
                    return self.last_resort(service, facts, page).await;
                }
            }
            Failure::Closed | Failure::BadAnswer | Failure::AnswerTimeout | Failure::CutOff => {}
        }
        self.answer(answer).await
    }

    /// Shows the page that stands in for all servers; the connection goes on as after any answer.
    async fn last_resort(
        &mut self,
        service: &Service,
        facts: &Facts,
        page: &LastResortPage,
    ) -> After {
        service.count(|shard| shard.last_resorts.up());
        let answer = Answer {
            status: page.status,
            body: Body::Page(&page.body),
            head: facts.head,
            close: facts.close || !self.up.is_staged() || service.sends_away(self.vip),
            retry_after: None,
        };
        self.answer(answer).await
    }

    async fn answer(&mut self, answer: Answer<'_>) -> After {
        self.down.begin(Framing::None, |lead| {
            answer::write(lead, &answer, SystemTime::now());
            Coding::Plain
        });
        self.deadline.begin(LINGER_FOR, LINGER_FOR);
        match self.flush().await {
            Ok(()) if answer.close => After::Linger,
            Ok(()) => After::Again,
            Err(_) => After::Close,
        }
    }
}
