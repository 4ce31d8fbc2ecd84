//! XML's own syntax.

use pg_query::protobuf::{XmlExpr, XmlSerialize};

use crate::sql::denial::Denial;
use crate::sql::grammar::bomb::Size;
use crate::sql::grammar::columns;
use crate::sql::grammar::walk::Walk;

impl<'t> Walk<'t> {
    pub(in crate::sql::grammar) fn xml(&mut self, call: &'t XmlExpr) -> Result<Size, Denial> {
        let XmlExpr {
            xpr: _,
            op,
            name: _,
            named_args,
            arg_names: _,
            args,
            xmloption: _,
            indent: _,
            r#type: _,
            typmod: _,
            location: _,
        } = call;
        if let Some(name) = columns::xml_name(*op) {
            self.construct(name);
        }
        let mut size = self.all(args)?;
        for argument in named_args {
            size = size.plus(self.target(argument)?);
        }
        Ok(size)
    }

    pub(in crate::sql::grammar) fn xml_serialize(&mut self, call: &'t XmlSerialize) -> Result<Size, Denial> {
        let XmlSerialize { xmloption: _, expr, type_name, indent: _, location: _ } = call;
        self.construct("xmlserialize");
        type_name.as_ref().map_or(Ok(None), |named| self.type_name(named))?;
        self.maybe(expr.as_deref())
    }
}
