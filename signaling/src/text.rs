//! Text as people may be shown it, and as it is searched and filtered.

use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;
use wire::code::ErrorCode;
use wire::frame::Error;
use wire::message::chat::{Content, TEXT_CHARS_MAX};

/// The most marks that may stand upon one letter; stacks of them cover other lines.
const MARKS_MAX: usize = 4;

/// The most characters of a preview.
const PREVIEW_CHARS_MAX: usize = 140;

/// Text in composed form (NFC), without control characters but line breaks,
/// without those that reverse what follows them, and without towers of accents.
pub(crate) fn clean(text: &str) -> String {
    let mut marks = 0;
    let kept = text.replace("\r\n", "\n");
    let kept = kept.nfc().filter(|char| {
        marks = if is_combining_mark(*char) {
            marks + 1
        } else {
            0
        };
        marks <= MARKS_MAX && !is_unwanted(*char)
    });
    kept.collect::<String>().trim().to_owned()
}

/// A single line as people may be shown it: composed, without control characters,
/// changes of direction and towers of accents.
#[must_use]
pub fn clean_line(text: &str) -> String {
    clean(text).replace(['\n', '\t'], " ")
}

fn is_unwanted(char: char) -> bool {
    let is_control = char.is_control() && !matches!(char, '\n' | '\t');
    // Embeddings, overrides and isolates of direction (Unicode Standard Annex 9).
    let is_direction = matches!(char, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    is_control || is_direction || matches!(char, '\u{feff}' | '\u{fff9}'..='\u{fffb}')
}

/// A line of the client's, clean and with 1 (or `least`) to `most` characters.
pub(crate) fn line(field: &str, text: &str, least: usize, most: usize) -> Result<String, Error> {
    bounded(field, clean_line(text), least, most)
}

/// A text of the client's, clean and with `least` to `most` characters.
pub(crate) fn bounded(
    field: &str,
    text: String,
    least: usize,
    most: usize,
) -> Result<String, Error> {
    let chars = text.chars().count();
    if chars < least || chars > most {
        return Err(Error::new(
            ErrorCode::BadRequest,
            format!("{field}: {least} to {most} characters"),
        ));
    }
    Ok(text)
}

/// What a message says, clean and within bounds, or what is wrong with it.
pub(crate) fn content(content: Content) -> Result<Content, Error> {
    Ok(match content {
        Content::Text { text } => Content::Text {
            text: bounded("content.text", clean(&text), 1, TEXT_CHARS_MAX)?,
        },
        Content::Location {
            latitude,
            longitude,
            label,
        } => {
            let is_place =
                (-90.0..=90.0).contains(&latitude) && (-180.0..=180.0).contains(&longitude);
            if !is_place {
                return Err(bad("content: latitude is -90 to 90, longitude -180 to 180"));
            }
            let label = label
                .map(|label| line("content.label", &label, 0, 128))
                .transpose()?;
            Content::Location {
                latitude,
                longitude,
                label: label.filter(|label| !label.is_empty()),
            }
        }
        Content::Media {
            upload,
            kind,
            duration_ms,
            caption,
        } => {
            let caption = caption.map(|text| bounded("content.caption", clean(&text), 0, 1_000));
            if duration_ms.is_some_and(|duration| duration > 86_400_000) {
                return Err(bad("content.duration_ms: at most a day"));
            }
            Content::Media {
                upload: bounded("content.upload", upload, 1, 64)?,
                kind,
                duration_ms,
                caption: caption.transpose()?.filter(|text| !text.is_empty()),
            }
        }
        Content::System { .. } => return Err(bad("content.type: only the server says system")),
    })
}

fn bad(message: &str) -> Error {
    Error::new(ErrorCode::BadRequest, message)
}

/// What people wrote in a message.
pub(crate) fn written(content: &Content) -> &str {
    match content {
        Content::Text { text } | Content::System { text } => text,
        Content::Location { label, .. } => label.as_deref().unwrap_or_default(),
        Content::Media { caption, .. } => caption.as_deref().unwrap_or_default(),
    }
}

/// The words a message is found by, folded and one space apart.
pub(crate) fn searchable(content: &Content) -> String {
    words(written(content)).join(" ")
}

/// Words as they are compared: without case, accents and width (NFKD, marks removed).
pub(crate) fn words(text: &str) -> Vec<String> {
    let folded: String = fold(text);
    let words = folded.split(|char: char| !char.is_alphanumeric());
    words
        .filter(|word| !word.is_empty())
        .map(str::to_owned)
        .collect()
}

fn fold(text: &str) -> String {
    let plain = text.nfkd().filter(|char| !is_combining_mark(*char));
    plain.flat_map(char::to_lowercase).collect()
}

/// The first words of a message, for a notification.
pub(crate) fn preview(content: &Content) -> String {
    let text = written(content).replace(['\n', '\t'], " ");
    text.chars().take(PREVIEW_CHARS_MAX).collect()
}

/// A message for a list of many: its text is cut to as much as a preview shows.
pub(crate) fn shortened(mut content: Content) -> Content {
    let text = match &mut content {
        Content::Text { text } | Content::System { text } => Some(text),
        Content::Location { label, .. } => label.as_mut(),
        Content::Media { caption, .. } => caption.as_mut(),
    };
    if let Some(text) = text
        && let Some((end, _)) = text.char_indices().nth(PREVIEW_CHARS_MAX)
    {
        text.truncate(end);
    }
    content
}

/// A room's blocked words, folded. A phrase is blocked where its words stand in a row.
#[derive(Debug, Clone, Default)]
pub(crate) struct Filter {
    phrases: Vec<Vec<String>>,
}

impl Filter {
    pub(crate) fn new<'a>(phrases: impl IntoIterator<Item = &'a str>) -> Self {
        let phrases = phrases.into_iter().map(words);
        Self {
            phrases: phrases.filter(|phrase| !phrase.is_empty()).collect(),
        }
    }

    /// Whether the text holds a blocked word. Cost: words of the text times blocked words.
    pub(crate) fn blocks(&self, text: &str) -> bool {
        if self.phrases.is_empty() {
            return false;
        }
        let said = words(text);
        self.phrases.iter().any(|phrase| {
            said.windows(phrase.len())
                .any(|window| window == phrase.as_slice())
        })
    }
}

#[cfg(test)]
mod tests;
