//! The keys tokens are signed with, and what makes tokens.

use std::path::{Path, PathBuf};
use std::time::SystemTime;

use anyhow::Context;
use signaling::token::{Config, Key, Mint, Verifier, load_or_create_secret};

use crate::config::{Auth, Settings};
use crate::exit::BadArguments;

pub(super) fn verifier(settings: &Settings) -> anyhow::Result<Verifier> {
    let mut keys = configured_keys(&settings.auth)?;
    if keys.is_empty() {
        let secret = load_or_create_secret(&settings.data_dir);
        keys.push(Key::secret(
            &secret.context("the secret in the data folder")?,
        )?);
    }
    Ok(Verifier::new(Config {
        keys,
        issuer: settings.auth.issuer.clone(),
        audience: settings.auth.audience.clone(),
    }))
}

/// What tells whether a key file changed: when it was written and how long it is.
pub(super) fn versions(auth: &Auth) -> Vec<Option<(SystemTime, u64)>> {
    let files = [
        &auth.secret_file,
        &auth.public_key_file,
        &auth.jwks_file,
        &auth.revoked_file,
    ];
    let version = |path: &PathBuf| {
        let file = std::fs::metadata(path).ok()?;
        Some((file.modified().ok()?, file.len()))
    };
    files.into_iter().flatten().map(version).collect()
}

/// Whether the keys can be used, without making one.
pub(crate) fn check_keys(settings: &Settings) -> anyhow::Result<()> {
    configured_keys(&settings.auth).map(drop)
}

fn configured_keys(auth: &Auth) -> anyhow::Result<Vec<Key>> {
    let mut keys = Vec::new();
    if let Some(secret) = configured_secret(auth)? {
        let key = Key::secret(&secret);
        keys.push(key.map_err(|error| BadArguments(format!("auth.secret: {error}")))?);
    }
    if let Some(path) = &auth.public_key_file {
        let key = Key::public_pem(&read(path, "auth.public_key_file")?);
        keys.push(key.map_err(|error| bad("auth.public_key_file", path, &error))?);
    }
    if let Some(path) = &auth.jwks_file {
        let found = Key::jwks(&read(path, "auth.jwks_file")?);
        keys.extend(found.map_err(|error| bad("auth.jwks_file", path, &error))?);
    }
    Ok(keys)
}

/// Makes tokens this server accepts.
pub(crate) fn mint(settings: &Settings) -> anyhow::Result<Mint> {
    let auth = &settings.auth;
    let secret = match configured_secret(auth)? {
        Some(secret) => secret,
        None if has_public_keys(auth) => {
            let why = "the server is configured with public keys alone; \
                       whoever holds the private key makes the tokens";
            return Err(BadArguments(why.into()).into());
        }
        None => {
            let secret = load_or_create_secret(&settings.data_dir);
            secret.context("the secret in the data folder")?
        }
    };
    let mint = Mint::new(&secret, auth.issuer.clone(), auth.audience.clone());
    Ok(mint.map_err(|error| BadArguments(format!("auth.secret: {error}")))?)
}

fn configured_secret(auth: &Auth) -> Result<Option<Vec<u8>>, BadArguments> {
    if let Some(secret) = &auth.secret {
        return Ok(Some(secret.expose().as_bytes().to_vec()));
    }
    let Some(path) = &auth.secret_file else {
        return Ok(None);
    };
    // Editors end files with a line break that nobody means.
    let text = read(path, "auth.secret_file")?;
    Ok(Some(text.trim_end().as_bytes().to_vec()))
}

pub(crate) fn has_public_keys(auth: &Auth) -> bool {
    auth.public_key_file.is_some() || auth.jwks_file.is_some()
}

pub(super) fn read(path: &Path, key: &str) -> Result<String, BadArguments> {
    std::fs::read_to_string(path).map_err(|error| bad(key, path, &error))
}

fn bad(key: &str, path: &Path, error: &dyn std::fmt::Display) -> BadArguments {
    BadArguments(format!("{key} = {}: {error}", path.display()))
}
