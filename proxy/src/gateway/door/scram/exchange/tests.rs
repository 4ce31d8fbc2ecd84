use std::num::NonZeroU32;
use std::sync::LazyLock;

use proptest::prelude::*;

use super::super::verifier;
use super::*;

/// RFC 7677, section 3.
const CLIENT_FIRST: &[u8] = b"n,,n=user,r=rOprNGfwEbeRWgbNEkqO";
const SERVER_NONCE: &str = "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0";
const SERVER_FIRST: &str = "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096";
const CLIENT_FINAL: &str =
    "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=";
const SERVER_FINAL: &str = "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=";

fn rfc_verifier() -> Verifier {
    static MADE_ONCE: LazyLock<Verifier> = LazyLock::new(|| {
        let salt = BASE64.decode("W22ZaJ0SNY7soEsUEjb6gQ==").unwrap();
        verifier("pencil", NonZeroU32::new(4096).unwrap(), &salt)
    });
    MADE_ONCE.clone()
}

fn plain() -> Offer<'static> {
    Offer::new(None)
}

fn rfc_challenge() -> Challenge {
    plain().begin(MECHANISM, CLIENT_FIRST, &rfc_verifier(), SERVER_NONCE).unwrap()
}

#[test]
fn the_example_of_rfc_7677_comes_out() {
    let challenge = rfc_challenge();
    assert_eq!(challenge.message(), SERVER_FIRST);
    assert_eq!(challenge.finish(CLIENT_FINAL.as_bytes()).as_deref(), Ok(SERVER_FINAL));
}

#[test]
fn what_is_changed_on_the_way_is_refused() {
    let malformed = |result| matches!(result, Err(ScramError::Malformed(_)));
    let finish = |text: String| rfc_challenge().finish(text.as_bytes());
    assert_eq!(finish(CLIENT_FINAL.replace("p=dH", "p=eH")), Err(ScramError::WrongProof));
    assert_eq!(finish(CLIENT_FINAL.replace(",p=", ",x=y,p=")), Err(ScramError::WrongProof));
    assert!(malformed(finish(CLIENT_FINAL.replace("c=biws", "c=eSws"))));
    assert!(malformed(finish(CLIENT_FINAL.replace("%hv", "%hw"))));
    assert!(malformed(finish(CLIENT_FINAL.replace("dVQ=", "dVQ"))));
    assert!(malformed(finish(CLIENT_FINAL.replace("dVQ=", ""))));
    assert!(malformed(finish(format!("{CLIENT_FINAL},x=y"))));
    assert!(malformed(finish(format!("{CLIENT_FINAL}\0"))));
    assert!(malformed(finish(CLIENT_FINAL.replace(",p=", ",junk,p="))));
    assert!(malformed(finish(CLIENT_FINAL.replace("c=biws,", ""))));
    assert!(malformed(finish(String::new())));
}

#[test]
fn a_mock_refuses_the_right_password_of_somebody_else() {
    let mock = Verifier::mock("nobody", b"secret", NonZeroU32::new(4096).unwrap());
    let challenge = plain().begin(MECHANISM, CLIENT_FIRST, &mock, SERVER_NONCE).unwrap();
    assert_eq!(challenge.finish(CLIENT_FINAL.as_bytes()), Err(ScramError::WrongProof));
}

/// Header flags against what was offered and chosen, as PostgreSQL's `read_client_first_message` judges them.
#[test]
fn channel_binding_flags_are_judged_as_postgresql_judges_them() {
    let bound = Offer::new(Some(b"hash"));
    assert_eq!(plain().mechanisms(), [MECHANISM]);
    assert_eq!(bound.mechanisms(), [MECHANISM_PLUS, MECHANISM]);
    let end_point = "p=tls-server-end-point,,n=,r=x";
    let table: &[(&Offer<'_>, &str, &str, &str)] = &[
        (&plain(), MECHANISM, "n,,n=,r=x", "accepted"),
        (&plain(), MECHANISM, "y,,n=,r=x", "accepted"),
        (&plain(), MECHANISM, end_point, "malformed SCRAM message"),
        (&plain(), MECHANISM_PLUS, end_point, "client selected an invalid SASL authentication mechanism"),
        (&plain(), "PLAIN", "n,,n=,r=x", "client selected an invalid SASL authentication mechanism"),
        (&bound, MECHANISM, "n,,n=,r=x", "accepted"),
        (&bound, MECHANISM, "y,,n=,r=x", "SCRAM channel binding negotiation error"),
        (&bound, MECHANISM, end_point, "malformed SCRAM message"),
        (&bound, MECHANISM_PLUS, "n,,n=,r=x", "malformed SCRAM message"),
        (&bound, MECHANISM_PLUS, "y,,n=,r=x", "malformed SCRAM message"),
        (&bound, MECHANISM_PLUS, end_point, "accepted"),
        (&bound, MECHANISM_PLUS, "p=tls-unique,,n=,r=x", "unsupported SCRAM channel-binding type"),
        (&plain(), MECHANISM, "n,a=bob,n=,r=x", "client uses authorization identity, but it is not supported"),
        (&plain(), MECHANISM, "n,,m=1,n=,r=x", "client requires an unsupported SCRAM extension"),
        (&plain(), MECHANISM, "n,x,n=,r=x", "malformed SCRAM message"),
        (&plain(), MECHANISM, "q,,n=,r=x", "malformed SCRAM message"),
        (&plain(), MECHANISM, "n,,n=,r=", "non-printable characters in SCRAM nonce"),
        (&plain(), MECHANISM, "n,,n=,r=a b", "non-printable characters in SCRAM nonce"),
        (&plain(), MECHANISM, "n,,r=x", "malformed SCRAM message"),
        (&plain(), MECHANISM, "n", "malformed SCRAM message"),
        (&plain(), MECHANISM, "", "malformed SCRAM message"),
    ];
    for (offer, mechanism, message, wanted) in table {
        let outcome = match offer.begin(mechanism, message.as_bytes(), &rfc_verifier(), "nonce") {
            Ok(_) => "accepted".to_owned(),
            Err(error) => error.to_string(),
        };
        assert_eq!(outcome, *wanted, "{mechanism} {message}");
    }
}

#[test]
fn another_certificate_than_ours_is_noticed() {
    let challenge = Offer::new(Some(b"our hash"))
        .begin(MECHANISM_PLUS, b"p=tls-server-end-point,,n=,r=x", &rfc_verifier(), "y")
        .unwrap();
    let theirs = BASE64.encode(b"p=tls-server-end-point,,another hash");
    let client_final = format!("c={theirs},r=xy,p={}", BASE64.encode([0; 32]));
    assert_eq!(challenge.finish(client_final.as_bytes()), Err(ScramError::ChannelBinding));
}

proptest! {
    #[test]
    fn random_messages_never_panic(first in "[npy],,?[nr=x,a-c]{0,20}", last in "(c=biws,)?(r=xnonce)?[,pr=a-z+/]{0,60}") {
        if let Ok(challenge) = plain().begin(MECHANISM, first.as_bytes(), &rfc_verifier(), "nonce") {
            prop_assert!(challenge.finish(last.as_bytes()).is_err());
        }
    }
}
