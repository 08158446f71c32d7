//! Signatures: that a request is ours, and from when.

use ring::hmac;

/// `v1=` and the HMAC-SHA256 of `{timestamp}.{body}` in hexadecimal. Receivers refuse
/// old timestamps, so that nobody can send an old request again.
pub(super) fn sign(secret: &str, timestamp: u64, body: &str) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
    let mut context = hmac::Context::with_key(&key);
    context.update(timestamp.to_string().as_bytes());
    context.update(b".");
    context.update(body.as_bytes());
    format!("v1={}", hex::encode(context.sign()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn others_compute_the_same() {
        // printf '1700000000.{"a":1}' | openssl dgst -sha256 -hmac 'an open secret here'
        let signature = sign("an open secret here", 1_700_000_000, r#"{"a":1}"#);
        assert_eq!(
            signature,
            "v1=d9969ec0c9df63a5a93bef631f44e0b3bbcd4ce7103565f7d993bdba6ae8b96a"
        );
    }
}
