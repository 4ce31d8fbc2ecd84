use proptest::prelude::*;

use super::*;

fn packet(version: u32, rest: &[u8]) -> BytesMut {
    let mut bytes = BytesMut::new();
    bytes.put_u32(u32::try_from(rest.len() + 8).unwrap());
    bytes.put_u32(version);
    bytes.extend_from_slice(rest);
    bytes
}

fn taken(mut bytes: BytesMut) -> Result<Option<StartupPacket>, StartupError> {
    take(&mut bytes, POSTGRES_STARTUP_BYTES_MAX)
}

fn startup(rest: &[u8]) -> StartupMessage {
    match taken(packet(VERSION_3_0, rest)) {
        Ok(Some(StartupPacket::Startup(message))) => message,
        other => panic!("{other:?}"),
    }
}

#[test]
fn requests_are_told_apart() {
    assert_eq!(taken(packet(SSL_REQUEST, b"")), Ok(Some(StartupPacket::Ssl)));
    assert_eq!(taken(packet(GSS_ENCRYPTION_REQUEST, b"")), Ok(Some(StartupPacket::GssEncryption)));
    let key = CancelKey { process_id: 7, secret: vec![1, 2, 3, 4] };
    assert_eq!(taken(packet(CANCEL_REQUEST, b"\0\0\0\x07\x01\x02\x03\x04")), Ok(Some(StartupPacket::Cancel(key))));
}

#[test]
fn a_cancel_key_is_between_4_and_256_bytes_and_never_shown() {
    for (bytes, accepted) in [(0, false), (3, false), (4, true), (32, true), (256, true), (257, false)] {
        let mut rest = vec![0, 0, 0, 1];
        rest.extend(vec![0xab; bytes]);
        assert_eq!(taken(packet(CANCEL_REQUEST, &rest)).is_ok(), accepted, "{bytes}");
    }
    assert_eq!(taken(packet(CANCEL_REQUEST, b"\0\0")), Err(StartupError::InvalidCancelLength));
    let key = CancelKey { process_id: 7, secret: vec![171; 4] };
    assert!(!format!("{key:?}").contains("171"));
}

#[test]
fn parameters_come_in_the_order_in_which_postgresql_applies_them() {
    let message = startup(b"user\0ann\0TimeZone\0UTC\0options\0-c a=b --c-d=e\0database\0shop\0TimeZone\0CET\0\0");
    assert_eq!((message.user.as_str(), message.database.as_str()), ("ann", "shop"));
    let shown: Vec<_> = message.parameters.iter().map(|(name, value)| format!("{name}={value}")).collect();
    assert_eq!(shown, ["a=b", "c_d=e", "TimeZone=UTC", "TimeZone=CET"]);
}

#[test]
fn the_database_defaults_to_the_user_and_the_last_of_a_name_counts() {
    let message = startup(b"user\0ann\0user\0bob\0options\0-d 5\0options\0-c a=b\0\0");
    assert_eq!((message.user.as_str(), message.database.as_str()), ("bob", "bob"));
    assert_eq!(message.parameters, [("a".to_owned(), "b".to_owned())]);
    assert_eq!(startup(b"database\0\0user\0ann\0\0").database, "ann");
    assert_eq!(startup(b"\0").user, "");
}

#[test]
fn newer_minor_versions_and_protocol_options_are_negotiated_down() {
    let Ok(Some(StartupPacket::Startup(message))) = taken(packet(0x0003_0002, b"user\0a\0_pq_.x\x001\0\0")) else {
        panic!("not a start-up message")
    };
    assert!(message.needs_negotiation() && message.parameters.is_empty());
    let mut out = BytesMut::new();
    put_negotiate_protocol_version(&mut out, &message);
    assert_eq!(&out[..], b"v\0\0\0\x13\0\x03\0\0\0\0\0\x01_pq_.x\0");
    assert!(!startup(b"user\0a\0\0").needs_negotiation());
}

#[test]
fn replication_is_refused_unless_it_is_plainly_false() {
    for value in ["false", "f", "FALSE", "no", "n", "off", "OF", "0"] {
        startup(format!("user\0a\0replication\0{value}\0\0").as_bytes());
    }
    for value in ["true", "t", "1", "on", "database", "yes", "", "o", "00", "perhaps"] {
        let refused = taken(packet(VERSION_3_0, format!("user\0a\0replication\0{value}\0\0").as_bytes()));
        assert_eq!(refused, Err(StartupError::Replication), "{value:?}");
    }
}

