//! The part of the fence that the VIP thread owns: it loads and attaches, says which VIP is where,
//! and takes everything away when the last VIP has left the plan.
//!
//! Each time the whole wish is compared with what the kernel has, so that a restart adopts what an
//! earlier process pinned, and what somebody else detached or took out of the maps comes back: the
//! VIP thread comes by twice a second. Pins of maps do not come back: the fence stands without.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::layout::{self, LAYOUT, SLOTS, WORDS};
use super::slot::Words;
use super::{DropReason, FenceMode, FenceSettings, HookChoice, Room, Rooms, Slot, choice};
use crate::sys::{self, Bpf, BpfError, Counters, FENCE, Hooked, Interface};

/// A VIP that is to be fenced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wanted {
    /// Its address.
    pub address: IpAddr,
    /// The interface that it belongs on, by the kernel's number.
    pub interface: u32,
}

/// The fence of this machine.
#[derive(Default)]
pub struct Owner {
    loaded: Option<Loaded>,
    /// Why it is not there, and when that was found out.
    failed: Option<(u64, String)>,
}

struct Loaded {
    bpf: Bpf,
    words: Words,
    counters: Arc<Counters>,
    /// Slot and interface of each address that the programs know.
    places: BTreeMap<IpAddr, (u32, u32)>,
    /// Since when an address is known without being wanted.
    unwanted: BTreeMap<IpAddr, u64>,
    hooks: BTreeMap<u32, Result<Hooked, String>>,
    /// Interfaces that somebody else took the fence off, and when that was found.
    taken: BTreeMap<u32, Taken>,
    macs: BTreeSet<[u8; 6]>,
    /// What is missing though the fence stands, in an operator's words.
    advice: Option<String>,
    /// What of it is missing where there are too many interfaces.
    cut: Option<String>,
}

/// Somebody else took the fence off an interface, and it was put back.
struct Taken {
    /// When that was found last.
    at: u64,
    times: u64,
    interface: String,
}

impl Owner {
    /// Makes the fence what it should be, as far as this machine lets it.
    ///
    /// `links` is empty where the kernel did not tell: what is attached stays as it is.
    pub fn follow(
        &mut self,
        settings: &FenceSettings,
        wanted: &BTreeMap<Arc<str>, Wanted>,
        links: &[Interface],
        now: u64,
    ) -> Rooms {
        if settings.hook == HookChoice::Off {
            return self.off(settings, wanted, links);
        }
        if self.loaded.is_none() && (!wanted.is_empty() || pins(settings).is_dir()) {
            self.try_to_load(settings, now);
        }
        let Some(loaded) = &mut self.loaded else {
            let trouble = self.failed.as_ref().map(|(_, text)| text.clone());
            return without(wanted, trouble.as_deref());
        };
        loaded.place(wanted, now);
        if loaded.places.is_empty() {
            tracing::info!("no VIP is left to fence: the fence is taken away");
            loaded.bpf.remove();
            self.loaded = None;
            return Rooms::default();
        }
        if !links.is_empty() {
            loaded.hook(settings, links, now);
            loaded.tell_macs(links);
        }
        loaded.rooms(wanted, now)
    }

    /// Takes away what an earlier start left, once; whoever switched it off knows what is lost.
    fn off(
        &mut self,
        settings: &FenceSettings,
        wanted: &BTreeMap<Arc<str>, Wanted>,
        links: &[Interface],
    ) -> Rooms {
        if self.failed.is_none() && !links.is_empty() {
            let names = links.iter().filter(|link| link.ethernet);
            sys::forget(&pins(settings), names.map(|link| link.name.as_str()));
            self.failed = Some((0, OFF.to_owned()));
        }
        without(wanted, Some(OFF))
    }

    fn try_to_load(&mut self, settings: &FenceSettings, now: u64) {
        if let Some((at, _)) = &self.failed
            && now < at.saturating_add(nanos(RETRY))
        {
            return;
        }
        match Loaded::new(settings) {
            Ok(loaded) => {
                self.failed = None;
                self.loaded = Some(loaded);
            }
            Err(error) => {
                let text = lost(&error);
                if self.failed.as_ref().is_none_or(|(_, old)| *old != text) {
                    tracing::warn!("{text}");
                }
                self.failed = Some((now, text));
            }
        }
    }
}

impl Loaded {
    fn new(settings: &FenceSettings) -> Result<Loaded, BpfError> {
        let mut bpf = Bpf::load(FENCE, &pins(settings), &layout::SHAPES)?;
        let words: Words = Arc::new(bpf.words("slots", word_count())?);
        let counters = Arc::new(bpf.counters("drops")?);
        let mut places = BTreeMap::new();
        for (key, value) in bpf.entries::<16, 8>("places")? {
            places.insert(layout::address_of(key), layout::place_of(value));
        }
        let macs = bpf.entries::<8, 4>("macs")?;
        let macs = macs.into_iter().map(|(key, _)| {
            let [a, b, c, d, e, f, _, _] = key;
            [a, b, c, d, e, f]
        });
        tracing::info!(
            pinned = bpf.is_pinned(),
            adopted = places.len(),
            "the fence is loaded"
        );
        Ok(Loaded {
            macs: macs.collect(),
            advice: (!bpf.is_pinned()).then(|| unpinned(settings)),
            bpf,
            words,
            counters,
            places,
            unwanted: BTreeMap::new(),
            hooks: BTreeMap::new(),
            taken: BTreeMap::new(),
            cut: None,
        })
    }

