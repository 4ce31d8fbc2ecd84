//! The configuration: every mistake in one run, each with its place; the environment beats the file; nothing unknown passes.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::as_conversions,
    clippy::wildcard_enum_match_arm,
    reason = "a test says what is wrong by failing"
)]

use std::path::Path;
use std::process::Command;
use vitrine::config::{Auth, Config, Environment, LogFormat, Mode, Posture, markdown, parse, reference};

const FILE: &str = "vitrine.toml";

fn environment(pairs: &[(&str, &str)]) -> Environment {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

/// Reads a file's text and an environment; mistakes as they are printed.
fn read(text: &str, pairs: &[(&str, &str)]) -> (Config, Vec<String>) {
    let (config, mistakes) = parse(Some((Path::new(FILE), text)), &environment(pairs));
    (config, mistakes.iter().map(ToString::to_string).collect())
}

fn accepted(text: &str, pairs: &[(&str, &str)]) -> Config {
    let (config, mistakes) = read(text, pairs);
    assert!(mistakes.is_empty(), "{mistakes:#?}");
    config
}

#[test]
fn the_shipped_file_is_the_reference_and_equals_the_defaults() {
    let shipped = concat!(env!("CARGO_MANIFEST_DIR"), "/../config/vitrine.toml");
    if std::env::var_os("REWRITE").is_some() {
        std::fs::write(shipped, reference()).unwrap();
    }
    let text = std::fs::read_to_string(shipped).unwrap();
    assert!(text == reference(), "config/vitrine.toml is not the reference: REWRITE=1 writes it");
    let url = [("VITRINE_CUSTOMER_URL", "postgres://u@h/shop")];
    let from_file = accepted(&text, &url);
    let from_nothing = accepted("", &url);
    assert_eq!(settings(&from_file), settings(&from_nothing));
}

/// The reference as `docs/configure.md` has it.
fn reference_of_the_page() -> String {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/configure.md");
    let text = std::fs::read_to_string(path).unwrap();
    let (before, found) = text.split_once(REFERENCE).expect("docs/configure.md marks its reference");
    if std::env::var_os("REWRITE").is_some() {
        std::fs::write(path, format!("{before}{REFERENCE}{}", markdown())).unwrap();
        return markdown();
    }
    found.to_owned()
}

const REFERENCE: &str =
    "<!-- From here on: `vitrine config reference`. A test holds both equal; REWRITE=1 writes it. -->\n\n";

#[test]
fn the_page_holds_what_the_program_prints() {
    let found = reference_of_the_page();
    assert!(found == markdown(), "docs/configure.md is not the reference: REWRITE=1 writes it");
    let output =
        Command::new(env!("CARGO_BIN_EXE_vitrine")).args(["config", "reference"]).env_clear().output().unwrap();
    assert_eq!((output.status.code(), String::from_utf8(output.stdout).unwrap()), (Some(0), markdown()));
}

/// Both come from the same list; read back, they name the same keys under the same sections.
#[test]
fn the_page_and_the_file_have_the_same_keys() {
    let (mut section, mut in_page) = (String::new(), Vec::new());
    for line in markdown().lines() {
        if let Some(heading) = line.strip_prefix("### ") {
            section = heading.trim_matches(['`', '[', ']']).replace("Above the first section", "");
        }
        if let Some((key, _)) = line.strip_prefix("| `").and_then(|rest| rest.split_once('`')) {
            in_page.push(format!("{section}.{key}"));
        }
    }
    let (mut section, mut in_file) = (String::new(), Vec::new());
    let file = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../config/vitrine.toml")).unwrap();
    for line in file.lines().map(|line| line.strip_prefix("# ").unwrap_or(line)) {
        if line.starts_with('[') && line.ends_with(']') && !line.contains(' ') {
            section = line.trim_matches(['[', ']']).to_owned();
        }
        let name = line.split_once(" = ").map(|(key, _)| key);
        if let Some(key) = name.filter(|key| key.chars().all(|c| c.is_ascii_lowercase() || c == '_')) {
            in_file.push(format!("{section}.{key}"));
        }
    }
    assert_eq!(in_page, in_file);
    assert!(in_page.len() > 80, "{}", in_page.len());
}

#[test]
fn the_page_tells_the_defaults_of_both_modes() {
    let text = markdown();
    let row = |key: &str| {
        let found = text.lines().find(|line| line.starts_with(&format!("| `{key}` |")));
        found.unwrap_or_else(|| panic!("{key} is not there")).to_owned()
    };
    for (key, expected) in [
        ("posture", "| `\"warn\"` | `\"strict\"` | `VITRINE_POSTURE` |"),
        ("auth", "| `\"trust\"` | `\"scram\"` | `VITRINE_AUTH` |"),
        ("cert", "| none | must be set | `VITRINE_TLS_CERT` |"),
        ("key", "| none | must be set | `VITRINE_TLS_KEY` |"),
        ("users_file", "| none | must be set | `VITRINE_USERS_FILE` |"),
        ("required", "| `false` | `true` | `VITRINE_TLS_REQUIRED` |"),
        ("frame_bytes_max", "| bytes | `16_777_216` | `16_777_216` | `VITRINE_LIMITS_FRAME_BYTES_MAX` |"),
        ("statement_ms", "| ms | `300_000` | `300_000` | `VITRINE_TIMEOUTS_STATEMENT_MS` |"),
        ("tenant", "| none | none | `VITRINE_INSIGHTS_USER_n_TENANT` |"),
    ] {
        assert!(row(key).ends_with(expected), "{}", row(key));
    }
}

#[test]
fn a_variable_may_name_a_file_that_holds_its_value() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("url");
    std::fs::write(&path, "postgres://u:pass@h/shop\n").unwrap();
    let path = path.display().to_string();
    let config = accepted("", &[("VITRINE_CUSTOMER_URL_FILE", &path)]);
    assert_eq!(config.databases.len(), 1, "{config:?}");
    assert!(!format!("{config:?}").contains("pass"));

    let (_, mistakes) = read("", &[("VITRINE_CUSTOMER_URL_FILE", "/nowhere/url")]);
    assert!(
        mistakes[0].starts_with("environment: VITRINE_CUSTOMER_URL_FILE: cannot read /nowhere/url"),
        "{mistakes:?}"
    );

    let both = [("VITRINE_CUSTOMER_URL_FILE", path.as_str()), ("VITRINE_CUSTOMER_URL", "postgres://u@h/shop")];
    let (_, mistakes) = read("", &both);
    assert!(mistakes[0].contains("VITRINE_CUSTOMER_URL is set as well"), "{mistakes:?}");

    // A setting of its own that ends in _FILE is that setting.
    let (_, mistakes) = read("", &[("VITRINE_CUSTOMER_URL", "postgres://u@h/shop"), ("VITRINE_NOTHING_FILE", "x")]);
    assert!(mistakes[0].contains("no setting has this name"), "{mistakes:?}");
}

