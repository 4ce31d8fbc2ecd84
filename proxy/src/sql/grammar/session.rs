//! Statements about the session: settings, transactions, cursors and prepared statements by name.

use pg_query::NodeEnum;
use pg_query::protobuf::a_const::Val;
use pg_query::protobuf::{
    AConst, ClosePortalStmt, DeallocateStmt, DefElem, DiscardMode, DiscardStmt, FetchStmt, Node, TransactionStmt,
    TransactionStmtKind, TypeCast, TypeName, UnlistenStmt, VariableSetKind, VariableSetStmt, VariableShowStmt,
};

use super::walk::{inner, strings, unsupported};
use crate::sql::denial::{Denial, Rule};
use crate::sql::statement::{DiscardTarget, IsolationLevel, Kind, SetScope, SetValue, TransactionModes};
use crate::wire::sqlstate::SqlState;

/// SET, RESET and their many spellings. <https://www.postgresql.org/docs/current/sql-set.html>
pub(super) fn set(statement: &VariableSetStmt, position: usize) -> Result<Kind, Denial> {
    let VariableSetStmt { kind, name, args, jumble_args: _, is_local, location: _ } = statement;
    // Names of settings fold even in quotes.
    let name = name.to_ascii_lowercase();
    let scope = if *is_local { SetScope::Local } else { SetScope::Session };
    match VariableSetKind::try_from(*kind) {
        Ok(VariableSetKind::VarSetValue) => {
            let values = match args.as_slice() {
                [zone] if name == "timezone" => vec![time_zone(zone, position)?],
                _ => args.iter().map(|value| constant(value, position)).collect::<Result<Vec<_>, _>>()?,
            };
            Ok(Kind::Set { name, scope, value: SetValue::List(values) })
        }
        Ok(VariableSetKind::VarSetDefault) => Ok(Kind::Set { name, scope, value: SetValue::Default }),
        Ok(VariableSetKind::VarSetMulti) => modes_of_set(&name, args, position),
        Ok(VariableSetKind::VarReset) => Ok(Kind::Reset { name }),
        Ok(VariableSetKind::VarResetAll) => Ok(Kind::ResetAll),
        Ok(VariableSetKind::VarSetCurrent | VariableSetKind::Undefined) | Err(_) => {
            Err(setting("SET FROM CURRENT is not supported", position))
        }
    }
}

fn modes_of_set(name: &str, args: &[Node], position: usize) -> Result<Kind, Denial> {
    match name {
        "transaction" => transaction_modes(args, position).map(Kind::SetTransaction),
        "session characteristics" => transaction_modes(args, position).map(Kind::SetSessionCharacteristics),
        "transaction snapshot" => {
            let [id] = args else { return Err(setting("SET TRANSACTION SNAPSHOT needs one name", position)) };
            let snapshot = Some(constant(id, position)?);
            Ok(Kind::SetTransaction(TransactionModes { snapshot, ..TransactionModes::default() }))
        }
        _ => Err(setting("this form of SET is not supported", position)),
    }
}

fn setting(message: &str, position: usize) -> Denial {
    Denial::new(Rule::Setting, SqlState::INSUFFICIENT_PRIVILEGE, message).at(position)
}

/// A constant of SET, unquoted.
fn constant(node: &Node, position: usize) -> Result<String, Denial> {
    let NodeEnum::AConst(constant) = inner(node)? else {
        return Err(setting("SET takes plain constants here", position).hint("write the value as a string or a number"));
    };
    match value(constant) {
        Some(text) => Ok(text),
        None => Err(setting("SET takes no such constant", position)),
    }
}

/// A constant, or `SET TIME ZONE INTERVAL '+01:00' HOUR TO MINUTE`, in the spelling that the setting's text takes.
/// Where the fields would change what the number means, it must be in the form that they cannot.
fn time_zone(node: &Node, position: usize) -> Result<String, Denial> {
    let NodeEnum::TypeCast(cast) = inner(node)? else { return constant(node, position) };
    let TypeCast { arg, type_name, location: _ } = cast.as_ref();
    let text = constant(arg.as_deref().ok_or_else(|| unsupported("this time zone"))?, position)?;
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(&text);
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    let clock = unsigned.split_once(':').is_some_and(|(hours, minutes)| digits(hours) && digits(minutes));
    match interval_fields(type_name.as_ref())?.as_slice() {
        [] if clock => Ok(format!("INTERVAL '{text}'")),
        [HOUR_TO_MINUTE] if clock => Ok(format!("INTERVAL '{text}'")),
        [HOUR] if digits(unsigned) => Ok(format!("INTERVAL '{text} hours'")),
        _ => {
            Err(setting("this time zone interval is not supported", position).hint("write it as '+HH:MM' or as a name"))
        }
    }
}

/// Bits of an interval's fields, as in PostgreSQL's `INTERVAL_MASK`.
const HOUR: i32 = 1 << 10;
const HOUR_TO_MINUTE: i32 = HOUR | 1 << 11;

/// The modifiers of the type interval; an error for any other type.
fn interval_fields(named: Option<&TypeName>) -> Result<Vec<i32>, Denial> {
    let named = named.ok_or_else(|| unsupported("this time zone"))?;
    if strings(&named.names)?.as_slice() != ["pg_catalog", "interval"] || named.setof || !named.array_bounds.is_empty()
    {
        return Err(unsupported("this time zone"));
    }
    let number = |node: &Node| {
        let NodeEnum::AConst(AConst { val: Some(Val::Ival(number)), isnull: false, location: _ }) = inner(node)? else {
            return Err(unsupported("this time zone"));
        };
        Ok(number.ival)
    };
    named.typmods.iter().map(number).collect()
}

