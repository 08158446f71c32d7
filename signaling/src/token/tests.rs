use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use proptest::prelude::*;
use ring::rand::SystemRandom;
use ring::signature::{EcdsaKeyPair, Ed25519KeyPair, RSA_PKCS1_SHA256, RsaKeyPair};
use ring::{hmac, signature};
use serde_json::{Value, json};
use wire::StationId;

use super::*;

const NOW: u64 = 1_790_000_000;
const SECRET: &[u8] = b"0123456789abcdef0123456789abcdef";
const RSA_PRIVATE: &[u8] = include_bytes!("../../tests/keys/rsa.pk8");
const RSA_PUBLIC: &str = include_str!("../../tests/keys/rsa.pub.pem");
const P384_PUBLIC: &str = include_str!("../../tests/keys/p384.pub.pem");

/// Assembles a JWT by hand, so that these tests do not lean on the code they test.
fn jwt(header: Value, claims: &Value, sign: impl Fn(&[u8]) -> Vec<u8>) -> String {
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let message = format!("{}.{}", part(&header), part(claims));
    let signature = URL_SAFE_NO_PAD.encode(sign(message.as_bytes()));
    format!("{message}.{signature}")
}

fn hs256_with(secret: &[u8], claims: &Value) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret);
    jwt(json!({"alg": "HS256", "typ": "JWT"}), claims, |message| {
        hmac::sign(&key, message).as_ref().to_vec()
    })
}

fn hs256(claims: &Value) -> String {
    hs256_with(SECRET, claims)
}

fn rs256(header: Value, claims: &Value) -> String {
    let key = RsaKeyPair::from_pkcs8(RSA_PRIVATE).unwrap();
    jwt(header, claims, |message| {
        let mut out = vec![0; key.public().modulus_len()];
        key.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), message, &mut out)
            .unwrap();
        out
    })
}

fn claims() -> Value {
    json!({"sub": "dj", "name": "DJ", "exp": NOW + 60, "skywave": {"publish": ["demo"]}})
}

/// The claims with one of them replaced, or removed when `value` is null.
fn claims_with(name: &str, value: Value) -> Value {
    let mut claims = claims();
    let map = claims.as_object_mut().unwrap();
    match value {
        Value::Null => map.remove(name),
        value => map.insert(name.to_owned(), value),
    };
    claims
}

fn verifier(keys: Vec<Key>) -> Verifier {
    Verifier::new(Config {
        keys,
        ..Config::default()
    })
}

fn secret_verifier() -> Verifier {
    verifier(vec![Key::secret(SECRET).unwrap()])
}

fn station(id: &str) -> StationId {
    id.parse().unwrap()
}

#[test]
fn a_good_token_tells_who_may_do_what() {
    let identity = secret_verifier().verify(&hs256(&claims()), NOW).unwrap();
    assert_eq!(
        (&*identity.sub, identity.name.as_deref()),
        ("dj", Some("DJ"))
    );
    assert_eq!(identity.expires_at, NOW + 60);
    assert!(identity.grants.may_publish(&station("demo")));
    assert!(!identity.grants.may_publish(&station("demo2")));
    assert!(!identity.grants.may_moderate(&station("demo")));
}

#[test]
fn grants_reach_as_far_as_they_say() {
    let grants = |grants: Value| {
        let token = hs256(&claims_with("skywave", grants));
        secret_verifier().verify(&token, NOW).unwrap().grants
    };
    let every = grants(json!({"publish": ["*"]}));
    assert!(every.may_publish(&station("any")) && !every.may_moderate(&station("any")));
    let admin = grants(json!({"admin": true}));
    assert!(admin.may_publish(&station("any")) && admin.may_moderate(&station("any")));
    let none = grants(json!({}));
    assert!(!none.may_publish(&station("demo")) && !none.may_moderate(&station("demo")));
    // No pattern but the lone star, and no case folding.
    let odd = grants(json!({"publish": ["de*", "DEMO", "", "**", "demo "]}));
    assert!(!odd.may_publish(&station("demo")));
    assert_eq!(odd.publish, Vec::<String>::new());
    let missing = secret_verifier()
        .verify(&hs256(&claims_with("skywave", Value::Null)), NOW)
        .unwrap();
    assert_eq!(missing.grants, Grants::default());
}

