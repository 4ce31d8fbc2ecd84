//! What a text may cost before, while and after it is read.

/// Bounds on one text. Every one of them names the SQLSTATE it yields.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Longest text, bytes (54000).
    pub statement_bytes_max: usize,
    /// Most tokens in one text, comments left out (54000): what both readers make of one takes up to 2 KiB.
    pub tokens_max: usize,
    /// Most statements in one text (54000).
    pub statements_max: usize,
    /// Deepest `/* /* … */ */`: libpg_query reads nested comments in quadratic time (54001).
    pub comment_depth_max: usize,
    /// Deepest nesting of brackets, and deepest tree, in levels (54001).
    pub nesting_max: usize,
    /// Largest value that a statement may build out of constants alone, bytes (54000): PostgreSQL folds constants
    /// while it plans, where no timeout looks.
    pub constant_bytes_max: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            statement_bytes_max: 2 << 20,
            tokens_max: 500_000,
            statements_max: 1_000,
            comment_depth_max: 32,
            nesting_max: 5_000,
            constant_bytes_max: 64 << 20,
        }
    }
}
