//! Which types become which without a word, as `parse_coerce.c` decides it. What cannot be told from the snapshot is
//! [`Fit::Perhaps`].
//!
//! <https://www.postgresql.org/docs/current/typeconv.html>

use crate::catalog::{CastContext, Catalog, Oid, TypeKind};

/// What is known of an argument's type.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(in crate::policy) enum Known {
    Type(Oid),
    /// A literal or a parameter without a type: PostgreSQL calls it `unknown`.
    Literal,
    Unclear,
}

/// Whether a value of one type can stand for another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Fit {
    /// Never.
    No,
    /// The snapshot does not tell.
    Perhaps,
    /// Always.
    Yes,
}

pub(super) const TEXT: Oid = 25;
pub(super) const RECORD: Oid = 2249;
const RECORD_ARRAY: Oid = 2287;
const ANY: Oid = 2276;
const UNKNOWN: Oid = 705;
/// Arrays to the parser, and none to the snapshot: `int2vector`, `oidvector` and the arrays over them.
const VECTORS: [Oid; 4] = [22, 30, 1006, 1013];

/// A type that can be reasoned about: neither a pseudo-type nor a vector.
pub(super) fn is_plain(catalog: &Catalog, oid: Oid) -> bool {
    let base = base(catalog, oid);
    let pseudo = |found: &crate::catalog::Type| matches!(found.kind, TypeKind::Pseudo) && found.oid != RECORD;
    !VECTORS.contains(&base) && base != UNKNOWN && catalog.type_of(base).is_some_and(|found| !pseudo(found))
}

/// `getBaseType`: what a domain is over, down to the last.
pub(super) fn base(catalog: &Catalog, mut oid: Oid) -> Oid {
    // Domains cannot be made of themselves; a broken snapshot shall not hang us.
    for _ in 0..64 {
        match catalog.type_of(oid).map(|found| &found.kind) {
            Some(TypeKind::Domain { base, .. }) => oid = *base,
            Some(
                TypeKind::Base
                | TypeKind::Array(_)
                | TypeKind::Composite(_)
                | TypeKind::Enum
                | TypeKind::Pseudo
                | TypeKind::Range(_)
                | TypeKind::Multirange(_),
            )
            | None => return oid,
        }
    }
    oid
}

/// `typcategory` and `typispreferred`.
pub(super) fn category(catalog: &Catalog, oid: Oid) -> (char, bool) {
    catalog.type_of(oid).map_or(('X', false), |found| (found.category, found.preferred))
}

/// `can_coerce_type` for one argument, implicitly.
pub(super) fn fits(catalog: &Catalog, input: Known, target: Oid) -> Fit {
    let source = match input {
        Known::Unclear => return Fit::Perhaps,
        Known::Literal if is_polymorphic(target) => return Fit::Perhaps,
        Known::Literal => return Fit::Yes,
        Known::Type(oid) => oid,
    };
    if source == target || target == ANY {
        return Fit::Yes;
    }
    if is_polymorphic(target) {
        return polymorphic(catalog, source, target);
    }
    if !is_plain(catalog, target) && target != RECORD {
        return if is_pseudo(catalog, target) { Fit::No } else { Fit::Perhaps };
    }
    if coerces(catalog, source, target, 0) {
        return Fit::Yes;
    }
    rows(catalog, source, target)
}

/// Pseudo-types beside the polymorphic ones, `internal` and `cstring` say, take nothing but themselves.
fn is_pseudo(catalog: &Catalog, oid: Oid) -> bool {
    catalog.type_of(oid).is_some_and(|found| matches!(found.kind, TypeKind::Pseudo))
}

/// `find_coercion_pathway` in an implicit context.
fn coerces(catalog: &Catalog, source: Oid, target: Oid, depth: usize) -> bool {
    let (source, target) = (base(catalog, source), base(catalog, target));
    if source == target {
        return true;
    }
    if let Some(cast) = catalog.casts_from(source).find(|cast| cast.target == target) {
        return cast.context == CastContext::Implicit;
    }
    match (element(catalog, source), element(catalog, target)) {
        (Some(source), Some(target)) if depth < 8 => coerces(catalog, source, target, depth + 1),
        (Some(_) | None, Some(_) | None) => false,
    }
}