#[test]
fn mistyped_claims_are_refused() {
    for (name, value) in [
        ("skywave", json!({"publish": "demo"})),
        ("skywave", json!({"publish": [7]})),
        ("skywave", json!({"admin": "yes"})),
        ("skywave", json!("*")),
        ("sub", json!(7)),
        ("sub", Value::Null),
        ("exp", Value::Null),
        ("exp", json!("tomorrow")),
        ("nbf", json!("yesterday")),
    ] {
        let token = hs256(&claims_with(name, value.clone()));
        let refused = secret_verifier().verify(&token, NOW);
        assert_eq!(refused, Err(Refused::Malformed), "{name}: {value}");
    }
    for sub in [String::new(), "a\nb".into(), "x".repeat(129)] {
        let token = hs256(&claims_with("sub", json!(sub)));
        let refused = secret_verifier().verify(&token, NOW);
        assert_eq!(refused, Err(Refused::Claim("sub")));
    }
}

#[test]
fn a_wrong_key_is_refused() {
    let token = hs256_with(b"another secret of at least 32 by", &claims());
    assert_eq!(
        secret_verifier().verify(&token, NOW),
        Err(Refused::Signature)
    );
    assert_eq!(
        verifier(vec![]).verify(&hs256(&claims()), NOW),
        Err(Refused::NoKey)
    );
}

#[test]
fn changed_claims_are_refused() {
    let token = hs256(&claims());
    let admin = URL_SAFE_NO_PAD.encode(claims_with("skywave", json!({"admin": true})).to_string());
    let parts: Vec<_> = token.split('.').collect();
    let forged = format!("{}.{admin}.{}", parts[0], parts[2]);
    assert_eq!(
        secret_verifier().verify(&forged, NOW),
        Err(Refused::Signature)
    );
    let unsigned = format!("{}.{}.", parts[0], parts[1]);
    assert_eq!(
        secret_verifier().verify(&unsigned, NOW),
        Err(Refused::Signature)
    );
}

#[test]
fn time_bounds_a_token() {
    let at =
        |name, value: Value, now| secret_verifier().verify(&hs256(&claims_with(name, value)), now);
    assert!(at("exp", json!(NOW + 1), NOW).is_ok());
    assert!(at("exp", json!(NOW as f64 + 0.5), NOW).is_ok());
    for past in [
        json!(NOW),
        json!(NOW - 1),
        json!(0),
        json!(-5),
        json!(-1.5e300),
    ] {
        assert_eq!(at("exp", past, NOW), Err(Refused::Expired));
    }
    assert_eq!(at("nbf", json!(NOW + 3600), NOW), Err(Refused::NotYetValid));
    assert!(
        at("nbf", json!(NOW + 5), NOW).is_ok(),
        "clocks may differ a little"
    );
    assert!(at("nbf", json!(NOW - 5), NOW).is_ok());
    for far in [json!(u64::MAX), json!(1e300)] {
        let identity = at("exp", far, NOW).unwrap();
        assert_eq!(identity.expires_at, claims::EXPIRES_AT_MAX);
    }
}

#[test]
fn unsigned_tokens_are_refused_however_they_spell_it() {
    for alg in [
        json!("none"),
        json!("None"),
        json!("NONE"),
        json!(""),
        Value::Null,
    ] {
        for signature in [vec![], vec![0; 32]] {
            let token = jwt(json!({"alg": alg}), &claims(), |_| signature.clone());
            let refused = secret_verifier().verify(&token, NOW);
            assert_eq!(refused, Err(Refused::Malformed), "{alg}");
        }
    }
    let no_alg = jwt(json!({"typ": "JWT"}), &claims(), |_| vec![]);
    assert!(secret_verifier().verify(&no_alg, NOW).is_err());
}

#[test]
fn a_public_key_is_no_shared_secret() {
    let verifier = verifier(vec![Key::public_pem(RSA_PUBLIC).unwrap()]);
    assert!(
        verifier
            .verify(&rs256(json!({"alg": "RS256"}), &claims()), NOW)
            .is_ok()
    );
    let der = pem_body(RSA_PUBLIC);
    for secret in [
        RSA_PUBLIC.as_bytes(),
        RSA_PUBLIC.trim().as_bytes(),
        &der,
        b"".as_slice(),
    ] {
        let token = hs256_with(secret, &claims());
        assert_eq!(verifier.verify(&token, NOW), Err(Refused::NoKey));
    }
    // The other way round: a shared secret is no key for RS256.
    let token = rs256(json!({"alg": "RS256"}), &claims());
    assert_eq!(secret_verifier().verify(&token, NOW), Err(Refused::NoKey));
    // The right key under a sibling of its algorithm.
    for alg in ["RS384", "PS256", "HS512", "ES256"] {
        let token = rs256(json!({"alg": alg}), &claims());
        assert_eq!(verifier.verify(&token, NOW), Err(Refused::NoKey), "{alg}");
    }
}

fn pem_body(pem: &str) -> Vec<u8> {
    let lines = pem.lines().filter(|line| !line.starts_with("--"));
    let body: String = lines.collect();
    base64::engine::general_purpose::STANDARD
        .decode(body)
        .unwrap()
}