#[test]
fn malformed_packets_are_refused_with_postgresql_s_words() {
    let layout = "08P01 invalid startup packet layout: expected terminator as last byte";
    let length = "08P01 invalid length of startup packet";
    let table: &[(&str, BytesMut, &str)] = &[
        ("length 0", BytesMut::from(&[0; 8][..]), length),
        ("length 7", BytesMut::from(&b"\0\0\0\x07\0\x03\0"[..]), length),
        ("below zero", BytesMut::from(&b"\xff\xff\xff\xff"[..]), length),
        ("smallest integer", BytesMut::from(&b"\x80\0\0\0"[..]), length),
        ("one above the limit", BytesMut::from(&10_005_u32.to_be_bytes()[..]), length),
        ("an HTTP request", BytesMut::from(&b"GET / HTTP/1.1\r\n\r\n"[..]), length),
        ("a TLS hello where there is no TLS", BytesMut::from(&b"\x16\x03\x01\x02\0\x01\0\x01"[..]), length),
        ("SSLRequest with a tail", packet(SSL_REQUEST, b"x"), length),
        ("no terminator", packet(VERSION_3_0, b"user\0ann\0"), layout),
        ("name without value", packet(VERSION_3_0, b"user\0ann\0database\0"), layout),
        ("value without end", packet(VERSION_3_0, b"user\0ann"), layout),
        ("name without end", packet(VERSION_3_0, b"user"), layout),
        ("nothing at all", packet(VERSION_3_0, b""), layout),
        ("bytes after the terminator", packet(VERSION_3_0, b"user\0ann\0\0x"), layout),
        ("two terminators", packet(VERSION_3_0, b"user\0ann\0\0\0"), layout),
        (
            "invalid UTF-8",
            packet(VERSION_3_0, b"user\0a\xffb\0\0"),
            "22021 invalid byte sequence for encoding \"UTF8\"",
        ),
        (
            "overlong UTF-8",
            packet(VERSION_3_0, b"user\0\xc0\xae\0\0"),
            "22021 invalid byte sequence for encoding \"UTF8\"",
        ),
        (
            "version 2",
            packet(0x0002_0000, b"\0"),
            "0A000 unsupported frontend protocol 2.0: server supports 3.0 to 3.0",
        ),
        (
            "version 4",
            packet(0x0004_0001, b"\0"),
            "0A000 unsupported frontend protocol 4.1: server supports 3.0 to 3.0",
        ),
        (
            "a switch that turns off checks",
            packet(VERSION_3_0, b"user\0a\0options\0-O\0\0"),
            "42501 command-line switch \"-O\" in options is not permitted",
        ),
    ];
    for (name, bytes, wanted) in table {
        let error = taken(bytes.clone()).expect_err(name);
        let report = error.report();
        assert_eq!(format!("{} {}", report.sqlstate, report.message), *wanted, "{name}");
    }
}

#[test]
fn a_packet_is_waited_for_and_what_follows_it_is_left() {
    let whole = packet(VERSION_3_0, b"user\0ann\0\0");
    for cut in 0..whole.len() {
        let mut half = BytesMut::from(&whole[..cut]);
        assert_eq!(take(&mut half, POSTGRES_STARTUP_BYTES_MAX), Ok(None), "{cut}");
        assert_eq!(half.len(), cut);
    }
    let mut more = whole;
    more.extend_from_slice(b"p\0\0");
    assert!(take(&mut more, POSTGRES_STARTUP_BYTES_MAX).unwrap().is_some());
    assert_eq!(&more[..], b"p\0\0");
}

proptest! {
    #[test]
    fn random_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = taken(BytesMut::from(&bytes[..]));
    }

    #[test]
    fn random_parameters_never_panic_and_never_leave_bytes(rest in proptest::collection::vec(any::<u8>(), 0..200)) {
        let mut bytes = packet(VERSION_3_0, &rest);
        if take(&mut bytes, POSTGRES_STARTUP_BYTES_MAX).is_ok() {
            prop_assert!(bytes.is_empty());
        }
    }

    #[test]
    fn names_and_values_come_back_as_sent(pairs in proptest::collection::vec(("[a-z]{1,9}x", "[^\0]{0,12}"), 0..6)) {
        let mut rest = b"user\0ann\0".to_vec();
        for (name, value) in &pairs {
            rest.extend(name.as_bytes());
            rest.push(0);
            rest.extend(value.as_bytes());
            rest.push(0);
        }
        rest.push(0);
        prop_assert_eq!(startup(&rest).parameters, pairs);
    }
}
