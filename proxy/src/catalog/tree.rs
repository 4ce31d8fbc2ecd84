//! Reads PostgreSQL's stored node trees (`pg_node_tree` text) for the OIDs in them: what a view, a row security policy
//! or a CHECK constraint calls is already resolved there, so nothing has to be parsed or looked up again.
//!
//! The text is a nest of `{NODE :field value …}` and `(lists)`; words are separated by white space and may carry
//! backslash escapes (`src/backend/nodes/read.c`). Every node must be on the list below: an unknown one may call
//! something in a field we do not know, so it makes the whole tree unreadable.

use thiserror::Error;

use super::object::{FIRST_USER_OID, Oid, TreeUses};

/// The tree holds a node or a value that this reader does not know.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("stored expression holds {0}")]
pub struct UnreadableTree(pub String);

/// Reads one tree.
///
/// # Errors
/// On a node that is not on the list, on a field of a known name without the OID that belongs there, and on anything
/// that changes or locks rows.
pub fn read_tree(text: &str) -> Result<TreeUses, UnreadableTree> {
    let mut uses = TreeUses::default();
    let mut words = Words { rest: text };
    let mut field: Option<&str> = None;
    let mut open: Vec<&str> = Vec::new();
    while let Some(word) = words.next() {
        if word == "{" {
            let node = words.next().unwrap_or_default();
            if NODES.binary_search(&node).is_err() {
                return Err(UnreadableTree(format!("node {node}")));
            }
            uses.compares |= is_min_max(node);
            if node == "JSONCONSTRUCTOREXPR" {
                uses.functions.push(TO_JSON);
            }
            open.push(node);
            field = None;
        } else if word == "}" {
            open.pop();
            field = None;
        } else if let Some(name) = word.strip_prefix(':') {
            field = Some(name);
        } else if let Some(name) = field.take() {
            uses.unsteady |= open.last().is_some_and(|node| is_unsteady(node, name, word));
            value(&mut uses, name, word, &mut words)?;
        }
    }
    uses.absorb(TreeUses::default());
    Ok(uses)
}

/// Reads only what the planner computes while it plans: calls all of whose arguments are constants. Expressions of
/// indexes and CHECK constraints do not run on a read, but their constants are folded.
///
/// # Errors
/// As [`read_tree`].
pub fn read_constants(text: &str) -> Result<TreeUses, UnreadableTree> {
    let mut constants = TreeUses::default();
    let mut open: Vec<Open> = Vec::new();
    let mut words = Words { rest: text };
    let mut field: Option<&str> = None;
    while let Some(word) = words.next() {
        match word {
            "{" => {
                let node = words.next().unwrap_or_default();
                if NODES.binary_search(&node).is_err() {
                    return Err(UnreadableTree(format!("node {node}")));
                }
                let varies =
                    matches!(node, "VAR" | "PARAM" | "COERCETODOMAINVALUE" | "CASETESTEXPR" | "SQLVALUEFUNCTION");
                let uses = TreeUses { compares: is_min_max(node), ..TreeUses::default() };
                open.push(Open { varies, uses });
                field = None;
            }
            "}" => {
                let Some(node) = open.pop() else { return Err(UnreadableTree("a brace too many".to_owned())) };
                if let Some(parent) = open.last_mut() {
                    parent.varies |= node.varies;
                }
                if !node.varies {
                    constants.absorb(node.uses);
                }
            }
            _ => {
                if let Some(name) = word.strip_prefix(':') {
                    field = Some(name);
                } else if let (Some(name), Some(node)) = (field.take(), open.last_mut()) {
                    value(&mut node.uses, name, word, &mut words)?;
                }
            }
        }
    }
    Ok(constants)
}

/// `to_json(anyelement)`. JSON_ARRAY and its like do what it does, casts to json included, and name no function.
const TO_JSON: Oid = 3176;

/// GREATEST and LEAST look for the comparison of their type themselves.
fn is_min_max(node: &str) -> bool {
    matches!(node, "MINMAX" | "MINMAXEXPR")
}

/// Whether a field of a node tells that its value is another one at another time. CURRENT_DATE and its like are numbered
/// up to 8 (`SQLValueFunctionOp`); what follows them names the session, which is the same for one role.
fn is_unsteady(node: &str, field: &str, word: &str) -> bool {
    match (node, field) {
        ("SQLVALUEFUNCTION", "op") => word.parse::<u8>().is_ok_and(|op| op <= 8),
        // A text turned into a time when it runs: it may say `now`.
        ("COERCEVIAIO", "resulttype") => word.parse::<Oid>().is_ok_and(|oid| TIMES.contains(&oid)),
        ("TABLESAMPLECLAUSE", "repeatable") => word == "<>",
        // cmin, xmax and cmax show transactions under way.
        ("VAR", "varattno") => matches!(word, "-3" | "-4" | "-5"),
        _ => false,
    }
}

