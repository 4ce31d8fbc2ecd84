//! PostgreSQL as the oracle: what it says to the same bytes, and what it makes of the same `options`.

use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use proptest::{prelude::*, sample::select};
use tokio::net::TcpStream;
use tokio_postgres::{Config, NoTls};

use super::*;
use crate::demo::postgres::{self, Server};
use crate::wire::options::{self, UnknownSwitch};

async fn server(auth: postgres::Auth) -> Arc<Server> {
    let superuser_password = (auth != postgres::Auth::Trust).then(|| "secret".to_owned());
    Server::launch(postgres::Options { auth, superuser_password, ..postgres::Options::default() }).await.unwrap()
}

/// Sends `messages`, each after one frame of answer (the first at once); then the fields of the last frame when it is
/// an error, or its tag. AuthenticationOk is read over: some errors come after it.
async fn verdict<T: AsyncRead + AsyncWrite + Unpin>(mut io: T, messages: &[&[u8]]) -> String {
    let mut answer = (0, Vec::new());
    for message in messages {
        io.write_all(message).await.unwrap();
        answer = answered(&mut io).await;
    }
    if answer == (b'R', vec![0; 4]) {
        answer = answered(&mut io).await;
    }
    match answer {
        (b'E', body) => {
            let fields = Fields::decode(&body).unwrap();
            [b'S', b'C', b'M', b'D'].iter().filter_map(|key| fields.field(*key)).collect::<Vec<_>>().join(" / ")
        }
        (b'S' | b'K', _) => "let in".to_owned(),
        (tag, _) => char::from(tag).to_string(),
    }
}

async fn answered<T: AsyncRead + Unpin>(io: &mut T) -> (u8, Vec<u8>) {
    let mut header = [0; 5];
    io.read_exact(&mut header).await.unwrap();
    let header = frame::header(&header).unwrap().unwrap();
    let mut body = vec![0; header.body_bytes];
    io.read_exact(&mut body).await.unwrap();
    (header.tag, body)
}

async fn both(server: &Server, door: &Arc<Door>, messages: &[&[u8]]) -> (String, String) {
    let theirs = verdict(TcpStream::connect(("127.0.0.1", server.port())).await.unwrap(), messages).await;
    let (client, _served) = spawn(HOME, door);
    (theirs, verdict(client, messages).await)
}

