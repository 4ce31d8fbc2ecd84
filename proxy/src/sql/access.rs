//! Whom a text is read for.

/// What a route lets its statements do at all. It belongs to the address of the upstream and cannot be changed by a
/// session: a customer's route is [`Access::Read`] for ever.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Access {
    /// A customer database: look, don't touch. Nothing that writes or locks so much as becomes a statement.
    Read,
    /// The insight store: INSERT, UPDATE, DELETE and COPY on the tables that the policy names, and row locks there.
    Store,
}
