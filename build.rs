//! Embeds the built site into the program: every file of `web-demo/app/dist`, if it is
//! there, with its ETag and, where that is smaller, a gzip of it.

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs, io};

use flate2::Compression;
use flate2::write::GzEncoder;

const SITE: &str = "web-demo/app/dist";

/// Below this a gzip saves nothing worth a header.
const GZIP_BYTES_MIN: usize = 1024;

fn main() -> io::Result<()> {
    let root = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").expect("cargo sets it"));
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets it"));
    // The folder above notices when `dist` comes and goes; a path that is missing would
    // make cargo run this every time.
    println!("cargo::rerun-if-changed=web-demo/app");
    println!("cargo::rerun-if-changed=build.rs");
    let site = root.join(SITE);
    let mut files = Vec::new();
    if site.is_dir() {
        collect(&site, &mut files)?;
    }
    let mut named = Vec::new();
    for path in files {
        let name = path.strip_prefix(&site).expect("it was found there");
        let name = name
            .to_str()
            .ok_or_else(|| io::Error::other("a file name is no UTF-8"))?;
        named.push((name.replace('\\', "/"), path));
    }
    // By name, not by path component: the program searches it so.
    named.sort();
    let mut table = String::from("pub(super) static FILES: &[File] = &[\n");
    for (number, (name, path)) in named.iter().enumerate() {
        let bytes = fs::read(path)?;
        // A copy: the site may be built anew while this program is compiled.
        let copy = out.join(format!("{number}.raw"));
        fs::write(&copy, &bytes)?;
        let gzip = match compressed(name, &bytes)? {
            Some(gzip) => {
                let file = out.join(format!("{number}.gz"));
                fs::write(&file, gzip)?;
                format!("Some(include_bytes!({file:?}))")
            }
            None => "None".to_owned(),
        };
        let etag = format!("\"{:016x}\"", fnv1a(&bytes));
        writeln!(
            table,
            "    File {{ path: {name:?}, etag: {etag:?}, bytes: include_bytes!({copy:?}), gzip: {gzip} }},"
        )
        .expect("writing to a string cannot fail");
    }
    table.push_str("];\n");
    fs::write(out.join("site.rs"), table)
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            collect(&path, files)?;
        } else {
            files.push(path);
        }
    }
    Ok(())
}

/// A gzip of what is text or code and becomes smaller by it.
fn compressed(name: &str, bytes: &[u8]) -> io::Result<Option<Vec<u8>>> {
    let kinds = [
        "html",
        "js",
        "css",
        "json",
        "svg",
        "wasm",
        "txt",
        "webmanifest",
        "map",
    ];
    let extension = name.rsplit('.').next().unwrap_or_default();
    if bytes.len() < GZIP_BYTES_MIN || !kinds.contains(&extension) {
        return Ok(None);
    }
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes)?;
    let gzip = encoder.finish()?;
    Ok((gzip.len() < bytes.len()).then_some(gzip))
}

/// FNV-1a: names a version of a file; nobody gains by a collision.
fn fnv1a(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, &byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}
