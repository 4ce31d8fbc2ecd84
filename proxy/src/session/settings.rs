//! A client's settings: what it SET, kept here and replayed on whichever connection serves it.
//!
//! PostgreSQL undoes a SET with the transaction it stands in, so the ledger follows transactions and savepoints.

mod date_style;

use std::collections::BTreeMap;
use std::sync::Arc;

use super::scope::split_names;
use crate::sql::{Access, SetScope, SetValue};

/// Setting name (lower case) to the right side of its SET, ready to be sent: `'UTC'`, `'a', 'b'`.
pub type Settings = BTreeMap<String, String>;

/// Settings under which neither a name nor a literal is read differently: they do not split prepared statements.
const WITHOUT_MEANING: &[&str] = &[
    "application_name",
    "client_min_messages",
    "idle_in_transaction_session_timeout",
    "idle_session_timeout",
    "lock_timeout",
    "statement_timeout",
    "transaction_timeout",
    // Who writes into the insight store.
    "vitrine.actor",
];

/// Merged rather than replaced by a SET.
const DATE_STYLE: &str = "datestyle";

/// Settings that must not move on an upstream connection, with the only value they may have (wall 5).
const PINNED: &[(&str, &str)] = &[("client_encoding", "UTF8"), ("standard_conforming_strings", "on")];
/// On connections to a customer database, besides.
const PINNED_FOR_READING: (&str, &str) = ("default_transaction_read_only", "on");
/// On connections to the insight store, besides: it would rise with the role.
const PINNED_IN_STORE: (&str, &str) = ("is_superuser", "off");

/// Whether a setting that the walls stand on has moved, as the upstream reports it.
pub(super) fn has_moved(access: Access, name: &str, value: &str) -> bool {
    let besides = if access == Access::Read { PINNED_FOR_READING } else { PINNED_IN_STORE };
    PINNED.iter().chain(&[besides]).any(|(pinned, only)| *pinned == name && *only != value)
}

/// The right side of SET in its canonical spelling; `None` for DEFAULT.
#[must_use]
pub fn right_side(value: &SetValue) -> Option<String> {
    match value {
        SetValue::Default => None,
        SetValue::List(items) => Some(items.iter().map(|item| quote_literal(item)).collect::<Vec<_>>().join(", ")),
    }
}

/// The right side of a SET that gives a setting what `set_config` or a start-up parameter gives it as one text.
#[must_use]
pub fn of_text(name: &str, text: &str) -> String {
    // Only the list settings that quote their names tell `'a, b'` from `'a', 'b'`.
    let names = if name == "search_path" { split_names(text) } else { vec![text.to_owned()] };
    let names = if names.is_empty() { vec![String::new()] } else { names };
    names.iter().map(|name| quote_literal(name)).collect::<Vec<_>>().join(", ")
}

/// A string literal as `standard_conforming_strings = on` reads it.
#[must_use]
pub fn quote_literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// A setting's name as SET takes it: each part quoted.
#[must_use]
pub fn quote_setting(name: &str) -> String {
    name.split('.').map(|part| format!("\"{}\"", part.replace('"', "\"\""))).collect::<Vec<_>>().join(".")
}

/// The statements that turn a connection with settings `from` into one with settings `to`; empty when they agree.
#[must_use]
pub fn replay(from: &Settings, to: &Settings) -> String {
    let mut sql = String::new();
    for name in from.keys().filter(|name| !to.contains_key(*name)) {
        sql.push_str(&format!("RESET {};", quote_setting(name)));
    }
    for (name, value) in to.iter().filter(|(name, value)| from.get(*name) != Some(*value)) {
        if name == DATE_STYLE && from.contains_key(name) {
            // One half of it, set, would leave the other as the connection had it.
            sql.push_str(&format!("RESET {};", quote_setting(name)));
        }
        sql.push_str(&format!("SET {} TO {value};", quote_setting(name)));
    }
    sql
}

/// The settings that can change how a text is read: what prepared statements, verdicts and later cached results
/// are keyed by.
#[must_use]
pub fn meaningful(settings: &Settings) -> Settings {
    settings
        .iter()
        .filter(|(name, _)| !WITHOUT_MEANING.contains(&name.as_str()))
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect()
}