/// Everything but the places where values were given.
fn settings(config: &Config) -> String {
    let shown = format!("{config:?}");
    shown.split("origins").next().unwrap_or_default().to_owned()
}

#[test]
fn every_example_of_the_reference_is_accepted() {
    let mut text = String::new();
    for line in reference().lines() {
        let setting = line.strip_prefix("# ").filter(|rest| {
            rest.starts_with("[[")
                || rest
                    .split_once(" = ")
                    .is_some_and(|(key, _)| key.chars().all(|c| c.is_ascii_lowercase() || c == '_'))
        });
        let line = setting.unwrap_or(line);
        // Two spellings of one database, and inline users, would be mistakes of their own.
        if !line.starts_with("client_ca") {
            text.push_str(line);
        }
        text.push('\n');
    }
    let text = text.replacen("/shop\"", "/main\"", 1);
    let (_, mistakes) = read(&text, &[]);
    assert!(mistakes.is_empty(), "{mistakes:#?}\n{text}");
}

#[test]
fn it_starts_without_a_file() {
    let (config, mistakes) =
        parse(None, &environment(&[("VITRINE_CUSTOMER_URL", "postgres://u:p@h:1/sh%6Fp?sslmode=require")]));
    assert!(mistakes.is_empty(), "{mistakes:?}");
    assert_eq!(config.databases[0].name, "shop");
    assert_eq!(config.mode, Mode::Development);
    assert_eq!((config.auth, config.posture, config.log), (Auth::Trust, Posture::Warn, LogFormat::Pretty));
    assert_eq!(config.listen[0].to_string(), "127.0.0.1:6432");
}

#[test]
fn production_is_strict_by_default() {
    let config = accepted(
        "mode = \"production\"\nusers_file = \"/u\"\n[tls]\ncert = \"/c\"\nkey = \"/k\"\n[customer]\nurl = \"postgres://u@h/shop\"",
        &[],
    );
    assert_eq!((config.auth, config.posture, config.log), (Auth::Scram, Posture::Strict, LogFormat::Json));
    assert!(config.tls_required);
    assert_eq!(config.listen[0].to_string(), "0.0.0.0:6432");
}

