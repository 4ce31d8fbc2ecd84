//! Statements that change the session: SET is an allow list with bounds.

use crate::policy::case::Case;
use crate::policy::file::is_refused_setting;
use crate::policy::list::{Check, check_of, is_identity, is_parameter};
use crate::policy::{Policy, SettingBounds, store};
use crate::sql::{Access, Assigned, Assignment, Denial, Kind, Rule, SetValue};
use crate::wire::quantity::{NoTime, boolean, milliseconds};
use crate::wire::sqlstate::SqlState;

use super::transaction::{modes, passes_without_meaning};

/// Reviews what kind of statement it is. Kinds that could write never become a `Statement`.
pub(in crate::policy) fn kind(case: &Case<'_>) -> Result<(), Denial> {
    let rules = Rules { policy: case.policy, access: case.scope.access };
    if keeps_identity(case) {
        return Ok(());
    }
    of_kind(rules, &case.statement.kind).map_err(|denial| {
        let position = denial.position.unwrap_or(case.statement.span.start);
        denial.at(position)
    })
}

/// Reviews a setting of a start-up packet. Nothing is written in place of what stands there, so READ WRITE is refused
/// whatever the policy says.
pub(in crate::policy) fn parameter(
    policy: &Policy,
    access: Access,
    name: &str,
    value: &SetValue,
) -> Result<(), Denial> {
    set(Rules { policy, access }, name, value)
}

/// What settings are held against.
#[derive(Clone, Copy)]
pub(super) struct Rules<'a> {
    pub(super) policy: &'a Policy,
    pub(super) access: Access,
}

fn of_kind(rules: Rules<'_>, kind: &Kind) -> Result<(), Denial> {
    match kind {
        Kind::Set { name, scope: _, value } if passes_without_meaning(rules, name, value) => Ok(()),
        Kind::Set { name, scope: _, value } => set(rules, name, value),
        Kind::Reset { name } => set(rules, name, &SetValue::Default),
        Kind::SetTransaction(asked) | Kind::SetSessionCharacteristics(asked) => modes(rules, asked),
        Kind::Begin { start: _, modes: asked } => modes(rules, asked),
        Kind::Explain { analyze, generic_plan: _, costs, inner } => {
            store::explain(rules.access, *analyze, *costs)?;
            of_kind(rules, inner)
        }
        Kind::Prepare { name: _, inner, body: _ } => of_kind(rules, inner),
        // What they write is reviewed with the relations.
        Kind::Modify { .. }
        | Kind::CopyFromStdin { .. }
        | Kind::Select
        | Kind::CopyToStdout
        | Kind::Show { .. }
        | Kind::ResetAll
        | Kind::Commit { .. }
        | Kind::Rollback { .. }
        | Kind::Savepoint { .. }
        | Kind::Release { .. }
        | Kind::RollbackTo { .. }
        | Kind::DeclareCursor { .. }
        | Kind::Fetch { .. }
        | Kind::ClosePortal { .. }
        | Kind::Execute { .. }
        | Kind::Deallocate { .. }
        | Kind::Discard(_)
        | Kind::Unlisten { .. } => Ok(()),
    }
}

/// To who one is anyway, as pools say before they lend a connection again, and Flyway after each look: the session does
/// nothing for it, and nothing of it goes to the database. (In the insight store it would rise above the door's role.)
fn keeps_identity(case: &Case<'_>) -> bool {
    let (Kind::Reset { name } | Kind::Set { name, .. }) = &case.statement.kind else { return false };
    let Kind::Set { value: SetValue::List(values), .. } = &case.statement.kind else {
        return is_identity(name) && case.scope.access == Access::Read;
    };
    let [value] = values.as_slice() else { return false };
    let is_own = !value.is_empty() && value == case.scope.role;
    is_identity(name) && (is_own || (name == "role" && value == "none")) && case.scope.access == Access::Read
}

/// Reviews what `set_config` assigns, by the rules of SET. Returns whether a value that is bound later has to be reviewed
/// then: it need not where every value is harmless and none changes what names mean.
pub(super) fn assigned(rules: Rules<'_>, assignment: &Assignment, types: &[u32]) -> Result<bool, Denial> {
    store::setting(rules.access, &assignment.name)?;
    if assignment.name.starts_with("vitrine.") {
        let message = format!("parameter \"{}\" cannot be set by set_config", assignment.name);
        return Err(Denial::new(Rule::Setting, SqlState::INSUFFICIENT_PRIVILEGE, message).hint("use SET"));
    }
    match &assignment.value {
        Assigned::Default => set(rules, &assignment.name, &SetValue::Default).map(|()| false),
        Assigned::Text(text) => set(rules, &assignment.name, &SetValue::List(vec![text.clone()])).map(|()| false),
        Assigned::Parameter(number) => match check_of(&assignment.name) {
            Some(Check::Any) if assignment.name != "search_path" => Ok(false),
            Some(_) if is_text(types, *number) => Ok(true),
            Some(_) => Err(bound(&assignment.name).hint("declare the parameter as text, or write the value out")),
            // Not listed: the policy names it, whatever its value, or it is refused.
            None => set(rules, &assignment.name, &SetValue::List(Vec::new())).map(|()| false),
        },
    }
}