#[tokio::test(flavor = "multi_thread")]
async fn start_up_packets_are_answered_as_postgresql_answers_them() {
    let server = server(postgres::Auth::Trust).await;
    let door = door(Auth::Trust);
    let packets = [
        startup(b"user\0postgres\0\0"),
        startup(b"user\0postgres\0database\0\0\0"),
        startup(b"user\0postgres\0replication\0false\0\0"),
        startup(b"user\0nobody\0user\0postgres\0\0"),
        startup(b"\0"),
        startup(b"user\0\0\0"),
        startup(b"database\0postgres\0\0"),
        startup(b""),
        startup(b"user"),
        startup(b"user\0postgres"),
        startup(b"user\0postgres\0"),
        startup(b"user\0postgres\0database\0"),
        startup(b"user\0postgres\0\0x"),
        startup(b"user\0postgres\0\0\0"),
        startup(b"user\0postgres\0database\0postgres\0\0user\0ann\0\0"),
        startup(b"user\0postgres\0options\0-c\0\0"),
        startup(b"user\0postgres\0options\0-c a\0\0"),
        startup(b"user\0postgres\0options\0--a\0\0"),
        startup(b"user\0postgres\0options\0a=b\0\0"),
        startup(b"user\0postgres\0options\0-\0\0"),
        packet(0x0003_0063, b"user\0postgres\0\0"),
        packet(0x0003_0000, b"user\0postgres\0_pq_.x\x001\0\0"),
    ];
    for packet in &packets {
        let (theirs, ours) = both(&server, &door, &[packet]).await;
        assert_eq!(ours, theirs, "{}", packet.escape_ascii());
    }
    // A wanted difference: 3.0 is all that is spoken here. (Below 3 PostgreSQL answers in a format of 1996.)
    for version in [0x0004_0000, 0x04d2_1631] {
        let (theirs, ours) = both(&server, &door, &[&packet(version, b"\0")]).await;
        let (cut, _) = theirs.rsplit_once(" to 3.").unwrap();
        assert_eq!(ours, format!("{cut} to 3.0"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn scram_messages_are_answered_as_postgresql_answers_them() {
    let server = server(postgres::Auth::Scram).await;
    let users = with_passwords(&[("postgres", "secret")]);
    let door = Arc::new(Door::new(development(Auth::Scram), Users::new(users), None).unwrap());
    let first = |mechanism: &str, text: &str| {
        let length = u32::try_from(4 + mechanism.len() + 1 + 4 + text.len()).unwrap();
        let parts: [&[u8]; 6] = [
            b"p",
            &length.to_be_bytes(),
            mechanism.as_bytes(),
            b"\0",
            &u32::try_from(text.len()).unwrap().to_be_bytes(),
            text.as_bytes(),
        ];
        parts.concat()
    };
    let later = |text: &str| {
        let length = u32::try_from(4 + text.len()).unwrap();
        [b"p".as_slice(), &length.to_be_bytes(), text.as_bytes()].concat()
    };
    let hello = startup(b"user\0postgres\0\0");
    let firsts = [
        "n,,n=,r=x",
        "y,,n=,r=x",
        "n,,n=postgres,r=x",
        "n,,n=,r=x,e=ignored",
        "n,,m=1,n=,r=x",
        "n,a=bob,n=,r=x",
        "p=tls-server-end-point,,n=,r=x",
        "p=tls-unique,,n=,r=x",
    ];
    for text in firsts {
        let (theirs, ours) = both(&server, &door, &[&hello, &first("SCRAM-SHA-256", text)]).await;
        assert_eq!(ours, theirs, "{text}");
    }
    // Where the message is malformed, PostgreSQL's DETAIL quotes the offending byte; ours says the same without it.
    let malformed = ["q,,n=,r=x", "n,x,n=,r=x", "n", "n,,n=x", "n,,r=x", "n,,n=,r=a b", "n,,n=,r=x,junk", ",,", "\0"];
    for text in malformed {
        let (theirs, ours) = both(&server, &door, &[&hello, &first("SCRAM-SHA-256", text)]).await;
        let summary = |text: &str| text.splitn(4, " / ").take(3).collect::<Vec<_>>().join(" / ");
        assert_eq!(summary(&ours), summary(&theirs), "{text:?}: {ours} | {theirs}");
    }
    for mechanism in ["SCRAM-SHA-256-PLUS", "PLAIN", ""] {
        let (theirs, ours) = both(&server, &door, &[&hello, &first(mechanism, "n,,n=,r=x")]).await;
        assert_eq!(ours, theirs, "{mechanism}");
    }
    let start = first("SCRAM-SHA-256", "n,,n=,r=x");
    for text in ["c=biws,r=x,p=AAAA", "c=eSws,r=x,p=AAAA", "r=x,p=AAAA", "c=biws,p=AAAA", "junk"] {
        let (theirs, ours) = both(&server, &door, &[&hello, &start, &later(text)]).await;
        let summary = |text: &str| text.split(" / ").take(2).collect::<Vec<_>>().join(" / ");
        assert_eq!(summary(&ours), summary(&theirs), "{text:?}: {ours} | {theirs}");
    }
    let (theirs, ours) = both(&server, &door, &[&hello, b"Q\0\0\0\x06x\0"]).await;
    assert_eq!(ours, theirs);
}

/// Words from which `options` are made: switches, settings of a class that takes any value, blanks and backslashes.
fn any_options() -> impl Strategy<Value = String> {
    let setting =
        select(vec!["x.a=3 ", "-c x.a=4 ", "-cx.b=5\\ 6\t", " --x.c-d=7 ", "-c x.c_d=\\\\8 ", "--x.b=ä'\",= "]);
    let piece = select(vec![
        "-c", "--", "-", "-c ", "x.a", "x.b", "x.c_d", "=", "=1", "=2 ", " ", "\t", "\u{b}", "\\", "\\ ", "\\\\", "-d",
        "-e",
    ]);
    let word = prop_oneof![3 => setting, 1 => piece];
    proptest::collection::vec(word, 0..6).prop_map(|words| words.concat())
}

/// The settings that PostgreSQL made of `options`, or its refusal.
async fn settings_of(server: &Server, options: &str) -> Result<Vec<Option<String>>, String> {
    let mut config = Config::new();
    config.host("127.0.0.1").port(server.port()).user("postgres").dbname("postgres").options(options);
    let (client, connection) = config.connect(NoTls).await.map_err(|error| format!("{error:?}"))?;
    let driver = tokio::spawn(connection);
    let mut settings = Vec::new();
    for name in NAMES {
        let row = client.query_one("select current_setting($1, true)", &[&name]).await.unwrap();
        settings.push(row.get::<_, Option<String>>(0));
    }
    drop(client);
    driver.await.unwrap().unwrap();
    Ok(settings)
}

const NAMES: [&str; 3] = ["x.a", "x.b", "x.c_d"];

#[tokio::test(flavor = "multi_thread")]
async fn options_mean_what_they_mean_to_postgresql() {
    let server = server(postgres::Auth::Trust).await;
    let mut runner = TestRunner::deterministic();
    let mut accepted = 0;
    for _ in 0..600 {
        let options = any_options().new_tree(&mut runner).unwrap().current();
        let theirs = settings_of(&server, &options).await;
        match (options::split(&options), theirs) {
            (Ok(pairs), Ok(theirs)) => {
                let last = |name: &str| pairs.iter().rev().find(|pair| pair.0 == name).map(|pair| pair.1.clone());
                assert_eq!(NAMES.map(last).to_vec(), theirs, "{options:?}");
                accepted += usize::from(!pairs.is_empty());
            }
            // Switches that PostgreSQL has and the gateway does not want.
            (Err(UnknownSwitch::NotPermitted(_)), _) | (Err(_), Err(_)) => {}
            // A setting of a name that PostgreSQL does not know: the session's policy refuses those.
            (Ok(pairs), Err(theirs)) => {
                assert!(pairs.iter().any(|pair| !NAMES.contains(&pair.0.as_str())), "{options:?}: {theirs}");
            }
            (Err(error), Ok(_)) => panic!("{options:?}: PostgreSQL takes it, and the door says {error}"),
        }
    }
    assert!(accepted > 50, "only {accepted} of the random options were settings: the test sees too little");
}