/// date, time, timestamp, timestamptz, timetz, and arrays, ranges and multiranges of them.
const TIMES: &[Oid] = &[
    1082, 1083, 1114, 1115, 1182, 1183, 1184, 1185, 1266, 1270, 3908, 3909, 3910, 3911, 3912, 3913, 4533, 4534, 4535,
    6152, 6153, 6155,
];

/// A node whose end has not been seen.
struct Open {
    /// Its value is not known before it runs.
    varies: bool,
    uses: TreeUses,
}

/// Takes the value of a field where it is one that names an object.
fn value<'a>(uses: &mut TreeUses, field: &str, word: &'a str, words: &mut Words<'a>) -> Result<(), UnreadableTree> {
    if VALUE_TYPES.contains(&field) {
        uses.values.extend(word.parse::<Oid>().ok().filter(|oid| *oid >= FIRST_USER_OID));
    }
    let list = match field {
        // Zero stands for "look at the operator" in `opfuncid`, and for "none" elsewhere.
        "funcid" | "opfuncid" | "aggfnoid" | "winfnoid" | "hashfuncid" | "negfuncid" | "elemfuncid" | "tsmhandler"
        | "startInRangeFunc" | "endInRangeFunc" | "inputfuncid" | "outfuncid" => &mut uses.functions,
        "opno" | "opnos" | "sortop" | "eqop" | "cycle_mark_neop" => &mut uses.operators,
        "relid" => &mut uses.relations,
        "resulttype" | "typid" | "coltypes" | "funccoltypes" | "ctecoltypes" | "typeId" => &mut uses.types,
        "commandType" if word != "1" => return Err(UnreadableTree(format!("command type {word}"))),
        "rowMarks" | "utilityStmt" | "onConflict" if word != "<>" => {
            return Err(UnreadableTree(format!("{field}, which is no plain read")));
        }
        _ => return Ok(()),
    };
    if word == "<>" {
        return Ok(());
    }
    if word != "(" {
        return push(list, field, word);
    }
    // `(o 1 2 3)` is a list of OIDs.
    if words.next() != Some("o") {
        return Err(UnreadableTree(format!("field {field} without OIDs")));
    }
    for word in words.by_ref() {
        if word == ")" {
            return Ok(());
        }
        push(list, field, word)?;
    }
    Err(UnreadableTree(format!("field {field} without an end")))
}

/// Fields that say of which type a value is. What a list of columns holds is used through one of these.
const VALUE_TYPES: &[&str] = &[
    "vartype",
    "consttype",
    "paramtype",
    "funcresulttype",
    "opresulttype",
    "aggtype",
    "wintype",
    "resulttype",
    "refelemtype",
    "refcontainertype",
    "refrestype",
    "row_typeid",
    "array_typeid",
    "element_typeid",
    "casetype",
    "coalescetype",
    "minmaxtype",
    "typeId",
    "typid",
];

fn push(list: &mut Vec<Oid>, field: &str, word: &str) -> Result<(), UnreadableTree> {
    let oid: Oid = word.parse().map_err(|_| UnreadableTree(format!("field {field} with {word:?}")))?;
    if oid != 0 {
        list.push(oid);
    }
    Ok(())
}

/// Splits as `pg_strtok` does: `(`, `)`, `{`, `}` stand alone, white space separates, a backslash protects the next byte.
struct Words<'a> {
    rest: &'a str,
}

impl<'a> Iterator for Words<'a> {
    type Item = &'a str;

    fn next(&mut self) -> Option<&'a str> {
        let text = self.rest.trim_start_matches([' ', '\n', '\t']);
        let mut length = 0;
        let mut escaped = false;
        for byte in text.bytes() {
            let single = matches!(byte, b'(' | b')' | b'{' | b'}');
            if !escaped && (single || matches!(byte, b' ' | b'\n' | b'\t')) {
                length = if length == 0 && single { 1 } else { length };
                break;
            }
            escaped = !escaped && byte == b'\\';
            length += 1;
        }
        let (word, rest) = text.split_at_checked(length)?;
        self.rest = rest;
        (!word.is_empty()).then_some(word)
    }
}