    /// Tells the programs which VIP is where. One that leaves the plan stays closed for a while: a
    /// restart may learn of its plan late, and a killed process has left the address behind.
    fn place(&mut self, wanted: &BTreeMap<Arc<str>, Wanted>, now: u64) {
        let addresses: BTreeSet<IpAddr> = wanted.values().map(|vip| vip.address).collect();
        self.unwanted
            .retain(|address, _| !addresses.contains(address));
        for address in self.places.keys().filter(|have| !addresses.contains(have)) {
            self.unwanted.entry(*address).or_insert(now);
        }
        let over = |since: &u64| now >= since.saturating_add(nanos(RETIRES_AFTER));
        let retired: Vec<IpAddr> = self
            .unwanted
            .extract_if(.., |_, since| over(since))
            .map(|(address, _)| address)
            .collect();
        for address in retired {
            self.retire(address);
        }
        for vip in wanted.values() {
            if let Err(error) = self.admit(*vip) {
                tracing::warn!(address = %vip.address, %error, "the VIP is not fenced");
            }
        }
    }

    fn admit(&mut self, vip: Wanted) -> Result<(), BpfError> {
        let slot = match self.places.get(&vip.address) {
            Some((slot, _)) => *slot,
            None => self.free_slot().ok_or(BpfError::Full)?,
        };
        let (key, value) = (
            layout::place_key(vip.address),
            layout::place_value(slot, vip.interface),
        );
        self.bpf.keep("places", key, value)?;
        self.places.insert(vip.address, (slot, vip.interface));
        Ok(())
    }

    fn retire(&mut self, address: IpAddr) {
        if let Some((slot, _)) = self.places.remove(&address) {
            if let Err(error) = self
                .bpf
                .take_out::<16, 8>("places", layout::place_key(address))
            {
                tracing::debug!(%address, %error, "a place is not taken away");
            }
            if let Some(slot) = Slot::new(Arc::clone(&self.words), slot) {
                slot.clear();
            }
            for reason in DropReason::ALL {
                if let Err(error) = self.counters.clear(reason.key(slot)) {
                    tracing::debug!(%address, %error, "a counter goes on");
                }
            }
        }
    }

    fn free_slot(&self) -> Option<u32> {
        let taken: BTreeSet<u32> = self.places.values().map(|(slot, _)| *slot).collect();
        (0..SLOTS).find(|slot| !taken.contains(slot))
    }

    /// Attaches the programs wherever they belong, and nowhere else.
    fn hook(&mut self, settings: &FenceSettings, links: &[Interface], now: u64) {
        let vips: BTreeSet<u32> = self.places.values().map(|(_, at)| *at).collect();
        let chosen = choice::choose(links, &vips);
        let cut = chosen.trouble();
        if let (Some(trouble), None) = (&cut, &self.cut) {
            tracing::warn!("{trouble}");
        }
        self.cut = cut;
        let indices: BTreeSet<u32> = chosen.fenced.iter().map(|link| link.index).collect();
        self.taken.retain(|index, _| indices.contains(index));
        let gone = self
            .hooks
            .extract_if(.., |index, _| !indices.contains(index));
        for (index, _) in gone {
            let name = links.iter().find(|link| link.index == index);
            self.bpf.detach(index, name.map(|link| link.name.as_str()));
        }
        let best = settings.hook == HookChoice::Best;
        let first = self.hooks.is_empty();
        for link in chosen.fenced {
            if let Some(Ok(hooked)) = self.hooks.get(&link.index)
                && self.bpf.is_attached(link.index, *hooked)
            {
                continue;
            }
            let hooked = self.bpf.attach(link.index, &link.name, best);
            let hooked = hooked.map_err(|error| lost(&error));
            let before = self.hooks.insert(link.index, hooked.clone());
            match (hooked, before) {
                (Err(trouble), None | Some(Ok(_))) => {
                    tracing::warn!(interface = link.name, "{trouble}");
                }
                (Ok(_), Some(Ok(_))) => self.note_taken(link, now),
                (Err(_), Some(Err(_))) | (Ok(_), None | Some(Err(_))) => {}
            }
        }
        if first {
            // Only now: there was no moment without one of them.
            self.bpf.remove_others(PINS);
        }
    }

    fn note_taken(&mut self, link: &Interface, now: u64) {
        let taken = self.taken.entry(link.index).or_insert_with(|| Taken {
            at: now,
            times: 0,
            interface: link.name.clone(),
        });
        (taken.at, taken.times) = (now, taken.times + 1);
        if taken.times == 1 {
            tracing::warn!("{}", taken.trouble());
        }
    }