/// The element type of a true array.
pub(super) fn element(catalog: &Catalog, oid: Oid) -> Option<Oid> {
    match catalog.type_of(base(catalog, oid))?.kind {
        TypeKind::Array(of) => Some(of),
        TypeKind::Base
        | TypeKind::Composite(_)
        | TypeKind::Domain { .. }
        | TypeKind::Enum
        | TypeKind::Pseudo
        | TypeKind::Range(_)
        | TypeKind::Multirange(_) => None,
    }
}

pub(super) fn is_composite(catalog: &Catalog, oid: Oid) -> bool {
    catalog.type_of(base(catalog, oid)).is_some_and(|found| matches!(found.kind, TypeKind::Composite(_)))
}

/// Rows become records, records rows, and rows of a child rows of its parents: careful, so "perhaps".
fn rows(catalog: &Catalog, source: Oid, target: Oid) -> Fit {
    let row = |oid| oid == RECORD || is_composite(catalog, oid);
    let row_array = |oid| oid == RECORD_ARRAY || element(catalog, oid).is_some_and(row);
    if (row(source) && row(target)) || (row_array(source) && row_array(target)) { Fit::Perhaps } else { Fit::No }
}

/// Whether an argument of a polymorphic type can be of that one; how the arguments go together is not looked at.
fn polymorphic(catalog: &Catalog, source: Oid, target: Oid) -> Fit {
    let kind = catalog.type_of(base(catalog, source)).map(|found| &found.kind);
    let fits = match target {
        // anyarray, anycompatiblearray
        2277 | 5078 => matches!(kind, Some(TypeKind::Array(_) | TypeKind::Pseudo)),
        // anyrange, anycompatiblerange
        3831 | 5080 => matches!(kind, Some(TypeKind::Range(_) | TypeKind::Pseudo)),
        // anymultirange, anycompatiblemultirange
        4537 | 4538 => matches!(kind, Some(TypeKind::Multirange(_) | TypeKind::Pseudo)),
        // anyenum
        3500 => matches!(kind, Some(TypeKind::Enum | TypeKind::Pseudo)),
        _ => true,
    };
    if fits { Fit::Perhaps } else { Fit::No }
}

/// `anyelement` and its family, `"any"` aside.
pub(in crate::policy) fn is_polymorphic(oid: Oid) -> bool {
    matches!(oid, 2277 | 2283 | 2776 | 3500 | 3831 | 4537 | 4538 | 5077..=5080)
}

/// `select_common_type`; `None` where PostgreSQL gives up or we cannot tell.
pub(super) fn shared_type(catalog: &Catalog, inputs: &[Known]) -> Option<Oid> {
    let mut oids = Vec::with_capacity(inputs.len());
    for input in inputs {
        match input {
            Known::Unclear => return None,
            Known::Literal => oids.push(None),
            Known::Type(oid) if is_plain(catalog, *oid) && !is_composite(catalog, *oid) && *oid != RECORD => {
                oids.push(Some(*oid));
            }
            Known::Type(oid) => return inputs.iter().all(|other| other == input).then_some(*oid),
        }
    }
    // Only where all are the same does a domain survive.
    if let Some(Some(first)) = oids.first()
        && oids.iter().all(|oid| *oid == Some(*first))
    {
        return Some(*first);
    }
    let mut chosen: Option<Oid> = None;
    for next in oids.into_iter().flatten().map(|oid| base(catalog, oid)) {
        let Some(current) = chosen else {
            chosen = Some(next);
            continue;
        };
        if next == current {
            continue;
        }
        let ((has, preferred), (wants, _)) = (category(catalog, current), category(catalog, next));
        if has != wants {
            return None;
        }
        let goes = |from, to| coerces(catalog, from, to, 0);
        if !preferred && goes(current, next) && !goes(next, current) {
            chosen = Some(next);
        }
    }
    Some(chosen.unwrap_or(TEXT))
}
