//! The relay's gate over `signaling`: who a token's bearer is and what they may do.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::Context;
use arc_swap::ArcSwap;
use relay::{Denied, Identity, Rights, Stations};
use signaling::token::{Config, Key, Mint, Verifier, load_or_create_secret};

use crate::config::{Auth, Settings};
use crate::exit::BadArguments;

/// How often the key files are looked at.
const LOOK: Duration = Duration::from_secs(5);

/// Answers the relay.
#[derive(Debug)]
pub(crate) struct Gate {
    settings: Settings,
    verifier: ArcSwap<Verifier>,
}

impl Gate {
    /// A gate with the configured keys; a secret is made when there are none.
    pub(crate) fn new(settings: &Settings) -> anyhow::Result<Self> {
        Ok(Self {
            settings: settings.clone(),
            verifier: ArcSwap::from_pointee(verifier(settings)?),
        })
    }

    /// Reads the keys again whenever one of their files changes, for ever. Files that
    /// cannot be used leave the keys as they were.
    pub(crate) async fn follow_key_files(self: Arc<Self>) {
        let mut known = versions(&self.settings.auth);
        loop {
            tokio::time::sleep(LOOK).await;
            let found = versions(&self.settings.auth);
            if found == known {
                continue;
            }
            match verifier(&self.settings) {
                Ok(verifier) => {
                    self.verifier.store(Arc::new(verifier));
                    tracing::info!("the keys of tokens were read anew");
                }
                Err(error) => tracing::error!(%error, "the keys of tokens stay as they were"),
            }
            known = found;
        }
    }
}

fn verifier(settings: &Settings) -> anyhow::Result<Verifier> {
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
fn versions(auth: &Auth) -> Vec<Option<(SystemTime, u64)>> {
    let files = [&auth.secret_file, &auth.public_key_file, &auth.jwks_file];
    let version = |path: &PathBuf| {
        let file = std::fs::metadata(path).ok()?;
        Some((file.modified().ok()?, file.len()))
    };
    files.into_iter().flatten().map(version).collect()
}

#[async_trait::async_trait]
impl relay::Gate for Gate {
    async fn authenticate(&self, token: &str) -> Result<Identity, Denied> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        let now_s = now.unwrap_or_default().as_secs();
        let found = self.verifier.load().verify(token, now_s);
        let found = found.map_err(|refused| Denied {
            reason: refused.to_string(),
        })?;
        Ok(Identity {
            sub: found.sub,
            name: found.name,
            expires_at: found.expires_at,
            rights: Rights {
                publish: stations(&found.grants.publish),
                moderate: stations(&found.grants.moderate),
                admin: found.grants.admin,
            },
        })
    }
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

fn has_public_keys(auth: &Auth) -> bool {
    auth.public_key_file.is_some() || auth.jwks_file.is_some()
}

fn read(path: &Path, key: &str) -> Result<String, BadArguments> {
    std::fs::read_to_string(path).map_err(|error| bad(key, path, &error))
}

fn bad(key: &str, path: &Path, error: &dyn std::fmt::Display) -> BadArguments {
    BadArguments(format!("{key} = {}: {error}", path.display()))
}

/// What names no station grants nothing; the verifier has dropped it already.
fn stations(list: &[String]) -> Stations {
    if list.iter().any(|entry| entry == "*") {
        return Stations::All;
    }
    Stations::Only(list.iter().filter_map(|entry| entry.parse().ok()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grants_become_sets_of_stations() {
        let list = |entries: &[&str]| {
            entries
                .iter()
                .map(|&entry| entry.to_owned())
                .collect::<Vec<_>>()
        };
        let demo = "demo".parse().unwrap();
        assert!(stations(&list(&["a", "*"])).contains(&demo));
        assert!(stations(&list(&["demo"])).contains(&demo));
        assert!(!stations(&list(&["demo2", "No Station"])).contains(&demo));
        assert!(!stations(&[]).contains(&demo));
    }
}
