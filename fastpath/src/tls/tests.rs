use quinn_proto::crypto::ClientConfig;
use quinn_proto::crypto::rustls::QuicClientConfig;
use rustls::pki_types::PrivateKeyDer;

use super::*;

const V1: u32 = 1;

/// A server's and a client's configuration.
fn configs() -> (rustls::ServerConfig, rustls::ClientConfig) {
    let made = rcgen::generate_simple_self_signed(vec!["localhost".into()]).unwrap();
    let certificate = made.cert.der().clone();
    let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut server = rustls::ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_protocol_versions(&[&rustls::version::TLS13])
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.clone()], key)
        .unwrap();
    server.alpn_protocols = vec![b"h3".to_vec()];
    let mut roots = rustls::RootCertStore::empty();
    roots.add(certificate).unwrap();
    let mut client = rustls::ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    client.alpn_protocols = vec![b"h3".to_vec()];
    (server, client)
}

/// Both ends before the first word.
fn pair() -> (ServerSession, Box<dyn Session>) {
    let (server, client) = configs();
    let params = TransportParameters::read(Side::Client, &mut &b""[..]).unwrap();
    let client = Arc::new(QuicClientConfig::try_from(client).unwrap());
    let client = client.start_session(V1, "localhost", &params).unwrap();
    let server = Arc::new(Tls::new(Arc::new(server)).unwrap());
    (server.session(V1, &params), client)
}

/// Brings all one end has to say to the other; gives the keys that came of it.
fn tell(from: &mut dyn Session, to: &mut dyn Session) -> Vec<Keys> {
    let mut keys = Vec::new();
    loop {
        let mut said = Vec::new();
        let made = from.write_handshake(&mut said);
        let is_all = said.is_empty() && made.is_none();
        if !said.is_empty() {
            to.read_handshake(&said).unwrap();
        }
        keys.extend(made);
        if is_all {
            return keys;
        }
    }
}

/// A packet sealed with the one key, opened with the other.
fn assert_fit(seals: &dyn PacketKey, opens: &dyn PacketKey) {
    let header = b"header";
    let mut packet = [&header[..], b"payload", &[0; 16]].concat();
    seals.encrypt(7, &mut packet, header.len());
    let mut payload = BytesMut::from(&packet[header.len()..]);
    opens.decrypt(7, header, &mut payload).unwrap();
    assert_eq!(&payload[..], b"payload");
}

#[test]
fn nothing_of_tls_outlives_the_handshake() {
    let (mut server, mut client) = pair();
    assert!(server.is_handshaking());
    assert!(server.next_1rtt_keys().is_none());
    tell(&mut *client, &mut server);
    assert!(server.transport_parameters().unwrap().is_some());
    let keys = tell(&mut server, &mut *client);
    assert_eq!(keys.len(), 2);
    // The client may be about to say that it is not content.
    assert!(server.handshake.is_some() && server.is_handshaking());
    tell(&mut *client, &mut server);
    assert!(server.handshake.is_some(), "its tickets are not written");
    tell(&mut server, &mut *client);
    assert!(server.handshake.is_none() && !server.is_handshaking());
    assert!(server.write_handshake(&mut Vec::new()).is_none());
    assert!(!client.is_handshaking());
    let error = server.read_handshake(b"more").unwrap_err();
    assert_eq!(error.code, TransportErrorCode::crypto(UNEXPECTED_MESSAGE));
}

#[test]
fn keys_of_updates_fit_the_other_ends_in_whatever_order_they_are_used() {
    let (mut server, mut client) = pair();
    for _ in 0..2 {
        tell(&mut *client, &mut server);
        tell(&mut server, &mut *client);
    }
    let mut update = || {
        let ours = server.next_1rtt_keys().unwrap();
        (ours, client.next_1rtt_keys().unwrap())
    };
    let updates: Vec<_> = (0..4).map(|_| update()).collect();
    for (ours, theirs) in updates.iter().rev() {
        assert_fit(&*ours.local, &*theirs.remote);
        assert_fit(&*theirs.local, &*ours.remote);
        assert_eq!(ours.local.tag_len(), theirs.local.tag_len());
    }
}

#[test]
fn what_breaks_the_handshake_is_told_as_an_alert() {
    let (mut server, _) = pair();
    let error = server.read_handshake(&[1, 0, 0, 1, 0]).unwrap_err();
    let decode_error = 50;
    assert_eq!(error.code, TransportErrorCode::crypto(decode_error));
    assert!(server.is_handshaking());
}

#[test]
fn a_configuration_that_is_not_for_quic_is_an_error() {
    let (mut server, _) = configs();
    server.max_early_data_size = 1;
    let error = Tls::new(Arc::new(server)).err();
    assert!(matches!(error, Some(ConfigError::Tls(_))), "{error:?}");
}
