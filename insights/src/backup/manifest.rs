//! What a backup holds: rows and checksum of each table, and the SHA-256 of the archive.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::BackupError;

/// A table's rows, summed up: the sum of a hash of each row does not depend on their order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TableSum {
    /// Their number.
    pub rows: i64,
    /// A decimal number.
    pub checksum: String,
}

/// Lies beside the archive, as `ARCHIVE.manifest.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// When the snapshot was taken.
    pub taken_at: DateTime<Utc>,
    /// Version of this program.
    pub vitrine: String,
    /// `server_version` of the source.
    pub server: String,
    /// The latest migration that was applied.
    pub schema_version: i64,
    /// Of the archive, in hexadecimal.
    pub sha256: String,
    /// By `schema.table`.
    pub tables: BTreeMap<String, TableSum>,
}

impl Manifest {
    /// Where the manifest of an archive lies.
    #[must_use]
    pub fn path(archive: &Path) -> PathBuf {
        let mut name = archive.as_os_str().to_owned();
        name.push(".manifest.json");
        name.into()
    }

    /// Reads the manifest of an archive and compares the archive with it. None where there is no manifest.
    ///
    /// # Errors
    /// It cannot be read, or the archive is another one.
    pub fn of(archive: &Path) -> Result<Option<Self>, BackupError> {
        let path = Self::path(archive);
        let text = match std::fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(BackupError::file(path)(error)),
        };
        let manifest: Self = serde_json::from_str(&text)
            .map_err(|error| BackupError::File { path: path.clone(), reason: error.to_string() })?;
        if sha256(archive)? != manifest.sha256 {
            return Err(BackupError::Altered(archive.to_owned()));
        }
        Ok(Some(manifest))
    }

    /// Rows in all.
    #[must_use]
    pub fn rows(&self) -> i64 {
        self.tables.values().map(|table| table.rows).sum()
    }
}

/// In hexadecimal.
pub(super) fn sha256(path: &Path) -> Result<String, BackupError> {
    let failed = || BackupError::file(path);
    let mut file = File::open(path).map_err(failed())?;
    let (mut hash, mut buffer) = (Sha256::new(), vec![0; 1 << 20]);
    loop {
        let count = file.read(&mut buffer).map_err(failed())?;
        if count == 0 {
            break;
        }
        hash.update(buffer.get(..count).unwrap_or_default());
    }
    Ok(hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
}
