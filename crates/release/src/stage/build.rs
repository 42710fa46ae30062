//! The build on the server: the manifest's command in the unpacked release, as the app's user, before it is sealed.
//!
//! It has no secrets but those it names, writes to the release and to a home of its own, which stays for the next build
//! (package managers keep there what they fetched), and uses the network as the app may, or none.

use std::{collections::BTreeMap, fs, io, path::Path};

use machine::child::NETWORK_STAYS;
use model::{
    Explain, ProcessId,
    manifest::{Build, BuildNetwork},
};
use ulid::Ulid;

use super::to_its_end;
use crate::{
    run::{Halt, Run},
    seal,
    world::{JobEnd, JobKind, JobOrder, World},
};

/// Bound: a home that has grown beyond this goes when its build has ended.
const CACHE_BYTES_MAX: u64 = 4 << 30;
/// Files of a release are its own: a hard link into the cache would be sealed with the release, and be lost to the next build.
const COPIES: [(&str, &str); 2] = [("UV_LINK_MODE", "copy"), ("npm_config_package_import_method", "copy")];

pub(super) async fn build<W: World>(run: &mut Run<W>) -> Result<(), Halt> {
    let Some(build) = run.manifest.release.build_on_server().cloned() else {
        // No release that comes after this one builds either, as far as is known.
        bound_cache(run, 0).await;
        return Ok(());
    };
    let began = tokio::time::Instant::now();
    run.log.note(format!("building: {}", build.command.join(" ")));
    let ended = to_its_end(run, order(run, &build)).await;
    bound_cache(run, CACHE_BYTES_MAX).await;
    let end = ended?;
    run.check_going()?;
    if end.succeeded() {
        run.log.note(format!("built in {:.1} s", began.elapsed().as_secs_f64()));
        return Ok(());
    }
    if build.network == BuildNetwork::None && end.stderr.iter().any(|line| line.contains(NETWORK_STAYS)) {
        return Err(Halt::Abort(no_network_of_its_own(&end).now(run.now_serving())));
    }
    let explain = Explain::new("build-failed", format!("release {} cannot be built", run.task.to))
        .caused_by(format!("`{}`: {}", build.command.join(" "), end.word()))
        .help("its last lines say why; `mainstay logs build` has all of them, and `release.build.timeout` its time");
    Err(Halt::Abort(end.shown_in(explain).now(run.now_serving())))
}

/// The kernel refuses, as in many containers, and to whom it gives no namespaces of users.
fn no_network_of_its_own(end: &JobEnd) -> Explain {
    let explain = Explain::new("build-needs-network-namespace", "the build is to run without a network, and this machine's kernel does not let it")
        .help("run Mainstay as root outside of a container, or allow namespaces (`sysctl kernel.unprivileged_userns_clone`, on Ubuntu `kernel.apparmor_restrict_unprivileged_userns`); else leave out `release.build.network`");
    end.stderr.iter().fold(explain, |explain, line| explain.caused_by(line.clone()))
}

fn order<W: World>(run: &Run<W>, build: &Build) -> JobOrder {
    let home = run.at.layout.build_cache();
    let own = [("HOME", home.display().to_string())].into_iter();
    let own = own.chain(COPIES.map(|(name, value)| (name, value.to_owned())));
    let mut env: BTreeMap<_, _> = own.map(|(name, value)| (name.to_owned(), value)).collect();
    env.extend(build.env.clone());
    let id = ProcessId(Ulid::generate());
    JobOrder {
        env,
        env_secrets: build.env_secrets.clone(),
        // What serves now works with the shared folder: it is not the build's.
        writable: vec![run.release_dir(), home],
        limits: build.limits,
        offline: build.network == BuildNetwork::None,
        ..run.job_order(JobKind::Build, id, build.command.clone(), build.timeout.0)
    }
}

/// A cache that cannot be measured or taken away is only a cache. The run has the lock: no build is at work in it.
async fn bound_cache<W: World>(run: &Run<W>, bytes_max: u64) {
    let cache = run.at.layout.build_cache();
    let bounded = tokio::task::spawn_blocking(move || match bytes_of(&cache)? {
        bytes if bytes > bytes_max || bytes_max == 0 && cache.exists() => {
            seal::remove(&cache).map(|()| Some(bytes))
        }
        _ => Ok(None),
    });
    match bounded.await.unwrap_or_else(|error| Err(io::Error::other(error))) {
        Ok(Some(bytes)) => run.log.note(format!("the cache of builds was taken away: it had {bytes} bytes")),
        Ok(None) => {}
        Err(error) => run.log.note(format!("the cache of builds cannot be bounded: {error}")),
    }
}

/// Follows no link; a missing folder has none.
fn bytes_of(root: &Path) -> io::Result<u64> {
    let mut bytes = 0;
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        let entries = match fs::read_dir(&folder) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            other => other?,
        };
        for entry in entries {
            let entry = entry?;
            let found = entry.metadata()?;
            if found.is_dir() {
                folders.push(entry.path());
            } else {
                bytes += found.len();
            }
        }
    }
    Ok(bytes)
}
