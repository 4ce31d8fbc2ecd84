use rcgen::{CertificateParams, KeyPair};

use super::*;

struct Files {
    folder: tempfile::TempDir,
}

impl Files {
    fn new() -> (Self, KeyPair, rcgen::Certificate) {
        let key = KeyPair::generate().unwrap();
        let certificate = CertificateParams::new(vec!["localhost".to_owned()]).unwrap().self_signed(&key).unwrap();
        (Self { folder: tempfile::tempdir().unwrap() }, key, certificate)
    }

    fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.folder.path().join(name);
        fs::write(&path, text).unwrap();
        path
    }
}

#[test]
fn mistakes_are_told_with_the_file_they_are_in() {
    let (files, key, certificate) = Files::new();
    let cert = files.write("cert.pem", &certificate.pem());
    let own_key = files.write("own.key", &key.serialize_pem());
    let other_key = files.write("other.key", &KeyPair::generate().unwrap().serialize_pem());
    let empty = files.write("empty.pem", "");
    let broken = files.write("broken.pem", "-----BEGIN CERTIFICATE-----\n!!!\n-----END CERTIFICATE-----\n");
    let not_one = files.write("not-one.pem", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n");
    let missing = files.folder.path().join("missing.pem");
    ServerTls::load(&cert, &own_key, None).unwrap();
    ServerTls::load(&cert, &own_key, Some(&cert)).unwrap();
    let table: &[(&Path, &Path, Option<&Path>, &str, &Path)] = &[
        (&missing, &own_key, None, "could not read", &missing),
        (&cert, &missing, None, "could not read", &missing),
        (&empty, &own_key, None, "no certificate found in", &empty),
        (&own_key, &own_key, None, "no certificate found in", &own_key),
        (&broken, &own_key, None, "could not understand the certificate in", &broken),
        (&not_one, &own_key, None, "could not understand the certificate in", &not_one),
        (&cert, &empty, None, "no private key found in", &empty),
        (&cert, &cert, None, "no private key found in", &cert),
        (&cert, &other_key, None, "does not match the certificate in", &other_key),
        (&cert, &own_key, Some(&missing), "could not read", &missing),
        (&cert, &own_key, Some(&empty), "no certificate found in", &empty),
    ];
    for (cert, key, ca, wanted, file) in table {
        let error = ServerTls::load(cert, key, *ca).expect_err(wanted).to_string();
        assert!(error.contains(wanted) && error.contains(&file.display().to_string()), "{wanted}: {error}");
    }
}

#[test]
fn what_scram_binds_to_is_the_hash_that_the_signature_names() {
    let bound = |algorithm| {
        let (files, _, _) = Files::new();
        let key = KeyPair::generate_for(algorithm).unwrap();
        let certificate = CertificateParams::new(vec!["localhost".to_owned()]).unwrap().self_signed(&key).unwrap();
        let cert = files.write("cert.pem", &certificate.pem());
        let key = files.write("cert.key", &key.serialize_pem());
        let tls = ServerTls::load(&cert, &key, None).unwrap();
        (tls.certificate_hash().map(<[u8]>::to_vec), certificate.der().to_vec())
    };
    let (hash, der) = bound(&rcgen::PKCS_ECDSA_P256_SHA256);
    assert_eq!(hash, Some(Sha256::digest(&der).to_vec()));
    let (hash, der) = bound(&rcgen::PKCS_ECDSA_P384_SHA384);
    assert_eq!(hash, Some(Sha384::digest(&der).to_vec()));
    let (hash, _) = bound(&rcgen::PKCS_ED25519);
    assert_eq!(hash, None, "Ed25519 has no hash to bind to, so -PLUS is not offered");
}

#[test]
fn a_common_name_counts_only_when_it_is_the_only_one_and_clean() {
    let named = |names: &[&str]| {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.distinguished_name = rcgen::DistinguishedName::new();
        for name in names {
            params.distinguished_name.push(rcgen::DnType::CommonName, *name);
        }
        common_name(params.self_signed(&KeyPair::generate().unwrap()).unwrap().der())
    };
    assert_eq!(named(&["ann"]).as_deref(), Some("ann"));
    assert_eq!(named(&["änn"]).as_deref(), Some("änn"));
    assert_eq!(named(&[]), None);
    assert_eq!(named(&["ann\0.evil"]), None);
    assert_eq!(common_name(&CertificateDer::from(vec![0x30, 0])), None);
}
