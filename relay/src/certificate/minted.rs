//! The relay's own certificate: what browsers accept by its hash, renewed in time.
//!
//! Browsers take a certificate by hash only if it is ECDSA P-256 and valid for at
//! most 14 days. A client learns the hashes and connects a little later, and
//! reconnects with what it learned; so the next certificate's hash is published
//! for a day before that certificate is served.

use std::collections::BTreeSet;
use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rcgen::{CertificateParams, DistinguishedName, DnType, KeyPair, PKCS_ECDSA_P256_SHA256};
use rustls::crypto::ring::default_provider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use time::OffsetDateTime;
use wire::message::CertificateHash;
use x509_parser::prelude::{FromDer, GeneralName, X509Certificate};

const DAY: u64 = 86_400;

/// How long a certificate is valid.
const VALID: u64 = 13 * DAY;

/// How long before its minting it is valid: clients' clocks are off.
const BACKDATED: u64 = 3_600;

/// At which age the next one is minted and published.
const NEXT_AT: u64 = 10 * DAY;

/// At which age the next one is served.
const SWITCH_AT: u64 = 11 * DAY;

/// Names every minted certificate holds.
const NAMES: [&str; 3] = ["localhost", "127.0.0.1", "::1"];

/// The certificate served and, near its end, the one to follow.
#[derive(Debug)]
pub(super) struct Minted {
    folder: PathBuf,
    names: Vec<String>,
    current: Held,
    next: Option<Held>,
}

#[derive(Debug, Clone)]
struct Held {
    pem: String,
    key: Arc<CertifiedKey>,
    not_before: u64,
    names: BTreeSet<String>,
}

/// Why no certificate can be minted or kept.
#[derive(Debug, thiserror::Error)]
pub(crate) enum MintError {
    #[error("cannot keep it in {path}")]
    Keep { path: PathBuf, source: io::Error },
    #[error("a configured name cannot be in a certificate")]
    Mint(#[from] rcgen::Error),
    #[error("the minted certificate cannot be used")]
    Use(#[from] Unusable),
}

/// Bytes that hold no certificate of ours.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unusable {
    #[error("no PEM: {0}")]
    Pem(rustls::pki_types::pem::Error),
    #[error("no certificate and key that fit together: {0}")]
    Pair(rustls::Error),
    #[error("no X.509 certificate")]
    X509,
}

impl Minted {
    /// Takes up what was kept in `folder`, or mints what is missing.
    pub(super) fn open(folder: &Path, names: &[String], now: u64) -> Result<Self, MintError> {
        let names: Vec<_> = NAMES
            .map(str::to_owned)
            .into_iter()
            .chain(names.iter().cloned())
            .collect();
        let usable = |name: &str| {
            let pem = fs::read_to_string(folder.join(name)).ok()?;
            let held = Held::from_pem(pem).ok()?;
            let fits = names.iter().all(|name| held.names.contains(name));
            (fits && (held.not_before..held.not_before + SWITCH_AT).contains(&now)).then_some(held)
        };
        let kept = [usable(CURRENT), usable(NEXT)];
        let [current, next] = match kept {
            [None, next] => [next, None],
            kept => kept,
        };
        let current = match current {
            Some(current) => current,
            None => Held::mint(&names, now)?,
        };
        let mut minted = Self {
            folder: folder.to_owned(),
            names,
            current,
            next,
        };
        minted.keep()?;
        minted.tend(now)?;
        Ok(minted)
    }

    /// Renews what is due; true when something changed.
    pub(super) fn tend(&mut self, now: u64) -> Result<bool, MintError> {
        let age = now.saturating_sub(self.current.not_before);
        let mut changed = false;
        if age >= NEXT_AT && self.next.is_none() {
            self.next = Some(Held::mint(&self.names, now)?);
            changed = true;
        }
        if age >= SWITCH_AT
            && let Some(next) = self.next.take()
        {
            self.current = next;
            changed = true;
        }
        if changed {
            self.keep()?;
        }
        Ok(changed)
    }

    pub(super) fn served(&self) -> Arc<CertifiedKey> {
        Arc::clone(&self.current.key)
    }

    pub(super) fn hashes(&self) -> Vec<CertificateHash> {
        let all = std::iter::once(&self.current).chain(&self.next);
        all.map(|held| super::hash(&held.key.cert[0])).collect()
    }

    fn keep(&self) -> Result<(), MintError> {
        let keep = |path: &Path, source| MintError::Keep {
            path: path.to_owned(),
            source,
        };
        fs::create_dir_all(&self.folder).map_err(|error| keep(&self.folder, error))?;
        let path = self.folder.join(CURRENT);
        write_private(&path, &self.current.pem).map_err(|error| keep(&path, error))?;
        let path = self.folder.join(NEXT);
        match &self.next {
            Some(next) => write_private(&path, &next.pem).map_err(|error| keep(&path, error)),
            None => match fs::remove_file(&path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => Err(keep(&path, error)),
                _ => Ok(()),
            },
        }
    }
}

const CURRENT: &str = "certificate.pem";
const NEXT: &str = "certificate-next.pem";

impl Held {
    fn mint(names: &[String], now: u64) -> Result<Self, MintError> {
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
        let mut params = CertificateParams::new(names.to_vec())?;
        let not_before = now.saturating_sub(BACKDATED);
        let date = |second: u64| {
            let second = i64::try_from(second).unwrap_or(i64::MAX);
            OffsetDateTime::from_unix_timestamp(second).unwrap_or(OffsetDateTime::UNIX_EPOCH)
        };
        params.not_before = date(not_before);
        params.not_after = date(not_before + VALID);
        params.distinguished_name = DistinguishedName::new();
        params
            .distinguished_name
            .push(DnType::CommonName, "Skywave relay");
        let certificate = params.self_signed(&key)?;
        let pem = format!("{}{}", certificate.pem(), key.serialize_pem());
        Ok(Self::from_pem(pem)?)
    }

