//! Values: operators, calls, constructs, types, and how large they can become.

pub(super) mod bomb;
mod call;
mod expr;
mod input;
mod json;
mod operand;
pub(super) mod types;
mod xml;
