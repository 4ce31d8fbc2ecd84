//! Who may ask, how often, and for how long.

mod admit;
mod keys;
mod rate;

pub(super) use admit::{Admission, Asker, Pace, PresentedKey, admit, word};
pub(super) use keys::Identities;
pub(super) use rate::Rates;
