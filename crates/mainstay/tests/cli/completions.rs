//! `mainstay completions`.

use crate::support::{Place, help};

#[test]
fn help_teaches() {
    insta::assert_snapshot!(help("completions"));
}

#[test]
fn every_shell_gets_every_command() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let said = Place::empty().run(&["completions", shell]);
        for command in ["deploy", "rollback", "migrate", "check"] {
            assert!(said.contains(command), "{shell} lacks {command}");
        }
    }
}
