//! Settings of Web Push.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use signaling::push::{Config, PushKey};

use crate::exit::BadArguments;

use super::Settings;

/// Notifications on devices whose users have no session. Off without a contact.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Push {
    /// Whom push services write to when something is wrong: `mailto:` or `https:`.
    #[serde(skip_serializing_if = "Option::is_none")]
    contact: Option<String>,
    /// A file with the private key, PKCS#8 in PEM; `push.pem` in the data folder when left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    key_file: Option<PathBuf>,
    /// Whether users who have a session are told on their devices, too.
    always: bool,
    /// Allows push services that are no public ones.
    any_endpoint: bool,
}

impl Push {
    /// What serde cannot see.
    pub(super) fn check(&self) -> Result<(), BadArguments> {
        let known = |contact: &String| {
            let address = contact
                .strip_prefix("mailto:")
                .or_else(|| contact.strip_prefix("https://"));
            address.is_some_and(|address| !address.is_empty())
        };
        if !self.contact.iter().all(known) {
            return Err(BadArguments(
                "push.contact: neither mailto: nor https:".into(),
            ));
        }
        if self.contact.is_none() && self.key_file.is_some() {
            return Err(BadArguments("push.key_file needs push.contact".into()));
        }
        Ok(())
    }
}

impl Settings {
    /// Web Push as the service takes it; none when it is off. Makes the key when there is none.
    pub(crate) fn push(&self) -> anyhow::Result<Option<Config>> {
        let Some(contact) = &self.push.contact else {
            return Ok(None);
        };
        let key = match &self.push.key_file {
            None => PushKey::load_or_create(&self.data_dir)?,
            Some(_) => self.push_key()?,
        };
        Ok(Some(Config {
            always: self.push.always,
            any_endpoint: self.push.any_endpoint,
            ..Config::new(key, contact)
        }))
    }

    /// Whether a configured key can be used, without making one.
    pub(crate) fn check_push(&self) -> anyhow::Result<()> {
        match self.push.key_file {
            Some(_) => self.push_key().map(drop),
            None => Ok(()),
        }
    }

    fn push_key(&self) -> anyhow::Result<PushKey> {
        let path = self.push.key_file.clone().unwrap_or_default();
        let bad = |error: &dyn std::fmt::Display| {
            BadArguments(format!("push.key_file = {}: {error}", path.display()))
        };
        let text = std::fs::read_to_string(&path).map_err(|error| bad(&error))?;
        Ok(PushKey::parse(&text).map_err(|error| bad(&error))?)
    }
}
