//! The random secret a server without configured keys makes for itself.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::secret_file::{place, random_hex};

/// The secret's file inside the data folder.
const FILE: &str = "token.key";

/// Random bytes behind the secret; the file holds them in hexadecimal.
const RANDOM_BYTES: usize = 32;

/// The secret file cannot be read or made.
#[derive(Debug, thiserror::Error)]
#[error("{path}: {source}")]
pub struct SecretFileError {
    path: PathBuf,
    source: io::Error,
}

/// The secret in `folder`, which is made, readable by its owner alone, when it is not there.
///
/// Safe against another process doing the same at the same time: both get one secret.
pub fn load_or_create_secret(folder: &Path) -> Result<Vec<u8>, SecretFileError> {
    let path = folder.join(FILE);
    let found = match read(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let secret = random_hex::<RANDOM_BYTES>();
            let placed = secret.and_then(|secret| place(folder, FILE, secret.as_bytes()));
            placed.and_then(|()| read(&path))
        }
        other => other,
    };
    found.map_err(|source| SecretFileError { path, source })
}

fn read(path: &Path) -> io::Result<Vec<u8>> {
    let text = fs::read_to_string(path)?;
    let secret = text.trim();
    if secret.len() < RANDOM_BYTES {
        let short = "the secret is too short; remove the file to have a new one made";
        return Err(io::Error::new(io::ErrorKind::InvalidData, short));
    }
    Ok(secret.as_bytes().to_vec())
}
