//! A connection that nobody waits for: the [`writer`](super::writer)'s loop writes what the
//! session is told and its sound, the session's task pongs and the last frame.

use std::fmt;
use std::io::{self, IoSlice};
use std::net::Shutdown;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use socket2::SockRef;
use tokio::net::TcpStream;
use tokio::sync::Notify;
use tokio_rustls::rustls::ServerConnection;
use wire::websocket::Header;

use super::out::{BYTES_AT_ONCE, Out, PIECES_AT_ONCE, Pumped, Wrote};
use super::writer;
use crate::fanout::queue::{LISTENER_WAIT, PacketQueue};
use crate::fanout::{Packet, Sent, Sink, Tuned};
use crate::http::serve::Seat;
use crate::session::outbox::{Haste, Outbox, Taken, Waker};

/// What tells of others waits so long after the last of what the session was told: more of
/// it may come, and a write costs the same for many frames as for one. Too short to be seen.
const PACE: Duration = Duration::from_millis(25);

/// A TCP connection, with or without TLS.
pub(super) struct Socket {
    tcp: TcpStream,
    tls: Option<Box<ServerConnection>>,
    seat: Option<Seat>,
}

impl Socket {
    pub(super) fn new(tcp: TcpStream, tls: Option<ServerConnection>, seat: Option<Seat>) -> Self {
        let tls = tls.map(Box::new);
        Self { tcp, tls, seat }
    }
}

/// One listener's connection.
pub(super) struct Line {
    tcp: TcpStream,
    _seat: Option<Seat>,
    out: Mutex<Out>,
    /// What the session is told, once there is one.
    outbox: OnceLock<Arc<Outbox>>,
    /// Sound that waits. A lock of its own: whoever brings sound waits for no write.
    sound: Mutex<PacketQueue>,
    tuned: Arc<Tuned>,
    /// Whether the writer has it in its queue.
    is_queued: AtomicBool,
    /// Whether the writer will come back to it by itself.
    is_put_off: AtomicBool,
    /// Whether somebody waits for what the session is told.
    is_urgent: AtomicBool,
    /// The kernel takes no more, the connection has failed or all is said: the session's task
    /// is to see to it.
    left: Notify,
}

/// What writing what the session is told came to.
enum Told {
    Wrote(Wrote),
    Nothing,
    /// There will be no more.
    End,
}

impl Line {
    pub(super) fn new(socket: Socket) -> Arc<Self> {
        Arc::new(Self {
            tcp: socket.tcp,
            _seat: socket.seat,
            out: Mutex::new(Out::new(socket.tls)),
            outbox: OnceLock::new(),
            sound: Mutex::new(PacketQueue::new(LISTENER_WAIT)),
            tuned: Arc::default(),
            is_queued: AtomicBool::new(false),
            is_put_off: AtomicBool::new(false),
            is_urgent: AtomicBool::new(false),
            left: Notify::new(),
        })
    }

    pub(super) fn tuned(&self) -> &Arc<Tuned> {
        &self.tuned
    }

    /// From here on what the session is told goes out.
    pub(super) fn tell(self: &Arc<Self>, outbox: &Arc<Outbox>) {
        // There is one session to a connection.
        if self.outbox.set(Arc::clone(outbox)).is_ok() {
            outbox.set_waker(self);
        }
    }

    /// Nothing but appended frames goes out any more: the close frame is the last.
    pub(super) fn end(&self) {
        self.out().is_over = true;
    }

    /// Resolves when something was left to the session's task.
    pub(super) async fn left(&self) {
        self.left.notified().await;
    }

    /// Leaves what waits to the session's task.
    pub(super) fn leave(&self) {
        self.left.notify_one();
    }

    /// Waits until the kernel takes bytes again, and gives it what waits.
    pub(super) async fn unstick(&self) -> io::Result<Pumped> {
        self.tcp.writable().await?;
        self.pump()
    }

    /// The writer's turn: what cannot be written now is left to the session's task. Returns
    /// when to come back if it is too early for what waits.
    pub(super) fn serve(&self) -> Option<Instant> {
        // Before looking: what comes after is another turn's.
        self.is_queued.store(false, Ordering::SeqCst);
        let is_urgent = self.is_urgent.swap(false, Ordering::SeqCst);
        if !is_urgent && self.sound().is_empty() {
            let due = self.out().told_at.map(|told| told + PACE);
            if let Some(due) = due.filter(|due| *due > Instant::now()) {
                let is_news = !self.is_put_off.swap(true, Ordering::SeqCst);
                return is_news.then_some(due);
            }
        }
        self.serve_now();
        None
    }

    /// The turn that was put off.
    pub(super) fn serve_put_off(&self) {
        self.is_put_off.store(false, Ordering::SeqCst);
        self.serve_now();
    }

    fn serve_now(&self) {
        if !matches!(self.pump(), Ok(Pumped::All)) {
            self.leave();
        }
    }

    /// Asks the writer for a turn, unless it is coming; false when the writer is far behind.
    fn ask_turn(self: &Arc<Self>) -> bool {
        let is_coming = self.is_queued.swap(true, Ordering::SeqCst) || writer::turn(self);
        if !is_coming {
            self.is_queued.store(false, Ordering::SeqCst);
        }
        is_coming
    }

    pub(super) fn tcp(&self) -> &TcpStream {
        &self.tcp
    }