#[test]
fn elliptic_keys_verify_in_pem_and_jwks() {
    let random = SystemRandom::new();
    let ec = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).unwrap();
    let method = &signature::ECDSA_P256_SHA256_FIXED_SIGNING;
    let ec_pair = EcdsaKeyPair::from_pkcs8(method, ec.serialized_der(), &random).unwrap();
    let es256 = |header| {
        jwt(header, &claims(), |message| {
            ec_pair.sign(&random, message).unwrap().as_ref().to_vec()
        })
    };
    let ed = rcgen::KeyPair::generate_for(&rcgen::PKCS_ED25519).unwrap();
    let ed_pair = Ed25519KeyPair::from_pkcs8_maybe_unchecked(ed.serialized_der()).unwrap();
    let eddsa = |header| {
        jwt(header, &claims(), |message| {
            ed_pair.sign(message).as_ref().to_vec()
        })
    };

    let ec_key = Key::public_pem(&ec.public_key_pem()).unwrap();
    let ed_key = Key::public_pem(&ed.public_key_pem()).unwrap();
    let both = verifier(vec![ec_key.clone(), ed_key]);
    assert!(both.verify(&es256(json!({"alg": "ES256"})), NOW).is_ok());
    assert!(both.verify(&eddsa(json!({"alg": "EdDSA"})), NOW).is_ok());
    let lone = verifier(vec![ec_key]);
    assert_eq!(
        lone.verify(&eddsa(json!({"alg": "EdDSA"})), NOW),
        Err(Refused::NoKey)
    );

    let point = ec.public_key_raw();
    let b64 = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
    let jwks = json!({"keys": [
        {"kty": "EC", "crv": "P-256", "kid": "ec", "use": "sig",
         "x": b64(&point[1..33]), "y": b64(&point[33..])},
        {"kty": "OKP", "crv": "Ed25519", "kid": "ed", "alg": "EdDSA", "x": b64(ed.public_key_raw())},
        {"kty": "oct", "k": b64(SECRET)},
        {"kty": "EC", "crv": "P-256", "kid": "enc", "use": "enc",
         "x": b64(&point[1..33]), "y": b64(&point[33..])},
    ]});
    let keys = Key::jwks(&jwks.to_string()).unwrap();
    assert_eq!(keys.len(), 2, "{keys:?}");
    let set = verifier(keys);
    assert!(
        set.verify(&es256(json!({"alg": "ES256", "kid": "ec"})), NOW)
            .is_ok()
    );
    assert!(set.verify(&es256(json!({"alg": "ES256"})), NOW).is_ok());
    assert!(
        set.verify(&eddsa(json!({"alg": "EdDSA", "kid": "ed"})), NOW)
            .is_ok()
    );
    let other = set.verify(&es256(json!({"alg": "ES256", "kid": "ed"})), NOW);
    assert_eq!(other, Err(Refused::NoKey));
    assert_eq!(set.verify(&hs256(&claims()), NOW), Err(Refused::NoKey));
}

#[test]
fn issuer_and_audience_are_checked_when_configured() {
    let strict = Verifier::new(Config {
        keys: vec![Key::secret(SECRET).unwrap()],
        issuer: Some("us".into()),
        audience: Some("skywave".into()),
    });
    let with = |iss: Value, aud: Value| {
        let mut claims = claims_with("iss", iss);
        if aud != Value::Null {
            claims["aud"] = aud;
        }
        strict.verify(&hs256(&claims), NOW)
    };
    assert!(with(json!("us"), json!("skywave")).is_ok());
    assert!(with(json!("us"), json!(["other", "skywave"])).is_ok());
    assert_eq!(with(json!("them"), json!("skywave")), Err(Refused::Issuer));
    assert_eq!(with(Value::Null, json!("skywave")), Err(Refused::Issuer));
    assert_eq!(with(json!("us"), json!("other")), Err(Refused::Audience));
    assert_eq!(with(json!("us"), Value::Null), Err(Refused::Audience));
    // RFC 7519, 4.1.3: who is not named must refuse.
    let named = hs256(&claims_with("aud", json!("other")));
    assert_eq!(
        secret_verifier().verify(&named, NOW),
        Err(Refused::Audience)
    );
}

#[test]
fn giant_tokens_are_refused_before_they_are_read() {
    let token = hs256(&claims_with("name", json!("x".repeat(1 << 20))));
    let refused = secret_verifier().verify(&token, NOW);
    assert_eq!(refused, Err(Refused::TooLong(token.len())));
}

