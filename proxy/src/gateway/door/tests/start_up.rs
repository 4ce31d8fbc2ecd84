//! Start-up packets, good and bad.

use proptest::prelude::*;

use super::*;

#[tokio::test]
async fn a_look_in_is_silent() {
    let (client, served) = spawn(HOME, &door(Auth::Scram));
    drop(client);
    assert!(served.await.unwrap().unwrap().is_none());
}

#[tokio::test]
async fn a_trusted_client_comes_in_with_its_parameters() {
    let (mut client, served) = spawn(HOME, &door(Auth::Trust));
    let words = b"user\0zoe\0application_name\0x\0options\0-c statement-timeout=5\\ s\0replication\0off\0\0";
    client.write_all(&startup(words)).await.unwrap();
    client.shutdown().await.unwrap();
    let mut heard = Vec::new();
    client.read_to_end(&mut heard).await.unwrap();
    assert!(heard.starts_with(b"R\0\0\0\x08\0\0\0\0K"), "{heard:?}");
    let seen = served.await.unwrap().unwrap().unwrap();
    assert_eq!((seen.user.as_str(), seen.database.as_str(), seen.is_tls), ("zoe", "zoe", false));
    let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    assert_eq!(seen.parameters, [pair("statement_timeout", "5 s"), pair("application_name", "x")]);
}

#[tokio::test]
async fn bytes_behind_the_start_up_are_kept_and_an_empty_buffer_is_freed() {
    for (tail, kept) in [(&b""[..], 0), (b"Q\0\0\0\x05\0", 6)] {
        let (mut client, far) = tokio::io::duplex(4096);
        client.write_all(&[&startup(b"user\0zoe\0\0"), tail].concat()).await.unwrap();
        let Ok(Welcome::Session(greeted)) = welcome(far, Peer::Unix, &door(Auth::Trust)).await else {
            panic!("not let in")
        };
        assert_eq!((greeted.input.len(), greeted.input.capacity() > 0), (kept, kept > 0));
        assert_eq!(&greeted.output[..], b"R\0\0\0\x08\0\0\0\0");
    }
}

#[tokio::test]
async fn a_start_up_may_arrive_byte_by_byte() {
    let (mut client, served) = spawn(HOME, &door(Auth::Trust));
    for byte in startup(b"user\0zoe\0\0") {
        client.write_all(&[byte]).await.unwrap();
        tokio::task::yield_now().await;
    }
    client.shutdown().await.unwrap();
    assert_eq!(served.await.unwrap().unwrap().unwrap().user, "zoe");
}