#[test]
fn production_refuses_what_development_allows() {
    let (_, mistakes) = read(
        "mode = \"production\"\nauth = \"trust\"\nposture = \"warn\"\nlog = \"pretty\"\nusers = [\"a:b\"]\n\
         [tls]\nrequired = false\n[customer]\nurl = \"postgres://u@h/shop\"",
        &[],
    );
    assert_eq!(
        mistakes,
        [
            "vitrine.toml:2: auth: production does not trust: scram, cert or scram+cert",
            "vitrine.toml:2: auth: trust is for loopback: set users or listen on 127.0.0.1",
            "vitrine.toml:3: posture: production refuses to serve with a role that could write: strict",
            "vitrine.toml:4: log: production logs json",
            "vitrine.toml:5: users: production takes users from users_file, as SCRAM verifiers",
            "vitrine.toml:7: tls.required: production requires TLS",
            "configuration: tls.cert: production needs a certificate",
            "configuration: users_file: production needs a file of users with their SCRAM verifiers",
        ]
    );
}

#[test]
fn the_environment_beats_the_file() {
    let file = "mode = \"development\"\n[customer]\nurl = \"postgres://u@h/from_file\"\n[pool]\nsize = 7\n[limits]\nclients_max = 11\n";
    let config = accepted(file, &[("VITRINE_POOL_SIZE", "9"), ("VITRINE_CUSTOMER_URL", "postgres://u@h/from_env")]);
    assert_eq!(config.pool.size, 9);
    assert_eq!(config.limits.clients_max, 11);
    assert_eq!(config.databases.len(), 1);
    assert_eq!(config.databases[0].name, "from_env");
    assert_eq!(config.databases[0].pool_size, 9);
}

#[test]
fn every_setting_has_its_variable() {
    let mut count = 0;
    for line in reference().lines() {
        let Some((name, _)) = line.strip_prefix("# [VITRINE_").and_then(|rest| rest.split_once(':')) else { continue };
        let name = format!("VITRINE_{name}");
        let (_, mistakes) = parse(None, &environment(&[(&name, "\u{1}")]));
        let unknown = mistakes.iter().any(|mistake| mistake.to_string().contains("no setting has this name"));
        assert!(!unknown, "{name} is in the reference but not read");
        count += 1;
    }
    assert!(count > 40, "only {count} variables in the reference");
}

#[test]
fn several_databases_and_users_from_file_and_environment() {
    let file = r#"
users = ["analyst:x", "app:y"]
[[database]]
url = "postgres://v@a/shop"
[[database]]
name = "archive"
url = "postgres://v@b/shop"
pool_size = 3
[[user]]
name = "analyst"
databases = ["archive"]
upstream_user = "analyst_read"
"#;
    let config = accepted(
        file,
        &[
            ("VITRINE_DATABASE_3_URL", "postgres://v@c/third"),
            ("VITRINE_DATABASE_1_POOL_SIZE", "5"),
            ("VITRINE_USER_1_UPSTREAM_USER", "other"),
        ],
    );
    let offered: Vec<_> = config.databases.iter().map(|d| (d.name.as_str(), d.pool_size)).collect();
    assert_eq!(offered, [("shop", 5), ("archive", 3), ("third", 20)]);
    assert_eq!(config.mappings[0].upstream_user.as_deref(), Some("other"));
    assert_eq!(config.users.len(), 2);
    assert_eq!(config.auth, Auth::Scram);
}

#[test]
fn one_run_lists_every_mistake_with_its_place() {
    let file = "mode = \"producton\"\n\
                listen = [\"0.0.0.0:6432\", \"nowhere\"]\n\
                [limits]\n\
                frame_bytes_max = 12\n\
                frame_byte_max = 65536\n\
                clients_max = \"many\"\n\
                [tls]\n\
                cert = 5\n\
                [typo]\n\
                x = 1\n\
                [customer]\n\
                url = \"mysql://u:hunter2@h/shop\"\n";
    let (_, mistakes) = read(file, &[("VITRINE_POOL_SIZE", "-1"), ("VITRINE_POSTUER", "strict")]);
    assert_eq!(
        mistakes,
        [
            "vitrine.toml:1: mode: expected development or production, found \"producton\"",
            "vitrine.toml:2: listen: expected IP:PORT or unix:/PATH, found \"nowhere\"",
            "vitrine.toml:4: limits.frame_bytes_max: 12 is not between 65536 and 1073741823",
            "vitrine.toml:5: limits.frame_byte_max: no such setting",
            "vitrine.toml:6: limits.clients_max: expected a whole number, found a string",
            "vitrine.toml:8: tls.cert: expected a string, found an integer",
            "vitrine.toml:10: typo.x: no such setting",
            "vitrine.toml:12: customer.url: the URL must begin with postgres:// or postgresql://",
            "environment: VITRINE_POOL_SIZE: expected a whole number of zero or more, found \"-1\"",
            "environment: VITRINE_POSTUER: no setting has this name, see `vitrine config reference`",
        ]
    );
    assert!(!mistakes.join("").contains("hunter2"));
}

