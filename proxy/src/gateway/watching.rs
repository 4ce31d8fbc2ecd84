//! Looking at a database for the cache, and reading its catalog again where a look finds other definitions: what an older
//! one says of a statement, that its answer is steady and which tables it lies over, may not be so any more.

use std::sync::{Arc, Weak};
use std::time::Duration;

use deadpool_postgres::Pool;
use tokio::time::Instant;

use crate::cache::freshness::{self, Freshness};
use crate::upstream::catalog::Watch;

/// After reading the catalog nothing is read for so many times as long as that took, and no less than this.
const REST: (u32, Duration) = (2, Duration::from_millis(20));

/// A catalog that could not be read is asked for again after this; until it is read nothing is kept.
const RETRY_INTERVAL: Duration = Duration::from_secs(1);

/// Looks at the database, and follows what is found, until dropped or the catalog is.
pub async fn run(freshness: Arc<Freshness>, pool: Pool, catalog: Weak<Watch>) {
    tokio::join!(freshness::run(&freshness, pool), follow(&freshness, &catalog));
}

async fn follow(freshness: &Freshness, catalog: &Weak<Watch>) {
    loop {
        let Some(read) = catalog.upgrade() else { return };
        if freshness.is_known_to(read.asked()) {
            drop(read);
            freshness.redefinition().await;
            continue;
        }
        let began = Instant::now();
        let outcome = read.refresh().await;
        drop(read);
        let (times, least) = REST;
        tokio::time::sleep(match outcome {
            Ok(_) => (began.elapsed() * times).max(least),
            Err(error) => {
                tracing::debug!(%error, "the catalog could not be read again");
                RETRY_INTERVAL
            }
        })
        .await;
    }
}
