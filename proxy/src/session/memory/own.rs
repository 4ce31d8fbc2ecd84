//! Settings of the gateway's own, `vitrine.…`: they never go upstream. SET, RESET and SHOW of them are answered here.

use std::time::Duration;

use bytes::BytesMut;

use super::told::Told;
use crate::session::Session;
use crate::session::op::{Effect, Op};
use crate::session::portal::apply;
use crate::session::settings::Settings;
use crate::session::statement::LocalCommand;
use crate::sql::{Kind, SetScope, SetValue};
use crate::wire::backend;
use crate::wire::quantity::{boolean, milliseconds, spelled};

/// The oldest that an answer from memory may be.
const MAX_STALENESS: &str = "vitrine.max_staleness";
/// Whether each answer is followed by a ParameterStatus that says where it came from.
const REPORT_CACHE: &str = "vitrine.report_cache";
/// Where the last answer came from.
const LAST_QUERY: &str = "vitrine.last_query";
/// The same; also the name of the ParameterStatus.
const CACHE: &str = "vitrine.cache";

/// Whether a setting is one that a client can set here.
#[must_use]
pub fn is_own(name: &str) -> bool {
    matches!(name, MAX_STALENESS | REPORT_CACHE)
}

/// Takes the settings of the gateway's own out of those of a start-up packet, each as plain text.
pub fn split(settings: &mut Settings) -> Settings {
    let own: Settings = [MAX_STALENESS, REPORT_CACHE].iter().filter_map(|name| settings.remove_entry(*name)).collect();
    own.into_iter().map(|(name, right_side)| (name, right_side.trim_matches('\'').to_owned())).collect()
}

/// What the session does of itself with a statement about such a setting.
pub(in crate::session) fn command(kind: &Kind) -> Option<LocalCommand> {
    let set = |name: &str, value, scope, tag| {
        is_own(name).then(|| LocalCommand::SetOwn { name: name.to_owned(), value, scope, tag })
    };
    if let Kind::Set { name, scope, value } = kind {
        let value = match value {
            SetValue::Default => None,
            SetValue::List(values) => Some(values.join(", ")),
        };
        return set(name, value, *scope, "SET");
    }
    if let Kind::Reset { name } = kind {
        return set(name, None, SetScope::Session, "RESET");
    }
    if let Kind::Show { name } = kind {
        let shown = [MAX_STALENESS, REPORT_CACHE, LAST_QUERY, CACHE].into_iter().find(|own| own == name)?;
        return Some(LocalCommand::ShowOwn(shown));
    }
    None
}

impl Session {
    /// How old an answer from memory may be, where the client has said so.
    #[must_use]
    pub fn staleness_max(&self) -> Option<Duration> {
        if self.own.is_plain() {
            return None;
        }
        let own = self.own.effective();
        // What is set has been reviewed; what cannot be read after all is as strict as can be.
        own.get(MAX_STALENESS).map(|text| duration(text).unwrap_or_default())
    }

    /// `statement_timeout`, where the client has set one; zero is none.
    #[must_use]
    pub fn statement_timeout(&self) -> Option<Duration> {
        let right_side = self.confirmed.session().get("statement_timeout")?;
        duration(right_side.trim_matches('\''))
    }

    /// Says where the answer to a batch comes from: told when it is answered.
    pub fn tell(&mut self, batch: u64, told: Told) {
        self.telling.push_back((batch, told));
    }

    /// The batch is answered: the client may ask where from, and is told unasked if it wants to be.
    pub(in crate::session) fn told(&mut self, out: &mut BytesMut) {
        while let Some((batch, told)) = self.telling.front().copied() {
            if batch > self.batches_answered {
                return;
            }
            self.telling.pop_front();
            self.last_told = Some(told);
            if batch == self.batches_answered && !self.own.is_plain() && self.reports() {
                backend::put_parameter_status(out, CACHE, &told.to_string());
            }
        }
    }

    fn reports(&self) -> bool {
        self.own.effective().get(REPORT_CACHE).is_some_and(|text| is_on(text))
    }

    /// What PostgreSQL has confirmed; a SET that it confirms is none of the gateway's own.
    pub(in crate::session) fn ledgers_follow(&mut self, effect: &Effect) {
        apply(&mut self.confirmed, effect);
        if !matches!(effect, Effect::Set(_)) {
            apply(&mut self.own, effect);
        }
    }

    /// The transaction is over.
    pub(in crate::session) fn ledgers_end(&mut self, kept: bool) {
        for ledger in [&mut self.confirmed, &mut self.own] {
            if kept { ledger.commit() } else { ledger.rollback() }
        }
    }

    pub(in crate::session) fn set_own(&mut self, name: &str, value: Option<&str>, (scope, tag): (SetScope, &str)) {
        self.own.set(name, value, scope);
        self.complete(tag);
    }

    /// Queued, because what it shows is decided by what is answered before it.
    pub(in crate::session) fn show_own(&mut self, name: &'static str, columns: bool) {
        self.ops.push_back(Op::Show { name, columns });
    }

    /// RowDescription of SHOW.
    pub(in crate::session) fn describe_own(&mut self, name: &'static str) {
        let mut bytes = BytesMut::new();
        backend::put_text_row_description(&mut bytes, &[name]);
        self.ops.push_back(Op::Local(bytes.freeze()));
    }

    /// The answer to SHOW.
    pub(in crate::session) fn put_own(&self, name: &'static str, columns: bool, out: &mut BytesMut) {
        let own = self.own.effective();
        let value = match name {
            LAST_QUERY | CACHE => self.last_told.map_or_else(String::new, |told| told.to_string()),
            MAX_STALENESS => match own.get(name) {
                Some(text) => milliseconds(text).map_or_else(|_| text.clone(), |set| spelled(set.into())),
                None => self.origin.seed.staleness_max.to_string(),
            },
            _ => if own.get(name).is_some_and(|text| is_on(text)) { "on" } else { "off" }.to_owned(),
        };
        if columns {
            backend::put_text_row_description(out, &[name]);
        }
        backend::put_text_row(out, &[Some(&value)]);
        backend::put_command_complete(out, "SHOW");
    }
}

fn is_on(text: &str) -> bool {
    boolean(text) == Some(true)
}

fn duration(text: &str) -> Option<Duration> {
    milliseconds(text).ok().map(|milliseconds| Duration::from_millis(milliseconds.into()))
}
