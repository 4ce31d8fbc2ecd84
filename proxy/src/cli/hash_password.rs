//! `vitrine hash-password`: a SCRAM verifier for the users file.

use crate::gateway::door::scram::{ITERATIONS_DEFAULT, SALT_BYTES_DEFAULT, verifier};
use clap::Args;
use std::io::{self, BufRead, IsTerminal};
use std::num::NonZeroU32;
use std::process::ExitCode;

/// Reads the password from standard input, never from an argument that the process list would show.
#[derive(Debug, Args)]
pub(super) struct HashPassword {
    /// Print a whole line for the users file, for this user.
    #[arg(long)]
    user: Option<String>,
    /// Rounds of the key derivation: what guessing a password from the verifier costs, and each login of the client.
    #[arg(long, default_value_t = ITERATIONS_DEFAULT, value_parser = iterations)]
    iterations: NonZeroU32,
}

impl HashPassword {
    pub(super) fn run(self) -> ExitCode {
        let stdin = io::stdin();
        if stdin.is_terminal() {
            eprintln!("Type the password and Enter (it will be visible; a pipe would hide it):");
        }
        match read_password(&mut stdin.lock()) {
            Ok(password) => {
                println!("{}", line(self.user.as_deref(), &password, self.iterations));
                ExitCode::SUCCESS
            }
            Err(error) => {
                eprintln!("vitrine: {error}");
                ExitCode::FAILURE
            }
        }
    }
}

/// The first line without its end. An empty password would let everybody in who tries none.
fn read_password(input: &mut impl BufRead) -> io::Result<String> {
    let mut password = String::new();
    let bytes = io::Read::take(input, PASSWORD_BYTES_MAX).read_line(&mut password)?;
    if u64::try_from(bytes).is_ok_and(|bytes| bytes >= PASSWORD_BYTES_MAX) {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "the password is too long"));
    }
    let password = password.strip_suffix('\n').map(|line| line.strip_suffix('\r').unwrap_or(line)).unwrap_or(&password);
    if password.is_empty() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "no password on standard input"));
    }
    Ok(password.to_owned())
}

fn line(user: Option<&str>, password: &str, iterations: NonZeroU32) -> String {
    let text = verifier(password, iterations, &rand::random::<[u8; SALT_BYTES_DEFAULT]>()).text();
    match user {
        None => text,
        Some(user) => format!("\"{}\" \"{text}\"", user.replace('"', "\"\"")),
    }
}

fn iterations(text: &str) -> Result<NonZeroU32, String> {
    let number = text.parse().ok().filter(|number: &NonZeroU32| number.get() <= ITERATIONS_MAX);
    number.ok_or_else(|| format!("between 1 and {ITERATIONS_MAX}"))
}

const PASSWORD_BYTES_MAX: u64 = 4096;
const ITERATIONS_MAX: u32 = 10_000_000;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gateway::door::{scram::Verifier, users};

    #[test]
    fn what_it_prints_lets_the_user_in() {
        let password = read_password(&mut &b"pa ss\"word\r\nmore"[..]).unwrap();
        assert_eq!(password, "pa ss\"word");
        let printed = line(Some("o\"neil"), &password, ITERATIONS_DEFAULT);
        let users = users::parse(&printed, false).unwrap();
        let kept: &Verifier = users["o\"neil"].verifier.as_ref().unwrap();
        assert_eq!(&verifier(&password, kept.iterations(), kept.salt()), kept);
        assert!(!printed.contains("pa ss"));
    }

    #[test]
    fn nothing_and_too_much_are_no_passwords() {
        let endless = "x".repeat(10_000);
        for input in ["", "\n", "\r\n", &endless] {
            assert!(read_password(&mut input.as_bytes()).is_err(), "{input:?}");
        }
        assert!(iterations("0").is_err() && iterations("10000001").is_err() && iterations("1").is_ok());
    }
}