fn value(constant: &AConst) -> Option<String> {
    let AConst { isnull: _, location: _, val } = constant;
    Some(match val.as_ref()? {
        Val::Ival(number) => number.ival.to_string(),
        Val::Fval(number) => number.fval.clone(),
        Val::Boolval(truth) => truth.boolval.to_string(),
        Val::Sval(text) => text.sval.clone(),
        Val::Bsval(_) => return None,
    })
}

pub(super) fn show(statement: &VariableShowStmt) -> Kind {
    let VariableShowStmt { name } = statement;
    Kind::Show { name: name.to_ascii_lowercase() }
}

/// BEGIN, COMMIT, ROLLBACK, savepoints and two-phase commit.
pub(super) fn transaction(statement: &TransactionStmt, position: usize) -> Result<Kind, Denial> {
    let TransactionStmt { kind, options, savepoint_name, gid: _, chain, location: _ } = statement;
    let (chain, name) = (*chain, savepoint_name.clone());
    Ok(match TransactionStmtKind::try_from(*kind) {
        Ok(TransactionStmtKind::TransStmtBegin) => {
            Kind::Begin { start: false, modes: transaction_modes(options, position)? }
        }
        Ok(TransactionStmtKind::TransStmtStart) => {
            Kind::Begin { start: true, modes: transaction_modes(options, position)? }
        }
        Ok(TransactionStmtKind::TransStmtCommit) => Kind::Commit { chain },
        Ok(TransactionStmtKind::TransStmtRollback) => Kind::Rollback { chain },
        Ok(TransactionStmtKind::TransStmtSavepoint) => Kind::Savepoint { name },
        Ok(TransactionStmtKind::TransStmtRelease) => Kind::Release { name },
        Ok(TransactionStmtKind::TransStmtRollbackTo) => Kind::RollbackTo { name },
        Ok(
            TransactionStmtKind::TransStmtPrepare
            | TransactionStmtKind::TransStmtCommitPrepared
            | TransactionStmtKind::TransStmtRollbackPrepared,
        ) => {
            return Err(Denial::new(
                Rule::TwoPhase,
                SqlState::FEATURE_NOT_SUPPORTED,
                "two-phase commit is not supported: nothing is written here",
            )
            .hint("end the transaction with COMMIT or ROLLBACK")
            .at(position));
        }
        Ok(TransactionStmtKind::Undefined) | Err(_) => return Err(unsupported("this transaction statement")),
    })
}

fn transaction_modes(options: &[Node], position: usize) -> Result<TransactionModes, Denial> {
    let mut modes = TransactionModes::default();
    for option in options {
        let NodeEnum::DefElem(option) = inner(option)? else { return Err(unsupported("this transaction mode")) };
        let DefElem { defnamespace: _, defname, arg, defaction: _, location, arg_location: _ } = option.as_ref();
        let place = usize::try_from(*location).unwrap_or(position);
        let value = constant(arg.as_deref().ok_or_else(|| unsupported("this transaction mode"))?, place)?;
        let on = matches!(value.as_str(), "1" | "true" | "on");
        match defname.as_str() {
            "transaction_isolation" => modes.isolation = Some(isolation(&value)?),
            "transaction_read_only" if on => modes.read_only = true,
            "transaction_read_only" => modes.read_write = Some(place),
            "transaction_deferrable" => modes.deferrable = Some(on),
            _ => return Err(unsupported("this transaction mode")),
        }
    }
    Ok(modes)
}

fn isolation(level: &str) -> Result<IsolationLevel, Denial> {
    match level {
        "read uncommitted" => Ok(IsolationLevel::ReadUncommitted),
        "read committed" => Ok(IsolationLevel::ReadCommitted),
        "repeatable read" => Ok(IsolationLevel::RepeatableRead),
        "serializable" => Ok(IsolationLevel::Serializable),
        _ => Err(unsupported("this isolation level")),
    }
}

pub(super) fn fetch(statement: &FetchStmt) -> Result<Kind, Denial> {
    let FetchStmt { direction: _, how_many: _, portalname, ismove } = statement;
    Ok(Kind::Fetch { name: portalname.clone(), is_move: *ismove })
}

pub(super) fn close(statement: &ClosePortalStmt) -> Kind {
    let ClosePortalStmt { portalname } = statement;
    Kind::ClosePortal { name: some(portalname) }
}

pub(super) fn deallocate(statement: &DeallocateStmt) -> Kind {
    let DeallocateStmt { name, isall, location: _ } = statement;
    Kind::Deallocate { name: if *isall { None } else { Some(name.clone()) } }
}

pub(super) fn discard(statement: &DiscardStmt) -> Result<Kind, Denial> {
    let DiscardStmt { target } = statement;
    Ok(Kind::Discard(match DiscardMode::try_from(*target) {
        Ok(DiscardMode::DiscardAll) => DiscardTarget::All,
        Ok(DiscardMode::DiscardPlans) => DiscardTarget::Plans,
        Ok(DiscardMode::DiscardSequences) => DiscardTarget::Sequences,
        Ok(DiscardMode::DiscardTemp) => DiscardTarget::Temp,
        Ok(DiscardMode::Undefined) | Err(_) => return Err(unsupported("this form of DISCARD")),
    }))
}

pub(super) fn unlisten(statement: &UnlistenStmt) -> Kind {
    let UnlistenStmt { conditionname } = statement;
    Kind::Unlisten { name: some(conditionname) }
}

fn some(name: &str) -> Option<String> {
    (!name.is_empty()).then(|| name.to_owned())
}