/// What SET, RESET and the ends of transactions made of a client's settings so far.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ledger {
    startup: Arc<Settings>,
    session: Arc<Settings>,
    /// What `session` was when the present transaction began.
    before: Arc<Settings>,
    /// SET LOCAL of the present transaction; `None` where it went back to the default.
    local: Option<Arc<LocalSettings>>,
    savepoints: Vec<Mark>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Mark {
    name: String,
    session: Arc<Settings>,
    local: Option<Arc<LocalSettings>>,
}

type LocalSettings = BTreeMap<String, Option<String>>;

impl Ledger {
    /// The ledger of a new session; RESET returns to `startup`.
    #[must_use]
    pub fn new(startup: impl Into<Arc<Settings>>) -> Self {
        let startup = startup.into();
        let (session, before) = (Arc::clone(&startup), Arc::clone(&startup));
        Self { startup, session, before, local: None, savepoints: Vec::new() }
    }

    /// The settings of the session, without SET LOCAL.
    #[must_use]
    pub fn session(&self) -> &Arc<Settings> {
        &self.session
    }

    /// What the session started with.
    #[must_use]
    pub fn startup(&self) -> &Arc<Settings> {
        &self.startup
    }

    /// Nothing is set, and nothing was at the start.
    #[must_use]
    pub fn is_plain(&self) -> bool {
        self.session.is_empty() && self.local.is_none()
    }

    /// What names and literals are read under right now.
    #[must_use]
    pub fn effective(&self) -> Arc<Settings> {
        let Some(local) = &self.local else { return Arc::clone(&self.session) };
        let mut merged = Arc::clone(&self.session);
        for (name, value) in local.iter() {
            assign(&mut merged, name, value.clone());
        }
        merged
    }

    /// Whether a setting stays what it is when the transaction is kept, undone, or taken back to any savepoint.
    #[must_use]
    pub fn is_settled(&self, name: &str) -> bool {
        let now = self.effective();
        let now = now.get(name);
        let marks = self.savepoints.iter().map(|mark| &mark.session);
        let elsewhere = [&self.session, &self.before].into_iter().chain(marks);
        let locals = self.savepoints.iter().filter_map(|mark| mark.local.as_ref()?.get(name));
        elsewhere.map(|settings| settings.get(name)).chain(locals.map(Option::as_ref)).all(|value| value == now)
    }

    /// Something would be undone if the present transaction were.
    #[must_use]
    pub fn moved_in_transaction(&self) -> bool {
        self.local.is_some() || self.session != self.before
    }

    /// SET, or RESET (`None`), of one setting.
    pub fn set(&mut self, name: &str, value: Option<&str>, scope: SetScope) {
        let value = match value {
            Some(value) if name == DATE_STYLE => {
                Some(date_style::merged(self.effective().get(name).map(String::as_str), value))
            }
            Some(value) => Some(value.to_owned()),
            None => self.startup.get(name).cloned(),
        };
        self.put(name, value, scope);
    }

    /// `set_config` with NULL: back to what the connection was born with.
    pub fn unset(&mut self, name: &str, scope: SetScope) {
        self.put(name, None, scope);
    }

    fn put(&mut self, name: &str, value: Option<String>, scope: SetScope) {
        match scope {
            SetScope::Session => {
                assign(&mut self.session, name, value);
                if let Some(local) = &mut self.local {
                    Arc::make_mut(local).remove(name);
                }
            }
            SetScope::Local => {
                Arc::make_mut(self.local.get_or_insert_with(Arc::default)).insert(name.to_owned(), value);
            }
        }
    }

    /// RESET ALL and DISCARD ALL.
    pub fn reset_all(&mut self) {
        self.session = Arc::clone(&self.startup);
        self.local = None;
    }

    /// SAVEPOINT.
    pub fn savepoint(&mut self, name: &str) {
        let (session, local) = (Arc::clone(&self.session), self.local.clone());
        self.savepoints.push(Mark { name: name.to_owned(), session, local });
    }

    /// RELEASE SAVEPOINT: its settings stay.
    pub fn release(&mut self, name: &str) {
        if let Some(index) = self.savepoints.iter().rposition(|mark| mark.name == name) {
            self.savepoints.truncate(index);
        }
    }

    /// ROLLBACK TO SAVEPOINT: what came after it is undone, the savepoint stays.
    pub fn rollback_to(&mut self, name: &str) {
        let Some(index) = self.savepoints.iter().rposition(|mark| mark.name == name) else { return };
        self.savepoints.truncate(index + 1);
        if let Some(mark) = self.savepoints.last() {
            self.session = Arc::clone(&mark.session);
            self.local.clone_from(&mark.local);
        }
    }

