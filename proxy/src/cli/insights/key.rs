//! `vitrine key` and `vitrine tenant`.

use std::process::ExitCode;

use chrono::{DateTime, SecondsFormat, Utc};
use clap::{Args, Subcommand, ValueEnum};
use uuid::Uuid;
use vitrine_insights::model::{ApiKey, Identity, KeyId, MadeKey, NewApiKey, Scope, Tenant};
use vitrine_insights::service::{Error, Keys, Writer};

use crate::config::Environment;

use super::owner::{ToolDatabase, store};
use super::seed::tenant;
use super::{EX_UNAVAILABLE, failed};

#[derive(Debug, Args)]
pub(in crate::cli) struct Key {
    #[command(flatten)]
    database: ToolDatabase,
    /// Whose keys.
    #[arg(long, default_value = "default", value_name = "NAME", value_parser = tenant, global = true)]
    tenant: Tenant,
    #[command(subcommand)]
    action: KeyAction,
}

#[derive(Debug, Subcommand)]
enum KeyAction {
    /// Make a key. It is printed this once: what is kept is a hash of its secret.
    Create {
        /// What a person calls it.
        #[arg(long)]
        label: String,
        /// What it allows.
        #[arg(long, value_delimiter = ',', default_value = "read,write")]
        scopes: Vec<ScopeName>,
        /// From when on it opens nothing, such as 2027-01-01T00:00:00Z. Without it: when it is revoked.
        #[arg(long, value_name = "TIME")]
        expires_at: Option<DateTime<Utc>>,
    },
    /// List the tenant's keys, without their secrets.
    List,
    /// Revoke a key, from now on.
    Revoke {
        /// Its id, as `list` shows it.
        id: Uuid,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum ScopeName {
    /// Everything that changes nothing.
    Read,
    /// Reading and writing records.
    Write,
    /// Kinds, keys, retention and holds of the tenant.
    Admin,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct Tenants {
    #[command(flatten)]
    database: ToolDatabase,
    #[command(subcommand)]
    action: TenantAction,
}

#[derive(Debug, Subcommand)]
enum TenantAction {
    /// Make a tenant. One also appears by itself with its first record or key.
    Create {
        #[arg(value_parser = tenant)]
        name: Tenant,
    },
    /// List the tenants, with what each has.
    List,
    /// Put a tenant under legal hold: neither expiry nor retention nor anybody deletes an insight that it has or gets.
    Hold {
        #[arg(value_parser = tenant)]
        name: Tenant,
        /// End the hold instead.
        #[arg(long)]
        release: bool,
    },
}

impl Key {
    pub(in crate::cli) fn run(self, environment: &Environment) -> ExitCode {
        super::wait_for(self.act(environment))
    }

    async fn act(&self, environment: &Environment) -> Result<ExitCode, ExitCode> {
        let store = store(&self.database.target(environment)?)?;
        match &self.action {
            KeyAction::Create { label, scopes, expires_at } => {
                let scopes: Vec<Scope> = scopes.iter().map(|scope| scope.scope()).collect();
                let new = NewApiKey { label: label.clone(), scopes, expires_at: *expires_at };
                let actor = "vitrine key".to_owned();
                let identity = Identity { tenant: self.tenant.clone(), scopes: vec![Scope::Admin], actor };
                let made = store.make_key(&Writer { identity, idempotency: None }, new).await;
                let MadeKey { key, secret } = made.map_err(|error| wrong(&error))?.record;
                // The key alone on standard output, so that a script can take it.
                println!("{}", secret.unwrap_or_default());
                eprintln!("key {} of tenant {}: keep it, it is not shown again", key.id.0, key.tenant);
            }
            KeyAction::List => {
                for key in store.keys(&self.tenant).await.map_err(|error| wrong(&error))? {
                    println!("{}", line(&key));
                }
            }
            KeyAction::Revoke { id } => {
                store.revoke_key(&self.tenant, KeyId(*id)).await.map_err(|error| wrong(&error))?;
                println!("revoked {id}");
            }
        }
        Ok(ExitCode::SUCCESS)
    }
}

impl ScopeName {
    fn scope(self) -> Scope {
        match self {
            Self::Read => Scope::Read,
            Self::Write => Scope::Write,
            Self::Admin => Scope::Admin,
        }
    }
}

fn line(key: &ApiKey) -> String {
    let day = |at: DateTime<Utc>| at.to_rfc3339_opts(SecondsFormat::Secs, true);
    let scopes: Vec<&str> = key
        .scopes
        .iter()
        .map(|scope| match scope {
            Scope::Read => "read",
            Scope::Write => "write",
            Scope::Admin => "admin",
        })
        .collect();
    let end = match (key.revoked_at, key.expires_at) {
        (Some(at), _) => format!("revoked {}", day(at)),
        (None, Some(at)) => format!("until {}", day(at)),
        (None, None) => "valid".to_owned(),
    };
    let used = key.last_used_at.map_or_else(|| "never used".to_owned(), |at| format!("used {}", day(at)));
    format!("{}  {}  {}  made {}  {used}  {}", key.id.0, end, scopes.join(","), day(key.created_at), key.label)
}

impl Tenants {
    pub(in crate::cli) fn run(self, environment: &Environment) -> ExitCode {
        super::wait_for(self.act(environment))
    }

    async fn act(&self, environment: &Environment) -> Result<ExitCode, ExitCode> {
        let owner = self.database.connect(environment).await?;
        let client = &owner.client;
        let asked = |error: tokio_postgres::Error| failed(EX_UNAVAILABLE, &Said(error));
        match &self.action {
            TenantAction::Create { name } => {
                let sql = "INSERT INTO vitrine.tenants (name) VALUES ($1) ON CONFLICT DO NOTHING";
                let made = client.execute(sql, &[&name.as_str()]).await.map_err(asked)?;
                println!("tenant {name} {}", if made == 1 { "is made" } else { "was there already" });
            }
            TenantAction::List => {
                // Counted as each tenant: an owner that is no superuser sees the rows of one at a time or of all.
                let sql = "SELECT t.name, t.created_at, \
                    (SELECT count(*) FROM public.insights i WHERE i.tenant = t.name), \
                    (SELECT count(*) FROM vitrine.api_keys k WHERE k.tenant = t.name AND k.revoked_at IS NULL), t.legal_hold \
                    FROM vitrine.tenants t ORDER BY 1";
                for row in client.query(sql, &[]).await.map_err(asked)? {
                    let name: String = row.try_get(0).map_err(asked)?;
                    let at: DateTime<Utc> = row.try_get(1).map_err(asked)?;
                    let insights: i64 = row.try_get(2).map_err(asked)?;
                    let keys: i64 = row.try_get(3).map_err(asked)?;
                    let held = if row.try_get(4).map_err(asked)? { "  under legal hold" } else { "" };
                    println!(
                        "{name}  since {}  {insights} insights  {keys} keys{held}",
                        at.to_rfc3339_opts(SecondsFormat::Secs, true)
                    );
                }
            }
            TenantAction::Hold { name, release } => {
                let held = !release;
                client
                    .execute("SELECT pg_catalog.set_config('vitrine.tenant', $1, false)", &[&name.as_str()])
                    .await
                    .map_err(asked)?;
                // First what comes, then what is there: nothing slips between.
                let sql = "INSERT INTO vitrine.tenants (name, legal_hold) VALUES ($1, $2) \
                    ON CONFLICT (name) DO UPDATE SET legal_hold = excluded.legal_hold";
                client.execute(sql, &[&name.as_str(), &held]).await.map_err(asked)?;
                let sql = "UPDATE public.insights SET legal_hold = $2 WHERE tenant = $1 AND legal_hold <> $2";
                let changed = client.execute(sql, &[&name.as_str(), &held]).await.map_err(asked)?;
                match held {
                    true => println!("{changed} insights of {name} are held now, and so is every one that comes"),
                    false => println!("{changed} insights of {name} are no longer held"),
                }
            }
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// The server's own words.
struct Said(tokio_postgres::Error);

impl std::fmt::Display for Said {
    fn fmt(&self, to: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.0.as_db_error() {
            Some(said) => write!(to, "{} (SQLSTATE {})", said.message(), said.code().code()),
            None => self.0.fmt(to),
        }
    }
}

fn wrong(error: &Error) -> ExitCode {
    if let Error::Unavailable { cause, .. } | Error::Internal(cause) = error {
        return failed(EX_UNAVAILABLE, &format!("{error}: {cause}"));
    }
    failed(1, error)
}
