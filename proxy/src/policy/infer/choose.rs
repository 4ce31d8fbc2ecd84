//! Which of several candidates PostgreSQL can choose, by its own rules (`func_get_detail`, `func_select_candidate`,
//! `oper`), from what is known of the arguments.
//!
//! Whether a candidate takes part at all is not always known: the role may not enter its schema, or it is polymorphic.
//! Then the rules are run with it and without it, and whatever comes out of any run can be chosen.
//!
//! <https://www.postgresql.org/docs/current/typeconv-func.html>

use std::collections::BTreeSet;

use crate::catalog::{Catalog, Oid};

use super::coerce::{Fit, Known, base, category, fits};

/// A function or an operator as far as its arguments go, as many as the call has.
#[derive(Debug, Clone)]
pub(in crate::policy) struct Choice {
    pub(in crate::policy) arguments: Vec<Oid>,
    /// Its schema's place in the search path.
    pub(in crate::policy) rank: usize,
    /// PostgreSQL surely sees it.
    pub(in crate::policy) certain: bool,
}

/// Beyond so many doubts any candidate can be chosen.
const DOUBTS_MAX: usize = 6;

/// Which of the `options` PostgreSQL can choose for a call with these arguments, by their places.
pub(in crate::policy) fn functions(catalog: &Catalog, options: &[Choice], arguments: &[Known]) -> BTreeSet<usize> {
    run(catalog, options, arguments, false)
}

/// The same for an operator of one or two operands.
pub(in crate::policy) fn operators(catalog: &Catalog, options: &[Choice], operands: &[Known]) -> BTreeSet<usize> {
    run(catalog, options, operands, true)
}

fn run(catalog: &Catalog, options: &[Choice], arguments: &[Known], operator: bool) -> BTreeSet<usize> {
    let mut certain = Vec::new();
    let mut doubtful = Vec::new();
    for (place, option) in options.iter().enumerate() {
        if option.arguments.len() != arguments.len() {
            // Whatever that is, it is not understood.
            return (0..options.len()).collect();
        }
        let pairs = arguments.iter().zip(&option.arguments);
        match pairs.map(|(input, target)| fits(catalog, *input, *target)).min() {
            Some(Fit::No) => {}
            Some(Fit::Yes) | None if option.certain => certain.push(place),
            Some(Fit::Yes | Fit::Perhaps) | None => doubtful.push(place),
        }
    }
    if arguments.contains(&Known::Unclear) || doubtful.len() > DOUBTS_MAX {
        return certain.into_iter().chain(doubtful).collect();
    }
    let mut chosen = BTreeSet::new();
    for subset in 0..(1_usize << doubtful.len()) {
        let mut present: Vec<usize> = certain.clone();
        present
            .extend(doubtful.iter().enumerate().filter(|(bit, _)| subset & (1 << bit) != 0).map(|(_, place)| *place));
        present.sort_unstable();
        let resolution = Resolution { catalog, options, arguments };
        chosen.extend(if operator { resolution.operator(&present) } else { resolution.function(&present) });
    }
    chosen
}

struct Resolution<'a> {
    catalog: &'a Catalog,
    options: &'a [Choice],
    arguments: &'a [Known],
}

