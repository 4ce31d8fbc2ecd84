//! What the server reports of its settings.

/// Values of ParameterStatus, in the order in which they were first reported. Names compare without case, as in PostgreSQL.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Parameters(Vec<(String, String)>);

/// More than any server reports.
const PARAMETERS_MAX: usize = 256;

impl Parameters {
    /// The value last reported.
    #[must_use]
    pub fn value(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    /// Notes a report.
    pub fn set(&mut self, name: String, value: String) {
        if let Some(slot) = self.0.iter_mut().find(|(known, _)| known.eq_ignore_ascii_case(&name)) {
            slot.1 = value;
        } else if self.0.len() < PARAMETERS_MAX {
            self.0.push((name, value));
        }
    }

    /// Names and values.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }
}
