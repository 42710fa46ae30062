//! The app's own process: what the spec says as what the kernel takes.

use std::{
    error::Error as _,
    ffi::CString,
    fs::{self, File},
    io,
    os::fd::{AsFd, OwnedFd},
    path::{Path, PathBuf},
};

use model::manifest::PATH;

use machine::child::{self, Become, Child, Exec, Session, Setup, c_string};

use crate::{
    Spec,
    console::{STDIN, is_numbered},
    payload::Payload,
};

/// What the process writes to.
#[derive(Debug)]
pub(super) struct Ends {
    pub(super) stdout: OwnedFd,
    pub(super) stderr: OwnedFd,
}

/// Forks and executes the app; the error is told in words, with the program's name.
pub(super) fn spawn(spec: &Spec, payload: &Payload, fds: &[OwnedFd], ends: &Ends) -> Result<Child, String> {
    let opening = |error: io::Error| error.to_string();
    let null = File::open("/dev/null").map_err(opening)?;
    let stdin = payload.fd(STDIN, fds).map_or(null.as_fd(), AsFd::as_fd);
    let named = payload.fd_names.iter().zip(fds);
    let numbered = named.filter(|(name, _)| is_numbered(name)).map(|(_, fd)| fd.as_fd()).zip(3..);
    let procs = cgroup(spec);
    let mut setup = setup(spec, payload).map_err(opening)?;
    setup.cgroup = procs.as_ref().map(AsFd::as_fd);
    setup.fds = vec![(stdin, 0), (ends.stdout.as_fd(), 1), (ends.stderr.as_fd(), 2)];
    setup.fds.extend(numbered);
    // A session of its own: stopped by SIGSTOP while its parent dies it would else be sent SIGHUP.
    setup.session = if rustix::termios::isatty(stdin) { Session::Terminal } else { Session::New };
    child::spawn(&setup).map_err(|error| match error.source() {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    })
}

/// `None` where there is no tree, or it went away: then the walk by parents keeps the family together.
fn cgroup(spec: &Spec) -> Option<File> {
    machine::cgroup::procs(&spec.cgroup.as_ref()?.join("app")).ok()
}

fn setup<'a>(spec: &Spec, payload: &Payload) -> io::Result<Setup<'a>> {
    let argv = spec.argv.iter().map(c_string).collect::<io::Result<Vec<_>>>()?;
    let mut env = payload
        .env
        .iter()
        .map(|(name, value)| c_string(format!("{name}={value}")))
        .collect::<io::Result<Vec<_>>>()?;
    let exec = if spec.own_executable { Exec::Own } else { Exec::Paths(candidates(spec, payload)?) };
    let names: Vec<&str> =
        payload.fd_names.iter().map(String::as_str).filter(|name| is_numbered(name)).collect();
    let inherits = !names.is_empty();
    if inherits {
        env.push(c_string(format!("LISTEN_FDS={}", names.len()))?);
        env.push(c_string(format!("LISTEN_FDNAMES={}", names.join(":")))?);
    }
    let mut setup = Setup::new(exec, argv, env);
    setup.pid_variable = inherits.then_some("LISTEN_PID");
    setup.cwd = Some(c_string(&spec.cwd)?);
    setup.user =
        spec.user.as_ref().map(|ids| Become { uid: ids.uid, gid: ids.gid, groups: ids.groups.clone() });
    setup.nofile = Some(spec.nofile);
    setup.nproc = spec.nproc;
    setup.oom_score_adj = Some(0);
    setup.no_new_privs = true;
    if let Some(confinement) = &spec.sandbox {
        setup.no_capabilities = true;
        setup.walls = confinement.walls()?;
        setup.offline = confinement.offline;
    }
    setup.dies_with_parent = true;
    Ok(setup)
}

/// Where the program may be: as named if it has a `/`, else in each folder of the app's own `PATH`.
fn candidates(spec: &Spec, payload: &Payload) -> io::Result<Vec<CString>> {
    let program = spec.argv.first().map_or("", String::as_str);
    if program.contains('/') {
        return Ok(vec![c_string(program)?]);
    }
    let path =
        payload.env.iter().rev().find(|(name, _)| name == "PATH").map_or(PATH, |(_, value)| value.as_str());
    path.split(':')
        .filter(|folder| !folder.is_empty())
        .map(|folder| c_string(Path::new(folder).join(program)))
        .collect()
}

/// Only for the words of an error: where the program would be looked for.
pub(crate) fn described(spec: &Spec) -> PathBuf {
    let program = PathBuf::from(spec.argv.first().map_or("", String::as_str));
    match program.components().count() {
        0 | 1 => program,
        _ if program.is_absolute() => program,
        _ => fs::canonicalize(spec.cwd.join(&program)).unwrap_or_else(|_| spec.cwd.join(&program)),
    }
}
