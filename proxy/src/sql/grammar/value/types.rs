//! Names of types.

use pg_query::NodeEnum;
use pg_query::protobuf::{Node, TypeName};

use crate::sql::denial::Denial;
use crate::sql::grammar::walk::{Walk, inner, place, qualified, strings, unexpected, unsupported};
use crate::sql::statement::TypeRef;
use crate::sql::typing::{Derived, Term};

impl<'t> Walk<'t> {
    /// What a value of the type of that name is.
    pub(in crate::sql::grammar) fn type_term(&mut self, named: &TypeName) -> Term {
        let Ok(parts) = strings(&named.names) else { return Term::Unclear };
        let Ok((schema, name)) = qualified(&parts) else { return Term::Unclear };
        let (schema, name) = (schema.map(str::to_owned), name.to_owned());
        let array = !named.array_bounds.is_empty();
        self.typist.derive(Derived::Named { schema, name, array })
    }

    /// Records a type; returns its first modifier where that is a number: the n of char(n).
    pub(in crate::sql::grammar) fn type_name(&mut self, named: &'t TypeName) -> Result<Option<i128>, Denial> {
        let TypeName { names, type_oid: _, setof: _, pct_type, typmods, typemod: _, array_bounds, location } = named;
        if *pct_type {
            return Err(unsupported("%TYPE"));
        }
        let parts = strings(names)?;
        let (schema, name) = qualified(&parts)?;
        self.named_type(TypeRef {
            schema: schema.map(str::to_owned),
            name: name.to_owned(),
            array: !array_bounds.is_empty(),
            position: place(*location),
        });
        for bound in array_bounds {
            if !matches!(inner(bound)?, NodeEnum::Integer(_)) {
                return Err(unexpected(inner(bound)?));
            }
        }
        let mut first = None;
        for modifier in typmods {
            let size = self.expression(modifier)?;
            first = first.or(size.number);
        }
        Ok(first)
    }

    /// A list of types, as PREPARE has one.
    pub(in crate::sql::grammar) fn type_names(&mut self, nodes: &'t [Node]) -> Result<(), Denial> {
        for node in nodes {
            let NodeEnum::TypeName(named) = inner(node)? else { return Err(unexpected(inner(node)?)) };
            self.type_name(named)?;
        }
        Ok(())
    }
}
