//! Names of types.

use pg_query::NodeEnum;
use pg_query::protobuf::{Node, TypeName};

use crate::sql::denial::Denial;
use crate::sql::grammar::columns;
use crate::sql::grammar::walk::{Walk, inner, place, qualified, strings, unexpected, unsupported};
use crate::sql::statement::{Conversion, ConversionSource, TypeRef};
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

    /// Records a type that values are made of in a way that nothing is known of; returns its first modifier where that
    /// is a number: the n of char(n).
    pub(in crate::sql::grammar) fn type_name(&mut self, named: &'t TypeName) -> Result<Option<i128>, Denial> {
        self.type_made_of(named, ConversionSource::Other)
    }

    /// The same for a type whose values are made of `of`.
    pub(in crate::sql::grammar) fn type_made_of(
        &mut self,
        named: &'t TypeName,
        of: ConversionSource,
    ) -> Result<Option<i128>, Denial> {
        let TypeName { names, type_oid: _, setof: _, pct_type, typmods, typemod: _, array_bounds, location } = named;
        if *pct_type {
            return Err(unsupported("%TYPE"));
        }
        let parts = strings(names)?;
        let (schema, name) = qualified(&parts)?;
        self.conversion(Conversion { type_name: name.to_owned(), of });
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

/// What a value is, as far as its form tells.
pub(in crate::sql::grammar) fn source_of(node: &Node) -> ConversionSource {
    let Some(node) = &node.node else { return ConversionSource::Other };
    // Only forms that make no text of anything else are told apart; all the others are one.
    if let NodeEnum::AConst(_) = node {
        return ConversionSource::Constant;
    }
    if let NodeEnum::ParamRef(_) = node {
        return ConversionSource::Parameter;
    }
    if let NodeEnum::ColumnRef(column) = node {
        let name = column.fields.last().and_then(columns::text);
        return name.map_or(ConversionSource::Other, |name| ConversionSource::Column(name.to_owned()));
    }
    if let NodeEnum::TypeCast(cast) = node {
        let name = cast.type_name.as_ref().and_then(|named| named.names.last()).and_then(columns::text);
        return name.map_or(ConversionSource::Other, |name| ConversionSource::Type(name.to_owned()));
    }
    if let NodeEnum::AExpr(operation) = node
        && let [name] = operation.name.as_slice()
        && matches!(columns::text(name), Some("+" | "-"))
    {
        // Of PostgreSQL's own, none makes a text.
        return ConversionSource::Type("interval".to_owned());
    }
    if let NodeEnum::FuncCall(call) = node {
        let name = call.funcname.last().and_then(columns::text).unwrap_or_default();
        return match (name, call.args.as_slice()) {
            // Of the same type as what they are given.
            ("min" | "max" | "lag" | "lead" | "first_value" | "last_value" | "any_value", [first, ..]) => {
                source_of(first)
            }
            ("", _) => ConversionSource::Other,
            (name, _) => ConversionSource::Call(name.to_owned()),
        };
    }
    ConversionSource::Other
}
