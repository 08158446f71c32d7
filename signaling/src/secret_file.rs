//! Secrets the server makes for itself and keeps in its data folder.

use std::fs;
use std::io::{self, Write};
use std::path::Path;

use ring::rand::{SecureRandom, SystemRandom};

/// Puts a secret into `folder` as a file only its owner can read; one that is there stays.
///
/// It is written beside its place and linked there, so that no reader ever sees half of
/// one and the first of two writers wins.
pub(crate) fn place(folder: &Path, name: &str, secret: &[u8]) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    let draft = folder.join(format!(".{name}.{}", random_hex::<8>()?));
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let written = options.open(&draft).and_then(|mut file| {
        file.write_all(secret)?;
        file.sync_all()
    });
    let linked = written.and_then(|()| match fs::hard_link(&draft, folder.join(name)) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        other => other,
    });
    // A draft left behind does no harm; its name is never used again.
    let _ = fs::remove_file(&draft);
    linked
}

/// So many random bytes in hexadecimal.
pub(crate) fn random_hex<const BYTES: usize>() -> io::Result<String> {
    let mut random = [0; BYTES];
    SystemRandom::new()
        .fill(&mut random)
        .map_err(|_| io::Error::other("no randomness from the system"))?;
    Ok(hex::encode(random))
}
