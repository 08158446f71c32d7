//! The passwords of stations' encoders.

use std::collections::HashMap;
use std::io::{IsTerminal, Read};
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Context;
use argon2::password_hash::rand_core::OsRng;
use argon2::password_hash::{self, Output, PasswordHash, PasswordHasher, Salt, SaltString};
use argon2::{Algorithm, Argon2, Block, Params, Version};
use tokio::sync::Semaphore;
use wire::StationId;

use crate::config::{Secret, Settings};
use crate::exit::BadArguments;

/// Passwords checked at once: each takes some 20 ms of a core and 19 MB.
const AT_ONCE: usize = 2;

/// Checks that may wait; more are refused, so that guessing cannot pile up.
const WAITING_MAX: usize = 64;

/// What a hash in the settings begins with; anything else is the password itself.
const HASH_PREFIX: &str = "$argon2";

/// The passwords as Argon2id hashes.
#[derive(Debug)]
pub(crate) struct Passwords {
    /// For stations without one of their own.
    common: Option<Arc<str>>,
    stations: HashMap<StationId, Arc<str>>,
    turns: Semaphore,
    waiting: Semaphore,
    /// What earlier checks worked in. Every thread that freed as much would keep it.
    memory: Arc<Mutex<Vec<Memory>>>,
}

type Memory = Vec<Block>;

/// Too many wait already.
#[derive(Debug)]
pub(crate) struct Busy;

impl Passwords {
    /// Hashes what the settings hold in the clear.
    pub(crate) fn new(settings: &Settings) -> Result<Self, BadArguments> {
        let common = settings.icecast.source_password.as_ref();
        let stations = settings.stations.iter().filter_map(|station| {
            let password = station.source_password.as_ref()?;
            Some((station.id.clone(), password))
        });
        let stations = stations.map(|(id, password)| {
            let name = format!("the source_password of station {id}");
            Ok((id, hashed(password, &name)?))
        });
        Ok(Self {
            common: common
                .map(|password| hashed(password, "icecast.source_password"))
                .transpose()?,
            stations: stations.collect::<Result<_, BadArguments>>()?,
            turns: Semaphore::new(AT_ONCE),
            waiting: Semaphore::new(WAITING_MAX),
            memory: Arc::default(),
        })
    }

    /// Whether it is the station's password.
    pub(crate) async fn check(&self, station: &StationId, password: &str) -> Result<bool, Busy> {
        let Some(hash) = self.stations.get(station).or(self.common.as_ref()) else {
            return Ok(false);
        };
        let _place = self.waiting.try_acquire().map_err(|_| Busy)?;
        let _turn = self.turns.acquire().await.map_err(|_| Busy)?;
        let (hash, password) = (Arc::clone(hash), password.to_owned());
        let pool = Arc::clone(&self.memory);
        let checked = tokio::task::spawn_blocking(move || {
            let hash = PasswordHash::new(&hash).expect("it was read when it was set");
            // Every change is one push or pop.
            let pool = || pool.lock().unwrap_or_else(PoisonError::into_inner);
            let mut memory = pool().pop().unwrap_or_default();
            let is_it = matches(&hash, password.as_bytes(), &mut memory);
            pool().push(memory);
            is_it.unwrap_or(false)
        });
        Ok(checked.await.unwrap_or(false))
    }
}

fn hashed(password: &Secret, name: &str) -> Result<Arc<str>, BadArguments> {
    let text = password.expose();
    if text.is_empty() {
        return Err(BadArguments(format!("{name} is empty")));
    }
    if !text.starts_with(HASH_PREFIX) {
        return Ok(hash(text)
            .map_err(|error| BadArguments(format!("{name}: {error}")))?
            .into());
    }
    let hash = PasswordHash::new(text);
    // Without its last part it would be a hash nobody's password has.
    if !hash.is_ok_and(|hash| hash.hash.is_some()) {
        return Err(BadArguments(format!("{name} is no whole Argon2 hash")));
    }
    Ok(text.into())
}

/// Whether it is that hash's password, by the hash's own parameters.
fn matches(
    hash: &PasswordHash<'_>,
    password: &[u8],
    memory: &mut Memory,
) -> password_hash::Result<bool> {
    let (Some(salt), Some(expected)) = (hash.salt, hash.hash) else {
        return Ok(false);
    };
    let algorithm = Algorithm::try_from(hash.algorithm)?;
    let version = hash.version.map(Version::try_from).transpose()?;
    let params = Params::try_from(hash)?;
    memory.resize(params.block_count(), Block::default());
    let mut decoded = [0; Salt::MAX_LENGTH];
    let salt = salt.decode_b64(&mut decoded)?;
    let mut made = vec![0; expected.len()];
    Argon2::new(algorithm, version.unwrap_or_default(), params)
        .hash_password_into_with_memory(password, salt, &mut made, memory)?;
    // `Output` compares in constant time.
    Ok(Output::new(&made)? == expected)
}

fn hash(password: &str) -> argon2::password_hash::Result<String> {
    let salt = SaltString::generate(&mut OsRng);
    let hash = Argon2::default().hash_password(password.as_bytes(), &salt)?;
    Ok(hash.to_string())
}

/// `skywave hash-password`: reads a password and prints what the settings may hold instead.
pub(crate) fn run() -> anyhow::Result<()> {
    let mut stdin = std::io::stdin();
    if stdin.is_terminal() {
        eprintln!("The password, then Enter and Ctrl-D (it shows as you type):");
    }
    let mut text = String::new();
    let read = stdin.by_ref().take(4096).read_to_string(&mut text);
    read.context("the password cannot be read")?;
    let password = text.trim_end_matches(['\r', '\n']);
    if password.is_empty() {
        return Err(BadArguments("the password is empty".into()).into());
    }
    println!(
        "{}",
        hash(password).map_err(|error| anyhow::anyhow!("{error}"))?
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn passwords(toml: &str) -> Result<Passwords, BadArguments> {
        Passwords::new(&toml::from_str(toml).unwrap())
    }

    #[tokio::test]
    async fn a_stations_own_password_wins_over_the_common_one() {
        let jazz = hash("blue").unwrap();
        let passwords = passwords(&format!(
            "[icecast]\nsource_password = 'everyone'\n\
             [[stations]]\nid = 'jazz'\nsource_password = '{jazz}'\n[[stations]]\nid = 'rock'\n"
        ))
        .unwrap();
        assert!(!format!("{passwords:?}").contains("everyone"));
        for (station, password, good) in [
            ("jazz", "blue", true),
            ("jazz", "everyone", false),
            ("jazz", &*jazz, false),
            ("rock", "everyone", true),
            ("other", "everyone", true),
            ("other", "", false),
        ] {
            let checked = passwords.check(&station.parse().unwrap(), password).await;
            assert_eq!(checked.unwrap(), good, "{station} {password}");
        }
    }

    #[tokio::test]
    async fn without_any_password_nobody_gets_in() {
        let checked = passwords("")
            .unwrap()
            .check(&"jazz".parse().unwrap(), "")
            .await;
        assert!(!checked.unwrap());
    }

    #[test]
    fn what_is_no_hash_is_named() {
        let broken = "[icecast]\nsource_password = '$argon2id$broken'";
        let error = passwords(broken).unwrap_err().to_string();
        assert!(error.contains("icecast.source_password"), "{error}");
        assert!(passwords("[icecast]\nsource_password = ''").is_err());
    }
}
