//! The architectures that are given to others, by their names in each world.

use std::{env::consts::ARCH, path::Path, process::Command};

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Architecture {
    #[value(name = "x86_64")]
    X86_64,
    Aarch64,
}

impl Architecture {
    pub(super) const ALL: [Self; 2] = [Self::X86_64, Self::Aarch64];

    /// As `uname -m` says it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::X86_64 => "x86_64",
            Self::Aarch64 => "aarch64",
        }
    }

    /// Rust's.
    pub(super) fn target(self) -> &'static str {
        match self {
            Self::X86_64 => "x86_64-unknown-linux-musl",
            Self::Aarch64 => "aarch64-unknown-linux-musl",
        }
    }

    /// zig's, of the C parts.
    pub(super) fn zig(self) -> &'static str {
        match self {
            Self::X86_64 => "x86_64-linux-musl",
            Self::Aarch64 => "aarch64-linux-musl",
        }
    }

    /// dpkg's.
    pub(super) fn debian(self) -> &'static str {
        match self {
            Self::X86_64 => "amd64",
            Self::Aarch64 => "arm64",
        }
    }

    /// readelf's.
    pub(super) fn machine(self) -> &'static str {
        match self {
            Self::X86_64 => "X86-64",
            Self::Aarch64 => "AArch64",
        }
    }

    /// What runs it elsewhere (Debian's `qemu-user-static`).
    pub(super) fn qemu(self) -> String {
        format!("qemu-{}-static", self.name())
    }

    pub(super) fn is_native(self) -> bool {
        self.name() == ARCH
    }

    /// What runs a binary of it; `None`: nothing here does.
    pub(super) fn run(self, binary: &Path) -> Option<Command> {
        if self.is_native() {
            return Some(Command::new(binary));
        }
        let has_qemu = Command::new(self.qemu()).arg("--version").output().is_ok();
        has_qemu.then(|| {
            let mut qemu = Command::new(self.qemu());
            qemu.arg(binary);
            qemu
        })
    }
}