/// The nodes of a stored query or expression, PostgreSQL 13 to 18, in byte order (16 renamed several). NEXTVALUEEXPR, CURRENTOFEXPR and
/// MERGEACTION are missing on purpose: they write.
const NODES: &[&str] = &[
    "AGGREF",
    "ALIAS",
    "ARRAY",
    "ARRAYCOERCEEXPR",
    "ARRAYEXPR",
    "BOOLEANTEST",
    "BOOLEXPR",
    "CASE",
    "CASEEXPR",
    "CASETESTEXPR",
    "CASEWHEN",
    "COALESCE",
    "COALESCEEXPR",
    "COERCETODOMAIN",
    "COERCETODOMAINVALUE",
    "COERCEVIAIO",
    "COLLATE",
    "COLLATEEXPR",
    "COMMONTABLEEXPR",
    "CONST",
    "CONVERTROWTYPEEXPR",
    "CTECYCLECLAUSE",
    "CTESEARCHCLAUSE",
    "DEFELEM",
    "DISTINCTEXPR",
    "FIELDSELECT",
    "FIELDSTORE",
    "FROMEXPR",
    "FUNCEXPR",
    "GROUPINGFUNC",
    "GROUPINGSET",
    "JOINEXPR",
    "JSONBEHAVIOR",
    "JSONCONSTRUCTOREXPR",
    "JSONEXPR",
    "JSONFORMAT",
    "JSONISPREDICATE",
    "JSONRETURNING",
    "JSONTABLEPATH",
    "JSONTABLEPATHSCAN",
    "JSONTABLESIBLINGJOIN",
    "JSONVALUEEXPR",
    "MINMAX",
    "MINMAXEXPR",
    "NAMEDARGEXPR",
    "NULLIFEXPR",
    "NULLTEST",
    "OPEXPR",
    "PARAM",
    "PARTITIONBOUNDSPEC",
    "PARTITIONRANGEDATUM",
    "QUERY",
    "RANGETBLENTRY",
    "RANGETBLFUNCTION",
    "RANGETBLREF",
    "RELABELTYPE",
    "ROW",
    "ROWCOMPARE",
    "ROWCOMPAREEXPR",
    "ROWEXPR",
    "RTE",
    "RTEPERMISSIONINFO",
    "SCALARARRAYOPEXPR",
    "SETOPERATIONSTMT",
    "SORTGROUPCLAUSE",
    "SQLVALUEFUNCTION",
    "STRING",
    "SUBLINK",
    "SUBSCRIPTINGREF",
    "TABLEFUNC",
    "TABLESAMPLECLAUSE",
    "TARGETENTRY",
    "VAR",
    "WHEN",
    "WINDOWCLAUSE",
    "WINDOWFUNC",
    "WINDOWFUNCRUNCONDITION",
    "WITHCHECKOPTION",
    "XMLEXPR",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_node_list_is_sorted() {
        assert!(NODES.is_sorted());
    }

    #[test]
    fn oids_come_from_scalars_and_lists() {
        let uses = read_tree("({FUNCEXPR :funcid 870 :args ({ROWCOMPAREEXPR :opnos (o 664 97) :opfamilies (o 1 2)})})");
        let expected = TreeUses { functions: vec![870], operators: vec![97, 664], ..TreeUses::default() };
        assert_eq!(uses, Ok(expected));
    }

    #[test]
    fn an_unknown_node_is_not_read() {
        assert!(read_tree("{SURPRISE :funcid 1}").is_err());
        assert!(read_tree("{NEXTVALUEEXPR :seqid 1}").is_err());
        assert!(read_tree("{QUERY :commandType 4}").is_err());
        assert!(read_tree("{QUERY :commandType 1 :rowMarks ({ROWMARKCLAUSE :rti 1})}").is_err());
    }

    #[test]
    fn what_tells_the_time_is_told() {
        let unsteady = |text| read_tree(text).unwrap().unsteady;
        assert!(unsteady("{SQLVALUEFUNCTION :op 3 :type 1184}") && !unsteady("{SQLVALUEFUNCTION :op 10 :type 19}"));
        assert!(unsteady("{COERCEVIAIO :arg {VAR :varno 1} :resulttype 1082}"));
        assert!(!unsteady("{COERCEVIAIO :arg {VAR :varno 1} :resulttype 25}"));
        assert!(!unsteady("{RELABELTYPE :arg {VAR :varno 1} :resulttype 1082}"));
        assert!(unsteady("{VAR :varno 1 :varattno -4}") && !unsteady("{VAR :varno 1 :varattno -1}"));
        assert!(unsteady("{TABLESAMPLECLAUSE :tsmhandler 1 :repeatable <>}"));
    }

    #[test]
    fn only_constant_calls_are_folded() {
        let text =
            "{OPEXPR :opno 97 :args ({VAR :varno 1} {FUNCEXPR :funcid 7 :args ({FUNCEXPR :funcid 8 :args <>})})}";
        assert_eq!(read_constants(text).unwrap().functions, [7, 8]);
        assert!(read_constants(text).unwrap().operators.is_empty());
    }

    #[test]
    fn escapes_hide_braces() {
        let uses = read_tree(r"{ALIAS :aliasname a\{FUNCEXPR\ :funcid\ 9\} :colnames (\:funcid 7)}");
        assert_eq!(uses, Ok(TreeUses::default()));
    }
}
