use super::*;

fn good(url: &str) -> Target {
    Target::from_url(url).unwrap_or_else(|error| panic!("{url}: {error}"))
}

fn bad(url: &str) -> String {
    Target::from_url(url).expect_err(url).to_string()
}

fn tcp(host: &str, port: u16) -> Endpoint {
    Endpoint::Tcp { host: host.to_owned(), port }
}

#[test]
fn every_part_is_read_and_decoded() {
    let target = good("postgres://ana%40corp:p%3Aq%2F%25@db.example:6000/sh%20op?application_name=x&connect_timeout=3");
    assert_eq!(target.endpoint, tcp("db.example", 6000));
    assert_eq!(target.user, "ana@corp");
    assert_eq!(target.database, "sh op");
    assert_eq!(target.secret.read().unwrap().as_deref(), Some("p:q/%"));
    assert_eq!(target.application_name, "x");
    assert_eq!(target.connect_timeout, Duration::from_secs(3));
}

#[test]
fn what_is_left_out_has_libpqs_default() {
    let target = good("postgresql://ana@");
    assert_eq!(target.endpoint, tcp("localhost", 5432));
    assert_eq!(target.database, "ana");
    assert_eq!(target.secret, Secret::none());
    assert_eq!(good("postgres://?user=u&dbname=d&host=h&port=9&password=p").endpoint, tcp("h", 9));
}

#[test]
fn addresses_and_sockets() {
    assert_eq!(good("postgres://u@[::1]:1/d").endpoint, tcp("::1", 1));
    assert_eq!(good("postgres://u@[fe80::1]/d").endpoint, tcp("fe80::1", 5432));
    let socket = Endpoint::Unix { directory: "/var/run/postgresql".into(), port: 5433 };
    assert_eq!(good("postgres://u@%2Fvar%2Frun%2Fpostgresql:5433/d").endpoint, socket);
    assert_eq!(good("postgres://u@/d?host=/var/run/postgresql&port=5433").endpoint, socket);
    assert_eq!(socket.socket_path().unwrap().to_str(), Some("/var/run/postgresql/.s.PGSQL.5433"));
    assert_eq!(bad("postgres://u@a,b/d"), "several hosts in one URL are not supported");
    assert_eq!(bad("postgres://u@/d?host=a&port=1,2"), "several hosts in one URL are not supported");
    bad("postgres://u@[::1/d");
    bad("postgres://u@[nonsense]/d");
    bad("postgres://u@h:0/d");
    bad("postgres://u@h:70000/d");
    bad("postgres://u@h%20x/d");
}

#[test]
fn encryption_is_the_default_beyond_this_machine() {
    assert_eq!(good("postgres://u@db.example/d").tls.mode, SslMode::VerifyFull);
    assert_eq!(good("postgres://u@10.0.0.1/d").tls.mode, SslMode::VerifyFull);
    assert_eq!(good("postgres://u@127.0.0.9/d").tls.mode, SslMode::Prefer);
    assert_eq!(good("postgres://u@localhost/d").tls.mode, SslMode::Prefer);
    assert_eq!(good("postgres://u@%2Ftmp/d?sslmode=require").tls.mode, SslMode::Disable);
    assert_eq!(good("postgres://u@h/d?sslmode=disable").tls.mode, SslMode::Disable);
    assert_eq!(good("postgres://u@h/d?sslmode=require").tls.mode, SslMode::Require);
    assert_eq!(good("postgres://u@h/d?sslmode=require&sslrootcert=/ca").tls.mode, SslMode::VerifyCa);
    assert_eq!(good("postgres://u@h/d?sslrootcert=/ca").tls.roots, Roots::File("/ca".into()));
    assert_eq!(good("postgres://u@h/d?sslrootcert=system").tls.roots, Roots::System);
    assert!(good("postgres://u@h/d?sslnegotiation=direct").tls.direct);
    bad("postgres://u@h/d?sslmode=prefer&sslnegotiation=direct");
    bad("postgres://u@h/d?sslmode=verify-ca&sslrootcert=system");
    bad("postgres://u@h/d?sslmode=on");
    bad("postgres://u@h/d?sslcert=/c");
    bad("postgres://u@h/d?sslkey=/k");
}

#[test]
fn options_are_settings_and_nothing_else() {
    let target = good("postgres://u@h/d?options=-c%20search_path%3Da%5C%20b%20--work-mem%3D4MB%20-cjit%3Doff");
    let settings: Vec<_> = target.settings.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    assert_eq!(settings, [("search_path", "a b"), ("work_mem", "4MB"), ("jit", "off")]);
    for options in ["-c%20default_transaction_read_only%3Doff", "--client-encoding%3DSJIS", "-B%205", "-c%20x", "-c"] {
        bad(&format!("postgres://u@h/d?options={options}"));
    }
}

#[test]
fn what_cannot_be_obeyed_is_refused() {
    assert_eq!(bad("mysql://u@h/d"), "the URL must begin with postgres:// or postgresql://");
    assert_eq!(bad("postgres://h/d"), "the URL names no user");
    assert_eq!(bad("postgres://u@h/d?readonly=1"), "unknown parameter \"readonly\"");
    assert_eq!(bad("postgres://u@h/d?port=1&port=2"), "parameter \"port\" is given twice");
    assert_eq!(bad("postgres://u@h:1/d?port=2"), "parameter \"port\" is given twice");
    assert_eq!(bad("postgres://u:p@h/d?password_file=/f"), "parameter \"password\" is given twice");
    bad("postgres://u:p@ss@h/d");
    bad("postgres://u@h/d?port");
    bad("postgres://u%4/d");
    bad("postgres://u%zz@h/d");
    bad("postgres://u%00@h/d");
    bad("postgres://u%ff@h/d");
}

#[test]
fn nothing_printed_holds_the_password() {
    let target = good("postgres://u:hunter2@h/d");
    assert!(!format!("{target:?} {target}").contains("hunter2"));
    assert!(!bad("postgres://u:hunter2@h:x/d").contains("hunter2"));
    assert!(!bad("postgres://u:hunter%2@h/d").contains("hunter"));
    assert_eq!(target.to_string(), "u@h:5432/d");
}

#[test]
fn a_role_of_its_own() {
    let target = good("postgres://u:p@h/d").with_role("v", Secret::file("/run/secret")).with_database("e");
    assert_eq!(target.to_string(), "v@h:5432/e");
    assert_eq!(format!("{:?}", target.secret), "Secret(file /run/secret)");
}
