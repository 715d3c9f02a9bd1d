//! A connection to a server, for one request or one client.

use tokio::io::AsyncWriteExt;

use super::peer::Peer;
use super::server::Work;
use super::service::Service;
use crate::http::refusal::Failure;
use crate::proxy::{Ends, write};

/// A connection to a server, and the work that is done on it.
#[derive(Debug)]
pub(crate) struct Upstream {
    pub(crate) peer: Peer,
    pub(crate) work: Work,
    /// It was idle before: the server may just be closing it.
    pub(crate) reused: bool,
    /// The server was told who the client is.
    told: bool,
}

impl Upstream {
    /// An idle connection to the server of `work`; the work, if there is none.
    pub(crate) fn idle(
        service: &Service,
        ends: &Ends,
        work: Work,
        certain: bool,
    ) -> Result<Upstream, Work> {
        let told = service.tells().is_some();
        match work
            .server()
            .take_idle(told.then_some(ends.client), certain)
        {
            None => Err(work),
            Some(peer) => Ok(Upstream {
                peer,
                work,
                reused: true,
                told,
            }),
        }
    }

    /// A new connection to the server of `first`; where the connect fails, once to another.
    ///
    /// **Errors**: nobody else is there or has room, or neither could be connected to.
    pub(crate) async fn open(
        service: &Service,
        ends: &Ends,
        first: Work,
    ) -> Result<Upstream, Failure> {
        let failed = first.server().clone();
        if let Some(connected) = Upstream::connect(service, ends, first).await {
            return Ok(connected);
        }
        let second = service.pick(ends.client.ip(), Some(&failed)).await?;
        Upstream::connect(service, ends, second)
            .await
            .ok_or(Failure::NoServer)
    }

    /// Connects, and tells the server who the client is where the plan wants it.
    async fn connect(service: &Service, ends: &Ends, work: Work) -> Option<Upstream> {
        let server = work.server();
        let tells = service.tells();
        let buffers = service.worker.buffers.clone();
        let within = service.limits().connect;
        let connected = match server.pretended() {
            None => Peer::connect(server.address, within, buffers).await,
            // On the heap: only a drill comes here, and every client's task would be larger for it.
            Some(pretended) => Err(Box::pin(pretended.refuse(within)).await),
        };
        let told = match (connected, tells) {
            (Ok(mut peer), Some(version)) => {
                // A fresh socket takes a hundred bytes at once.
                let header = write::header(version, ends);
                peer.stream.write_all(&header).await.map(|()| peer)
            }
            (connected, _) => connected,
        };
        match told {
            Ok(peer) => Some(Upstream {
                peer,
                work,
                reused: false,
                told: tells.is_some(),
            }),
            Err(error) => {
                let name = &server.name;
                tracing::trace!(service = %service.key, server = %name, %error, "no connect");
                server.count_connect_failed();
                None
            }
        }
    }

    /// Keeps the connection for another request, of the client at `ends` alone if the server was
    /// told of it; the caller vouches that nothing is left on it.
    pub(crate) fn keep(self, ends: &Ends) {
        let told = self.told.then_some(ends.client);
        self.work.server().keep_idle(self.peer, told);
    }
}
