//! The loop: output, clients, signals, timers; and the order in which an app ends.

use std::{
    io,
    os::{
        fd::{AsFd, OwnedFd},
        unix::net::{UnixDatagram, UnixListener},
    },
    path::PathBuf,
    time::{Duration, Instant},
};

use machine::{
    child::{Child, Reaped},
    failpoint,
    lock::FileLock,
    signals::SignalFd,
};
use rustix::event::{PollFd, PollFlags, Timespec};

use super::{begin, clients::Clients, family::Family, log::Log, output::Output, refused::Refused};
use crate::{
    Cause, Exit, Spec, Usage,
    protocol::{Answer, Hello, Request},
};

/// After the end, nobody asked for: the keeper is gone for good.
const FORGOTTEN_AFTER: Duration = Duration::from_secs(24 * 3600);
/// How often the shim of an ended process looks whether it still has its folder.
const FOLDER_EVERY: Duration = Duration::from_secs(10);
/// What does not die of SIGKILL within this is stuck in the kernel; the exit is told without it.
const KILL_PATIENCE: Duration = Duration::from_secs(10);
/// How often the rest of the family is killed again while it dies.
const KILL_EVERY: Duration = Duration::from_millis(20);
/// How long a full disk may hold up the exit.
const LOG_PATIENCE: Duration = Duration::from_secs(2);
const SIGTERM: i32 = 15;
const SIGINT: i32 = 2;
const SIGCONT: i32 = 18;

#[derive(Debug)]
pub(super) struct Run {
    dir: PathBuf,
    spec: Spec,
    _lock: FileLock,
    ctl: UnixListener,
    signals: SignalFd,
    notify: Option<UnixDatagram>,
    output: Output,
    log: Log,
    pidfd: OwnedFd,
    refused: Refused,
    hello: Hello,
    family: Family,
    clients: Clients,
    stop: Option<Stopping>,
    state: State,
}

/// A stop once begun.
#[derive(Clone, Copy, Debug)]
struct Stopping {
    signal: i32,
    kill_at: Instant,
}

#[derive(Debug)]
enum State {
    Alive,
    /// The main process has ended; others of its family live. Killed from `kill_from` on, given up at `give_up`.
    Orphans {
        main: Reaped,
        kill_from: Instant,
        give_up: Instant,
    },
    /// `exit.json` could not be written yet.
    Unwritten {
        exit: Exit,
        again_at: Instant,
    },
    Ended {
        until: Instant,
    },
    Forgotten,
}

/// What woke the loop.
enum Wake {
    Signals,
    Ctl,
    Notify,
    Lifeline,
    Output(usize),
    Refused,
    Client(usize),
}

impl Run {
    #[expect(clippy::too_many_arguments, reason = "made in one place, from all that `begin` has made")]
    pub(super) fn new(
        dir: PathBuf,
        spec: Spec,
        lock: FileLock,
        ctl: UnixListener,
        signals: SignalFd,
        notify: Option<UnixDatagram>,
        output: Output,
        log: Log,
        child: Child,
        hello: Hello,
    ) -> Self {
        let family = Family::new(spec.cgroup.as_ref().map(|group| group.join("app")));
        Self {
            dir,
            spec,
            _lock: lock,
            ctl,
            signals,
            notify,
            output,
            log,
            pidfd: child.pidfd,
            refused: Refused::new(child.refusals),
            hello,
            family,
            clients: Clients::default(),
            stop: None,
            state: State::Alive,
        }
    }

    pub(super) fn run(mut self) {
        while !matches!(self.state, State::Forgotten) {
            let timeout = self.next_timer().map(|at| at.saturating_duration_since(Instant::now()));
            for wake in self.poll(timeout) {
                self.handle(wake);
            }
            self.timers(Instant::now());
        }
    }

    fn poll(&self, timeout: Option<Duration>) -> Vec<Wake> {
        let mut fds = vec![PollFd::new(&self.signals, PollFlags::IN), PollFd::new(&self.ctl, PollFlags::IN)];
        let mut wakes = vec![Wake::Signals, Wake::Ctl];
        if let Some(notify) = &self.notify {
            fds.push(PollFd::new(notify, PollFlags::IN));
            wakes.push(Wake::Notify);
        }
        if let Some(lifeline) = self.output.lifeline() {
            fds.push(PollFd::new(lifeline, PollFlags::IN));
            wakes.push(Wake::Lifeline);
        }
        if let Some(refusals) = self.refused.watched() {
            fds.push(PollFd::new(refusals, PollFlags::IN));
            wakes.push(Wake::Refused);
        }
        for (index, pipe) in self.output.pipes() {
            fds.push(PollFd::new(pipe, PollFlags::IN));
            wakes.push(Wake::Output(index));
        }
        let streams: Vec<_> = self.clients.streams().collect();
        for (index, stream) in streams.iter().enumerate() {
            fds.push(PollFd::new(stream, PollFlags::IN));
            wakes.push(Wake::Client(index));
        }
        let timeout = timeout.and_then(|timeout| Timespec::try_from(timeout).ok());
        // EINTR and the like: nothing is ready, the next turn asks again.
        let _ = rustix::event::poll(&mut fds, timeout.as_ref());
        // Clients last and from the back: dropping one moves only those behind it, which were handled.
        let ready = fds.iter().zip(wakes).filter(|(fd, _)| !fd.revents().is_empty()).map(|(_, wake)| wake);
        let (clients, mut others): (Vec<_>, Vec<_>) = ready.partition(|wake| matches!(wake, Wake::Client(_)));
        others.extend(clients.into_iter().rev());
        others
    }

