//! The random secret a server without configured keys makes for itself.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use ring::rand::{SecureRandom, SystemRandom};

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
            create(folder, &path).and_then(|()| read(&path))
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

/// Writes a new secret beside its place and links it there, so that no reader ever
/// sees half of one and the first of two writers wins.
fn create(folder: &Path, path: &Path) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    let secret = random_hex()?;
    let draft = folder.join(format!(".{FILE}.{}", &random_hex()?[..16]));
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let written = options.open(&draft).and_then(|mut file| {
        file.write_all(secret.as_bytes())?;
        file.sync_all()
    });
    let linked = written.and_then(|()| match fs::hard_link(&draft, path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        other => other,
    });
    // A draft left behind does no harm; its name is never used again.
    let _ = fs::remove_file(&draft);
    linked
}

fn random_hex() -> io::Result<String> {
    let mut random = [0; RANDOM_BYTES];
    SystemRandom::new()
        .fill(&mut random)
        .map_err(|_| io::Error::other("no randomness from the system"))?;
    Ok(random.iter().map(|byte| format!("{byte:02x}")).collect())
}
