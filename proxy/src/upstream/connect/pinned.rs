//! Wall 5: the settings every upstream session is born with, and the proof that they are in force.

use bytes::{Buf, Bytes};

use super::ConnectError;
use super::packet::{finished, protocol};
use crate::sql::Access;
use crate::upstream::SessionFacts;
use crate::upstream::target::Purpose;

/// Settings sent as start-up parameters, so that RESET and DISCARD return to them and no role or database default
/// can replace them. The first makes writing an error; the others keep the server reading text as the gateway reads it.
pub const PINNED: &[(&str, &str)] = &[
    ("default_transaction_read_only", "on"),
    ("client_encoding", "UTF8"),
    ("standard_conforming_strings", "on"),
    ("backslash_quote", "safe_encoding"),
    ("transform_null_equals", "off"),
];

/// Asks for one row of text: the pinned settings in order, then the facts of the session. Every name is qualified: the
/// session's search_path is not known yet.
pub(super) fn question(purpose: &Purpose) -> String {
    let pinned = purpose.pinned();
    let pinned = pinned.iter().map(|(name, _)| format!("pg_catalog.current_setting('{name}'), "));
    let pinned: String = pinned.collect();
    format!(
        "SELECT {pinned}\
        pg_catalog.current_setting('search_path'), \
        current_user, session_user, \
        pg_catalog.current_database(), \
        pg_catalog.current_setting('server_version_num'), \
        pg_catalog.current_setting('is_superuser'), \
        pg_catalog.pg_is_in_recovery()"
    )
}

/// Reads the row that answers [`question`].
pub(super) fn facts(row: Bytes, purpose: &Purpose) -> Result<SessionFacts, ConnectError> {
    let mut columns = columns(row)?.into_iter();
    let mut next = || columns.next().ok_or_else(|| protocol("too few columns"));
    for (name, wanted) in purpose.pinned() {
        hold(name, wanted, &next()?)?;
    }
    Ok(SessionFacts {
        search_path: next()?,
        role: next()?,
        login: next()?,
        database: next()?,
        server_version: next()?.parse().map_err(|_| protocol("server_version_num is not a number"))?,
        superuser: next()? == "on",
        standby: next()? == "t",
    })
}

/// Whether a setting that the server reports is still as pinned; settings that are not pinned may be anything.
pub(in crate::upstream) fn still_pinned(purpose: &Purpose, name: &str, value: &str) -> Result<(), ConnectError> {
    // In the store a client may make its transactions read-only, and move its search_path: the pool sets both back.
    let may_move = ["default_transaction_read_only", "search_path"];
    if purpose.access() == Access::Store && may_move.iter().any(|free| free.eq_ignore_ascii_case(name)) {
        return Ok(());
    }
    match purpose.pinned().iter().find(|(pinned, _)| pinned.eq_ignore_ascii_case(name)) {
        Some((_, wanted)) => hold(name, wanted, value),
        None => Ok(()),
    }
}

fn hold(name: &str, wanted: &str, found: &str) -> Result<(), ConnectError> {
    if wanted.eq_ignore_ascii_case(found) {
        return Ok(());
    }
    Err(ConnectError::NotPinned { name: name.to_owned(), wanted: wanted.to_owned(), found: found.to_owned() })
}

fn columns(mut row: Bytes) -> Result<Vec<String>, ConnectError> {
    let short = || protocol("a row is too short");
    let count = row.try_get_u16().map_err(|_| short())?;
    let mut columns = Vec::new();
    for _ in 0..count {
        let length = row.try_get_i32().map_err(|_| short())?;
        let length = usize::try_from(length).map_err(|_| protocol("a setting is null"))?;
        if length > row.len() {
            return Err(short());
        }
        let bytes = row.split_to(length);
        columns.push(String::from_utf8(bytes.to_vec()).map_err(|_| protocol("a setting is not UTF-8"))?);
    }
    finished(&row)?;
    Ok(columns)
}
