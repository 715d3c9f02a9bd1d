//! The life of the daemon: start, serve, and an orderly end.

use std::sync::Arc;
use std::time::Duration;

use farmux_raft::codec;
use tokio::signal::unix::{SignalKind, signal};

use super::{AddressAbsent, BuildError, Node, network, plugins};
use crate::api;
use crate::moving;
use crate::settings::Settings;

/// Why the daemon ended by itself.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// This machine cannot be the member that its data folder says it is.
    #[error(transparent)]
    Build(#[from] BuildError),
    /// An address of `node.toml` is not on this machine.
    #[error(transparent)]
    Address(#[from] AddressAbsent),
    /// The admin API cannot be served.
    #[error(transparent)]
    Api(#[from] api::ServeError),
    /// The system refused something basic.
    #[error("{0}")]
    System(#[from] std::io::Error),
}

/// How the daemon ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// It was told to.
    Stopped,
    /// It left its cluster: start it again, empty.
    Left,
}

/// An answer to the order that ends us must get out before we do.
const LAST_ANSWER: Duration = Duration::from_millis(300);

/// Runs until SIGTERM or SIGINT, or until this machine left its cluster.
///
/// **Errors**: [`RunError`]; the operator reads it, the supervisor starts us again.
pub async fn run(settings: Settings) -> Result<Ended, RunError> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    if let Some(format) = settings.format_max {
        tracing::warn!(format, "this node is held at an older format by node.toml");
        codec::pin(format);
    }
    network::check_own(&settings).await?;
    plugins::probe_settings(&settings).map_err(BuildError::from)?;
    let node = Arc::new(Node::new(settings));
    node.set_reporter(api::reporter(&node));
    // The socket first: status works while a large log is read, and tells why nothing else does.
    let _api = api::serve(Arc::clone(&node)).await?;
    node.resume().await?;
    notify(&[sd_notify::NotifyState::Ready]);
    tracing::info!(name = %node.settings().name, "farmux is ready");
    let ended = tokio::select! {
        _ = terminate.recv() => Ended::Stopped,
        _ = interrupt.recv() => Ended::Stopped,
        () = node.left() => Ended::Left,
    };
    notify(&[sd_notify::NotifyState::Stopping]);
    match ended {
        Ended::Stopped => {
            if let Some(member) = node.member() {
                // What this node has goes to others first; told twice, it ends at once.
                tokio::select! {
                    () = moving::go(&member, moving::WAIT_OF_STOP) => {}
                    _ = terminate.recv() => tracing::warn!("told twice to stop: at once"),
                    _ = interrupt.recv() => tracing::warn!("told twice to stop: at once"),
                }
                member.stop().await;
            }
        }
        Ended::Left => tokio::time::sleep(LAST_ANSWER).await,
    }
    Ok(ended)
}

/// Tells the supervisor, if there is one that listens.
fn notify(states: &[sd_notify::NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(false, states) {
        tracing::debug!(%error, "the supervisor was not told");
    }
}