    fn from_pem(pem: String) -> Result<Self, Unusable> {
        let der = CertificateDer::from_pem_slice(pem.as_bytes()).map_err(Unusable::Pem)?;
        let key = PrivateKeyDer::from_pem_slice(pem.as_bytes()).map_err(Unusable::Pem)?;
        let (_, parsed) = X509Certificate::from_der(&der).map_err(|_| Unusable::X509)?;
        let not_before = parsed.validity().not_before.timestamp();
        let not_before = u64::try_from(not_before).map_err(|_| Unusable::X509)?;
        let names = names_in(&parsed);
        let key = CertifiedKey::from_der(vec![der], key, &default_provider());
        Ok(Self {
            key: Arc::new(key.map_err(Unusable::Pair)?),
            pem,
            not_before,
            names,
        })
    }
}

fn names_in(certificate: &X509Certificate<'_>) -> BTreeSet<String> {
    let extension = certificate.subject_alternative_name().ok().flatten();
    let names = extension
        .into_iter()
        .flat_map(|extension| &extension.value.general_names);
    let text = |name: &GeneralName<'_>| match name {
        GeneralName::DNSName(name) => Some((*name).to_owned()),
        GeneralName::IPAddress(bytes) => {
            let v4 = <[u8; 4]>::try_from(*bytes).map(std::net::IpAddr::from);
            let v6 = <[u8; 16]>::try_from(*bytes).map(std::net::IpAddr::from);
            v4.or(v6).ok().map(|address| address.to_string())
        }
        _ => None,
    };
    names.filter_map(text).collect()
}

/// Writes a file only its owner may read, whole or not at all.
fn write_private(path: &Path, text: &str) -> io::Result<()> {
    let partial = path.with_extension("partial");
    // What an interrupted run left may have other rights.
    let _ = fs::remove_file(&partial);
    let mut options = fs::File::options();
    let mut file = options
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&partial)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    fs::rename(&partial, path)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    const START: u64 = 1_800_000_000;

    fn folder() -> PathBuf {
        std::env::temp_dir().join(format!("skywave-{:x}", rand::random::<u64>()))
    }

    #[test]
    fn it_is_what_browsers_accept_and_kept_private() {
        let folder = folder();
        let minted = Minted::open(&folder, &["radio.example".into()], START).unwrap();
        let served = minted.served();
        let (_, parsed) = X509Certificate::from_der(&served.cert[0]).unwrap();
        let validity = parsed.validity();
        assert_eq!(
            validity.not_after.timestamp() - validity.not_before.timestamp(),
            13 * 86_400
        );
        let names = names_in(&parsed);
        for name in ["localhost", "127.0.0.1", "::1", "radio.example"] {
            assert!(names.contains(name), "{name}");
        }
        let key = parsed.public_key().parsed().unwrap();
        assert_eq!(key.key_size(), 256);
        let mode = fs::metadata(folder.join(CURRENT))
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600);

        let again = Minted::open(&folder, &["radio.example".into()], START + DAY).unwrap();
        assert_eq!(again.hashes(), minted.hashes(), "it outlives a restart");
        let renamed = Minted::open(&folder, &["other.example".into()], START + DAY).unwrap();
        assert_ne!(renamed.hashes(), minted.hashes());
        fs::remove_dir_all(&folder).unwrap();
    }

    #[test]
    fn the_next_is_published_a_day_before_it_is_served() {
        let folder = folder();
        let mut minted = Minted::open(&folder, &[], START).unwrap();
        let first = minted.hashes();
        assert!(!minted.tend(START + NEXT_AT - BACKDATED - 1).unwrap());
        assert!(minted.tend(START + NEXT_AT).unwrap());
        let both = minted.hashes();
        assert_eq!((both.len(), &both[0]), (2, &first[0]));
        let restarted = Minted::open(&folder, &[], START + NEXT_AT + 1).unwrap();
        assert_eq!(restarted.hashes(), both);
        assert!(minted.tend(START + SWITCH_AT).unwrap());
        assert_eq!(minted.hashes(), both[1..]);
        assert_eq!(super::super::hash(&minted.served().cert[0]), both[1]);

        let late = Minted::open(&folder, &[], START + 60 * DAY).unwrap();
        assert_ne!(
            late.hashes(),
            both[1..],
            "one that has ended is not taken up"
        );
        fs::remove_dir_all(&folder).unwrap();
    }
}