impl Resolution<'_> {
    fn function(&self, present: &[usize]) -> Vec<usize> {
        let exact: Option<Vec<Oid>> =
            self.arguments.iter().map(|known| if let Known::Type(oid) = known { Some(*oid) } else { None }).collect();
        let exact = exact.map_or(Vec::new(), |types| self.exactly(present, &types));
        if exact.is_empty() { self.select(&self.unhidden(present)) } else { exact }
    }

    fn operator(&self, present: &[usize]) -> Vec<usize> {
        // A literal takes the type of the other side, if that is an exact match.
        let (types, literal) = match self.arguments {
            [Known::Type(left), Known::Type(right)] => (vec![*left, *right], false),
            [Known::Type(oid), Known::Literal] | [Known::Literal, Known::Type(oid)] => (vec![*oid, *oid], true),
            [Known::Type(oid)] => (vec![*oid], false),
            _ => (Vec::new(), false),
        };
        let mut exact = if types.is_empty() { Vec::new() } else { self.exactly(present, &types) };
        if exact.is_empty() && literal {
            let types: Vec<Oid> = types.iter().map(|oid| base(self.catalog, *oid)).collect();
            exact = self.exactly(present, &types);
        }
        if exact.is_empty() { self.select(&self.unhidden(present)) } else { exact }
    }

    /// Those of exactly these types, the first in the path; several where only defaults tell them apart.
    fn exactly(&self, present: &[usize], types: &[Oid]) -> Vec<usize> {
        let same = |place: &&usize| self.option(**place).is_some_and(|option| option.arguments == types);
        let found: Vec<usize> = present.iter().filter(same).copied().collect();
        let first = found.iter().filter_map(|place| self.option(*place)).map(|option| option.rank).min();
        found.into_iter().filter(|place| self.option(*place).map(|option| option.rank) == first).collect()
    }

    fn option(&self, place: usize) -> Option<&Choice> {
        self.options.get(place)
    }

    /// Without those that have the same types as one that stands earlier in the path.
    fn unhidden(&self, present: &[usize]) -> Vec<usize> {
        let hidden = |place: &usize| {
            let Some(option) = self.option(*place) else { return true };
            let mut others = present.iter().filter_map(|other| self.option(*other));
            others.any(|other| other.arguments == option.arguments && other.rank < option.rank)
        };
        present.iter().copied().filter(|place| !hidden(place)).collect()
    }

    /// `func_select_candidate`: several of the same types count as one and come out together.
    fn select(&self, present: &[usize]) -> Vec<usize> {
        let mut groups: Vec<Group<'_>> = Vec::new();
        for place in present {
            let Some(option) = self.option(*place) else { continue };
            match groups.iter_mut().find(|group| group.arguments == option.arguments) {
                Some(group) => group.places.push(*place),
                None => groups.push(Group { arguments: &option.arguments, places: vec![*place] }),
            }
        }
        let inputs: Vec<Option<Oid>> = self
            .arguments
            .iter()
            .map(|known| if let Known::Type(oid) = known { Some(base(self.catalog, *oid)) } else { None })
            .collect();
        self.narrow(groups, &inputs)
    }

    fn narrow(&self, groups: Vec<Group<'_>>, inputs: &[Option<Oid>]) -> Vec<usize> {
        let groups = best(groups, |group| {
            let pairs = inputs.iter().zip(group.arguments);
            pairs.filter(|(input, target)| **input == Some(**target)).count()
        });
        if let [one] = groups.as_slice() {
            return one.places.clone();
        }
        let groups = best(groups, |group| {
            let pairs = inputs.iter().zip(group.arguments);
            pairs.filter(|(input, target)| input.is_some_and(|input| self.suits(input, **target))).count()
        });
        if let [one] = groups.as_slice() {
            return one.places.clone();
        }
        if inputs.iter().all(Option::is_some) {
            return Vec::new();
        }
        let groups = self.by_category(groups, inputs);
        if let [one] = groups.as_slice() {
            return one.places.clone();
        }
        self.like_the_known(&groups, inputs)
    }

    /// The type itself, or the preferred one of its category.
    fn suits(&self, input: Oid, target: Oid) -> bool {
        let (own, _) = category(self.catalog, input);
        let (its, preferred) = category(self.catalog, target);
        input == target || (own == its && preferred)
    }

    /// Gives each literal the category that all candidates share, or the string category.
    fn by_category<'g>(&self, groups: Vec<Group<'g>>, inputs: &[Option<Oid>]) -> Vec<Group<'g>> {
        let mut slots: Vec<Option<(char, bool)>> = vec![None; inputs.len()];
        for (place, slot) in slots.iter_mut().enumerate().filter(|(place, _)| inputs.get(*place) == Some(&None)) {
            let mut conflict = false;
            for group in &groups {
                let target = group.arguments.get(place).copied().unwrap_or_default();
                let (own, preferred) = category(self.catalog, target);
                *slot = match *slot {
                    None => Some((own, preferred)),
                    Some((known, any)) if known == own => Some((known, any || preferred)),
                    Some(_) if own == 'S' => Some((own, preferred)),
                    Some(known) => {
                        conflict = true;
                        Some(known)
                    }
                };
            }
            if conflict && slot.is_none_or(|(known, _)| known != 'S') {
                return groups;
            }
        }
        let keeps = |group: &Group<'_>| {
            slots.iter().zip(group.arguments).all(|(slot, target)| {
                slot.is_none_or(|(wanted, any_preferred)| {
                    let (own, preferred) = category(self.catalog, *target);
                    own == wanted && (preferred || !any_preferred)
                })
            })
        };
        let kept: Vec<Group<'g>> = groups.iter().filter(|group| keeps(group)).cloned().collect();
        if kept.is_empty() { groups } else { kept }
    }

    /// All that is known being of one type, the literals are taken for the same.
    fn like_the_known(&self, groups: &[Group<'_>], inputs: &[Option<Oid>]) -> Vec<usize> {
        let mut known = inputs.iter().flatten();
        let Some(first) = known.next() else { return Vec::new() };
        if known.any(|other| other != first) {
            return Vec::new();
        }
        let takes = |group: &&Group<'_>| {
            let fit = |target: &Oid| fits(self.catalog, Known::Type(*first), *target);
            group.arguments.iter().map(fit).all(|fit| fit != Fit::No)
        };
        let found: Vec<&Group<'_>> = groups.iter().filter(takes).collect();
        let unsure = |group: &&&Group<'_>| {
            group.arguments.iter().any(|target| fits(self.catalog, Known::Type(*first), *target) == Fit::Perhaps)
        };
        // Where one may or may not take part, any of them may come out.
        if found.iter().any(|group| unsure(&group)) || found.len() == 1 {
            return found.into_iter().flat_map(|group| group.places.iter().copied()).collect();
        }
        Vec::new()
    }
}

/// Candidates of the same types.
#[derive(Debug, Clone)]
struct Group<'a> {
    arguments: &'a [Oid],
    places: Vec<usize>,
}

/// Those with the highest score.
fn best<'g>(groups: Vec<Group<'g>>, score: impl Fn(&Group<'g>) -> usize) -> Vec<Group<'g>> {
    let highest = groups.iter().map(&score).max().unwrap_or(0);
    groups.into_iter().filter(|group| score(group) == highest).collect()
}