    /// What came; `WouldBlock` when the kernel has nothing.
    pub(super) fn read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        self.out().read(&self.tcp, buffer)
    }

    /// Bytes of appended frames that wait, those under way not counted.
    pub(super) fn waiting(&self) -> usize {
        self.out().appended.len()
    }

    /// Queues bytes of whole frames.
    pub(super) fn append(&self, frames: &[u8]) {
        self.out().appended.extend_from_slice(frames);
    }

    /// Whether appended frames are not with the kernel yet.
    pub(super) fn owes_appended(&self) -> bool {
        self.out().owes_appended()
    }

    pub(super) fn send_close_notify(&self) {
        if let Some(tls) = &mut self.out().tls {
            tls.send_close_notify();
        }
    }

    /// Writes what waits, until there is no more or the kernel takes no more: appended frames
    /// before what the session is told before sound. Never waits.
    pub(super) fn pump(&self) -> io::Result<Pumped> {
        let mut out = self.out();
        if out.is_closed {
            return Ok(Pumped::All);
        }
        loop {
            if out.begun.is_empty() && !out.appended.is_empty() {
                out.begun = std::mem::take(&mut out.appended).into();
                out.is_appended = true;
            }
            let wrote = if !out.begun.is_empty() {
                out.go_on(&self.tcp)?
            } else if out.is_over {
                return out.flush(&self.tcp);
            } else {
                match self.write_told(&mut out)? {
                    Told::Nothing => self.write_sound(&mut out)?,
                    Told::Wrote(wrote) => wrote,
                    Told::End => {
                        let flushed = out.flush(&self.tcp)?;
                        return Ok(match flushed {
                            Pumped::All => Pumped::Ended,
                            rest => rest,
                        });
                    }
                }
            };
            match wrote {
                Wrote::Something => {}
                Wrote::Blocked => return Ok(Pumped::Blocked),
                Wrote::Nothing => return out.flush(&self.tcp),
            }
        }
    }

    /// Writes some of what the session is told.
    fn write_told(&self, out: &mut Out) -> io::Result<Told> {
        let Some(outbox) = self.outbox.get() else {
            return Ok(Told::Nothing);
        };
        let first = match outbox.take_any() {
            Taken::Frames(batch) => batch,
            Taken::Empty => return Ok(Told::Nothing),
            Taken::End => return Ok(Told::End),
        };
        let mut batches: [Bytes; PIECES_AT_ONCE] = [const { Bytes::new() }; _];
        let mut bytes = first.messages().len();
        batches[0] = first.messages().clone();
        let mut count = 1;
        while count < PIECES_AT_ONCE && bytes < BYTES_AT_ONCE {
            // An end is found again once these are written.
            let Taken::Frames(batch) = outbox.take_any() else {
                break;
            };
            bytes += batch.messages().len();
            batches[count] = batch.messages().clone();
            count += 1;
        }
        out.told_at = Some(Instant::now());
        // It is taken, so what the kernel does not take is begun.
        let wrote = match out.write_begin(&self.tcp, &batches[..count])? {
            0 => Wrote::Blocked,
            _ => Wrote::Something,
        };
        Ok(Told::Wrote(wrote))
    }

    /// Writes a packet of sound.
    fn write_sound(&self, out: &mut Out) -> io::Result<Wrote> {
        let Some(packet) = self.next_sound() else {
            return Ok(Wrote::Nothing);
        };
        let datagram = &packet.prefixed()[1..];
        let header = Header::binary(datagram.len());
        let written = out.write(
            &self.tcp,
            &[IoSlice::new(header.bytes()), IoSlice::new(datagram)],
        )?;
        if written == 0 {
            // Not begun, so it may still be dropped for a newer one.
            self.sound().put_back(packet);
            return Ok(Wrote::Blocked);
        }
        let size = header.bytes().len() + datagram.len();
        if written < size {
            let whole = [header.bytes(), datagram].concat();
            out.begin(Bytes::from(whole).slice(written..));
        }
        Ok(Wrote::Something)
    }

    /// The next packet of the track the listener is on now; what waits of another is dropped.
    fn next_sound(&self) -> Option<Packet> {
        let mut sound = self.sound();
        loop {
            let packet = sound.pop()?;
            if self.tuned.is_to(packet.track) {
                return Some(packet);
            }
        }
    }

    pub(super) fn close(&self) {
        self.out().is_closed = true;
        // It may be closed already.
        let _ = SockRef::from(&self.tcp).shutdown(Shutdown::Both);
    }

    fn out(&self) -> MutexGuard<'_, Out> {
        self.out.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn sound(&self) -> MutexGuard<'_, PacketQueue> {
        self.sound.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Line {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Line").finish_non_exhaustive()
    }
}

impl Waker for Line {
    fn wake(self: Arc<Self>, haste: Haste) {
        if haste == Haste::Now {
            self.is_urgent.store(true, Ordering::SeqCst);
        }
        if !self.ask_turn() {
            self.leave();
        }
    }
}

/// The fan-out's end of a line.
pub(super) struct LineSink(pub(super) Arc<Line>);

impl Sink for LineSink {
    fn send(&self, packet: &Packet) -> Sent {
        let line = &self.0;
        let sent = line.sound().push(packet.clone());
        // If the writer is far behind, the next packet tries again.
        line.ask_turn();
        sent
    }
}

#[cfg(test)]
mod tests;
