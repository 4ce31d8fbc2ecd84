//! Passwords, with tokio-postgres as the client and by hand.

use tokio_postgres::error::SqlState as DriverState;
use tokio_postgres::{Config, NoTls};

use super::*;

async fn log_in(door: &Arc<Door>, user: &str, password: &str, database: &str) -> Result<Seen, tokio_postgres::Error> {
    let (near, served) = spawn(ABROAD, door);
    let (client, connection) =
        Config::new().user(user).password(password).dbname(database).connect_raw(near, NoTls).await?;
    let driver = tokio::spawn(connection);
    client.batch_execute("set x to y").await?;
    drop(client);
    driver.await.unwrap()?;
    Ok(served.await.unwrap().unwrap().unwrap())
}

#[tokio::test]
async fn the_right_password_opens() {
    let door = door(Auth::Scram);
    let seen = log_in(&door, "ann", "secret", "any").await.unwrap();
    assert_eq!((seen.user.as_str(), seen.database.as_str(), seen.upstream), ("ann", "any", None));
    let seen = log_in(&door, "bob", "pä ss", "shop").await.unwrap();
    assert_eq!(seen.upstream.as_deref(), Some("reader"));
}

#[tokio::test(start_paused = true)]
async fn a_wrong_password_an_unknown_user_and_one_without_password_look_the_same() {
    let door = door(Auth::Scram);
    for (user, password) in [("ann", "Secret"), ("nobody", "secret"), ("cert only", "secret"), ("ANN", "secret")] {
        let error = log_in(&door, user, password, "shop").await.unwrap_err();
        let told = error.as_db_error().unwrap();
        assert_eq!(told.code(), &DriverState::INVALID_PASSWORD);
        assert_eq!(told.message(), format!("password authentication failed for user \"{user}\""));
        assert_eq!((told.severity(), told.detail(), told.hint()), ("FATAL", None, None));
    }
}

#[tokio::test]
async fn a_database_that_the_user_may_not_open_is_refused_after_the_password() {
    let error = log_in(&door(Auth::Scram), "bob", "pä ss", "payroll").await.unwrap_err();
    let told = error.as_db_error().unwrap();
    assert_eq!(told.code(), &DriverState::INSUFFICIENT_PRIVILEGE);
    assert_eq!(told.message(), "permission denied for database \"payroll\"");
}

