//! Accounts for the people, as whoever has the machine makes them.

use std::{
    io::Write as _,
    net::SocketAddr,
    path::Path,
    process::{Command, Stdio},
};

use crate::assistant::Person;

const PASSWORD: &str = "correct horse";

/// Makes `count` accounts with `assistant user add` in the folder of a running assistant, and signs each of them in.
///
/// # Panics
/// When one is refused.
pub fn invite(count: usize, program: &Path, data: &Path, secret_key: &str, at: SocketAddr) -> Vec<Person> {
    let invite = |n: usize| {
        let name = format!("person{n}");
        let mut command = Command::new(program);
        command.args(["user", "add", &name, "--password-stdin"]).env_clear();
        command.env("ASSISTANT_DATA", data).env("ASSISTANT_SECRET_KEY", secret_key);
        let mut adding = command.stdin(Stdio::piped()).stdout(Stdio::null()).spawn().expect("it was built");
        let mut password = adding.stdin.take().expect("it is piped");
        writeln!(password, "{PASSWORD}").expect("it reads");
        drop(password);
        assert!(adding.wait().expect("it ends").success(), "{name} was refused");
        Person::sign_in(at, "localhost", &name, PASSWORD).expect("signed in")
    };
    (0..count).map(invite).collect()
}
