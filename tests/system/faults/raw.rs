//! A WebSocket by hand: it says what no client library would, and reads when it likes.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Instant;

use serde_json::{Value, json};
use socket2::{Domain, Socket, Type};

use crate::harness::PATIENCE;

/// How a connection ended.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Ended {
    /// With a close frame of that code.
    Closed(u16),
    /// Without one.
    Cut,
}

pub(super) struct Raw {
    stream: TcpStream,
    last_id: u64,
}

impl Raw {
    /// Connects; `receive` bounds what the kernel takes for it unread.
    pub(super) fn connect(http: &str, receive: Option<usize>) -> Self {
        let address: SocketAddr = http.parse().unwrap();
        let socket = Socket::new(Domain::for_address(address), Type::STREAM, None).unwrap();
        if let Some(bytes) = receive {
            socket.set_recv_buffer_size(bytes).unwrap();
        }
        socket.connect(&address.into()).unwrap();
        let mut stream = TcpStream::from(socket);
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        let request = format!(
            "GET /v1 HTTP/1.1\r\nHost: {http}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
             Sec-WebSocket-Protocol: skywave.v1\r\n\r\n"
        );
        stream.write_all(request.as_bytes()).unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            stream.read_exact(&mut byte).unwrap();
            head.push(byte[0]);
        }
        assert!(head.starts_with(b"HTTP/1.1 101"), "no WebSocket");
        Self { stream, last_id: 0 }
    }

    /// Sends one frame; whether the server still takes it shows when reading.
    pub(super) fn send(&mut self, opcode: u8, payload: &[u8]) {
        let mut frame = vec![0x80 | opcode];
        match payload.len() {
            length @ ..126 => frame.push(0x80 | length as u8),
            length @ 126..65_536 => {
                frame.push(0x80 | 126);
                frame.extend((length as u16).to_be_bytes());
            }
            length => {
                frame.push(0x80 | 127);
                frame.extend((length as u64).to_be_bytes());
            }
        }
        // A mask of zeros leaves the payload as it is.
        frame.extend([0; 4]);
        frame.extend(payload);
        let _ = self.stream.write_all(&frame);
    }

    pub(super) fn request(&mut self, method: &str, params: &Value) -> u64 {
        self.last_id += 1;
        let frame = json!({ "id": self.last_id, "method": method, "params": params });
        self.send(1, frame.to_string().as_bytes());
        self.last_id
    }

    /// Says hello, and gives what is answered.
    pub(super) fn hello(&mut self, token: Option<&str>, subscriptions: &Value) -> Value {
        let mut params = json!({ "protocol": 1, "subscriptions": subscriptions });
        if let Some(token) = token {
            params["token"] = token.into();
        }
        self.request("hello", &params);
        let mut reply = self.reply();
        assert!(reply["error"].is_null(), "{reply}");
        reply["result"].take()
    }

    /// The next frame of JSON.
    pub(super) fn read(&mut self) -> Result<Value, Ended> {
        loop {
            let (opcode, payload) = self.frame().map_err(|_| Ended::Cut)?;
            match opcode {
                1 => return Ok(serde_json::from_slice(&payload).unwrap()),
                8 if payload.len() >= 2 => {
                    return Err(Ended::Closed(u16::from_be_bytes([payload[0], payload[1]])));
                }
                8 => return Err(Ended::Cut),
                _ => {}
            }
        }
    }

    fn frame(&mut self) -> io::Result<(u8, Vec<u8>)> {
        let mut head = [0; 2];
        self.stream.read_exact(&mut head)?;
        let length = match head[1] & 0x7f {
            126 => {
                let mut length = [0; 2];
                self.stream.read_exact(&mut length)?;
                u64::from(u16::from_be_bytes(length))
            }
            127 => {
                let mut length = [0; 8];
                self.stream.read_exact(&mut length)?;
                u64::from_be_bytes(length)
            }
            length => u64::from(length),
        };
        let mut payload = vec![0; usize::try_from(length).unwrap()];
        self.stream.read_exact(&mut payload)?;
        Ok((head[0] & 0x0f, payload))
    }

    /// The next reply, whatever is pushed before it.
    pub(super) fn reply(&mut self) -> Value {
        self.until_that(|frame| frame["id"].is_u64())
    }

    /// The next push of a type.
    pub(super) fn until(&mut self, kind: &str) -> Value {
        self.until_that(|frame| frame["type"] == kind)
    }

    pub(super) fn until_that(&mut self, fits: impl Fn(&Value) -> bool) -> Value {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let frame = self.read().expect("the session lives");
            if fits(&frame) {
                return frame;
            }
            assert!(Instant::now() < deadline, "it never came");
        }
    }

    /// Sends so many requests without waiting; what each was answered: `ok`, a code, or `closed`.
    pub(super) fn flood(
        mut self,
        count: u64,
        request: impl Fn(u64) -> (&'static str, Value) + Send + 'static,
    ) -> Vec<String> {
        let first = self.last_id + 1;
        let mut writer = Self {
            stream: self.stream.try_clone().unwrap(),
            last_id: self.last_id,
        };
        let writing = std::thread::spawn(move || {
            for number in 0..count {
                let (method, params) = request(number);
                writer.request(method, &params);
            }
        });
        let mut codes = Vec::new();
        while (codes.len() as u64) < count {
            match self.read() {
                Ok(frame) if frame["id"].as_u64().is_some_and(|id| id >= first) => {
                    let code = frame["error"]["code"].as_str().unwrap_or("ok");
                    codes.push(code.to_owned());
                }
                Ok(_) => {}
                Err(_) => {
                    codes.push("closed".to_owned());
                    break;
                }
            }
        }
        let _ = self.stream.shutdown(std::net::Shutdown::Both);
        writing.join().unwrap();
        codes
    }
}