    fn handle(&mut self, wake: Wake) {
        match wake {
            Wake::Signals => self.take_signals(),
            Wake::Ctl => self.clients.accept(&self.ctl),
            Wake::Notify => self.take_notice(),
            Wake::Lifeline => self.output.take_back(),
            Wake::Output(index) => {
                self.output.read(index, &mut self.log);
            }
            Wake::Refused => self.refused.take(&mut self.log, &mut self.hello.refused),
            Wake::Client(index) => match self.clients.requests(index) {
                Ok(requests) => requests.into_iter().for_each(|request| self.answer(index, request)),
                Err(_) => self.clients.drop_at(index),
            },
        }
    }

    fn take_signals(&mut self) {
        while let Some(signal) = self.signals.next() {
            if signal == SIGTERM || signal == SIGINT {
                // Someone shuts the machine down around us: end the app as it wants to be ended.
                self.begin_stop(self.spec.stop.signal, Duration::from_millis(self.spec.stop.grace_ms));
            }
        }
        while let Some(reaped) = machine::child::reap_any() {
            if reaped.pid == self.hello.pid {
                self.main_ended(reaped);
            }
        }
    }

    /// sd_notify(3). A descriptor that comes along (`BARRIER=1`) is closed by being dropped: the sender waits for that.
    fn take_notice(&mut self) {
        let Some(notify) = &self.notify else { return };
        let mut buffer = [0; 4096];
        while let Ok((count, _fds)) = machine::fds::receive(notify, &mut buffer) {
            let text = String::from_utf8_lossy(buffer.get(..count).unwrap_or_default()).into_owned();
            if !self.hello.ready && text.lines().any(|line| line == "READY=1") {
                self.hello.ready = true;
                self.clients.tell(|client| std::mem::take(&mut client.waits_for_ready), &Answer::Ready(true));
            }
        }
    }

    fn answer(&mut self, index: usize, request: Request) {
        let alive = matches!(self.state, State::Alive);
        let exit = self.hello.exit.clone();
        let answer = match request {
            Request::Hello => Answer::Hello(self.hello.clone()),
            Request::Signal { signal } => done(self.signal(signal)),
            Request::SignalGroup { signal } if alive => {
                done(machine::child::signal_group_of(self.hello.pid, signal))
            }
            Request::SignalGroup { .. } => Answer::Done,
            Request::Stop { signal, grace_ms } => {
                self.begin_stop(signal, Duration::from_millis(grace_ms));
                Answer::Done
            }
            Request::Wait if exit.is_none() => {
                return self.with(index, |client| client.waits_for_exit = true);
            }
            Request::Wait => exit.map_or(Answer::Done, Answer::Exit),
            Request::Ready if self.hello.ready || exit.is_some() => Answer::Ready(self.hello.ready),
            Request::Ready => return self.with(index, |client| client.waits_for_ready = true),
            Request::Tail { lines } => Answer::Lines(self.log.tail(lines)),
            Request::Forget if matches!(self.state, State::Ended { .. }) => {
                self.state = State::Forgotten;
                Answer::Done
            }
            Request::Forget => Answer::Error("it has not ended".to_owned()),
        };
        let wants_pidfd = alive && matches!(answer, Answer::Hello(_));
        let Some(client) = self.clients.get(index) else { return };
        let sent = match wants_pidfd {
            true => client.send_with(&answer, self.pidfd.as_fd()),
            false => client.send(&answer),
        };
        if sent.is_err() {
            // Not dropped here: others of this turn are known by their index. Its end shows at the next read.
            client.waits_for_exit = false;
        }
    }

    fn with(&mut self, index: usize, change: impl FnOnce(&mut super::clients::Client)) {
        if let Some(client) = self.clients.get(index) {
            change(client);
        }
    }

    fn signal(&self, signal: i32) -> io::Result<()> {
        if machine::planted::is_planted("signals-by-pid") {
            return machine::child::signal_child(self.hello.pid, signal);
        }
        machine::pidfd::signal(&self.pidfd, signal)
    }

