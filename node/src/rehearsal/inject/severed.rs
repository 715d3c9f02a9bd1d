//! A node that hears its peers, or its gateway, no more: `nftables` sets whose elements time out in
//! the kernel, so that it ends whoever is dead by then.
//!
//! A mark in the data folder says that there may be rules: they match nothing when their time is
//! over, and the next process takes them away. Where there is no mark, no machine loads nftables
//! because of us.

use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use farmux_netplane::severed::{self, Severed};
use farmux_netplane::sys::NftError;

use super::process::ANSWERED_WITHIN;
use super::{CALLED_OFF, Place, Wanted};
use crate::daemon::Member;

/// Drops what every other node says, and what is said to it.
///
/// **Errors**: in words; nothing is dropped.
pub(super) async fn from_peers(
    place: &Place,
    member: &Arc<Member>,
    timer: Duration,
    wanted: Wanted<'_>,
) -> Result<(), String> {
    let others = member.addresses();
    let ports = others.iter().map(std::net::SocketAddr::port);
    let ports = ports.chain(place.ports.iter().copied()).collect();
    // The answer that it is being done must get out before nothing does.
    tokio::time::sleep(ANSWERED_WITHIN).await;
    sever(place, Severed::Peers { ports }, timer, wanted).await
}

/// Drops what a gateway says, ARP included, and what is said to it.
///
/// **Errors**: in words; nothing is dropped.
pub(super) async fn from_gateway(
    place: &Place,
    gateway: IpAddr,
    timer: Duration,
    wanted: Wanted<'_>,
) -> Result<(), String> {
    let interfaces = place.interfaces.clone();
    let from = Severed::Gateway {
        gateway,
        interfaces,
    };
    sever(place, from, timer, wanted).await
}

async fn sever(
    place: &Place,
    from: Severed,
    timer: Duration,
    wanted: Wanted<'_>,
) -> Result<(), String> {
    if !wanted() {
        return Err(CALLED_OFF.to_owned());
    }
    let mark = mark(place);
    let marked = mark.parent().map_or(Ok(()), std::fs::create_dir_all);
    let marked = marked.and_then(|()| std::fs::write(&mark, b""));
    marked.map_err(|error| format!("{}: {error}", mark.display()))?;
    let severed = blocking(move || severed::sever(&from, timer)).await;
    match severed {
        // Then nothing has changed, and nothing is to be cleared.
        Err(NftError::Missing | NftError::Refused(_)) => drop(std::fs::remove_file(&mark)),
        Ok(()) | Err(NftError::System(_) | NftError::Stuck) => {}
    }
    severed.map_err(|error| error.to_string())
}

/// Takes the rules away, where there may be any, of a former process too.
///
/// **Errors**: in words; they match nothing any more when their time is over.
pub(super) async fn heal(place: &Place) -> Result<(), String> {
    if !mark(place).exists() {
        return Ok(());
    }
    let healed = blocking(severed::heal).await;
    healed.map_err(|error| error.to_string())?;
    // Without it the next process looks in vain, which harms nobody.
    let _ = std::fs::remove_file(mark(place));
    Ok(())
}

fn mark(place: &Place) -> PathBuf {
    place.data.join("drills").join("severed")
}

async fn blocking(
    work: impl FnOnce() -> Result<(), NftError> + Send + 'static,
) -> Result<(), NftError> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(std::io::Error::other)?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn nobody_is_severed_who_is_not_wanted_to_be() {
        let folder = tempfile::tempdir().expect("a folder is to be had");
        let place = Place::of_test(folder.path());
        // Of the addresses for documents, should it be severed all the same.
        let gateway = IpAddr::from([192, 0, 2, 1]);
        let timer = Duration::from_millis(1);
        let severed = from_gateway(&place, gateway, timer, &|| false).await;
        assert_eq!(severed, Err(CALLED_OFF.to_owned()));
        assert!(!mark(&place).exists(), "there is nothing to heal");
    }
}
