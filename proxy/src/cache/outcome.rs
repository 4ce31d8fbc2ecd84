//! Why a question was not answered from memory.

use crate::policy::Unsteadiness;

/// Why a question was not answered from memory, nor its answer kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Bypass {
    /// It is no plain SELECT, or not all of its rows were asked for at once.
    Kind,
    /// The same question may have another answer though no data changed.
    Unsteady(Unsteadiness),
    /// A value that was bound says now, today, tomorrow or yesterday.
    Value,
    /// It reads more relations than are watched.
    Tables,
    /// It stands in a transaction block.
    Transaction,
    /// The client asked for it.
    Asked,
    /// Nothing is known yet of how fresh the database is, or of definitions that were found to be others.
    Unwatched,
    /// The answer is larger than what is kept.
    Large,
    /// The answer is an error, or more than an answer: a notice, a changed setting.
    Answer,
    /// Nothing is kept at all.
    Off,
}

impl Bypass {
    /// All of them, for metrics.
    pub const ALL: [Self; 15] = [
        Self::Kind,
        Self::Unsteady(Unsteadiness::Time),
        Self::Unsteady(Unsteadiness::Volatile),
        Self::Unsteady(Unsteadiness::Session),
        Self::Unsteady(Unsteadiness::System),
        Self::Unsteady(Unsteadiness::Elsewhere),
        Self::Unsteady(Unsteadiness::Unknown),
        Self::Value,
        Self::Tables,
        Self::Transaction,
        Self::Asked,
        Self::Unwatched,
        Self::Large,
        Self::Answer,
        Self::Off,
    ];

    /// One word.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Kind => "kind",
            Self::Unsteady(why) => why.word(),
            Self::Value => "value",
            Self::Tables => "tables",
            Self::Transaction => "transaction",
            Self::Asked => "asked",
            Self::Unwatched => "unwatched",
            Self::Large => "large",
            Self::Answer => "answer",
            Self::Off => "off",
        }
    }
}
