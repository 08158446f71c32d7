//! Files of uploads on disk: those that nobody needs go when the server starts.

use std::path::Path;

use serde_json::json;
use sqlx::{Connection as _, Row as _, SqliteConnection};

use crate::harness::{Server, ask, until};

/// Uploads a picture; its id.
fn upload(server: &Server, token: &str, what: &str) -> String {
    let png = [b"\x89PNG\r\n\x1a\n", what.as_bytes()].concat();
    let path = "/api/v1/uploads?name=a.png";
    let (status, answer) = ask(server.http(), "POST", path, &png, Some(token));
    assert_eq!(status, 201, "{answer}");
    answer["id"].as_str().unwrap().to_owned()
}

fn names(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<_> = names.collect();
    names.sort();
    names
}

#[tokio::test(flavor = "multi_thread")]
async fn files_that_no_upload_has_go_and_others_stay() {
    let server = Server::start();
    let token = server.token_of("ann", &[]);
    let kept = upload(&server, &token, "kept");
    let gone = upload(&server, &token, "gone");
    let folder = server.folder().join("data/uploads");
    let before = names(&folder);
    assert_eq!(before.len(), 2, "{before:?}");

    // As it is once an upload was forgotten: its row is gone, its file is noted.
    let url = format!(
        "sqlite:{}",
        server.folder().join("data/skywave.db").display()
    );
    let mut database = SqliteConnection::connect(&url).await.unwrap();
    let forgotten = sqlx::query("DELETE FROM uploads WHERE id = $1 RETURNING sha256")
        .bind(&gone)
        .fetch_one(&mut database)
        .await;
    let forgotten: String = forgotten.unwrap().get("sha256");
    sqlx::query("INSERT INTO unused_files (sha256, due) VALUES ($1, 0)")
        .bind(&forgotten)
        .execute(&mut database)
        .await
        .unwrap();
    // What a crash left half taken, a file of another database's, and one of somebody else's.
    let stray = "ab".repeat(32);
    for name in ["0123.part", &stray, "README"] {
        std::fs::write(folder.join(name), "x").unwrap();
    }

    let server = server.restart();
    let is_gone = || (!folder.join(&forgotten).exists()).then_some(());
    until("the file is removed", is_gone);
    let mut left: Vec<_> = before
        .into_iter()
        .filter(|name| *name != forgotten)
        .collect();
    left.extend(["README".to_owned(), stray.clone()]);
    left.sort();
    assert_eq!(names(&folder), left);
    let path = format!("/api/v1/uploads/{kept}");
    assert_eq!(ask(server.http(), "GET", &path, b"", Some(&token)).0, 200);
    let path = format!("/api/v1/uploads/{gone}");
    assert_eq!(ask(server.http(), "GET", &path, b"", Some(&token)).0, 404);

    // The file of another database's has its day yet.
    let noted = sqlx::query("SELECT sha256, due FROM unused_files")
        .fetch_all(&mut database)
        .await
        .unwrap();
    let noted: Vec<(String, i64)> = noted
        .iter()
        .map(|row| (row.get("sha256"), row.get("due")))
        .collect();
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let now = i64::try_from(now.unwrap().as_micros()).unwrap();
    let [(name, due)] = &noted[..] else {
        panic!("{}", json!(noted));
    };
    let hours = (due - now) / 3_600_000_000;
    assert_eq!((name, hours), (&stray, 23));
}
