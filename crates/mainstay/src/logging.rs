//! What the keeper and the edge say, on stderr: whoever started them keeps it.

/// Sentences for people on a terminal; in a unit the journal adds the time.
pub(crate) fn begin() {
    use std::io::IsTerminal as _;
    let filter = tracing_subscriber::EnvFilter::try_from_env("MAINSTAY_LOG")
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("info"));
    let text = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    let set = if std::io::stderr().is_terminal() {
        text.compact().with_target(false).try_init()
    } else {
        text.json().flatten_event(true).try_init()
    };
    if set.is_err() {
        eprintln!("warning: somebody set up logging before this process did");
    }
}
