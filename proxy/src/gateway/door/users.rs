//! Who may come in: users with their verifiers, and what else is known of each.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::num::NonZeroU32;
use std::sync::Arc;

use thiserror::Error;

use super::scram::{self, ITERATIONS_DEFAULT, SALT_BYTES_DEFAULT, Verifier};

/// One user that may come in.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct User {
    /// Checks the password; `None` for a user that logs in by certificate only.
    pub verifier: Option<Verifier>,
    /// The databases this user may open; `None` for all.
    pub databases: Option<Vec<String>>,
    /// Name of the upstream role to use; `None` for the gateway's default.
    pub upstream: Option<String>,
    /// The common name that this user's certificate must have; `None` for the user's own name.
    pub certificate_name: Option<String>,
}

impl User {
    /// A user with this password, for development. Costs some milliseconds, as deriving a verifier shall.
    #[must_use]
    pub fn with_password(password: &str) -> Self {
        let salt = rand::random::<[u8; SALT_BYTES_DEFAULT]>();
        Self { verifier: Some(scram::verifier(password, ITERATIONS_DEFAULT, &salt)), ..Self::default() }
    }
}

/// All users in force.
#[derive(Debug, Clone, Default)]
pub struct Users {
    users: HashMap<String, Arc<User>>,
    mock: Mock,
}

/// What unknown users' challenges are made from.
#[derive(Clone)]
struct Mock {
    secret: [u8; 32],
    iterations: NonZeroU32,
}

impl Default for Mock {
    fn default() -> Self {
        Self { secret: rand::random(), iterations: ITERATIONS_DEFAULT }
    }
}

impl fmt::Debug for Mock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Mock(hidden)")
    }
}

/// A mistake in a users file. The line itself is not repeated, since it may hold a password.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("line {line}: {fault}")]
pub struct UsersError {
    /// One-based line.
    pub line: usize,
    /// What is wrong with it.
    pub fault: UserFault,
}

/// What can be wrong with one user.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum UserFault {
    /// Not two strings.
    #[error("expected \"name\" \"verifier\"")]
    Layout,
    /// The name is empty.
    #[error("the user name is empty")]
    NoName,
    /// A user comes twice.
    #[error("user \"{0}\" is there already")]
    Duplicate(String),
    /// A verifier that does not read as one.
    #[error("the verifier of user \"{0}\" is not of the form SCRAM-SHA-256$iterations:salt$StoredKey:ServerKey")]
    BadVerifier(String),
    /// An MD5 hash, which can be used to log in by whoever reads it.
    #[error("user \"{0}\" has an MD5 hash; use a SCRAM-SHA-256 verifier, which `vitrine hash-password` makes")]
    Md5(String),
    /// A password in plain text outside development mode.
    #[error(
        "user \"{0}\" has a plain password, which is for development mode only; use a SCRAM-SHA-256 verifier, which `vitrine hash-password` makes"
    )]
    PlainPassword(String),
}

/// Reads a users file: lines of `"name" "SCRAM-SHA-256$…"`, as in pgbouncer's userlist.txt (a quote inside is doubled;
/// a word without blanks needs no quotes); `;` and `#` begin a comment; an empty second string is a user without a password, for certificates.
/// Plain passwords are taken in development mode only. Answers all mistakes at once.
pub fn parse(text: &str, is_development: bool) -> Result<BTreeMap<String, User>, Vec<UsersError>> {
    let entries = text.lines().enumerate().filter_map(|(index, line)| {
        let line = line.trim();
        let is_entry = !line.is_empty() && !line.starts_with([';', '#']);
        is_entry.then(|| (index + 1, pair_of(line).ok_or(UserFault::Layout)))
    });
    collect(entries, is_development)
}

impl Users {
    /// These users.
    #[must_use]
    pub fn new(users: BTreeMap<String, User>) -> Self {
        let mut verifiers = users.values().filter_map(|user| user.verifier.as_ref()).peekable();
        // Made from the verifiers, so that it is the same after a restart and on every gateway that has the same users.
        let mock = verifiers.peek().map(|first| first.iterations()).map(|iterations| Mock {
            secret: verifiers.fold([0; 32], |secret, verifier| scram::mixed(&secret, verifier)),
            iterations,
        });
        Self {
            users: users.into_iter().map(|(name, user)| (name, Arc::new(user))).collect(),
            mock: mock.unwrap_or_default(),
        }
    }

    /// The user of this name, case and all.
    #[must_use]
    pub fn find(&self, name: &str) -> Option<&Arc<User>> {
        self.users.get(name)
    }

    /// How many there are.
    #[must_use]
    pub fn count(&self) -> usize {
        self.users.len()
    }

    /// A verifier that nothing fits, for a user that is not there.
    pub(super) fn mock_verifier(&self, name: &str) -> Verifier {
        Verifier::mock(name, &self.mock.secret, self.mock.iterations)
    }
}

type Entry = (usize, Result<(String, String), UserFault>);

