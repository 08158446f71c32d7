use super::*;

async fn get(path: &str, headers: &[(HeaderName, &'static str)]) -> Response {
    let headers = headers
        .iter()
        .map(|(name, value)| (name.clone(), HeaderValue::from_static(value)));
    answer(Method::GET, path.parse().unwrap(), headers.collect()).await
}

fn header(response: &Response, name: HeaderName) -> &str {
    response
        .headers()
        .get(name)
        .map_or("", |value| value.to_str().unwrap())
}

static PLAYER: File = File {
    path: "player.js",
    etag: "\"abc\"",
    bytes: b"plain",
    gzip: Some(b"packed"),
};

async fn body(response: Response) -> Vec<u8> {
    let body = axum::body::to_bytes(response.into_body(), 1 << 20).await;
    body.unwrap().to_vec()
}

#[tokio::test]
async fn pages_are_html_whether_the_site_is_built_or_not() {
    for path in ["/", "/station/demo", "/station/bbc.radio-3"] {
        let response = get(path, &[]).await;
        assert_eq!(response.status(), StatusCode::OK, "{path}");
        assert_eq!(header(&response, CONTENT_TYPE), "text/html; charset=utf-8");
        assert!(header(&response, CONTENT_SECURITY_POLICY).contains("'wasm-unsafe-eval'"));
        assert_eq!(header(&response, X_CONTENT_TYPE_OPTIONS), "nosniff");
    }
    if !is_built() {
        let page = body(get("/", &[]).await).await;
        assert!(String::from_utf8(page).unwrap().contains("make run"));
    }
}

#[tokio::test]
async fn a_path_of_one_segment_is_a_page_to_browsers_and_no_mount_to_players() {
    let page = [(ACCEPT, "text/html,application/xhtml+xml;q=0.9,*/*;q=0.8")];
    assert_eq!(get("/conversations", &page).await.status(), StatusCode::OK);
    for asked in [&[][..], &[(ACCEPT, "*/*")]] {
        let response = get("/nowhere", asked).await;
        assert_eq!(response.status(), StatusCode::NOT_FOUND);
        assert_eq!(body(response).await, b"no such mount\n");
    }
}

#[tokio::test]
async fn what_is_not_there_is_not_found() {
    for path in [
        "/nothing.js",
        "/assets/nothing.css",
        "/api/v1/nothing",
        "/../Cargo.toml",
    ] {
        assert_eq!(
            get(path, &[]).await.status(),
            StatusCode::NOT_FOUND,
            "{path}"
        );
    }
    let posted = answer(Method::POST, "/".parse().unwrap(), HeaderMap::new()).await;
    assert_eq!(posted.status(), StatusCode::METHOD_NOT_ALLOWED);
}

#[tokio::test]
async fn files_are_cached_by_their_etag_and_packed_for_who_takes_it() {
    let asked = |pairs: &[(HeaderName, &'static str)]| {
        let pairs = pairs
            .iter()
            .map(|(name, value)| (name.clone(), HeaderValue::from_static(value)));
        serve(&PLAYER, &pairs.collect())
    };
    let plain = asked(&[]);
    assert_eq!(header(&plain, CACHE_CONTROL), REVALIDATE);
    assert_eq!(header(&plain, ACCESS_CONTROL_ALLOW_ORIGIN), "*");
    assert_eq!(header(&plain, CONTENT_ENCODING), "");
    assert_eq!(body(plain).await, b"plain");
    let packed = asked(&[(ACCEPT_ENCODING, "br, gzip;q=0.8")]);
    assert_eq!(header(&packed, CONTENT_ENCODING), "gzip");
    assert_eq!(body(packed).await, b"packed");
    let refused = asked(&[(ACCEPT_ENCODING, "gzip;q=0, br")]);
    assert_eq!(header(&refused, CONTENT_ENCODING), "");
    let known = asked(&[(IF_NONE_MATCH, "\"x\", W/\"abc\"")]);
    assert_eq!(known.status(), StatusCode::NOT_MODIFIED);
    assert!(body(known).await.is_empty());
}

#[test]
fn the_table_is_sorted_as_the_search_needs_it() {
    assert!(FILES.is_sorted_by(|a, b| a.path < b.path));
    for file in FILES {
        assert!(
            std::ptr::eq(find(file.path).unwrap(), file),
            "{}",
            file.path
        );
    }
}
