//! Which files a playlist has. Nothing outside of what the operator named is ever found.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use super::order::Item;

/// The most files of one playlist; what is beyond is left out.
const FILES_MAX: usize = 20_000;

/// How deep folders are looked into.
const DEPTH_MAX: usize = 8;

/// What a name ends with that is sound.
const KINDS: [&str; 10] = [
    "mp3", "aac", "m4a", "mp4", "flac", "ogg", "oga", "opus", "wav", "webm",
];

/// The files of a playlist in order: those of a folder by name, those of a list as it has
/// them. A file that is named and is not there is in it, too: it may come.
pub(crate) fn scan(entries: &[PathBuf]) -> Vec<Item> {
    let mut items = Vec::new();
    let alone = entries.len() == 1;
    for entry in entries {
        match fs::canonicalize(entry) {
            Ok(root) if root.is_dir() => {
                // In a list each folder's files are told apart by its name.
                let prefix = root.file_name().filter(|_| !alone);
                let prefix = prefix.map(|name| format!("{}/", name.to_string_lossy()));
                let mut found = BTreeMap::new();
                walk(&root, &root, DEPTH_MAX, &mut found);
                for (name, path) in found {
                    let name = format!("{}{name}", prefix.as_deref().unwrap_or_default());
                    items.push(item(name, path));
                }
            }
            _ => {
                let name = entry.file_name().unwrap_or(entry.as_os_str());
                items.push(item(name.to_string_lossy().into_owned(), entry.clone()));
            }
        }
    }
    items.truncate(FILES_MAX);
    // Names are what the API knows: the second of the same gets another.
    let mut seen = BTreeMap::new();
    for item in &mut items {
        let count = seen.entry(item.file.clone()).or_insert(0_u32);
        *count += 1;
        if *count > 1 {
            item.file = format!("{} ({count})", item.file);
        }
    }
    items
}

fn item(file: String, path: PathBuf) -> Item {
    let version = fs::metadata(&path).ok();
    let version = version.and_then(|file| Some((file.len(), file.modified().ok()?)));
    Item {
        file,
        path,
        version,
        tags: None,
        broken: None,
    }
}

/// Collects what is sound below `folder`. Links that lead out of `root` are passed over.
fn walk(root: &Path, folder: &Path, depth: usize, found: &mut BTreeMap<String, PathBuf>) {
    // A folder that cannot be read holds nothing for now.
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        if found.len() >= FILES_MAX {
            return;
        }
        let path = entry.path();
        let Ok(real) = fs::canonicalize(&path) else {
            continue;
        };
        if !real.starts_with(root) {
            continue;
        }
        if real.is_dir() && depth > 0 {
            walk(root, &path, depth - 1, found);
        } else if real.is_file() && is_sound(&path) {
            let Ok(within) = path.strip_prefix(root) else {
                continue;
            };
            let names = within.iter().map(|name| name.to_string_lossy());
            found.insert(names.collect::<Vec<_>>().join("/"), real);
        }
    }
}

fn is_sound(path: &Path) -> bool {
    let kind = path.extension().and_then(|kind| kind.to_str());
    let hidden = path
        .file_name()
        .is_some_and(|name| name.to_string_lossy().starts_with('.'));
    !hidden && kind.is_some_and(|kind| KINDS.contains(&&*kind.to_ascii_lowercase()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(items: &[Item]) -> Vec<&str> {
        items.iter().map(|item| &*item.file).collect()
    }

    #[test]
    fn a_folder_is_walked_and_never_left() {
        let place = tempfile::tempdir().unwrap();
        let root = place.path().join("music");
        fs::create_dir_all(root.join("b")).unwrap();
        for file in ["c.mp3", "a.FLAC", "b/x.ogg", "cover.jpg", ".hidden.mp3"] {
            fs::write(root.join(file), b"x").unwrap();
        }
        fs::write(place.path().join("secret.mp3"), b"x").unwrap();
        std::os::unix::fs::symlink("../secret.mp3", root.join("out.mp3")).unwrap();
        std::os::unix::fs::symlink("..", root.join("up")).unwrap();
        std::os::unix::fs::symlink("c.mp3", root.join("d.mp3")).unwrap();
        std::os::unix::fs::symlink("nowhere", root.join("e.mp3")).unwrap();
        let items = scan(std::slice::from_ref(&root));
        assert_eq!(names(&items), ["a.FLAC", "b/x.ogg", "c.mp3", "d.mp3"]);
        assert!(items.iter().all(|item| item.version.is_some()));
    }

    #[test]
    fn a_list_keeps_its_order_and_what_is_missing() {
        let place = tempfile::tempdir().unwrap();
        let file = |name: &str| place.path().join(name);
        fs::create_dir(file("jingles")).unwrap();
        for name in ["z.mp3", "jingles/j.mp3"] {
            fs::write(file(name), b"x").unwrap();
        }
        let list = [
            file("z.mp3"),
            file("gone.mp3"),
            file("jingles"),
            file("z.mp3"),
        ];
        let items = scan(&list);
        assert_eq!(
            names(&items),
            ["z.mp3", "gone.mp3", "jingles/j.mp3", "z.mp3 (2)"]
        );
        assert_eq!(items[1].version, None);
    }
}