fn collect(
    entries: impl Iterator<Item = Entry>,
    is_development: bool,
) -> Result<BTreeMap<String, User>, Vec<UsersError>> {
    let mut users = BTreeMap::new();
    let mut errors = Vec::new();
    for (line, entry) in entries {
        let outcome = entry.and_then(|(name, secret)| {
            let verifier = read_secret(&name, &secret, is_development)?;
            if users.insert(name.clone(), User { verifier, ..User::default() }).is_some() {
                return Err(UserFault::Duplicate(name));
            }
            Ok(())
        });
        errors.extend(outcome.err().map(|fault| UsersError { line, fault }));
    }
    if errors.is_empty() { Ok(users) } else { Err(errors) }
}

fn read_secret(name: &str, secret: &str, is_development: bool) -> Result<Option<Verifier>, UserFault> {
    if name.is_empty() {
        return Err(UserFault::NoName);
    }
    if secret.is_empty() {
        return Ok(None);
    }
    if secret.starts_with("SCRAM-SHA-") {
        return secret.parse().map(Some).map_err(|_| UserFault::BadVerifier(name.to_owned()));
    }
    let is_md5 = |hash: &str| hash.len() == 32 && hash.bytes().all(|byte| byte.is_ascii_hexdigit());
    if secret.strip_prefix("md5").is_some_and(is_md5) {
        return Err(UserFault::Md5(name.to_owned()));
    }
    if !is_development {
        return Err(UserFault::PlainPassword(name.to_owned()));
    }
    Ok(User::with_password(secret).verifier)
}

fn pair_of(line: &str) -> Option<(String, String)> {
    let (name, rest) = word(line)?;
    let (secret, rest) = word(rest.trim_start())?;
    let rest = rest.trim_start();
    (rest.is_empty() || rest.starts_with([';', '#'])).then_some((name, secret))
}

/// A string in double quotes or a plain word, and what follows it.
fn word(text: &str) -> Option<(String, &str)> {
    let Some(mut rest) = text.strip_prefix('"') else {
        let end = text.find(char::is_whitespace).unwrap_or(text.len());
        let (plain, rest) = text.split_at_checked(end)?;
        return (!plain.is_empty() && !plain.contains('"')).then(|| (plain.to_owned(), rest));
    };
    let mut inside = String::new();
    loop {
        let (part, after) = rest.split_once('"')?;
        inside.push_str(part);
        match after.strip_prefix('"') {
            Some(more) => {
                inside.push('"');
                rest = more;
            }
            None => return Some((inside, after)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const VERIFIER: &str = "SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=";

    fn faults(text: &str, is_development: bool) -> Vec<String> {
        parse(text, is_development).unwrap_err().iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_users_file_reads_like_pgbouncer_s() {
        let text = format!(
            "; users\n\n# more\n\"ann\" \"{VERIFIER}\"\n  \"b\"\"ob\"   \"\" ; by certificate\neve {VERIFIER} # plain\n"
        );
        let users = Users::new(parse(&text, false).unwrap());
        assert_eq!(users.count(), 3);
        assert_eq!(users.find("eve"), users.find("ann"));
        assert_eq!(users.find("ann").unwrap().verifier.as_ref().unwrap().text(), VERIFIER);
        assert_eq!(users.find("b\"ob").unwrap().verifier, None);
        assert!(users.find("Ann").is_none());
    }

    #[test]
    fn every_mistake_is_told_with_its_line_and_no_secret() {
        let text = "ann\n\"ann\" \"hunter2\"\n\"bob\" \"md5aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\"\n\"\" \"x\"\n\
                    \"c\" \"SCRAM-SHA-256$x\"\n\"d\" \"\"\n\"d\" \"\"\n\"e\" \"\" junk\n\"f\" \"open\n";
        let faults = faults(text, false);
        assert_eq!(faults.len(), 8, "{faults:#?}");
        assert!(faults[1].starts_with("line 2: user \"ann\" has a plain password"), "{}", faults[1]);
        assert!(faults.iter().all(|fault| !fault.contains("hunter2")));
    }

    #[test]
    fn plain_passwords_are_for_development() {
        let users = parse("\"ann\" \"secret\"", true).unwrap();
        let made = users["ann"].verifier.clone().unwrap();
        assert_eq!(made, scram::verifier("secret", made.iterations(), made.salt()));
        let made = User::with_password("a:b, c").verifier.unwrap();
        assert_eq!(made, scram::verifier("a:b, c", made.iterations(), made.salt()));
    }

    #[test]
    fn mock_challenges_survive_a_restart_and_take_the_users_iterations() {
        let text = format!("\"ann\" \"{}\"", VERIFIER.replace("4096", "5000"));
        let [one, two] = [(); 2].map(|()| Users::new(parse(&text, false).unwrap()).mock_verifier("nobody"));
        assert_eq!(one, two);
        assert_eq!(one.iterations().get(), 5000);
    }

    #[test]
    fn nothing_secret_is_shown_by_debug() {
        let shown = format!("{:?}", Users::new(parse(&format!("\"ann\" \"{VERIFIER}\""), false).unwrap()));
        assert!(shown.contains("ann") && !shown.contains("WG5d8oPm") && !shown.contains("W22Z"), "{shown}");
    }
}