#[tokio::test(start_paused = true)]
async fn half_a_packet_and_a_slow_dripper_run_out_of_time() {
    let rules = DoorRules { startup_timeout: Duration::from_secs(2), ..development(Auth::Trust) };
    let door = Arc::new(Door::new(rules, users(), None).unwrap());
    let (mut client, served) = spawn(HOME, &door);
    client.write_all(&startup(b"user\0zoe\0\0")[..9]).await.unwrap();
    let mut heard = Vec::new();
    client.read_to_end(&mut heard).await.unwrap();
    let too_slow = "FATAL 57014 canceling authentication due to timeout";
    assert_eq!(told(&heard), too_slow);
    assert_eq!(served.await.unwrap().unwrap_err().sqlstate().code(), "57014");

    let (mut client, served) = spawn(HOME, &door);
    heard.clear();
    client.read_to_end(&mut heard).await.unwrap();
    assert_eq!(told(&heard), too_slow, "of one who says nothing at all");
    served.await.unwrap().unwrap_err();

    let (mut client, served) = spawn(HOME, &door);
    let words = startup(&[b"user\0zoe\0options\0".as_slice(), &[b' '; 500], b"\0\0"].concat());
    for byte in words {
        if client.write_all(&[byte]).await.is_err() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    heard.clear();
    client.read_to_end(&mut heard).await.unwrap();
    assert_eq!(told(&heard), too_slow);
    served.await.unwrap().unwrap_err();
}

#[tokio::test]
async fn refusals_are_told_in_postgresql_s_words() {
    let length = "FATAL 08P01 invalid length of startup packet";
    let early = "This could be either a client-software bug or evidence of an attempted man-in-the-middle attack.";
    let early_ssl = format!("FATAL 08P01 received unencrypted data after SSL request / {early}");
    let early_gss = format!("FATAL 08P01 received unencrypted data after GSSAPI encryption request / {early}");
    let gss_request = packet(80_877_104, b"");
    let table: &[(&[u8], &str)] = &[
        (b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n", length),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", length),
        (b"\0\0\0\0", length),
        (b"\xff\xff\xff\xff\0\x03\0\0", length),
        (b"\0\0\x27\x15\0\x03\0\0", length),
        (&packet(0x0002_0000, b"\0"), "FATAL 0A000 unsupported frontend protocol 2.0: server supports 3.0 to 3.0"),
        (&startup(b"\0"), "FATAL 28000 no PostgreSQL user name specified in startup packet"),
        (&startup(b"user\0ann"), "FATAL 08P01 invalid startup packet layout: expected terminator as last byte"),
        (&startup(b"user\0a\xff\0\0"), "FATAL 22021 invalid byte sequence for encoding \"UTF8\""),
        (&startup(b"user\0ann\0replication\0database\0\0"), "FATAL 0A000 replication connections are not supported"),
        (
            &startup(b"user\0ann\0options\0-fi\0\0"),
            "FATAL 42501 command-line switch \"-fi\" in options is not permitted / Only \"-c name=value\" and \"--name=value\" are accepted in options.",
        ),
        (&[ssl_request(), startup(b"user\0ann\0\0")].concat(), &early_ssl),
        (&[gss_request, startup(b"user\0ann\0\0")].concat(), &early_gss),
    ];
    for (bytes, wanted) in table {
        assert_eq!(told(&exchange(&door(Auth::Trust), bytes).await), *wanted, "{bytes:?}");
    }
}

/// Sends requests one after the other, each answered with one byte, then a start-up packet, and hears the rest.
async fn after_requests(requests: &[u32]) -> (Vec<u8>, Vec<u8>) {
    let (mut client, _served) = spawn(HOME, &door(Auth::Trust));
    let mut answers = Vec::new();
    for request in requests {
        client.write_all(&packet(*request, b"")).await.unwrap();
        answers.push(client.read_u8().await.unwrap());
    }
    client.write_all(&startup(b"user\0zoe\0\0")).await.unwrap();
    client.shutdown().await.unwrap();
    let mut heard = Vec::new();
    client.read_to_end(&mut heard).await.unwrap();
    (answers, heard)
}

#[tokio::test]
async fn without_a_certificate_both_encryptions_are_declined_in_either_order_and_once() {
    const SSL: u32 = 80_877_103;
    const GSS: u32 = 80_877_104;
    for requests in [&[SSL][..], &[GSS], &[SSL, GSS], &[GSS, SSL]] {
        let (answers, heard) = after_requests(requests).await;
        assert_eq!(answers, vec![b'N'; requests.len()]);
        assert!(heard.starts_with(b"R\0\0\0\x08\0\0\0\0"), "{requests:?}: {heard:?}");
    }
    for request in [SSL, GSS] {
        let (mut client, _served) = spawn(HOME, &door(Auth::Trust));
        client.write_all(&packet(request, b"")).await.unwrap();
        assert_eq!(client.read_u8().await.unwrap(), b'N');
        client.write_all(&packet(request, b"")).await.unwrap();
        let mut heard = Vec::new();
        client.read_to_end(&mut heard).await.unwrap();
        let minor = request & 0xffff;
        let wanted = format!("FATAL 0A000 unsupported frontend protocol 1234.{minor}: server supports 3.0 to 3.0");
        assert_eq!(told(&heard), wanted);
    }
}

#[tokio::test]
async fn protocol_3_2_is_negotiated_down_before_anything_else() {
    let bytes = packet(0x0003_0002, b"user\0zoe\0_pq_.command_tag\0on\0\0");
    let (mut client, _served) = spawn(HOME, &door(Auth::Trust));
    client.write_all(&bytes).await.unwrap();
    client.shutdown().await.unwrap();
    let mut heard = Vec::new();
    client.read_to_end(&mut heard).await.unwrap();
    assert!(heard.starts_with(b"v\0\0\0\x1d\0\x03\0\0\0\0\0\x01_pq_.command_tag\0R\0\0\0\x08\0\0\0\0"), "{heard:?}");

    let (mut client, _served) = spawn(HOME, &door(Auth::Scram));
    client.write_all(&bytes).await.unwrap();
    assert_eq!((client.read_u8().await.unwrap(), client.read_u32().await.unwrap()), (b'v', 0x1d));
}

#[tokio::test]
async fn a_cancel_request_is_handed_on_without_an_answer() {
    let (mut client, far) = tokio::io::duplex(4096);
    client.write_all(&packet(80_877_102, b"\0\0\0\x07\x01\x02\x03\x04")).await.unwrap();
    let Ok(Welcome::Cancel(key, _)) = welcome(far, ABROAD, &door(Auth::Scram)).await else { panic!("no cancel key") };
    assert_eq!((key.process_id, key.secret), (7, vec![1, 2, 3, 4]));
    let mut heard = Vec::new();
    client.read_to_end(&mut heard).await.unwrap();
    assert!(heard.is_empty());
}

#[tokio::test]
async fn trust_ends_at_the_machine_s_edge() {
    let mapped: SocketAddr = "[::ffff:127.0.0.1]:1".parse().unwrap();
    for (peer, code) in [(HOME, 0), (Peer::Unix, 0), (Peer::Tcp(mapped), 0), (ABROAD, 10)] {
        let (mut client, _served) = spawn(peer, &door(Auth::Trust));
        client.write_all(&startup(b"user\0zoe\0\0")).await.unwrap();
        let mut header = [0; 5];
        client.read_exact(&mut header).await.unwrap();
        assert_eq!((header[0], client.read_u32().await.unwrap()), (b'R', code), "{peer}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    /// Whatever a stranger sends before it hangs up, the door answers within its time and without a panic.
    #[test]
    fn random_bytes_never_hang(chunks in proptest::collection::vec(hostile(), 0..5)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
        runtime.block_on(async {
            let (mut client, served) = spawn(HOME, &door_with_tls());
            for chunk in &chunks {
                if client.write_all(chunk).await.is_err() {
                    break;
                }
                tokio::task::yield_now().await;
            }
            drop(client);
            let outcome = tokio::time::timeout(Duration::from_secs(10), served).await;
            assert!(outcome.expect("the door hangs").is_ok(), "the door panicked");
        });
    }
}

fn hostile() -> impl Strategy<Value = Vec<u8>> {
    let words = prop_oneof![
        Just(b"user\0ann\0".to_vec()),
        Just(b"options\0-c a=b\0".to_vec()),
        Just(b"\0".to_vec()),
        proptest::collection::vec(any::<u8>(), 0..20),
    ];
    let parameters = proptest::collection::vec(words, 0..4).prop_map(|parts| parts.concat());
    prop_oneof![
        proptest::collection::vec(any::<u8>(), 0..300),
        Just(ssl_request()),
        Just(packet(80_877_104, b"")),
        Just(b"\x16\x03\x01\0\x20\x01\0\0\x1c".to_vec()),
        (any::<u32>(), proptest::collection::vec(any::<u8>(), 0..40))
            .prop_map(|(version, rest)| packet(version, &rest)),
        parameters.prop_map(|rest| startup(&rest)),
        proptest::collection::vec(any::<u8>(), 0..60)
            .prop_map(|body| [b"p\0\0\0\x40SCRAM-SHA-256\0".to_vec(), body].concat()),
    ]
}

fn door_with_tls() -> Arc<Door> {
    static DOOR: std::sync::LazyLock<Arc<Door>> =
        std::sync::LazyLock::new(|| tls_door(development(Auth::Scram), &Authority::new()));
    Arc::clone(&DOOR)
}