#[tokio::test]
async fn replaced_users_hold_for_the_next_client() {
    let door = door(Auth::Scram);
    door.replace_users(Users::new(with_passwords(&[("ann", "another")])));
    assert!(log_in(&door, "ann", "secret", "shop").await.is_err());
    assert!(log_in(&door, "ann", "another", "shop").await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn failures_from_one_address_get_slower_and_success_is_never_delayed() {
    let door = door(Auth::Scram);
    let mut waits = Vec::new();
    for _ in 0..3 {
        let start = tokio::time::Instant::now();
        log_in(&door, "ann", "wrong", "shop").await.unwrap_err();
        waits.push(start.elapsed().as_millis());
    }
    assert!(waits[0] >= 25 && waits[1] >= 50 && waits[2] >= 100, "{waits:?}");
    let start = tokio::time::Instant::now();
    log_in(&door, "ann", "secret", "shop").await.unwrap();
    assert_eq!(start.elapsed().as_millis(), 0);
}

/// Starts up as `user`, sends each message in turn, and answers what came back to the last one.
async fn by_hand(user: &str, messages: &[&[u8]]) -> (Vec<u8>, Result<Option<Seen>, DoorError>) {
    let (mut client, served) = spawn(HOME, &door(Auth::Scram));
    client.write_all(&startup(format!("user\0{user}\0\0").as_bytes())).await.unwrap();
    let mut heard = client_frame(&mut client).await;
    assert_eq!(heard, b"R\0\0\0\x17\0\0\0\x0aSCRAM-SHA-256\0\0");
    for message in messages {
        client.write_all(message).await.unwrap();
        heard = client_frame(&mut client).await;
    }
    drop(client);
    (heard, served.await.unwrap())
}

async fn client_frame(client: &mut DuplexStream) -> Vec<u8> {
    let mut header = [0; 5];
    client.read_exact(&mut header).await.unwrap();
    let mut body = vec![0; frame::header(&header).unwrap().unwrap().body_bytes];
    client.read_exact(&mut body).await.unwrap();
    [&header[..], &body].concat()
}

const FIRST: &[u8] = b"p\0\0\0\x23SCRAM-SHA-256\0\0\0\0\x0dn,,n=,r=nonce";

#[tokio::test]
async fn messages_out_of_place_are_refused() {
    let table: &[(&[u8], &str)] = &[
        (b"Q\0\0\0\x0dSELECT 1\0", "FATAL 08P01 expected SASL response, got message type 81"),
        (b"p\0\0\x04\x05", "FATAL 08P01 invalid message length"),
        (b"p\0\0\0\x03", "FATAL 08P01 invalid message length"),
        (b"p\xff\xff\xff\xff", "FATAL 08P01 invalid message length"),
        (b"p\0\0\0\x0bsecret\0", "FATAL 08P01 insufficient data left in message"),
        (b"p\0\0\0\x0eMD5\0\0\0\0\x02xy", "FATAL 08P01 client selected an invalid SASL authentication mechanism"),
        (
            b"p\0\0\0\x17SCRAM-SHA-256\0\0\0\0\x01n",
            "FATAL 08P01 malformed SCRAM message / Unexpected channel-binding flag.",
        ),
    ];
    for (message, wanted) in table {
        let (heard, _) = by_hand("ann", &[message]).await;
        assert_eq!(told(&heard), *wanted, "{message:?}");
    }
}

#[tokio::test]
async fn a_client_may_begin_with_an_empty_response() {
    let empty: &[u8] = b"p\0\0\0\x16SCRAM-SHA-256\0\xff\xff\xff\xff";
    let (heard, _) = by_hand("ann", &[empty]).await;
    assert_eq!(heard, b"R\0\0\0\x08\0\0\0\x0b");
    let (heard, _) = by_hand("ann", &[empty, b"p\0\0\0\x11n,,n=,r=nonce"]).await;
    assert!(heard[9..].starts_with(b"r=nonce"), "{heard:?}");
}

#[tokio::test]
async fn leaving_at_the_password_prompt_is_ordinary() {
    let (mut client, served) = spawn(HOME, &door(Auth::Scram));
    client.write_all(&startup(b"user\0ann\0\0")).await.unwrap();
    client_frame(&mut client).await;
    drop(client);
    assert!(matches!(served.await.unwrap(), Err(DoorError::Disconnected("authentication"))));
    let (mut client, served) = spawn(HOME, &door(Auth::Scram));
    client.write_all(&startup(b"user\0ann\0\0")).await.unwrap();
    client.write_all(b"X\0\0\0\x04").await.unwrap();
    assert!(matches!(served.await.unwrap(), Err(DoorError::Disconnected("authentication"))));
}

#[tokio::test]
async fn challenges_do_not_tell_whether_a_user_exists() {
    let door = door(Auth::Scram);
    let mut salts = Vec::new();
    for user in ["ann", "nobody", "nobody", "somebody", "cert only"] {
        let (mut client, _served) = spawn(HOME, &door);
        client.write_all(&startup(format!("user\0{user}\0\0").as_bytes())).await.unwrap();
        client_frame(&mut client).await;
        client.write_all(FIRST).await.unwrap();
        let challenge = String::from_utf8(client_frame(&mut client).await[9..].to_vec()).unwrap();
        let (_, salt) = challenge.split_once(",s=").unwrap();
        assert!(salt.len() == 24 + ",i=4096".len() && salt.ends_with(",i=4096"), "{challenge}");
        salts.push(salt.to_owned());
    }
    assert_eq!(salts[1], salts[2]);
    assert_ne!(salts[1], salts[3]);
    assert_ne!(salts[0], salts[1]);
}
