//! Refusals of functions in words: what a client reads, and what a reviewer can do about it.

use crate::catalog::{Catalog, Function};
use crate::sql::{Denial, Rule};
use crate::wire::sqlstate::SqlState;

use super::harmless::Reason;
use super::list::{Remedy, remedy};

/// The refusal of a function by name; `rule` says how the statement comes to call it.
pub(super) fn refusal(catalog: &Catalog, function: &Function, reason: &Reason, rule: Rule) -> Denial {
    let signature = catalog.signature(function);
    let rule = if *reason == Reason::TextAsCode && rule == Rule::Function { Rule::TextAsCode } else { rule };
    let denial = Denial::new(rule, SqlState::INSUFFICIENT_PRIVILEGE, format!("function {signature} is not permitted"));
    explained(denial, &signature, reason)
}

/// Detail and hint for a reason; `signature` is `schema.name(types)`.
pub(super) fn explained(denial: Denial, signature: &str, reason: &Reason) -> Denial {
    let line = format!("to allow it, add to the policy: functions = [\"{signature}\"]");
    match reason {
        Reason::TextAsCode => denial.detail("it runs text that was never reviewed").hint(text_instead(signature)),
        Reason::Builtin(remedy) => {
            let denial = denial.detail(effect(bare(signature)));
            match remedy {
                Remedy::Line => denial.hint(line),
                Remedy::Instead(what) | Remedy::Never(what) => denial.hint(*what),
            }
        }
        Reason::Policy => {
            denial.detail("the policy denies it").hint("to allow it, take it out of denied_functions in the policy")
        }
        Reason::Leaves(extension) => {
            denial.detail(format!("extension {extension} can leave the database or run text as SQL")).hint(line)
        }
        Reason::VolatileExtension(extension) => {
            denial.detail(format!("extension {extension} declares it volatile: it may do more than read")).hint(line)
        }
        Reason::NotNamed => denial.detail("functions of this database run only when the policy names them").hint(line),
        Reason::Missing => denial
            .detail("the catalog does not hold all that it refers to")
            .hint("try again: the gateway looks at the catalog again when something is missing"),
    }
}

fn text_instead(signature: &str) -> &'static str {
    match remedy(bare(signature), 0) {
        Remedy::Never(what) | Remedy::Instead(what) => what,
        Remedy::Line => "write the query itself",
    }
}

/// The name alone of `schema.name(types)`.
fn bare(signature: &str) -> &str {
    let name = signature.split('(').next().unwrap_or(signature);
    name.rsplit('.').next().unwrap_or(name)
}

/// What it does, as far as its name tells.
fn effect(name: &str) -> &'static str {
    match name {
        "set_config" => "it changes settings past the gateway",
        "txid_current" | "pg_current_xact_id" => "it assigns a transaction ID",
        "nextval" | "setval" => "it changes a sequence",
        "pg_sleep" | "pg_sleep_for" | "pg_sleep_until" => "it holds a connection of the pool while it waits",
        "pg_notify" => "it sends a notification",
        "ts_rewrite" => "it runs text that was never reviewed",
        _ if name.contains("advisory") => "it takes or gives back a lock",
        _ if name.contains("read_file") || name.contains("read_binary") || name.starts_with("pg_ls_") => {
            "it looks at files of the server"
        }
        _ if name.contains("stat_file") || matches!(name, "lo_import" | "lo_export") => {
            "it looks at files of the server"
        }
        _ => "it does more than read",
    }
}

#[cfg(test)]
mod tests {
    use crate::catalog::builtin;
    use crate::policy::Policy;
    use crate::policy::harmless::judge;

    use super::*;

    /// Every hint that offers a line of the policy keeps its promise, and a policy with a line that no hint would offer
    /// because nothing can allow the function is refused.
    #[test]
    fn what_a_hint_offers_works() {
        let catalog = builtin();
        let (mut lines, mut never) = (0, 0);
        for function in &catalog.objects().functions {
            let Err(reason) = judge(&catalog, &Policy::default(), function) else { continue };
            let denial = refusal(&catalog, function, &reason, Rule::Function);
            let hint = denial.hint.expect("no hint");
            let offered = hint.strip_prefix("to allow it, add to the policy: ");
            let signature = catalog.signature(function);
            let read =
                Policy::from_toml(offered.unwrap_or(&format!("functions = [\"{}\"]", signature.replace('"', "\\\""))));
            match (offered, read) {
                (Some(_), Ok(policy)) => {
                    assert_eq!(judge(&catalog, &policy, function), Ok(()), "{hint}");
                    lines += 1;
                }
                (None, Ok(policy)) => {
                    assert!(matches!(reason, Reason::Builtin(Remedy::Instead(_))), "{signature}");
                    assert_eq!(judge(&catalog, &policy, function), Ok(()));
                }
                (None, Err(_)) => {
                    assert!(matches!(reason, Reason::TextAsCode | Reason::Builtin(Remedy::Never(_))), "{signature}");
                    never += 1;
                }
                (Some(_), Err(mistakes)) => panic!("{hint}: {mistakes:?}"),
            }
        }
        assert!(lines > 50 && never > 30, "{lines} {never}");
    }
}
