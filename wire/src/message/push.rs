//! Web Push: devices that are told of notifications while no session is there.

use serde::{Deserialize, Serialize};

/// Parameters of `push_subscribe`: what a browser's `PushSubscription` gives as JSON.
#[derive(Clone, Serialize, Deserialize)]
pub struct PushSubscribeParams {
    /// Where the device's push service takes messages: an `https:` URL of at most 1,024 bytes.
    pub endpoint: String,
    /// What messages are encrypted with.
    pub keys: PushKeys,
}

/// A device's keys, base64url without padding.
#[derive(Clone, Serialize, Deserialize)]
pub struct PushKeys {
    /// The public key: an uncompressed point of P-256, 65 bytes.
    pub p256dh: String,
    /// The secret, 16 bytes.
    pub auth: String,
}

/// Parameters of `push_unsubscribe`.
#[derive(Clone, Serialize, Deserialize)]
pub struct PushUnsubscribeParams {
    /// The endpoint that is told no more.
    pub endpoint: String,
}

/// Result of `push_key`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PushKeyResult {
    /// The `applicationServerKey` to subscribe with: base64url without padding.
    pub public_key: String,
}

// Whoever knows an endpoint can write to the device: it must not reach a log.
macro_rules! secretive {
    ($($name:ident),*) => {$(
        impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.debug_struct(stringify!($name)).finish_non_exhaustive()
            }
        }
    )*};
}

secretive!(PushSubscribeParams, PushKeys, PushUnsubscribeParams);
