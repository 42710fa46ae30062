//! The listeners: bound once, kept by whoever is above the keeper, lent to every edge.
//!
//! The number per address is fixed when the first of them is bound and kept in the data folder: closing one of a
//! SO_REUSEPORT set would lose what waits in its queue.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::SocketAddr,
    os::fd::{AsFd as _, OwnedFd},
    path::Path,
    sync::Arc,
};

use machine::pulse::Pulse;
use model::Explain;
use supervisor::{Inherited, hung::Watched, store::Store};

use super::{
    ticket_seeds::{self, TICKET_SEED},
    world::Doors,
};
use crate::config::machine::Listen;

/// Bound: listeners of one address.
const PER_ADDRESS_MAX: usize = 8;
/// The page that an edge stamps as it turns, `pulse.7` of the edge in folder 7: kept like a listener, because the next keeper
/// watches the same edge.
pub(super) const PAGE: &str = "pulse";

/// The set, by name: `http.0`, `http.1`, `https.0`, …, the ticket seed.
pub(crate) struct Listeners {
    fds: Vec<Inherited>,
    pub ticket_seeds: Arc<OwnedFd>,
    pub doors: Doors,
    /// As they are bound: scheme and address.
    pub bound: Vec<(&'static str, SocketAddr)>,
    /// Of the edges that were found, by name.
    pages: BTreeMap<String, OwnedFd>,
}

/// What one edge is lent: the set, and its page.
pub(crate) struct Lent {
    pub fds: Vec<Inherited>,
    page: Inherited,
}

/// What is asked for, one address after the other.
fn wanted(listen: &Listen) -> impl Iterator<Item = (&'static str, SocketAddr)> + '_ {
    let http = listen.http.iter().map(|address| ("http", *address));
    http.chain(listen.https.iter().map(|address| ("https", *address)))
}

/// Takes the descriptors that were kept, binds those that are missing, and puts these into the store.
/// # Errors
/// An address that is taken or not ours.
pub(crate) fn open(
    listen: &Listen,
    state: &Path,
    store: Option<&Store>,
    kept: Vec<(String, OwnedFd)>,
) -> Result<Listeners, Explain> {
    let per_address = per_address(state)?;
    let (pages, kept) = pages_of(kept);
    let (mut sets, mut other) = sets_of(kept);
    let ticket_seeds = Arc::new(ticket_seeds::kept_or_made(take(&mut other, TICKET_SEED), store)?);
    let mut all = Listeners::none(ticket_seeds, pages);
    let mut free = free_numbers(&sets);
    let mut found = found(listen, &mut sets);
    for (at, (scheme, address)) in wanted(listen).enumerate() {
        let (number, mut set) =
            found.remove(&at).unwrap_or_else(|| (free.next().unwrap_or_default(), Vec::new()));
        let actual = set.first().and_then(|(_, fd)| net::listen::local_address(fd)).unwrap_or(address);
        let names = (0..per_address).map(|n| format!("{scheme}.{}", number * PER_ADDRESS_MAX + n));
        let missing = names.filter(|name| set.iter().all(|(kept, _)| kept != name)).collect();
        set.extend(bind(actual, set.is_empty(), missing, store)?);
        let actual = set.first().and_then(|(_, fd)| net::listen::local_address(fd)).unwrap_or(actual);
        all.fds.extend(set.into_iter().map(|(name, fd)| Inherited { name, fd: Arc::new(fd) }));
        let door = if scheme == "http" { &mut all.doors.http } else { &mut all.doors.https };
        door.get_or_insert(actual.port());
        all.bound.push((scheme, actual));
    }
    all.add_seeds();
    // Kept on, they would take connections that nobody accepts.
    for (name, _) in sets.into_values().flatten().chain(other) {
        tracing::info!(name, "A kept descriptor has no use any more; it is closed.");
        let_go(store, &name);
    }
    Ok(all)
}

type Named = Vec<(String, OwnedFd)>;

/// The kept listeners by set, and what is none. A set has a number of its own, whatever its scheme.
fn sets_of(kept: Named) -> (BTreeMap<(&'static str, usize), Named>, Named) {
    let (mut sets, mut other) = (BTreeMap::<_, Named>::new(), Named::new());
    for (name, fd) in kept {
        match number_of(&name) {
            Some((scheme, n)) => sets.entry((scheme, n / PER_ADDRESS_MAX)).or_default().push((name, fd)),
            None => other.push((name, fd)),
        }
    }
    (sets, other)
}

/// The places of what is asked for, those first that only one port will do for: who asks for any port takes what is left.
fn choosiest_first(wanted: &[(&'static str, SocketAddr)]) -> Vec<usize> {
    let mut places: Vec<_> = (0..wanted.len()).collect();
    places.sort_by_key(|at| wanted[*at].1.port() == 0);
    places
}

/// The kept sets that serve on, by the place of what they are for in [`wanted`].
fn found(
    listen: &Listen,
    sets: &mut BTreeMap<(&'static str, usize), Named>,
) -> BTreeMap<usize, (usize, Named)> {
    let wanted: Vec<_> = wanted(listen).collect();
    let places = choosiest_first(&wanted).into_iter();
    places.filter_map(|at| Some((at, kept_for(sets, wanted[at].0, wanted[at].1)?))).collect()
}

/// The set that is bound to an address, whatever stood before it in machine.toml then.
fn kept_for(
    sets: &mut BTreeMap<(&'static str, usize), Named>,
    scheme: &str,
    address: SocketAddr,
) -> Option<(usize, Named)> {
    let is_it = |(key, set): &(&(&'static str, usize), &Named)| {
        key.0 == scheme && set.iter().all(|(_, fd)| is_bound_to(fd, address))
    };
    let key = *sets.iter().find(is_it)?.0;
    Some((key.1, sets.remove(&key)?))
}

/// Numbers that no kept set has: a name in the store is never of two descriptors.
fn free_numbers(sets: &BTreeMap<(&'static str, usize), Named>) -> impl Iterator<Item = usize> + use<> {
    let taken: BTreeSet<_> = sets.keys().map(|(_, number)| *number).collect();
    (0..).filter(move |number| !taken.contains(number))
}

impl Listeners {
    fn none(ticket_seeds: Arc<OwnedFd>, pages: BTreeMap<String, OwnedFd>) -> Self {
        Self { fds: Vec::new(), ticket_seeds, doors: Doors::default(), bound: Vec::new(), pages }
    }

    /// What an edge is lent beside what it listens on.
    fn add_seeds(&mut self) {
        self.fds.push(Inherited { name: TICKET_SEED.to_owned(), fd: Arc::clone(&self.ticket_seeds) });
    }

    /// The set for one edge, with its page: the one that was kept, else a new one.
    /// # Errors
    /// The kernel gives no memory file.
    pub(super) fn lend(&mut self, page: &str, store: Option<&Store>) -> Result<Lent, Explain> {
        let fd = match self.pages.remove(page) {
            Some(kept) => kept,
            None => made_page(page, store)?,
        };
        let page = Inherited { name: page.to_owned(), fd: Arc::new(fd) };
        let fds = self.fds.iter().chain([&page]).cloned().collect();
        Ok(Lent { fds, page })
    }

    /// The pages that were found and not lent again belong to edges that nobody watches any more.
    pub(super) fn let_go_of_other_pages(&mut self, store: Option<&Store>) {
        std::mem::take(&mut self.pages).keys().for_each(|name| let_go(store, name));
    }

    /// What machine.toml asks of the listeners and is not so, in words; only when everything starts again is it taken up.
    pub(super) fn pending(&self, listen: &Listen) -> Option<String> {
        difference(listen, &self.bound)
    }
}

impl Lent {
    /// What the edge is watched by.
    /// # Errors
    /// Out of descriptors.
    pub(super) fn watched(&self) -> std::io::Result<Watched> {
        let pulse = Pulse::from(self.page.fd.try_clone()?);
        Ok(Watched { pulse, inherited: self.fds.iter().map(|inherited| Arc::clone(&inherited.fd)).collect() })
    }

    /// Its edge is not to be.
    pub(super) fn let_go_of_page(&self, store: Option<&Store>) {
        let_go(store, &self.page.name);
    }
}

/// The pages, and the rest.
fn pages_of(kept: Vec<(String, OwnedFd)>) -> (BTreeMap<String, OwnedFd>, Vec<(String, OwnedFd)>) {
    let (pages, rest): (Vec<_>, Vec<_>) =
        kept.into_iter().partition(|(name, _)| name.split('.').next() == Some(PAGE));
    (pages.into_iter().collect(), rest)
}

/// The set of an edge that lives: it accepts on these and no others, whatever is asked for by now, and so does the one that replaces it. What was bound beside
/// them would take connections that nobody serves.
/// # Errors
/// No memory file can be made for what was not kept.
pub(crate) fn of_the_edge(store: Option<&Store>, kept: Vec<(String, OwnedFd)>) -> Result<Listeners, Explain> {
    let (pages, mut kept) = pages_of(kept);
    kept.sort_by_key(|(name, _)| number_of(name));
    let ticket_seeds = take(&mut kept, TICKET_SEED);
    let ticket_seeds = Arc::new(ticket_seeds::kept_or_made(ticket_seeds, store)?);
    let mut all = Listeners::none(ticket_seeds, pages);
    let mut last_set = None;
    for (name, fd) in &kept {
        let (Some((scheme, n)), Some(address)) = (number_of(name), net::listen::local_address(fd)) else {
            continue;
        };
        if last_set.replace((scheme, n / PER_ADDRESS_MAX)) != Some((scheme, n / PER_ADDRESS_MAX)) {
            let door = if scheme == "http" { &mut all.doors.http } else { &mut all.doors.https };
            door.get_or_insert(address.port());
            all.bound.push((scheme, address));
        }
    }
    all.fds = kept.into_iter().map(|(name, fd)| Inherited { name, fd: Arc::new(fd) }).collect();
    all.add_seeds();
    Ok(all)
}

fn take(kept: &mut Vec<(String, OwnedFd)>, wanted: &str) -> Option<OwnedFd> {
    let at = kept.iter().position(|(name, _)| name == wanted)?;
    Some(kept.remove(at).1)
}

/// Of `http.3`: the scheme and 3.
fn number_of(name: &str) -> Option<(&'static str, usize)> {
    let (scheme, n) = name.split_once('.')?;
    let scheme = ["http", "https"].into_iter().find(|known| *known == scheme)?;
    Some((scheme, n.parse().ok()?))
}

/// How what is asked for differs from what is bound, in words; `None`: it does not.
fn difference(listen: &Listen, bound: &[(&'static str, SocketAddr)]) -> Option<String> {
    let wanted: Vec<_> = wanted(listen).collect();
    let mut left = bound.to_vec();
    let mut is_bound = |(scheme, asked): &(&str, SocketAddr)| {
        let is_it = |(bound, address): &(&str, SocketAddr)| {
            bound == scheme && net::listen::is_made_of(*address, *asked)
        };
        left.iter().position(is_it).map(|at| left.swap_remove(at)).is_some()
    };
    let mut places = choosiest_first(&wanted).into_iter();
    if wanted.len() == bound.len() && places.all(|at| is_bound(&wanted[at])) {
        return None;
    }
    let told = |all: &[(&str, SocketAddr)]| {
        let words: Vec<_> = all.iter().map(|(scheme, address)| format!("{scheme} {address}")).collect();
        words.join(", ")
    };
    Some(format!("[listen] asks for {}; the edge that runs has {}", told(&wanted), told(bound)))
}

/// A kept listener serves on if machine.toml still asks for its address.
fn is_bound_to(fd: &OwnedFd, address: SocketAddr) -> bool {
    net::listen::local_address(fd).is_some_and(|bound| net::listen::is_made_of(bound, address))
}

/// Binds what is missing of a set and puts it into the store.
fn bind(
    address: SocketAddr,
    whole_set: bool,
    names: Vec<String>,
    store: Option<&Store>,
) -> Result<Vec<(String, OwnedFd)>, Explain> {
    if names.is_empty() {
        return Ok(Vec::new());
    }
    if whole_set && address.port() != 0 {
        net::listen::check_free(address).map_err(|error| taken(address, &error))?;
    }
    let set = net::listen::bind_set(address, names.len()).map_err(|error| taken(address, &error))?;
    let named: Vec<_> = names.into_iter().zip(set.into_iter().map(OwnedFd::from)).collect();
    named.iter().for_each(|(name, fd)| keep(store, name, fd));
    Ok(named)
}

fn taken(address: SocketAddr, error: &net::listen::BindError) -> Explain {
    let explain = Explain::new("address-taken", format!("cannot listen on {address}")).because(error);
    let elsewhere = "choose another under [listen] in machine.toml, or with `--listen` and `--listen-tls`";
    match error {
        net::listen::BindError::NotAllowed { .. } => {
            explain.help(format!("ports below 1024 are root's: start as root, or {elsewhere}"))
        }
        net::listen::BindError::Taken { .. } => {
            let port = address.port();
            explain.help(format!("`ss -ltnp 'sport = :{port}'` says who listens there; or {elsewhere}"))
        }
        net::listen::BindError::Other { .. } => explain.help(elsewhere),
    }
}

fn made_page(name: &str, store: Option<&Store>) -> Result<OwnedFd, Explain> {
    let pulse = Pulse::new(PAGE).map_err(|error| {
        Explain::new("no-pulse", "cannot make the page by which the edge is watched").because(&error)
    })?;
    let fd = OwnedFd::from(pulse);
    keep(store, name, &fd);
    Ok(fd)
}

/// Puts a descriptor into the store above.
pub(crate) fn keep(store: Option<&Store>, name: &str, fd: &OwnedFd) {
    if let Some(Err(error)) = store.map(|store| store.put(name, fd.as_fd())) {
        tracing::warn!(name, %error, "A descriptor could not be put into the store; a kill of the keeper would lose it.");
    }
}

/// The store closes its copies of that name.
fn let_go(store: Option<&Store>, name: &str) {
    if let Some(Err(error)) = store.map(|store| store.remove(name)) {
        tracing::warn!(name, %error, "A descriptor stays in the store, though nobody uses it.");
    }
}

/// Cores, at most 8, as they were at the first start.
fn per_address(state: &Path) -> Result<usize, Explain> {
    let file = state.join("listeners-per-address");
    if let Some(n) = std::fs::read_to_string(&file).ok().and_then(|text| text.trim().parse().ok()) {
        return Ok(usize::clamp(n, 1, PER_ADDRESS_MAX));
    }
    let n = std::thread::available_parallelism().map_or(1, usize::from).min(PER_ADDRESS_MAX);
    machine::fs::write_atomic(&file, format!("{n}\n").as_bytes(), 0o644).map_err(|error| {
        Explain::new("data-unwritable", format!("cannot write {}", file.display())).because(&error)
    })?;
    Ok(n)
}

#[cfg(test)]
mod tests;
