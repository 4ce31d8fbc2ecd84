//! The private directory of the running process: its process id, its control socket, the socket of the takeover.
//!
//! Whoever can enter it can take the gateway's sockets over, so only its owner may (pingora makes its own socket in it
//! readable and writable for everyone).

use super::control;
use crate::config::ListenAddress;
use crate::gateway::server::ServeError;
use std::fmt::Write as _;
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// A process that serves.
#[derive(Debug)]
pub(in crate::gateway::server) struct Running {
    control: PathBuf,
    /// What it listens at, as it was configured: these sockets come with the handover.
    pub(in crate::gateway::server) listens_at: Vec<String>,
}

/// The directory, opened and checked.
#[derive(Debug, Clone)]
pub(in crate::gateway::server) struct RunDir {
    path: PathBuf,
}

impl RunDir {
    /// Makes the directory where it is missing, and refuses one that others may enter or that belongs to somebody else.
    pub(in crate::gateway::server) fn open(path: &Path) -> Result<Self, ServeError> {
        let refuse = |message: String| ServeError::RunDir { path: path.display().to_string(), message };
        match std::fs::DirBuilder::new().mode(0o700).create(path) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(refuse(error.to_string())),
            Ok(()) | Err(_) => {}
        }
        Self::existing(path)
    }

    /// The directory, if it is there; refused like [`Self::open`].
    pub(in crate::gateway::server) fn existing(path: &Path) -> Result<Self, ServeError> {
        let refuse = |message: String| ServeError::RunDir { path: path.display().to_string(), message };
        // Not through a symbolic link: in /tmp anybody may put one.
        let found = std::fs::symlink_metadata(path).map_err(|error| refuse(error.to_string()))?;
        if !found.is_dir() {
            return Err(refuse("is not a directory".to_owned()));
        }
        if found.uid() != rustix::process::geteuid().as_raw() {
            return Err(refuse(format!("belongs to user {}", found.uid())));
        }
        if found.permissions().mode() & 0o077 != 0 {
            return Err(refuse("others may enter it: chmod 700".to_owned()));
        }
        // The longest name in it, a control socket, must fit into sun_path: unix(7).
        if path.as_os_str().len() > 85 {
            return Err(refuse("is too long for the sockets in it: at most 85 bytes".to_owned()));
        }
        Ok(Self { path: path.to_owned() })
    }

    pub(in crate::gateway::server) fn path(&self) -> &Path {
        &self.path
    }

    pub(in crate::gateway::server) fn pid_file(&self) -> PathBuf {
        self.path.join("vitrine.pid")
    }

    pub(in crate::gateway::server) fn upgrade_socket(&self) -> PathBuf {
        self.path.join("upgrade.sock")
    }

    /// The control socket of process `pid`.
    pub(in crate::gateway::server) fn control_socket(&self, pid: u32) -> PathBuf {
        self.path.join(format!("{pid}.control"))
    }

    /// Control sockets of the other processes that use this directory: an old one that drains, or a new one.
    pub(in crate::gateway::server) fn others(&self) -> Vec<PathBuf> {
        let mine = self.control_socket(std::process::id());
        let Ok(entries) = std::fs::read_dir(&self.path) else { return Vec::new() };
        entries
            .filter_map(|entry| Some(entry.ok()?.path()))
            .filter(|path| path.extension().is_some_and(|extension| extension == "control") && *path != mine)
            .collect()
    }

    /// The process that serves now, by its control socket: a process id alone could be somebody else's by now.
    pub(in crate::gateway::server) fn running(&self) -> Option<Running> {
        let text = std::fs::read_to_string(self.pid_file()).ok()?;
        let mut lines = text.lines();
        let control = self.control_socket(lines.next()?.trim().parse().ok()?);
        let listens_at = lines.map(str::to_owned).collect();
        UnixStream::connect(&control).is_ok().then_some(Running { control, listens_at })
    }

    /// From now on this process is the one that serves.
    pub(in crate::gateway::server) fn claim<'a>(
        &self,
        listens_at: impl Iterator<Item = &'a ListenAddress>,
    ) -> io::Result<()> {
        let draft = self.path.join(format!("{}.pid", std::process::id()));
        let mut text = format!("{}\n", std::process::id());
        for address in listens_at {
            let _ = writeln!(text, "{address}");
        }
        std::fs::write(&draft, text)?;
        std::fs::rename(draft, self.pid_file())
    }

    /// Removes what this process put there.
    pub(in crate::gateway::server) fn release(&self) {
        let _gone = std::fs::remove_file(self.control_socket(std::process::id()));
        let is_mine = std::fs::read_to_string(self.pid_file())
            .is_ok_and(|text| text.lines().next() == Some(std::process::id().to_string().as_str()));
        if is_mine {
            let _gone = std::fs::remove_file(self.pid_file());
        }
    }

    /// Asks the old process to hand over as soon as pingora waits for its sockets: asked earlier, it would find nobody.
    pub(in crate::gateway::server) fn ask_to_hand_over(&self, old: Running) {
        let upgrade_socket = self.upgrade_socket();
        let _left_over = std::fs::remove_file(&upgrade_socket);
        std::thread::spawn(move || {
            let since = Instant::now();
            while !upgrade_socket.exists() && since.elapsed() < Duration::from_secs(5) {
                std::thread::sleep(Duration::from_millis(5));
            }
            // pingora binds, sets the mode, then listens; the old process tries again while nobody listens.
            let asked = UnixStream::connect(old.control).and_then(|mut old| old.write_all(control::HAND_OVER));
            if let Err(error) = asked {
                tracing::error!(%error, "the running gateway cannot be asked to hand over");
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_private_directory_is_taken() {
        let folder = tempfile::tempdir().unwrap();
        let fresh = folder.path().join("fresh");
        RunDir::open(&fresh).unwrap();
        assert_eq!(std::fs::metadata(&fresh).unwrap().permissions().mode() & 0o777, 0o700);
        RunDir::open(&fresh).unwrap();
        std::fs::set_permissions(&fresh, std::fs::Permissions::from_mode(0o750)).unwrap();
        assert!(RunDir::open(&fresh).unwrap_err().to_string().contains("others may enter it"));
        let link = folder.path().join("link");
        std::os::unix::fs::symlink(folder.path(), &link).unwrap();
        assert!(RunDir::open(&link).unwrap_err().to_string().contains("not a directory"));
        assert!(RunDir::open(Path::new("/proc/nothing/here")).is_err());
    }
}