    fn tell_macs(&mut self, links: &[Interface]) {
        let macs = choice::own_macs(links);
        for mac in &macs {
            let told = self.bpf.keep("macs", layout::mac_key(*mac), [1, 0, 0, 0]);
            if let Err(error) = told {
                tracing::debug!(%error, "an own MAC is not known to the fence");
            }
        }
        for mac in self.macs.difference(&macs) {
            let told = self.bpf.take_out::<8, 4>("macs", layout::mac_key(*mac));
            if let Err(error) = told {
                tracing::debug!(%error, "a MAC that is gone is still known to the fence");
            }
        }
        self.macs = macs;
    }

    /// What an operator should know of the fence of a VIP though it stands.
    fn advice(&self, interface: u32, now: u64) -> Option<String> {
        let taken = self.taken.get(&interface);
        let taken = taken.filter(|taken| now < taken.at.saturating_add(nanos(TAKEN_TOLD_FOR)));
        let taken = taken.map(Taken::trouble);
        let all = [&self.advice, &taken, &self.cut];
        let all: Vec<&str> = all.into_iter().flatten().map(String::as_str).collect();
        (!all.is_empty()).then(|| all.join(" "))
    }

    fn rooms(&self, wanted: &BTreeMap<Arc<str>, Wanted>, now: u64) -> Rooms {
        let room = |(name, vip): (&Arc<str>, &Wanted)| {
            let hook = self.hooks.get(&vip.interface);
            let room = match (self.places.get(&vip.address), hook) {
                (Some((slot, _)), Some(Ok(hooked))) => Room {
                    slot: Slot::new(Arc::clone(&self.words), *slot),
                    mode: mode(*hooked),
                    pinned: self.bpf.is_pinned(),
                    trouble: self.advice(vip.interface, now),
                },
                (_, Some(Err(trouble))) => Room {
                    trouble: Some(trouble.clone()),
                    ..Room::default()
                },
                (None, Some(Ok(_))) => Room {
                    trouble: Some(lost(&BpfError::Full)),
                    ..Room::default()
                },
                // Its interface has not been seen yet: the next look finds it.
                (_, None) => Room::default(),
            };
            (Arc::clone(name), room)
        };
        Rooms {
            vips: wanted.iter().map(room).collect(),
            counters: Some(Arc::clone(&self.counters)),
        }
    }
}

impl Taken {
    fn trouble(&self) -> String {
        let Taken {
            interface, times, ..
        } = self;
        format!(
            "another program took the fence off {interface}, and it was put back ({times} times so \
             far). Until then this kernel answered for a VIP whether it was lent or not. Find out \
             who deletes qdiscs or BPF links there: journalctl, tc monitor (FMX-121)"
        )
    }
}

/// What there is without a fence.
fn without(wanted: &BTreeMap<Arc<str>, Wanted>, trouble: Option<&str>) -> Rooms {
    let room = Room {
        trouble: trouble.map(str::to_owned),
        ..Room::default()
    };
    let vips = wanted.keys().map(|name| (Arc::clone(name), room.clone()));
    Rooms {
        vips: vips.collect(),
        counters: None,
    }
}

fn mode(hooked: Hooked) -> FenceMode {
    match hooked {
        Hooked::Tcx => FenceMode::Tcx,
        Hooked::Clsact => FenceMode::Clsact,
    }
}

/// Where the pins of this layout are.
fn pins(settings: &FenceSettings) -> PathBuf {
    settings.folder.join(format!("{PINS}{LAYOUT}"))
}

fn word_count() -> usize {
    usize::try_from(SLOTS).expect("128") * WORDS
}

/// What an operator loses and does about it.
fn lost(error: &BpfError) -> String {
    format!(
        "no fence in the kernel: {error}. VIPs work on; but after kill -9 this machine's kernel \
         answers for them for up to 2.5 s. {} (FMX-121)",
        error.mend()
    )
}

fn nanos(span: Duration) -> u64 {
    u64::try_from(span.as_nanos()).unwrap_or(u64::MAX)
}

/// What was missing for the next process to find what this one knew.
fn unpinned(settings: &FenceSettings) -> String {
    let folder = settings.folder.display();
    format!(
        "the fence is not pinned: {folder} is in no bpffs. It stands, also after kill -9, but the \
         next start does not know what this one did. Mount one: mount -t bpf bpf {folder} (FMX-122)"
    )
}

/// What an operator who switched it off has lost.
const OFF: &str = "no fence in the kernel: node.toml says fence = \"off\". After kill -9 this \
                   machine's kernel answers for its VIPs for up to 2.5 s (FMX-121)";
/// What the folders of pins begin with; the number of the layout follows.
const PINS: &str = "fence-";
/// Longer than an address lives that nobody renews (2 s): when the fence goes, nothing is left that
/// could answer.
const RETIRES_AFTER: Duration = Duration::from_secs(3);
/// What stood in the way may be mended while we run; looking costs some milliseconds.
const RETRY: Duration = Duration::from_secs(60);
/// Somebody who looks into the status after something odd should still find it.
const TAKEN_TOLD_FOR: Duration = Duration::from_secs(600);
