"""Listens to a station by aioquic's WebTransport, and tells what came as one JSON object.

    listen.py CONNECT STATION PACKETS

CONNECT is what GET /api/v1/connect answers, as JSON. Ends when PACKETS Opus packets have
come, or after 20 s.
"""

import asyncio
import base64
import hashlib
import json
import ssl
import sys
from urllib.parse import urlsplit

from aioquic.asyncio.client import connect
from aioquic.asyncio.protocol import QuicConnectionProtocol
from aioquic.buffer import Buffer
from aioquic.h3.connection import H3_ALPN, H3Connection
from aioquic.h3.events import DatagramReceived, HeadersReceived, WebTransportStreamDataReceived
from aioquic.quic.configuration import QuicConfiguration
from aioquic.quic.events import StreamDataReceived
from cryptography.hazmat.primitives.serialization import Encoding

PATIENCE_S = 20


class Frames:
    """Control frames out of a stream: a varint length, and that many bytes of JSON."""

    def __init__(self):
        self.bytes = b""

    def push(self, more):
        self.bytes += more
        while self.bytes:
            size = 1 << (self.bytes[0] >> 6)
            if len(self.bytes) < size:
                return
            length = Buffer(data=self.bytes[:size]).pull_uint_var()
            if len(self.bytes) < size + length:
                return
            yield json.loads(self.bytes[size : size + length])
            self.bytes = self.bytes[size + length :]


class Listener(QuicConnectionProtocol):
    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.http = H3Connection(self._quic, enable_webtransport=True)
        self.session = None
        self.control = None
        self.frames = {}
        self.replies = {}
        self.pushes = []
        self.sequences = []
        self.malformed = 0
        self.track = None
        self.failed = None
        self.changed = asyncio.Event()

    def open(self, authority, path):
        self.session = self._quic.get_next_available_stream_id()
        headers = [
            (b":method", b"CONNECT"),
            (b":scheme", b"https"),
            (b":authority", authority.encode()),
            (b":path", path.encode()),
            (b":protocol", b"webtransport"),
        ]
        self.http.send_headers(self.session, headers)
        self.transmit()

    def request(self, number, method, params):
        frame = json.dumps({"id": number, "method": method, "params": params}).encode()
        length = Buffer(capacity=8)
        length.push_uint_var(len(frame))
        if self.control is None:
            self.control = self.http.create_webtransport_stream(self.session)
        self._quic.send_stream_data(self.control, length.data + frame)
        self.transmit()

    def quic_event_received(self, event):
        # aioquic takes what comes back on a stream that it opened for HTTP/3 frames.
        if isinstance(event, StreamDataReceived) and event.stream_id == self.control:
            self.heard(event.stream_id, event.data)
            self.changed.set()
            return
        for event in self.http.handle_event(event):
            if isinstance(event, HeadersReceived) and event.stream_id == self.session:
                self.replies["session"] = dict(event.headers)[b":status"].decode()
            elif isinstance(event, WebTransportStreamDataReceived):
                self.heard(event.stream_id, event.data)
            elif isinstance(event, DatagramReceived):
                self.datagram(event.data)
        self.changed.set()

    def heard(self, stream, data):
        for frame in self.frames.setdefault(stream, Frames()).push(data):
            self.told(frame)

    def told(self, frame):
        if "id" in frame:
            self.replies[frame["id"]] = frame
            return
        self.pushes.append(frame["type"])
        if frame["type"] == "started":
            self.track = frame["data"]["track"]

    def datagram(self, data):
        buffer = Buffer(data=data)
        if buffer.pull_uint8() != 0x01:
            return
        track, sequence = buffer.pull_uint_var(), buffer.pull_uint_var()
        buffer.pull_uint_var()  # timestamp
        buffer.pull_uint32()  # send time
        copies = buffer.pull_uint8()
        packet = data[buffer.tell() :]
        # RFC 6716, section 3.1: configurations with 20 ms frames, and one frame in it.
        config = packet[0] >> 3 if packet else None
        is_20_ms = config in (1, 5, 9, 13, 15, 19, 23, 27, 31)
        if self.track is None or track != self.track["id"]:
            return
        if copies or not is_20_ms or packet[0] & 3:
            self.malformed += 1
        self.sequences.append(sequence)

    async def until(self, what, done):
        async def wait():
            while not done():
                self.changed.clear()
                await self.changed.wait()

        try:
            await asyncio.wait_for(wait(), PATIENCE_S)
        except asyncio.TimeoutError:
            sys.exit(f"waited in vain: {what}; {self.replies}, {self.pushes}")

    async def answer(self, number, method, params):
        self.request(number, method, params)
        await self.until(method, lambda: number in self.replies)
        reply = self.replies[number]
        if "result" not in reply:
            sys.exit(f"{method}: {reply}")
        return reply["result"]


async def main(where, station, packets):
    url = urlsplit(where["webtransport"]["url"])
    # Trust is by hash: the certificate has no authority behind it.
    configuration = QuicConfiguration(
        is_client=True,
        alpn_protocols=H3_ALPN,
        max_datagram_frame_size=65536,
        verify_mode=ssl.CERT_NONE,
    )
    listener = connect(
        url.hostname, url.port, configuration=configuration, create_protocol=Listener
    )
    async with listener as listener:
        certificate = listener._quic.tls._peer_certificate.public_bytes(Encoding.DER)
        digest = base64.b64encode(hashlib.sha256(certificate).digest()).decode()
        hashes = [entry["value"] for entry in where["webtransport"]["certificateHashes"]]
        if digest not in hashes:
            sys.exit(f"the certificate's hash is {digest}, told were {hashes}")

        listener.open(url.netloc, url.path)
        await listener.until("the session", lambda: "session" in listener.replies)
        status = listener.replies["session"]
        if status != "200":
            sys.exit(f"the session was answered {status}")
        await listener.answer(1, "hello", {"protocol": 1})
        result = await listener.answer(2, "listen", {"station": station})
        listener.track = listener.track or result["track"]
        await listener.until("sound", lambda: len(listener.sequences) >= packets)
        report = {
            "packets": len(set(listener.sequences)),
            "span": max(listener.sequences) - min(listener.sequences) + 1,
            "malformed": listener.malformed,
            "track": listener.track,
            "pushes": listener.pushes,
            "streams": len(listener.frames),
        }
        print(json.dumps(report), flush=True)


if __name__ == "__main__":
    asyncio.run(main(json.loads(sys.argv[1]), sys.argv[2], int(sys.argv[3])))