#[test]
fn keys_that_are_none_are_named() {
    assert_eq!(
        Key::secret(b"short").unwrap_err(),
        InvalidKey::ShortSecret(5)
    );
    assert_eq!(Key::public_pem("nonsense").unwrap_err(), InvalidKey::Pem);
    assert_eq!(Key::public_pem(P384_PUBLIC).unwrap_err(), InvalidKey::Pem);
    let private = rcgen::KeyPair::generate().unwrap().serialize_pem();
    assert_eq!(Key::public_pem(&private).unwrap_err(), InvalidKey::Pem);
    assert!(matches!(Key::jwks("[]"), Err(InvalidKey::Jwks(_))));
    assert_eq!(
        Key::jwks(r#"{"keys":[]}"#).unwrap_err(),
        InvalidKey::NoUsableKey
    );
}

#[test]
fn what_is_minted_is_trusted() {
    let (issuer, audience) = (Some("us".to_owned()), Some("skywave".to_owned()));
    let mint = Mint::new(SECRET, issuer.clone(), audience.clone()).unwrap();
    let order = Order {
        sub: "dj".into(),
        name: Some("DJ".into()),
        grants: Grants::publish(&station("demo")),
        ttl: Duration::from_secs(3600),
    };
    let token = mint.mint(order.clone()).unwrap();
    let verifier = Verifier::new(Config {
        keys: vec![Key::secret(SECRET).unwrap()],
        issuer,
        audience,
    });
    let now = jsonwebtoken::get_current_timestamp();
    let identity = verifier.verify(&token, now).unwrap();
    assert_eq!(
        (identity.sub, identity.grants),
        (order.sub.clone(), order.grants.clone())
    );
    assert!((now + 3500..=now + 3600).contains(&identity.expires_at));

    let refused = |change: fn(&mut Order)| {
        let mut order = order.clone();
        change(&mut order);
        mint.mint(order).unwrap_err()
    };
    assert_eq!(refused(|order| order.sub.clear()), MintError::Text("sub"));
    assert_eq!(refused(|order| order.ttl = Duration::ZERO), MintError::Ttl);
    assert_eq!(
        refused(|order| order.grants.publish = vec!["No Station".into()]),
        MintError::Station("No Station".into())
    );
    assert!(Mint::new(b"short", None, None).is_err());
}

#[test]
fn the_secret_file_is_made_once_and_kept_private() {
    let folder = tempfile::tempdir().unwrap();
    let inner = folder.path().join("data");
    let secrets: Vec<_> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..8)
            .map(|_| scope.spawn(|| load_or_create_secret(&inner).unwrap()))
            .collect();
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap())
            .collect()
    });
    assert!(secrets.iter().all(|secret| *secret == secrets[0]));
    assert!(Key::secret(&secrets[0]).is_ok());
    let files: Vec<_> = std::fs::read_dir(&inner).unwrap().collect();
    assert_eq!(files.len(), 1, "no draft stays behind: {files:?}");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = std::fs::metadata(inner.join("token.key"))
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600);
    }
    std::fs::write(inner.join("token.key"), "").unwrap();
    assert!(
        load_or_create_secret(&inner).is_err(),
        "an empty secret is no secret"
    );
}

proptest! {
    #[test]
    fn garbage_is_refused(text in "\\PC{0,200}") {
        prop_assert!(secret_verifier().verify(&text, NOW).is_err());
    }

    #[test]
    fn dotted_garbage_is_refused(parts in proptest::collection::vec(any::<Vec<u8>>(), 0..5)) {
        let parts: Vec<_> = parts.iter().map(|part| URL_SAFE_NO_PAD.encode(part)).collect();
        prop_assert!(secret_verifier().verify(&parts.join("."), NOW).is_err());
    }

    #[test]
    fn one_changed_character_is_refused(at in any::<prop::sample::Index>(), to in "[A-Za-z0-9_.-]") {
        let token = hs256(&claims());
        let at = at.index(token.len());
        let mut changed = token.clone();
        changed.replace_range(at..=at, &to);
        // The last character of an unpadded signature carries bits that mean nothing; the decoder refuses them too.
        prop_assume!(changed != token);
        prop_assert!(secret_verifier().verify(&changed, NOW).is_err());
    }

    #[test]
    fn any_signed_claims_give_an_identity_or_an_error(
        sub in any::<String>(), exp in any::<f64>(), nbf in any::<i64>(), name in any::<String>(),
    ) {
        let claims = json!({"sub": sub, "exp": exp, "nbf": nbf, "name": name});
        if let Ok(identity) = secret_verifier().verify(&hs256(&claims), NOW) {
            prop_assert!(identity.expires_at >= NOW && identity.expires_at <= claims::EXPIRES_AT_MAX);
        }
    }
}
