//! One client: what QUIC and HTTP/3 tell it, until its session is open and after.

use std::collections::VecDeque;

use bytes::Bytes;
use quinn_proto::{
    Connection, ConnectionError, Dir, Event as QuicEvent, ReadError, StreamEvent, StreamId,
};
use wire::varint;
use wtransport_proto::bytes::BufferReader;
use wtransport_proto::frame::{Frame as H3Frame, FrameKind};
use wtransport_proto::headers::Headers;
use wtransport_proto::session::SessionRequest;
use wtransport_proto::settings::Settings;
use wtransport_proto::stream_header::StreamHeader;
use wtransport_proto::varint::VarInt as H3VarInt;

use super::ClientEvent;

pub(super) struct Client {
    pub(super) conn: Connection,
    pub(super) path: String,
    pub(super) connect: Option<StreamId>,
    pub(super) answer: Vec<u8>,
    pub(super) is_open: bool,
    pub(super) control: Option<StreamId>,
    /// Bytes written on it.
    pub(super) control_bytes: u64,
    pub(super) unis: Vec<(StreamId, Vec<u8>, bool)>,
    pub(super) is_dirty: bool,
    /// Datagrams are counted, not handed out.
    pub(super) datagrams: u64,
}

impl Client {
    pub(super) fn quic_event(
        &mut self,
        number: usize,
        event: QuicEvent,
        events: &mut VecDeque<ClientEvent>,
    ) {
        match event {
            QuicEvent::Connected => self.request(),
            QuicEvent::ConnectionLost { reason } => {
                let text = match reason {
                    ConnectionError::ApplicationClosed(close) => {
                        format!("closed {}", close.error_code)
                    }
                    reason => reason.to_string(),
                };
                events.push_back(ClientEvent::Lost(number, text));
            }
            QuicEvent::Stream(StreamEvent::Opened { dir: Dir::Uni }) => {
                while let Some(id) = self.conn.streams().accept(Dir::Uni) {
                    self.unis.push((id, Vec::new(), false));
                    self.readable(number, id, events);
                }
            }
            QuicEvent::Stream(StreamEvent::Readable { id }) => self.readable(number, id, events),
            _ => {}
        }
    }

    /// Opens the HTTP/3 control stream and asks for the session.
    fn request(&mut self) {
        let mut opening = Vec::new();
        StreamHeader::new_control()
            .write(&mut opening)
            .expect("a vector takes all");
        let settings = Settings::builder()
            .enable_h3_datagrams()
            .enable_webtransport()
            .webtransport_max_sessions(H3VarInt::from_u32(1))
            .build();
        settings
            .generate_frame()
            .write(&mut opening)
            .expect("a vector takes all");
        let control = self.conn.streams().open(Dir::Uni).expect("a first stream");
        let _ = self.conn.send_stream(control).write(&opening);

        let url = format!("https://localhost{}", self.path);
        let request = SessionRequest::new(url).expect("a path");
        let mut bytes = Vec::new();
        request
            .headers()
            .generate_frame()
            .write(&mut bytes)
            .expect("a vector takes all");
        let connect = self.conn.streams().open(Dir::Bi).expect("a first stream");
        let _ = self.conn.send_stream(connect).write(&bytes);
        self.connect = Some(connect);
    }

    fn readable(&mut self, number: usize, id: StreamId, events: &mut VecDeque<ClientEvent>) {
        while let Some(bytes) = self.next_chunk(id) {
            if Some(id) == self.connect {
                self.answer.extend_from_slice(&bytes);
                self.answered(number, events);
            } else if Some(id) == self.control {
                events.push_back(ClientEvent::Control(number, bytes));
            } else {
                self.uni(number, id, &bytes, events);
            }
        }
    }

    fn next_chunk(&mut self, id: StreamId) -> Option<Bytes> {
        let mut stream = self.conn.recv_stream(id);
        let mut chunks = stream.read(true).ok()?;
        let chunk = match chunks.next(usize::MAX) {
            Ok(Some(chunk)) => Some(chunk.bytes),
            Ok(None) | Err(ReadError::Blocked | ReadError::Reset(_)) => None,
        };
        let _ = chunks.finalize();
        chunk
    }

    /// Reads the frames of the CONNECT stream.
    fn answered(&mut self, number: usize, events: &mut VecDeque<ClientEvent>) {
        use wtransport_proto::capsule::{Capsule, capsules::CloseWebTransportSession};
        loop {
            let answer = std::mem::take(&mut self.answer);
            let mut reader = BufferReader::new(&answer);
            let Ok(Some(frame)) = H3Frame::read_from_buffer(&mut reader) else {
                self.answer = answer;
                return;
            };
            self.answer = reader.buffer_remaining().to_vec();
            match frame.kind() {
                FrameKind::Headers => {
                    let headers = Headers::with_frame(&frame).expect("readable headers");
                    let status = headers.get(":status").expect("a status");
                    let status = status.parse().expect("a number");
                    if status == 200 {
                        self.open_control();
                        events.push_back(ClientEvent::Open(number));
                    } else {
                        events.push_back(ClientEvent::Refused(number, status));
                    }
                }
                FrameKind::Data => {
                    if let Some(capsule) = Capsule::with_frame(&frame)
                        && let Ok(close) = CloseWebTransportSession::with_capsule(&capsule)
                    {
                        let code = close.error_code().into_inner() as u32;
                        let reason = close.reason().to_owned();
                        events.push_back(ClientEvent::Capsule(number, code, reason));
                    }
                }
                _ => {}
            }
        }
    }

    fn open_control(&mut self) {
        let connect = self.connect.expect("it was answered");
        let control = self.conn.streams().open(Dir::Bi).expect("a second stream");
        let mut header = Vec::new();
        varint::encode(0x41, &mut header);
        varint::encode(u64::from(connect), &mut header);
        let _ = self.conn.send_stream(control).write(&header);
        self.control = Some(control);
        self.control_bytes = header.len() as u64;
        self.is_open = true;
    }

    fn uni(
        &mut self,
        number: usize,
        id: StreamId,
        bytes: &[u8],
        events: &mut VecDeque<ClientEvent>,
    ) {
        let mut place = 0;
        for (stream, held, is_session) in &mut self.unis {
            if *stream == id {
                if *is_session {
                    let bytes = Bytes::copy_from_slice(bytes);
                    events.push_back(ClientEvent::Uni(number, place, bytes));
                    return;
                }
                held.extend_from_slice(bytes);
                let mut rest = &held[..];
                if varint::decode(&mut rest) == Ok(0x54) && varint::decode(&mut rest).is_ok() {
                    *is_session = true;
                    let bytes = Bytes::copy_from_slice(rest);
                    events.push_back(ClientEvent::Uni(number, place, bytes));
                }
                return;
            }
            place += usize::from(*is_session);
        }
    }
}
