//! JWTs (RFC 7519): verifying them, minting them, and the rights they carry.
//!
//! [`Verifier`] turns the text of a token into an [`Identity`] or says why not.
//! Each [`Key`] is good for exactly one algorithm, so that neither `alg: none`
//! nor a public key used as a shared secret gets anywhere (RFC 8725, section 3.1).

mod claims;
mod crypto;
mod key;
mod mint;
mod secret_file;
mod verify;

pub use claims::{Grants, Identity};
pub use key::{InvalidKey, Key};
pub use mint::{Mint, MintError, Order};
pub use secret_file::{SecretFileError, load_or_create_secret};
pub use verify::{Config, Refused, Verifier};

#[cfg(test)]
mod tests;
