//! The little of HTTP/3 and WebTransport that a session needs.
//!
//! Covers RFC 9114 (frames, settings), RFC 9204 (QPACK without a dynamic table),
//! RFC 9297 (capsules, datagrams) and WebTransport over HTTP/3 in the drafts that
//! Chromium, Firefox and wtransport speak (02 to 07 share these bytes). Bytes in,
//! values out; every parser keeps a bounded buffer and takes its input in any pieces.

pub(crate) mod capsule;
pub(crate) mod frame;
mod huffman;
pub(crate) mod qpack;

use wire::varint;

/// Types of unidirectional streams.
pub(crate) mod stream_type {
    pub(crate) const CONTROL: u64 = 0x00;
    pub(crate) const PUSH: u64 = 0x01;
    pub(crate) const QPACK_ENCODER: u64 = 0x02;
    pub(crate) const QPACK_DECODER: u64 = 0x03;
    pub(crate) const WEBTRANSPORT: u64 = 0x54;
}

/// The settings we send, as they go on our control stream: its type and the frame.
///
/// No dynamic table; CONNECT with a protocol (RFC 9220); datagrams (RFC 9297);
/// WebTransport of draft 02 (Firefox) and of draft 07 (Chromium), one session each.
pub(crate) fn control_stream_opening() -> Vec<u8> {
    let mut settings = Vec::with_capacity(32);
    for (id, value) in [
        (0x01, 0),
        (0x07, 0),
        (0x08, 1),
        (0x33, 1),
        (0x2b60_3742, 1),
        (0xc671_706a, 1),
    ] {
        varint::encode(id, &mut settings);
        varint::encode(value, &mut settings);
    }
    let mut out = Vec::with_capacity(settings.len() + 4);
    varint::encode(stream_type::CONTROL, &mut out);
    varint::encode(frame::SETTINGS, &mut out);
    varint::encode(settings.len() as u64, &mut out);
    out.extend_from_slice(&settings);
    out
}

/// Checks a peer's settings: pairs of varints, nothing twice, none of HTTP/2's
/// (RFC 9114, section 7.2.4). Values do not matter to us: what a peer cannot do it
/// does not ask for.
pub(crate) fn check_settings(mut payload: &[u8]) -> Result<(), H3Error> {
    let mut seen = Vec::new();
    while !payload.is_empty() {
        let id = varint::decode(&mut payload).map_err(|_| H3Error::Frame)?;
        varint::decode(&mut payload).map_err(|_| H3Error::Frame)?;
        if matches!(id, 0x00 | 0x02..=0x05) || seen.contains(&id) {
            return Err(H3Error::Settings);
        }
        // More than a browser ever sends is load, not settings.
        if seen.len() == 64 {
            return Err(H3Error::ExcessiveLoad);
        }
        seen.push(id);
    }
    Ok(())
}

/// The first bytes of a unidirectional stream of ours that carries WebTransport data.
pub(crate) fn uni_stream_opening(session_stream: u64) -> Vec<u8> {
    let mut out = Vec::with_capacity(10);
    varint::encode(stream_type::WEBTRANSPORT, &mut out);
    varint::encode(session_stream, &mut out);
    out
}

/// What a peer did wrong; each has its code in RFC 9114, section 8.1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum H3Error {
    #[error("malformed frame")]
    Frame,
    #[error("frame out of place")]
    FrameUnexpected,
    #[error("settings are malformed")]
    Settings,
    #[error("first frame of the control stream is not settings")]
    MissingSettings,
    #[error("a second control or QPACK stream, or a push stream")]
    StreamCreation,
    #[error("control or QPACK stream was closed")]
    ClosedCriticalStream,
    #[error("header section cannot be decoded")]
    Decompression,
    #[error("more than a session may cost")]
    ExcessiveLoad,
    #[error("malformed datagram or capsule")]
    Datagram,
    #[error("malformed request")]
    Message,
}

impl H3Error {
    pub(crate) fn code(self) -> u32 {
        use wtransport_proto::error::ErrorCode;
        let code = match self {
            Self::Frame => ErrorCode::Frame,
            Self::FrameUnexpected => ErrorCode::FrameUnexpected,
            Self::Settings => ErrorCode::Settings,
            Self::MissingSettings => ErrorCode::MissingSettings,
            Self::StreamCreation => ErrorCode::StreamCreation,
            Self::ClosedCriticalStream => ErrorCode::ClosedCriticalStream,
            Self::Decompression => ErrorCode::Decompression,
            Self::ExcessiveLoad => ErrorCode::ExcessiveLoad,
            Self::Datagram => ErrorCode::Datagram,
            Self::Message => ErrorCode::Message,
        };
        code.to_code().into_inner() as u32
    }

    pub(crate) fn text(self) -> &'static str {
        match self {
            Self::Frame => "malformed frame",
            Self::FrameUnexpected => "frame out of place",
            Self::Settings => "malformed settings",
            Self::MissingSettings => "settings are not the first frame",
            Self::StreamCreation => "stream of a kind the peer may not open",
            Self::ClosedCriticalStream => "control stream was closed",
            Self::Decompression => "undecodable headers",
            Self::ExcessiveLoad => "more than a session may cost",
            Self::Datagram => "malformed datagram or capsule",
            Self::Message => "malformed request",
        }
    }
}

/// H3_NO_ERROR: an orderly end of a connection.
pub(crate) const NO_ERROR: u32 = 0x100;
/// WEBTRANSPORT_BUFFERED_STREAM_REJECTED: a stream that is not served.
pub(crate) const STREAM_REJECTED: u32 = 0x3994_bd84;
/// H3_REQUEST_REJECTED: a request that is not served.
pub(crate) const REQUEST_REJECTED: u32 = 0x10b;

#[cfg(test)]
mod tests {
    use super::*;
    use wtransport_proto::bytes::BufferReader;
    use wtransport_proto::settings::{SettingId, Settings};
    use wtransport_proto::stream_header::{StreamHeader, StreamKind};

    #[test]
    fn wtransport_reads_our_settings() {
        let opening = control_stream_opening();
        let mut reader = BufferReader::new(&opening);
        let header = StreamHeader::read_from_buffer(&mut reader)
            .unwrap()
            .unwrap();
        assert!(matches!(header.kind(), StreamKind::Control));
        let frame = wtransport_proto::frame::Frame::read_from_buffer(&mut reader)
            .unwrap()
            .unwrap();
        let settings = Settings::with_frame(&frame).unwrap();
        for id in [
            SettingId::EnableConnectProtocol,
            SettingId::H3Datagram,
            SettingId::EnableWebTransport,
            SettingId::WebTransportMaxSessions,
        ] {
            assert_eq!(settings.get(id).unwrap().into_inner(), 1, "{id:?}");
        }
    }

    #[test]
    fn settings_are_checked() {
        assert_eq!(check_settings(&[]), Ok(()));
        assert_eq!(check_settings(&[0x08, 1, 0x33, 1]), Ok(()));
        assert_eq!(check_settings(&[0x08, 1, 0x08, 1]), Err(H3Error::Settings));
        assert_eq!(check_settings(&[0x02, 1]), Err(H3Error::Settings));
        assert_eq!(check_settings(&[0x08]), Err(H3Error::Frame));
    }
}