#[test]
fn bad_inputs_one_by_one() {
    let url = "[customer]\nurl = \"postgres://u@h/shop\"\n";
    for (file, pairs, expected) in [
        ("", &[][..], "no customer database"),
        ("[customer]\nurl = \"postgres://h/d\"", &[], "names no user"),
        ("[customer]\nurl = \"postgres://u@h/%zz\"", &[], "percent-encoding"),
        ("[customer]\nurl = \"postgres://u@h/d?sslmod=disable\"", &[], "unknown parameter \"sslmod\""),
        ("[customer]\nurl = \"postgres://u@h/vitrine\"", &[], "own database"),
        ("[customer\n", &[("VITRINE_CUSTOMER_URL", "postgres://u@h/d")], "vitrine.toml:1: "),
        (
            "mode = \"development\"\nmode = \"development\"\n",
            &[("VITRINE_CUSTOMER_URL", "postgres://u@h/d")],
            "duplicate key",
        ),
        (url, &[("VITRINE_LISTEN", "0.0.0.0:6432"), ("VITRINE_AUTH", "trust")], "trust is for loopback"),
        (url, &[("VITRINE_LISTEN", "0.0.0.0:6432")], "nobody may come in"),
        (url, &[("VITRINE_LISTEN", "127.0.0.1:1,127.0.0.1:1")], "is there twice"),
        (url, &[("VITRINE_LISTEN", "127.0.0.1:6433")], "is an address of listen too"),
        (url, &[("VITRINE_USERS", "justaname")], "entry 1 is not name:password"),
        (url, &[("VITRINE_USERS", "a:b,a:c")], "is there twice"),
        (url, &[("VITRINE_TLS_CERT", "/c")], "a certificate needs its key"),
        (url, &[("VITRINE_TLS_KEY", "/c")], "a key needs its certificate"),
        (url, &[("VITRINE_TLS_REQUIRED", "true")], "cannot be required without"),
        (url, &[("VITRINE_TLS_REQUIRED", "perhaps")], "expected true or false"),
        (url, &[("VITRINE_AUTH", "cert")], "authorities that they come from"),
        (url, &[("VITRINE_AUTH", "md5")], "expected scram or cert or scram+cert or trust"),
        (url, &[("VITRINE_LIMITS_FRAME_BYTES_MAX", "65536")], "more than limits.frame_bytes_max"),
        (url, &[("VITRINE_WATCH_CATALOG_AGE_MAX_MS", "1000")], "always be stale"),
        (url, &[("VITRINE_POOL_LIFETIME_MS", "1000")], "more than pool.lifetime_ms"),
        (url, &[("VITRINE_DATABASE_0_URL", "postgres://u@h/x")], "no setting has this name"),
        (url, &[("VITRINE_DATABASE_3_URL", "postgres://u@h/x")], "database[1].url: is missing"),
        (url, &[("VITRINE_DATABASE_1_URL", "postgres://u@h/shop")], "is called \"shop\" too"),
        (url, &[("VITRINE_USER_1_UPSTREAM_USER", "x")], "user[1].name: is missing"),
        (url, &[("VITRINE_USER_1_NAME", "x"), ("VITRINE_USER_1_DATABASES", "nope")], "no database is called \"nope\""),
        (url, &[("VITRINE_USER_1_NAME", "x"), ("VITRINE_USER_1_UPSTREAM_PASSWORD_FILE", "/p")], "needs upstream_user"),
    ] {
        let (_, mistakes) = read(file, pairs);
        assert!(mistakes.iter().any(|mistake| mistake.contains(expected)), "{file:?} {pairs:?}: {mistakes:#?}");
    }
}

#[test]
fn no_secret_is_shown() {
    let config = accepted(
        "users = [\"app:hunter2\"]\n[customer]\nurl = \"postgres://u:hunter2@h/shop\"\n[insights]\nurl = \"postgres://u:hunter2@h/i\"",
        &[],
    );
    assert!(!format!("{config:?}").contains("hunter2"));
}

