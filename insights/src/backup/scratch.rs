//! Verifying a backup by restoring it.

use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use tokio_postgres::Client;

use super::contents::quoted;
use super::{BackupError, Place, Progress, Restored, restore};

/// Restores an archive into a database of its own on the same server, where every table is compared with the manifest,
/// and drops it. `connect` opens the owner's connection to a database of that name.
///
/// # Errors
/// The scratch database cannot be made, or as [`restore`].
pub async fn verify<C, F>(
    place: Place<'_>,
    archive: &Path,
    connect: C,
    tell: impl FnMut(Progress),
) -> Result<Restored, BackupError>
where
    C: FnOnce(String) -> F,
    F: Future<Output = Result<Client, String>>,
{
    let moment = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis());
    let name = format!("vitrine_verify_{}_{moment}", std::process::id());
    let client = place.client;
    let made = client.batch_execute(&format!("CREATE DATABASE {} TEMPLATE template0", quoted(&name))).await;
    made.map_err(|error| {
        let hint = "the owner of the insight store needs CREATEDB for that";
        BackupError::Scratch(format!("{}; {hint}", crate::migrate::told(&error)))
    })?;
    let outcome = async {
        let scratch = connect(name.clone()).await.map_err(BackupError::Scratch)?;
        let database = place.database.with_database(&name);
        restore(Place { client: &scratch, database: &database, ..place }, archive, false, tell).await
    }
    .await;
    // Also when the restore failed. WITH (FORCE): the connection above may take a moment to be gone.
    let dropped = client.batch_execute(&format!("DROP DATABASE {} WITH (FORCE)", quoted(&name))).await;
    let restored = outcome?;
    dropped?;
    Ok(restored)
}
