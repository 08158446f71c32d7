//! The operator's certificate: PEM files, read again when they change.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use rustls::crypto::ring::default_provider;
use rustls::pki_types::pem::{Error as PemError, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;

use crate::config::CertificateFiles;

/// Two files and what they looked like when they were read.
#[derive(Debug)]
pub(super) struct Files {
    paths: CertificateFiles,
    seen: [Looks; 2],
}

/// What tells that a file changed, without reading it.
type Looks = Option<(SystemTime, u64)>;

/// Why certificate files cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FilesError {
    #[error("cannot read {path}")]
    Pem { path: PathBuf, source: PemError },
    #[error("{path} holds no certificate")]
    Empty { path: PathBuf },
    #[error("certificate and key do not fit together")]
    Pair(#[from] rustls::Error),
}

impl Files {
    pub(super) fn open(paths: &CertificateFiles) -> Result<(Self, Arc<CertifiedKey>), FilesError> {
        let files = Self {
            seen: looks(paths),
            paths: paths.clone(),
        };
        let key = read(paths)?;
        Ok((files, key))
    }

    /// The new certificate when the files changed since they were last read.
    pub(super) fn reread(&mut self) -> Result<Option<Arc<CertifiedKey>>, FilesError> {
        let now = looks(&self.paths);
        if now == self.seen {
            return Ok(None);
        }
        // Whoever replaces two files may be half way: a failure is tried again once
        // they change again.
        self.seen = now;
        read(&self.paths).map(Some)
    }
}

fn looks(paths: &CertificateFiles) -> [Looks; 2] {
    let look = |path: &Path| -> io::Result<_> {
        let metadata = std::fs::metadata(path)?;
        Ok((metadata.modified()?, metadata.len()))
    };
    [look(&paths.certificate).ok(), look(&paths.key).ok()]
}

fn read(paths: &CertificateFiles) -> Result<Arc<CertifiedKey>, FilesError> {
    let pem = |path: &Path| {
        let path = path.to_owned();
        move |source| FilesError::Pem { path, source }
    };
    let chain = CertificateDer::pem_file_iter(&paths.certificate)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(pem(&paths.certificate))?;
    if chain.is_empty() {
        let path = paths.certificate.clone();
        return Err(FilesError::Empty { path });
    }
    let key = PrivateKeyDer::from_pem_file(&paths.key).map_err(pem(&paths.key))?;
    let certified = CertifiedKey::from_der(chain, key, &default_provider())?;
    Ok(Arc::new(certified))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn write_pair(paths: &CertificateFiles) -> Vec<u8> {
        let made = rcgen::generate_simple_self_signed(["localhost".into()]).unwrap();
        std::fs::write(&paths.certificate, made.cert.pem()).unwrap();
        std::fs::write(&paths.key, made.signing_key.serialize_pem()).unwrap();
        made.cert.der().to_vec()
    }

    #[test]
    fn changed_files_are_read_and_broken_ones_are_errors() {
        let folder = std::env::temp_dir().join(format!("skywave-{:x}", rand::random::<u64>()));
        std::fs::create_dir(&folder).unwrap();
        let paths = CertificateFiles {
            certificate: folder.join("c.pem"),
            key: folder.join("k.pem"),
        };
        assert!(matches!(Files::open(&paths), Err(FilesError::Pem { .. })));
        let first = write_pair(&paths);
        let (mut files, served) = Files::open(&paths).unwrap();
        assert_eq!(served.cert[0].as_ref(), first);
        assert!(files.reread().unwrap().is_none());

        let second = write_pair(&paths);
        let later = SystemTime::now() + Duration::from_secs(10);
        let touch = |path: &Path, at| {
            let file = std::fs::File::options().append(true).open(path).unwrap();
            file.set_modified(at).unwrap();
        };
        touch(&paths.certificate, later);
        assert_eq!(files.reread().unwrap().unwrap().cert[0].as_ref(), second);

        std::fs::write(&paths.key, "no key").unwrap();
        assert!(files.reread().is_err());
        assert!(
            files.reread().unwrap().is_none(),
            "not tried until it changes again"
        );
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
