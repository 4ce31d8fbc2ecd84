//! How a seed file and the database stand to each other.

/// Where a record is between the file and the people who use the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Standing {
    /// Neither planted yet nor there: it can be planted.
    New,
    /// File and database say the same.
    Same,
    /// The file changed since it was planted, and no person touched the record.
    FileChanged,
    /// A person changed the record.
    Changed,
    /// A person deleted the record.
    Deleted,
    /// There, different, and never planted: a person made it.
    Foreign,
    /// Planted, still there, and the file is gone.
    FileGone,
}

impl Standing {
    /// As a person reads it.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Self::New => "not planted yet",
            Self::Same => "the same",
            Self::FileChanged => "the file changed since it was planted",
            Self::Changed => "changed by a person",
            Self::Deleted => "deleted by a person",
            Self::Foreign => "made by a person",
            Self::FileGone => "planted once, and its file is gone",
        }
    }
}