fn bound(name: &str) -> Denial {
    let message = format!("parameter \"{name}\" cannot be set to a bound value of that type through the gateway");
    Denial::new(Rule::Setting, SqlState::INSUFFICIENT_PRIVILEGE, message)
}

/// Whether what is bound to `$number` is the text that `set_config` is given: of a type that is turned into text on the
/// way, another text could come.
fn is_text(types: &[u32], number: u16) -> bool {
    const UNSAID: u32 = 0;
    const TEXT: u32 = 25;
    const VARCHAR: u32 = 1043;
    let declared = usize::from(number).checked_sub(1).and_then(|index| types.get(index));
    declared.is_none_or(|declared| matches!(*declared, UNSAID | TEXT | VARCHAR))
}

fn set(rules: Rules<'_>, name: &str, value: &SetValue) -> Result<(), Denial> {
    let Rules { policy, access } = rules;
    let name = name.to_ascii_lowercase();
    if is_identity(&name) {
        let what = if name == "role" { "role" } else { "session authorization" };
        let message = format!("permission denied to set {what}");
        let denial = Denial::new(Rule::Identity, SqlState::INSUFFICIENT_PRIVILEGE, message);
        return Err(denial.hint("connect as the user whose rights are meant"));
    }
    store::setting(access, &name)?;
    if access == Access::Store && store::is_access_mode(&name) {
        return Ok(());
    }
    let Some(check) = check_of(&name) else {
        return if policy.allows_setting(&name) { Ok(()) } else { Err(not_listed(&name)) };
    };
    match value {
        // Its default is read-write, whatever the session was pinned to: within a block it would open the transaction.
        SetValue::Default if name == "transaction_read_only" => {
            let message = "transaction read-write mode cannot be set through the gateway";
            let denial = Denial::new(Rule::ReadWriteTransaction, SqlState::READ_ONLY_SQL_TRANSACTION, message);
            Err(denial.hint("every transaction here is read-only"))
        }
        // The default is the server's, or what the session was pinned to at its start.
        SetValue::Default => Ok(()),
        SetValue::List(values) => verify(&name, check, &values.join(", "), policy.bounds()),
    }
}

fn not_listed(name: &str) -> Denial {
    if !is_parameter(name) {
        let message = format!("unrecognized configuration parameter \"{name}\"");
        return Denial::new(Rule::Setting, SqlState::UNDEFINED_OBJECT, message);
    }
    let message = format!("parameter \"{name}\" cannot be set through the gateway");
    let denial = Denial::new(Rule::Setting, SqlState::INSUFFICIENT_PRIVILEGE, message);
    match name.split_once('.') {
        Some((prefix, _)) => denial.hint(format!(
            "to allow it, add to the policy: custom_settings = [\"{name}\"], or [\"{prefix}.*\"] for all of that prefix"
        )),
        None if is_refused_setting(name) => denial.hint("it would open a wall, and no policy can allow it"),
        None => denial.hint(format!("if it is harmless, add to the policy: settings = [\"{name}\"]")),
    }
}

fn verify(name: &str, check: Check, value: &str, bounds: SettingBounds) -> Result<(), Denial> {
    let bound = match name {
        "work_mem" => bounds.work_mem_kb_max,
        "max_parallel_workers_per_gather" => bounds.parallel_workers_max,
        "lock_timeout" => bounds.lock_timeout_ms_max,
        "statement_timeout" | "transaction_timeout" => bounds.statement_timeout_ms_max,
        _ => bounds.idle_timeout_ms_max,
    };
    let within = match check {
        // A vertical tab parts two names since version 16, and is a letter before.
        Check::Any => name != "search_path" || !value.contains('\x0b'),
        Check::On => is_on(value),
        Check::Utf8 => is_utf8(value),
        Check::OneOf(list) => list.iter().any(|known| known.eq_ignore_ascii_case(value)),
        Check::Time => bound == 0 || quantity(value, TIME).is_some_and(|asked| asked > 0.0 && asked <= float(bound)),
        Check::Age => return own_time(name, value),
        Check::Switch => return own_switch(name, value),
        Check::Memory => quantity(value, MEMORY).is_some_and(|asked| asked <= float(bound)),
        Check::Count => quantity(value, &[]).is_some_and(|asked| asked <= float(bound)),
    };
    if within {
        return Ok(());
    }
    let message = format!("parameter \"{name}\" cannot be set to that value through the gateway");
    let denial = Denial::new(Rule::Setting, SqlState::INSUFFICIENT_PRIVILEGE, message);
    Err(match check {
        Check::Any | Check::Age | Check::Switch => denial,
        Check::On => denial.hint("it can be set to on"),
        Check::Utf8 => {
            denial.hint("the gateway speaks UTF8: for psql and other clients of libpq, PGCLIENTENCODING=UTF8")
        }
        Check::OneOf(list) => denial.hint(format!("it can be set to one of: {}", list.join(", "))),
        Check::Time => denial.hint(format!("it can be set to at most {bound} ms, and not to 0, which means no limit")),
        Check::Memory => denial.hint(format!("it can be set to at most {bound} kB")),
        Check::Count => denial.hint(format!("it can be set to at most {bound}")),
    })
}

