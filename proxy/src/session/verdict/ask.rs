//! How a session comes by a verdict.

use std::sync::Arc;

use super::{Asked, Reviewed, Stall, Verdicts};
use crate::session::Session;

impl Session {
    /// The verdict on a text under what is in force now.
    pub(in crate::session) fn verdict(
        &mut self,
        text: &str,
        types: &[u32],
        verdicts: &dyn Verdicts,
    ) -> Result<Arc<Reviewed>, Stall> {
        let (reviewed, fresh) = self.judged(&Asked { text, parameter_types: types, scope: &self.scope }, verdicts)?;
        self.remembered_count += u64::from(!fresh);
        self.permitted_count += u64::from(reviewed.outcome.is_ok());
        Ok(reviewed)
    }

    /// The same, not counted; and whether it was reviewed just now.
    pub(in crate::session) fn judged(
        &self,
        asked: &Asked<'_>,
        verdicts: &dyn Verdicts,
    ) -> Result<(Arc<Reviewed>, bool), Stall> {
        let offered = self.offered.iter().find(|offered| offered.is_of(asked)).cloned();
        let fresh = offered.is_some();
        let reviewed = offered.or_else(|| verdicts.recall(asked)).ok_or_else(|| Stall {
            text: asked.text.into(),
            parameter_types: asked.parameter_types.into(),
            scope: Arc::clone(asked.scope),
        })?;
        Ok((reviewed, fresh))
    }
}
