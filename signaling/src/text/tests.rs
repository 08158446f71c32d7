use proptest::prelude::*;
use wire::message::chat::MediaKind;

use super::*;

fn text(text: &str) -> Content {
    Content::Text { text: text.into() }
}

#[test]
fn text_is_composed_and_rid_of_what_harms_the_page() {
    for (given, expected) in [
        ("  hello\r\nworld \u{0}\u{1b}[31m", "hello\nworld [31m"),
        ("cafe\u{301}", "café"),
        ("\u{202e}evil\u{2066}", "evil"),
        ("a\u{200d}b", "a\u{200d}b"),
        ("<b>&amp;</b>", "<b>&amp;</b>"),
        ("\u{feff}", ""),
    ] {
        assert_eq!(clean(given), expected, "{given:?}");
    }
    let tower = format!("z{}", "\u{335}".repeat(1_000));
    assert!(clean(&tower).chars().count() <= 1 + MARKS_MAX);
}

#[test]
fn content_outside_its_bounds_is_refused() {
    let place = |latitude, longitude| Content::Location {
        latitude,
        longitude,
        label: None,
    };
    for bad in [
        text(""),
        text(" \n\u{0}"),
        text(&"x".repeat(TEXT_CHARS_MAX + 1)),
        place(90.1, 0.0),
        place(0.0, -180.1),
        place(f64::NAN, 0.0),
        place(0.0, f64::INFINITY),
        Content::System { text: "hi".into() },
        Content::Media {
            upload: String::new(),
            kind: MediaKind::Image,
            duration_ms: None,
            caption: None,
        },
    ] {
        assert_eq!(
            content(bad.clone()).unwrap_err().code,
            ErrorCode::BadRequest,
            "{bad:?}"
        );
    }
    assert!(content(text(&"ä".repeat(TEXT_CHARS_MAX))).is_ok());
    assert!(content(place(-90.0, 180.0)).is_ok());
}

#[test]
fn words_are_found_whatever_their_case_accents_and_width() {
    assert_eq!(
        words("Crème BRÛLÉE, ｆｕｌｌ-width! 你好"),
        ["creme", "brulee", "full", "width", "你好"]
    );
    assert_eq!(searchable(&text("It's  9 o'clock")), "it s 9 o clock");
}

#[test]
fn the_filter_blocks_words_and_phrases_and_not_parts_of_words() {
    let filter = Filter::new(["Darn", "heck no", "  "]);
    for blocked in ["darn", "well, DÄRN!", "oh heck -- no", "ｄａｒｎ"] {
        assert!(filter.blocks(blocked), "{blocked}");
    }
    for fine in ["darned", "heck, I know", "no heck", ""] {
        assert!(!filter.blocks(fine), "{fine}");
    }
    assert!(!Filter::default().blocks("darn"));
}

proptest! {
    #[test]
    fn cleaning_is_stable_and_never_panics(given in "\\PC{0,64}|(?s:.{0,64})") {
        let once = clean(&given);
        prop_assert_eq!(clean(&once), once.clone());
        prop_assert!(!once.contains('\0'));
        let _ = words(&given);
        let _ = preview(&text(&given));
    }
}
