//! The certificate the relay shows: its own, or the operator's, always the present one.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use sha2::{Digest, Sha256};
use wire::message::CertificateHash;

use crate::config;

mod files;
mod minted;

use files::Files;
use minted::Minted;

pub(crate) use files::FilesError;
pub(crate) use minted::MintError;

/// How often the certificate is looked after.
const TEND_INTERVAL: Duration = Duration::from_secs(5);

/// Serves the present certificate to TLS and replaces it when its time has come.
#[derive(Debug)]
pub(crate) struct Certificates {
    served: ArcSwap<CertifiedKey>,
    hashes: ArcSwap<Vec<CertificateHash>>,
    keeper: Mutex<Keeper>,
    from_files: bool,
}

#[derive(Debug)]
enum Keeper {
    Files(Files),
    Minted(Minted),
}

/// Why there is no certificate to serve.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("the certificate files cannot be used")]
    Files(#[from] FilesError),
    #[error("no certificate can be minted")]
    Mint(#[from] MintError),
}

impl Certificates {
    /// Reads the operator's certificate, or the relay's own, minting it first if need be.
    pub(crate) fn open(config: &config::Certificate, data_dir: &Path) -> Result<Arc<Self>, Error> {
        let from_files = config.files.is_some();
        let (keeper, served, hashes) = match &config.files {
            Some(paths) => {
                let (files, served) = Files::open(paths)?;
                (Keeper::Files(files), served, Vec::new())
            }
            None => {
                let minted = Minted::open(data_dir, &config.names, unix_s())?;
                let (served, hashes) = (minted.served(), minted.hashes());
                (Keeper::Minted(minted), served, hashes)
            }
        };
        Ok(Arc::new(Self {
            served: ArcSwap::from(served),
            hashes: ArcSwap::from_pointee(hashes),
            keeper: Mutex::new(keeper),
            from_files,
        }))
    }

    /// Whether it is the operator's: then TCP speaks TLS too.
    pub(crate) fn is_from_files(&self) -> bool {
        self.from_files
    }

    /// Hashes clients should trust; empty for the operator's certificate.
    pub(crate) fn hashes(&self) -> Arc<Vec<CertificateHash>> {
        self.hashes.load_full()
    }

    /// Looks after the certificate until it is dropped.
    pub(crate) async fn run(&self) {
        let mut interval = tokio::time::interval(TEND_INTERVAL);
        loop {
            interval.tick().await;
            // A few system calls, and twice in a fortnight a signature.
            self.tend();
        }
    }

    fn tend(&self) {
        let mut keeper = self.keeper.lock().unwrap_or_else(PoisonError::into_inner);
        match &mut *keeper {
            Keeper::Files(files) => match files.reread() {
                Ok(None) => {}
                Ok(Some(served)) => {
                    self.served.store(served);
                    tracing::info!("certificate files changed and are in use");
                }
                Err(error) => tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "changed certificate files cannot be used; the former certificate stays"
                ),
            },
            Keeper::Minted(minted) => match minted.tend(unix_s()) {
                Ok(false) => {}
                Ok(true) => {
                    self.hashes.store(Arc::new(minted.hashes()));
                    self.served.store(minted.served());
                    tracing::info!("the relay's own certificate was renewed");
                }
                Err(error) => tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "the relay's own certificate cannot be renewed"
                ),
            },
        }
    }
}

impl ResolvesServerCert for Certificates {
    fn resolve(&self, _client_hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.served.load_full())
    }
}

/// The hash a browser compares, of the certificate's DER.
fn hash(der: &[u8]) -> CertificateHash {
    CertificateHash {
        algorithm: "sha-256".to_owned(),
        value: BASE64_STANDARD.encode(Sha256::digest(der)),
    }
}

fn unix_s() -> u64 {
    crate::clock::Now::read().unix_s()
}
