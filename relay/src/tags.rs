//! What plays, as Ogg streams and old players are told it.

use icecast::text::Song;
use media::ogg::Tags;
use wire::message::Metadata;

/// The comments of an Ogg stream of that station, which is named for people.
pub(crate) fn tags(station: &str, title: Option<&Metadata>) -> Tags {
    let title = title.cloned().unwrap_or_default();
    let mut comments = vec![("ORGANIZATION".to_owned(), station.to_owned())];
    let parts = [
        ("TITLE", Some(title.title)),
        ("ARTIST", title.artist),
        ("ALBUM", title.album),
    ];
    for (name, value) in parts {
        let value = value.filter(|value| !value.is_empty());
        comments.extend(value.map(|value| (name.to_owned(), value)));
    }
    Tags {
        vendor: concat!("skywave ", env!("CARGO_PKG_VERSION")).to_owned(),
        comments,
    }
}

/// `Artist - Title`.
pub(crate) fn line(title: &Metadata) -> String {
    let song = Song {
        title: title.title.clone(),
        artist: title.artist.clone(),
    };
    song.to_line()
}
