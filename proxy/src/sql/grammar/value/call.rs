//! Calls of functions by name, those that the grammar makes of other syntax among them.

use pg_query::NodeEnum;
use pg_query::protobuf::a_const::Val;
use pg_query::protobuf::{CoercionForm, FuncCall, Node};

use crate::sql::denial::Denial;
use crate::sql::grammar::assignment::SET_CONFIG;
use crate::sql::grammar::bomb::Size;
use crate::sql::grammar::walk::{Walk, inner, place, qualified, strings, unsupported};
use crate::sql::statement::FunctionRef;
use crate::sql::typing::Derived;

impl<'t> Walk<'t> {
    pub(in crate::sql::grammar) fn call(&mut self, call: &'t FuncCall) -> Result<Size, Denial> {
        let FuncCall {
            funcname,
            args,
            agg_order,
            agg_filter,
            over,
            agg_within_group,
            agg_star: _,
            agg_distinct,
            func_variadic,
            funcformat,
            location,
        } = call;
        let parts = strings(funcname)?;
        let (schema, name) = qualified(&parts)?;
        self.witness_call(schema, name, *funcformat)?;
        self.config_calls += usize::from(name == SET_CONFIG);
        self.input_type(name, args);
        let ordered = if *agg_within_group { agg_order.len() } else { 0 };
        let function = FunctionRef {
            schema: schema.map(str::to_owned),
            name: name.to_owned(),
            arguments: u16::try_from(args.len().saturating_add(ordered))
                .map_err(|_| unsupported("a call with so many arguments"))?,
            variadic: *func_variadic,
            named: args.iter().any(|argument| matches!(argument.node, Some(NodeEnum::NamedArgExpr(_)))),
            position: place(*location),
        };
        let plain = !function.variadic && !function.named && !*agg_within_group;
        let index = self.function(function);
        let (mut sizes, mut arguments) = (Vec::with_capacity(args.len()), Vec::with_capacity(args.len()));
        for argument in args {
            sizes.push(self.expression(argument)?);
            arguments.push(self.typist.last());
        }
        self.typist.call(index, plain.then(|| arguments.as_slice().into()));
        self.order(agg_order)?;
        if *agg_distinct {
            self.sorts(place(*location));
        }
        self.maybe(agg_filter.as_deref())?;
        over.as_deref().map_or(Ok(()), |window| self.window(window))?;
        let template = if name == "format" { args.first().and_then(template) } else { None };
        if plain {
            let (schema, name) = (schema.map(str::to_owned), name.to_owned());
            self.typist.is_derived(Derived::Call { schema, name, arguments: arguments.into() });
        }
        let size = Size::call(name, &sizes);
        Ok(template.map_or(size, |template| size.plus(Size::widths(template))))
    }

    /// Tells what somebody wrote from what the grammar made: only the former must show in the second reading.
    fn witness_call(&mut self, schema: Option<&str>, name: &str, format: i32) -> Result<(), Denial> {
        // `… LIKE … ESCAPE …`, SIMILAR TO and the old JSON_OBJECT(…) come as plain calls.
        let made = schema == Some("pg_catalog") && matches!(name, "like_escape" | "similar_to_escape" | "json_object");
        match CoercionForm::try_from(format) {
            Ok(CoercionForm::CoerceExplicitCall) if !made => {
                self.witness.written.insert((schema.map(str::to_owned), name.to_owned()))
            }
            Ok(CoercionForm::CoerceExplicitCall | CoercionForm::CoerceSqlSyntax) => {
                self.witness.implied.insert(name.to_owned())
            }
            Ok(CoercionForm::Undefined | CoercionForm::CoerceExplicitCast | CoercionForm::CoerceImplicitCast)
            | Err(_) => return Err(unsupported("a call of this kind")),
        };
        Ok(())
    }
}

/// `format`'s template where it is a constant.
fn template(argument: &Node) -> Option<&str> {
    let NodeEnum::AConst(constant) = inner(argument).ok()? else { return None };
    if let Some(Val::Sval(text)) = &constant.val { Some(&text.sval) } else { None }
}
