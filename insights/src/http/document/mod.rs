//! The OpenAPI 3.1 document: from the same table that the router is made of, with the schemas of the served types.

mod operation;
mod render;

pub(super) use operation::{Operation, text};
pub(super) use render::render;
