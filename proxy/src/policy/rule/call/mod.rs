//! What a statement calls: functions by name, operators, attributes, and what their bodies call.

mod attribute;
mod body;
mod candidate;
mod function;
mod operator;

pub(in crate::policy) use attribute::attributes;
pub(in crate::policy) use body::bodies;
pub(in crate::policy) use function::functions;
pub(in crate::policy) use operator::operators;
