//! Messages that only the device can read: RFC 8291 over the one record of RFC 8188.
//!
//! It is made of `ring`, which the rest of the server trusts as well: the crates there are
//! for Web Push bring OpenSSL or a second cryptography along.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::aead::{AES_128_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use ring::agreement::{ECDH_P256, EphemeralPrivateKey, UnparsedPublicKey, agree_ephemeral};
use ring::error::Unspecified;
use ring::hmac;
use ring::rand::{SecureRandom, SystemRandom};
use wire::message::push::PushKeys;

/// Bytes of an uncompressed point of P-256.
const POINT_BYTES: usize = 65;

/// After the last byte of the last record.
const LAST_RECORD: u8 = 2;

/// Bytes the seal adds to a record.
const TAG_BYTES: usize = 16;

/// Whom messages are encrypted for.
pub(super) struct Recipient {
    public: Vec<u8>,
    auth: [u8; 16],
}

impl Recipient {
    pub(super) fn read(keys: &PushKeys) -> Option<Self> {
        // Some clients pad, which decoders take badly.
        let bytes = |text: &str| URL_SAFE_NO_PAD.decode(text.trim_end_matches('=')).ok();
        Some(Self {
            public: bytes(&keys.p256dh).filter(|point| point.len() == POINT_BYTES)?,
            auth: bytes(&keys.auth)?.try_into().ok()?,
        })
    }

    /// The body of a message. Fails for a key that is no point of the curve.
    pub(super) fn encrypt(&self, text: &[u8]) -> Result<Vec<u8>, Unspecified> {
        let random = SystemRandom::new();
        let own = EphemeralPrivateKey::generate(&ECDH_P256, &random)?;
        let own_public = own.compute_public_key()?;
        let mut salt = [0; 16];
        random.fill(&mut salt)?;
        let theirs = UnparsedPublicKey::new(&ECDH_P256, &self.public);
        agree_ephemeral(own, &theirs, |shared| {
            self.seal(shared, own_public.as_ref(), salt, text)
        })?
    }

    /// Encrypts with what both sides agreed upon.
    fn seal(
        &self,
        shared: &[u8],
        own_public: &[u8],
        salt: [u8; 16],
        text: &[u8],
    ) -> Result<Vec<u8>, Unspecified> {
        let about = [b"WebPush: info\0", &*self.public, own_public].concat();
        let common = derive(&self.auth, shared, &about);
        let key = derive(&salt, &common, b"Content-Encoding: aes128gcm\0");
        let nonce = derive(&salt, &common, b"Content-Encoding: nonce\0");
        let key = LessSafeKey::new(UnboundKey::new(&AES_128_GCM, &key[..16])?);
        let nonce = Nonce::try_assume_unique_for_key(&nonce[..12])?;
        let mut sealed = [text, &[LAST_RECORD]].concat();
        key.seal_in_place_append_tag(nonce, Aad::empty(), &mut sealed)?;
        let record = u32::try_from(text.len() + 1 + TAG_BYTES).map_err(|_| Unspecified)?;
        let mut body = salt.to_vec();
        // Readers of RFC 8188 take no record size below 18.
        body.extend(record.max(18).to_be_bytes());
        body.push(POINT_BYTES as u8);
        body.extend(own_public);
        body.extend(sealed);
        Ok(body)
    }
}

/// HKDF with SHA-256 (RFC 5869), its first block.
fn derive(salt: &[u8], secret: &[u8], info: &[u8]) -> [u8; 32] {
    let sign = |key: &[u8], text: &[u8]| {
        let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), text);
        <[u8; 32]>::try_from(tag.as_ref()).expect("SHA-256 has 32 bytes")
    };
    sign(&sign(salt, secret), &[info, &[1]].concat())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_of_the_standard_comes_out() {
        // RFC 8291, appendix A. There the record size is 4,096, here as long as the record.
        let decode = |text: &str| URL_SAFE_NO_PAD.decode(text).unwrap();
        let recipient = Recipient::read(&PushKeys {
            p256dh: "BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcx\
                     aOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4"
                .into(),
            auth: "BTBZMqHH6r4Tts7J_aSIgg".into(),
        })
        .unwrap();
        let own_public = decode(
            "BP4z9KsN6nGRTbVYI_c7VJSPQTBtkgcy27mlmlMoZIIg\
             Dll6e3vCYLocInmYWAmS6TlzAC8wEqKK6PBru3jl7A8",
        );
        let shared = decode("kyrL1jIIOHEzg3sM2ZWRHDRB62YACZhhSlknJ672kSs");
        let salt = decode("DGv6ra1nlYgDCS1FRnbzlw").try_into().unwrap();
        let text = b"When I grow up, I want to be a watermelon";
        let body = recipient.seal(&shared, &own_public, salt, text).unwrap();
        let mut expected = decode(
            "DGv6ra1nlYgDCS1FRnbzlwAAEABBBP4z9KsN6nGRTbVYI_c7VJSPQTBtkgcy27ml\
             mlMoZIIgDll6e3vCYLocInmYWAmS6TlzAC8wEqKK6PBru3jl7A_yl95bQpu6cVPT\
             pK4Mqgkf1CXztLVBSt2Ks3oZwbuwXPXLWyouBWLVWGNWQexSgSxsj_Qulcy4a-fN",
        );
        let record = u32::try_from(text.len() + 17).unwrap();
        expected[16..20].copy_from_slice(&record.to_be_bytes());
        assert_eq!(body, expected);
    }

    #[test]
    fn what_is_no_point_of_the_curve_is_refused() {
        let keys = |point: &[u8]| PushKeys {
            p256dh: URL_SAFE_NO_PAD.encode(point),
            auth: URL_SAFE_NO_PAD.encode([7; 16]),
        };
        assert!(Recipient::read(&keys(&[4; 64])).is_none());
        let off_the_curve = Recipient::read(&keys(&[4; 65])).unwrap();
        assert!(off_the_curve.encrypt(b"x").is_err());
    }
}
