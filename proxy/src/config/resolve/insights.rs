//! The SQL door of the insight store: whose rows a user sees.

use std::collections::BTreeMap;

use vitrine_insights::model::Tenant;

use super::Found;
use crate::config::settings::{Insights, TenantEntry};
use crate::config::value::Secret;
use crate::upstream::Target;

/// The SQL door, as configured.
#[derive(Debug, Clone, Default)]
pub struct InsightsSql {
    /// The store as its owner reaches it; `None` where there is none, or its URL is wrong.
    pub owner: Option<Target>,
    /// The store as the door logs in there: a login of its own, or the owner's; `None` as above.
    pub login: Option<Target>,
    /// Client users with their tenants.
    pub tenants: BTreeMap<String, String>,
    /// Connections in the pool of each tenant.
    pub pool_size: usize,
}

/// Puts it together from its section and its users.
pub(super) fn resolve(insights: &Insights, entries: Vec<TenantEntry>, found: &mut Found) -> InsightsSql {
    let owner = target("insights.url", insights.url.as_ref(), found);
    let own = target("insights.sql_url", insights.sql_url.as_ref(), found);
    match (&owner, &own) {
        (None, Some(_)) => found.push(("insights.sql_url".to_owned(), "needs insights.url beside it".to_owned())),
        (Some(owner), Some(own)) if (&owner.endpoint, &owner.database) != (&own.endpoint, &own.database) => {
            found.push(("insights.sql_url".to_owned(), "is another database than insights.url".to_owned()));
        }
        (Some(owner), Some(own)) if owner.user == own.user => {
            found.push(("insights.sql_url".to_owned(), "is the owner: give the door a login of its own".to_owned()));
        }
        (_, _) => {}
    }
    let mut tenants = BTreeMap::new();
    for pair in &insights.tenants {
        match pair.split_once(':') {
            Some((name, tenant)) if !name.is_empty() => add(&mut tenants, "insights.tenants", (name, tenant), found),
            Some(_) | None => found.push(("insights.tenants".to_owned(), format!("{pair:?} is not user:tenant"))),
        }
    }
    for (index, entry) in entries.into_iter().enumerate() {
        let key = format!("insights.user[{}]", index + 1);
        match (entry.name, entry.tenant) {
            (Some(name), Some(tenant)) => add(&mut tenants, &format!("{key}.tenant"), (&name, &tenant), found),
            (None, _) => found.push((format!("{key}.name"), "is missing".to_owned())),
            (Some(_), None) => found.push((format!("{key}.tenant"), "is missing".to_owned())),
        }
    }
    InsightsSql { login: own.or_else(|| owner.clone()), owner, tenants, pool_size: insights.sql_pool_size }
}

fn target(key: &str, url: Option<&Secret>, found: &mut Found) -> Option<Target> {
    let read = Target::from_url(url?.expose());
    read.map_err(|error| found.push((key.to_owned(), error.to_string()))).ok()
}

fn add(tenants: &mut BTreeMap<String, String>, key: &str, (name, tenant): (&str, &str), found: &mut Found) {
    if let Err(error) = Tenant::parse(tenant) {
        return found.push((key.to_owned(), error.to_string()));
    }
    if tenants.insert(name.to_owned(), tenant.to_owned()).is_some() {
        found.push((key.to_owned(), format!("the user {name:?} is there twice")));
    }
}