    /// The end of a transaction that was kept.
    pub fn commit(&mut self) {
        self.before = Arc::clone(&self.session);
        self.local = None;
        self.savepoints.clear();
    }

    /// The end of a transaction that was undone.
    pub fn rollback(&mut self) {
        self.session = Arc::clone(&self.before);
        self.local = None;
        self.savepoints.clear();
    }
}

fn assign(settings: &mut Arc<Settings>, name: &str, value: Option<String>) {
    let map = Arc::make_mut(settings);
    match value {
        Some(value) => map.insert(name.to_owned(), value),
        None => map.remove(name),
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ledger() -> Ledger {
        Ledger::new(Settings::from([("timezone".to_owned(), "'UTC'".to_owned())]))
    }

    fn path(ledger: &Ledger) -> Option<String> {
        ledger.effective().get("search_path").cloned()
    }

    #[test]
    fn a_rolled_back_transaction_takes_its_set_along() {
        let mut ledger = ledger();
        ledger.set("search_path", Some("'a'"), SetScope::Session);
        ledger.rollback();
        assert_eq!(path(&ledger), None);
        ledger.set("search_path", Some("'b'"), SetScope::Session);
        ledger.commit();
        ledger.rollback();
        assert_eq!(path(&ledger).as_deref(), Some("'b'"));
    }

    #[test]
    fn set_local_ends_with_the_transaction_and_set_overrides_it() {
        let mut ledger = ledger();
        ledger.set("search_path", Some("'local'"), SetScope::Local);
        assert_eq!(path(&ledger).as_deref(), Some("'local'"));
        ledger.set("search_path", Some("'session'"), SetScope::Session);
        assert_eq!(path(&ledger).as_deref(), Some("'session'"));
        ledger.set("search_path", Some("'local'"), SetScope::Local);
        ledger.commit();
        assert_eq!(path(&ledger).as_deref(), Some("'session'"));
    }

    #[test]
    fn a_local_default_hides_what_the_session_has() {
        let mut ledger = ledger();
        ledger.set("search_path", Some("'session'"), SetScope::Session);
        ledger.set("search_path", None, SetScope::Local);
        assert_eq!(path(&ledger), None);
        assert!(!ledger.is_settled("search_path"));
        ledger.rollback_to("no such savepoint");
        ledger.set("search_path", Some("'again'"), SetScope::Session);
        assert_eq!(path(&ledger).as_deref(), Some("'again'"));
    }

    #[test]
    fn reset_returns_to_the_start_up_value() {
        let mut ledger = ledger();
        ledger.set("timezone", Some("'Asia/Tokyo'"), SetScope::Session);
        ledger.set("timezone", None, SetScope::Session);
        assert_eq!(ledger.session().get("timezone").map(String::as_str), Some("'UTC'"));
    }

    #[test]
    fn unset_goes_below_the_start_up_value() {
        let mut ledger = ledger();
        ledger.unset("timezone", SetScope::Local);
        assert_eq!(ledger.effective().get("timezone"), None);
        assert!(!ledger.is_settled("timezone"));
        ledger.unset("timezone", SetScope::Session);
        assert_eq!(ledger.session().get("timezone"), None);
        ledger.set("timezone", None, SetScope::Session);
        assert_eq!(ledger.session().get("timezone").map(String::as_str), Some("'UTC'"));
    }

    #[test]
    fn savepoints_nest_and_shadow() {
        let mut ledger = ledger();
        ledger.savepoint("s");
        ledger.set("search_path", Some("'a'"), SetScope::Session);
        ledger.savepoint("s");
        ledger.set("search_path", Some("'b'"), SetScope::Session);
        ledger.rollback_to("s");
        assert_eq!(path(&ledger).as_deref(), Some("'a'"));
        ledger.release("s");
        ledger.rollback_to("s");
        assert_eq!(path(&ledger), None);
    }

    #[test]
    fn replay_sets_what_differs_and_resets_what_is_gone() {
        let from = Settings::from([("a".into(), "'1'".into()), ("b".into(), "'2'".into())]);
        let to = Settings::from([("b".into(), "'3'".into()), ("app.x".into(), quote_literal("it's"))]);
        assert_eq!(replay(&from, &to), "RESET \"a\";SET \"app\".\"x\" TO 'it''s';SET \"b\" TO '3';");
        assert_eq!(replay(&to, &to), "");
    }
}