#[test]
fn the_program_lists_the_mistakes_and_exits_78() {
    for arguments in [&["serve"][..], &["config", "check"]] {
        let output = Command::new(env!("CARGO_BIN_EXE_vitrine"))
            .args(arguments)
            .env_clear()
            .env("VITRINE_POOL_SIZE", "0")
            .env("VITRINE_POSTUER", "strict")
            .output()
            .unwrap();
        let errors = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(78), "{errors}");
        for expected in ["VITRINE_POOL_SIZE: 0 is not between", "VITRINE_POSTUER: no setting", "no customer database"] {
            assert!(errors.contains(expected), "{errors}");
        }
        assert!(output.stdout.is_empty());
    }
}

#[test]
fn unreadable_files_are_in_the_same_list() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    std::fs::write(path("users"), "\"a\" \"plain\"\n\"b\"\n").unwrap();
    std::fs::write(path("cert"), "not a certificate").unwrap();
    let file = format!(
        "mode = \"production\"\nusers_file = \"{}\"\n[tls]\ncert = \"{}\"\nkey = \"/nowhere/key\"\n[pool]\nsize = 0\n\
         [customer]\nurl = \"postgres://u@h/shop\"\n[[user]]\nname = \"c\"\nupstream_user = \"r\"\nupstream_password_file = \"/nowhere/secret\"\n",
        path("users").display(),
        path("cert").display()
    );
    std::fs::write(path("vitrine.toml"), file).unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_vitrine"))
        .args(["config", "check", "--config"])
        .arg(path("vitrine.toml"))
        .env_clear()
        .output()
        .unwrap();
    let errors = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(78), "{errors}");
    for expected in [
        "vitrine.toml:2: users_file: ",
        "line 1: user \"a\" has a plain password",
        "line 2: expected \"name\" \"verifier\"",
        "vitrine.toml:4: tls.cert: no certificate found",
        "vitrine.toml:7: pool.size: 0 is not between",
        "vitrine.toml:13: user[1].upstream_password_file: /nowhere/secret",
        "vitrine.toml:5: tls.key: /nowhere/key",
        "6 mistakes",
    ] {
        assert!(errors.contains(expected), "{expected}: {errors}");
    }
    assert!(!errors.contains("plain\""), "{errors}");
}

#[test]
fn every_certificate_that_cannot_be_read_is_listed() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("vitrine.toml");
    let text = "[customer]\nurl = \"postgres://a@h/d\"\n[tls]\ncert = \"/nosuch/crt\"\nkey = \"/nosuch/key\"\n\
                client_ca = \"/nosuch/ca\"\n";
    std::fs::write(&file, text).unwrap();
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_vitrine"));
    let output = command.env_clear().args(["serve", "--config"]).arg(&file).output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(78), "{errors}");
    for mistake in ["4: tls.cert: /nosuch/crt: ", "5: tls.key: /nosuch/key: ", "6: tls.client_ca: /nosuch/ca: "] {
        assert!(errors.contains(mistake), "{mistake}: {errors}");
    }
}

/// The test is built as the program is: with a commit where one was given, and without asking git in a debug build.
#[test]
fn the_program_tells_its_version_and_commit() {
    let output = Command::new(env!("CARGO_BIN_EXE_vitrine")).arg("--version").env_clear().output().unwrap();
    let told = String::from_utf8(output.stdout).unwrap();
    let expected = match env!("BUILT_COMMIT") {
        "unknown" => format!("vitrine {}\n", env!("CARGO_PKG_VERSION")),
        commit => format!("vitrine {} ({commit})\n", env!("CARGO_PKG_VERSION")),
    };
    assert_eq!((output.status.code(), told), (Some(0), expected));
}

#[test]
fn completions_and_man_pages_name_every_command() {
    let program = || Command::new(env!("CARGO_BIN_EXE_vitrine"));
    let folder = tempfile::tempdir().unwrap();
    assert!(program().arg("man").arg(folder.path()).status().unwrap().success());
    let bash = String::from_utf8(program().args(["completions", "bash"]).output().unwrap().stdout).unwrap();
    for command in ["serve", "check", "config", "doctor", "migrate", "backup", "restore", "verify", "health"] {
        let page = std::fs::read_to_string(folder.path().join(format!("vitrine-{command}.1"))).unwrap();
        assert!(page.contains(&format!("vitrine {command}")) || page.contains(command), "{page}");
        assert!(bash.contains(&format!("vitrine__subcmd__{command}")) || bash.contains(&format!("vitrine__{command}")));
    }
}