/// Nobody else reads it, so what is none is refused as PostgreSQL refuses it.
fn own_time(name: &str, value: &str) -> Result<(), Denial> {
    let invalid = |message: String| Denial::new(Rule::Setting, SqlState::INVALID_PARAMETER_VALUE, message);
    let denial = || invalid(format!("invalid value for parameter \"{name}\": \"{value}\""));
    match milliseconds(value) {
        Ok(_) => Ok(()),
        Err(NoTime::Number) => Err(denial()),
        Err(NoTime::Unit) => {
            let hint = "Valid units for this parameter are \"us\", \"ms\", \"s\", \"min\", \"h\", and \"d\".";
            Err(denial().hint(hint))
        }
        Err(NoTime::Long) => Err(denial().hint("Value exceeds integer range.")),
        Err(NoTime::Negative(asked)) => {
            let range = format!("(0 ms .. {} ms)", i32::MAX);
            Err(invalid(format!("{asked} ms is outside the valid range for parameter \"{name}\" {range}")))
        }
    }
}

fn own_switch(name: &str, value: &str) -> Result<(), Denial> {
    boolean(value).map(drop).ok_or_else(|| {
        let message = format!("parameter \"{name}\" requires a Boolean value");
        Denial::new(Rule::Setting, SqlState::INVALID_PARAMETER_VALUE, message)
    })
}

/// `parse_bool` of PostgreSQL takes any prefix that is clear.
fn is_on(value: &str) -> bool {
    let value = value.trim().to_ascii_lowercase();
    let prefix = |word: &str| !value.is_empty() && word.starts_with(&value);
    value == "1" || value == "on" || prefix("true") || prefix("yes")
}

fn is_utf8(value: &str) -> bool {
    let letters: String = value.chars().filter(char::is_ascii_alphanumeric).collect();
    letters.eq_ignore_ascii_case("utf8") || letters.eq_ignore_ascii_case("unicode")
}

/// Units in milliseconds; without one, milliseconds.
const TIME: &[(&str, f64)] =
    &[("us", 0.001), ("ms", 1.0), ("s", 1_000.0), ("min", 60_000.0), ("h", 3_600_000.0), ("d", 86_400_000.0)];

/// Units in kilobytes; without one, kilobytes. PostgreSQL is strict about their case.
const MEMORY: &[(&str, f64)] =
    &[("B", 1.0 / 1_024.0), ("kB", 1.0), ("MB", 1_024.0), ("GB", 1_048_576.0), ("TB", 1_073_741_824.0)];

/// A number with an optional unit; `None` for anything else, hexadecimal and octal numbers included.
fn quantity(value: &str, units: &[(&str, f64)]) -> Option<f64> {
    let value = value.trim();
    let end = value.find(|letter: char| letter.is_ascii_alphabetic()).unwrap_or(value.len());
    let (number, unit) = value.split_at_checked(end)?;
    let number = number.trim();
    // A leading zero is octal to PostgreSQL.
    if number.len() > 1 && number.starts_with('0') && !number.starts_with("0.") {
        return None;
    }
    let number: f64 = number.parse().ok()?;
    let unit = unit.trim();
    let factor = if unit.is_empty() { 1.0 } else { units.iter().find(|(name, _)| *name == unit)?.1 };
    (number >= 0.0).then_some(number * factor)
}

/// Bounds are far below where precision ends.
fn float(bound: u64) -> f64 {
    u32::try_from(bound).map_or(f64::MAX, f64::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantities_with_units() {
        assert_eq!(quantity("5min", TIME), Some(300_000.0));
        assert_eq!(quantity(" 1.5 GB", MEMORY), Some(1_572_864.0));
        assert_eq!(quantity("0x10", MEMORY), None);
        assert_eq!(quantity("010", TIME), None);
        assert_eq!(quantity("-1", TIME), None);
        assert_eq!(quantity("1e3", TIME), None);
    }

    #[test]
    fn a_time_bound_refuses_no_limit() {
        let bounds = SettingBounds { statement_timeout_ms_max: 60_000, ..SettingBounds::default() };
        assert!(verify("statement_timeout", Check::Time, "1min", bounds).is_ok());
        assert!(verify("statement_timeout", Check::Time, "0", bounds).is_err());
        assert!(verify("statement_timeout", Check::Time, "2min", bounds).is_err());
        assert!(verify("statement_timeout", Check::Time, "0", SettingBounds::default()).is_ok());
    }

    #[test]
    fn booleans_and_encodings_in_any_spelling() {
        assert!(["on", "TRUE", "t", "y", "1"].iter().all(|value| is_on(value)));
        assert!(["", "o", "off", "0", "false", "n"].iter().all(|value| !is_on(value)));
        assert!(is_utf8("utf-8") && is_utf8("UNICODE") && !is_utf8("SJIS"));
    }
}
