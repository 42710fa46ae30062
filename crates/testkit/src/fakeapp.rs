//! The app that tests deploy: it echoes nonces, streams, keeps a ledger of writes, and misbehaves on demand.
//!
//! Owns the form of its answers, which the judge checks byte by byte ([`answer`]). Never depends on anything of
//! Mainstay but the environment that an instance gets. Begin with [`settings::Settings`]: every behaviour is a variable.

pub mod answer;
mod mischief;
mod routes;
pub mod settings;

use std::process::ExitCode;

use settings::{Boot, Settings, Stop};
use tokio::signal::unix::{SignalKind, signal};

/// Runs the app until it is told to stop.
pub fn main() -> ExitCode {
    let settings = Settings::from_env();
    mischief::begin(&settings);
    match settings.boot {
        Boot::Throw => {
            eprintln!("fakeapp: Error: cannot find module 'left-pad' (thrown on purpose)");
            return ExitCode::from(1);
        }
        Boot::NeverListen => {
            println!("fakeapp: alive, and listening to nobody");
            mischief::wait_for_ever();
        }
        Boot::Listen => {}
    }
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime starts");
    runtime.block_on(serve(settings))
}

async fn serve(settings: Settings) -> ExitCode {
    if !settings.boot_delay.is_zero() {
        println!("fakeapp: needs {:?} before it listens", settings.boot_delay);
        tokio::time::sleep(settings.boot_delay).await;
    }
    let stop = stopped(settings.stop);
    let app = routes::router(&settings);
    println!("fakeapp: {} listens", settings.instance);
    let served = match settings.socket() {
        Some(path) => {
            let listener = tokio::net::UnixListener::bind(&path).expect("the socket's path is free");
            axum::serve(listener, app).with_graceful_shutdown(stop).await
        }
        None => {
            let listener = tcp_listener(&settings);
            axum::serve(listener, app).with_graceful_shutdown(stop).await
        }
    };
    println!("fakeapp: {} ends", settings.instance);
    ExitCode::from(u8::from(served.is_err()))
}

fn tcp_listener(settings: &Settings) -> tokio::net::TcpListener {
    let inherited = listenfd::ListenFd::from_env().take_tcp_listener(0).ok().flatten();
    let listener = inherited.unwrap_or_else(|| {
        let address = (settings.host.as_str(), settings.port);
        std::net::TcpListener::bind(address).unwrap_or_else(|error| {
            eprintln!("fakeapp: cannot listen on {}:{}: {error}", settings.host, settings.port);
            std::process::exit(98)
        })
    });
    listener.set_nonblocking(true).expect("a listener can be made non-blocking");
    tokio::net::TcpListener::from_std(listener).expect("the runtime takes the listener")
}

/// Ends when the app should stop; how it takes the signal is its character.
async fn stopped(stop: Stop) {
    let mut term = signal(SignalKind::terminate()).expect("SIGTERM can be handled");
    let mut int = signal(SignalKind::interrupt()).expect("SIGINT can be handled");
    loop {
        tokio::select! { _ = term.recv() => {} , _ = int.recv() => {} }
        match stop {
            Stop::Graceful => return println!("fakeapp: told to stop, finishing what is open"),
            Stop::Ignore => println!("fakeapp: told to stop, and does not care"),
            Stop::Die => std::process::exit(143),
        }
    }
}
