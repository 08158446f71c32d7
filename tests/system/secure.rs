//! A server with a certificate from elsewhere: TLS on TCP, and no hashes to pin.

use crate::harness::{Process, Server, fixture, outcome, skywave};
use crate::tone::assert_clean;

/// A certificate authority of its own, and a certificate for this machine.
fn certificates(folder: &std::path::Path) {
    use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
    let key = KeyPair::generate().unwrap();
    let mut authority = CertificateParams::new(Vec::new()).unwrap();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let root = authority.self_signed(&key).unwrap();
    let issuer = Issuer::new(authority, key);
    let own_key = KeyPair::generate().unwrap();
    let names = vec!["localhost".to_owned(), "127.0.0.1".to_owned()];
    let own = CertificateParams::new(names)
        .unwrap()
        .signed_by(&own_key, &issuer)
        .unwrap();
    for (name, pem) in [
        ("root.pem", root.pem()),
        ("own.pem", own.pem()),
        ("own.key", own_key.serialize_pem()),
    ] {
        std::fs::write(folder.join(name), pem).unwrap();
    }
}

#[tokio::test]
async fn both_transports_work_with_a_certificate_from_elsewhere() {
    let folder = tempfile::tempdir().unwrap();
    certificates(folder.path());
    let config = folder.path().join("skywave.toml");
    let [own, key] = ["own.pem", "own.key"].map(|name| folder.path().join(name));
    std::fs::write(
        &config,
        format!("[tls]\ncertificate = {own:?}\nkey = {key:?}\n"),
    )
    .unwrap();
    let server = Server::start_with(&["--config", config.to_str().unwrap()]);
    let url = server.url().replace("http://", "https://");
    let token = server.source_token("tone");
    let file = fixture("tests/fixtures/tone.flac");
    let client = |command: &str, transport: &str| {
        let mut program = skywave();
        program.args([
            command,
            "--server",
            &url,
            "--station",
            "tone",
            "--transport",
            transport,
        ]);
        program.env("SSL_CERT_FILE", folder.path().join("root.pem"));
        program
    };

    // Who does not trust the root is not fooled.
    let mut suspicious = client("listen", "auto");
    suspicious.env_remove("SSL_CERT_FILE");
    let (code, errors) = outcome(&mut suspicious);
    assert_eq!(code, 4, "{errors}");

    for (source, listener) in [("webtransport", "websocket"), ("websocket", "webtransport")] {
        let mut publish = client("publish", source);
        publish.args(["--token", &token, "--json"]).arg(&file);
        let mut publishing = Process::start("publish", &mut publish);
        crate::harness::until("the station is on air", || publishing.json());
        let recorded = tempfile::tempdir().unwrap();
        let mut listen = client("listen", listener);
        listen
            .current_dir(recorded.path())
            .args(["--duration", "3s", "--start-delay", "300ms"]);
        listen.args(["--output", "out.wav", "--stats", "stats.json"]);
        let (code, errors) = outcome(&mut listen);
        assert_eq!(code, 0, "{errors}");
        let heard = crate::harness::Heard::read(recorded.path());
        assert_eq!(heard.stats["transport"], listener);
        assert_clean(&heard, 440.0, 30.0, 2.0);
        publishing.signal("INT");
        assert_eq!(publishing.code(), 0);
    }
}