    /// The first one signals; any may bring the end nearer.
    fn begin_stop(&mut self, signal: i32, grace: Duration) {
        let kill_at = Instant::now() + grace;
        match &mut self.stop {
            Some(stop) => stop.kill_at = stop.kill_at.min(kill_at),
            None => {
                self.stop = Some(Stopping { signal, kill_at });
                if matches!(self.state, State::Alive) && !grace.is_zero() {
                    let _ = machine::pidfd::signal(&self.pidfd, signal);
                    // One that was stopped by SIGSTOP cannot act on anything else.
                    let _ = machine::pidfd::signal(&self.pidfd, SIGCONT);
                }
            }
        }
        if let State::Orphans { kill_from, .. } = &mut self.state {
            *kill_from = (*kill_from).min(kill_at);
        }
    }

    /// Its family gets what is left of the grace where a stop was asked for (`npm` dies before its `node`), else nothing.
    fn main_ended(&mut self, main: Reaped) {
        if !matches!(self.state, State::Alive) {
            return;
        }
        failpoint::hit("shim-exited");
        let now = Instant::now();
        let mut kill_from = now;
        if let Some(stop) = self.stop.filter(|stop| stop.kill_at > now && self.family.is_alive()) {
            self.family.signal(stop.signal);
            kill_from = stop.kill_at;
        }
        self.state = State::Orphans { main, kill_from, give_up: kill_from + KILL_PATIENCE };
    }

    fn next_timer(&self) -> Option<Instant> {
        match &self.state {
            State::Alive => self.stop.map(|stop| stop.kill_at),
            State::Orphans { kill_from, .. } => Some((*kill_from).max(Instant::now() + KILL_EVERY)),
            State::Unwritten { again_at, .. } => Some(*again_at),
            State::Ended { until } => Some((*until).min(Instant::now() + FOLDER_EVERY)),
            State::Forgotten => None,
        }
    }

    fn timers(&mut self, now: Instant) {
        match &self.state {
            State::Alive => {
                if self.stop.is_some_and(|stop| stop.kill_at <= now) {
                    self.family.kill();
                    // Not again at every turn; but again, should something have forked past the walk.
                    self.stop = self.stop.map(|stop| Stopping { kill_at: now + KILL_EVERY, ..stop });
                }
            }
            State::Orphans { main, kill_from, give_up } => {
                let (main, late) = (*main, now >= *give_up);
                let kill = now >= *kill_from;
                if late || !self.family.is_alive() {
                    self.finish(main, late);
                } else if kill {
                    self.family.kill();
                }
            }
            State::Unwritten { exit, again_at } => {
                if *again_at <= now {
                    let exit = exit.clone();
                    self.write_exit(exit);
                }
            }
            State::Ended { until } => {
                // Without its folder nobody can find it again.
                if *until <= now || !self.dir.exists() {
                    self.state = State::Forgotten;
                }
            }
            State::Forgotten => {}
        }
    }

    /// Nobody is left: the rest of the output, then the exit, then those who wait for it.
    fn finish(&mut self, main: Reaped, someone_is_left: bool) {
        failpoint::hit("shim-family-ended");
        self.output.finish(&mut self.log);
        if someone_is_left {
            self.log.note("a process of it does not die of SIGKILL; it is left behind");
        }
        self.log.close(LOG_PATIENCE);
        self.notify = None;
        let exit = Exit {
            cause: main.status.map_or_else(Cause::Signal, Cause::Code),
            oom: self.family.was_out_of_memory(),
            asked: self.stop.is_some(),
            usage: Usage {
                user_ms: main.user_ms,
                system_ms: main.system_ms,
                rss_max_bytes: main.rss_max_bytes,
            },
            at_unix_ms: machine::clock::now_unix_ms(),
            left_behind: someone_is_left,
        };
        self.write_exit(exit);
    }

    /// Crash: before the rename nobody was told, and the next keeper finds no exit: lost. After it all agree.
    fn write_exit(&mut self, exit: Exit) {
        let written: io::Result<()> = begin::write_exit(&self.dir, &exit);
        failpoint::hit("shim-exit-written");
        let now = Instant::now();
        if written.is_err() {
            // Those who wait are told all the same: the memory of a living shim is as good as a file.
            self.state = State::Unwritten { exit: exit.clone(), again_at: now + Duration::from_secs(1) };
        } else {
            self.state = State::Ended { until: now + FORGOTTEN_AFTER };
        }
        self.hello.exit = Some(exit.clone());
        self.clients.tell(|client| std::mem::take(&mut client.waits_for_exit), &Answer::Exit(exit));
        let ready = self.hello.ready;
        self.clients.tell(|client| std::mem::take(&mut client.waits_for_ready), &Answer::Ready(ready));
    }
}

fn done(result: io::Result<()>) -> Answer {
    result.map_or_else(|error| Answer::Error(error.to_string()), |()| Answer::Done)
}
