//! The operating system account a server runs under: our own, or another one when we are root.

use std::os::unix::fs::MetadataExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::Command;

use super::{PostgresError, process};

/// An account by number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Account {
    pub(super) uid: u32,
    pub(super) gid: u32,
    /// The process has to change to it.
    other: bool,
}

impl Account {
    /// `ours` is a file this process has just made: its owner is who we are.
    pub(super) fn of_owner(ours: &Path) -> Result<Self, PostgresError> {
        let metadata =
            std::fs::metadata(ours).map_err(PostgresError::io(format!("cannot look at {}", ours.display())))?;
        if metadata.uid() != 0 {
            return Ok(Self { uid: metadata.uid(), gid: metadata.gid(), other: false });
        }
        ["postgres", "nobody"].into_iter().find_map(Self::named).ok_or(PostgresError::NoAccount)
    }

    fn named(name: &str) -> Option<Self> {
        let number = |flag: &str| {
            let mut command = Command::new("id");
            command.args([flag, name]);
            process::output(command, None).ok()?.trim().parse::<u32>().ok()
        };
        Some(Self { uid: number("-u")?, gid: number("-g")?, other: true })
    }

    /// Makes the command run under this account. Supplementary groups are dropped with the change.
    pub(super) fn run(self, command: &mut Command) {
        if self.other {
            command.uid(self.uid).gid(self.gid).env("HOME", "/");
        }
    }

    /// Hands a file or directory to this account.
    pub(super) fn own(self, path: &Path) -> Result<(), PostgresError> {
        if !self.other {
            return Ok(());
        }
        std::os::unix::fs::chown(path, Some(self.uid), Some(self.gid))
            .map_err(PostgresError::io(format!("cannot give {} to the server's account", path.display())))
    }
}
