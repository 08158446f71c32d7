//! The loop that writes to WebSocket sessions: no task and no wake-up for each.
//!
//! Whoever brings a packet or a frame puts the listener's line into a queue, unless it is there
//! already, and goes on. A thread takes line after line and gives the kernel what waits.
//! A line that takes no more is left to its session's task, so that a listener who does
//! not read costs the others nothing.

use std::collections::VecDeque;
use std::sync::{Arc, LazyLock};
use std::thread::{self, Thread};
use std::time::Instant;

use crossbeam_queue::ArrayQueue;

use super::line::Line;

/// Lines with something to write, for each thread. A line is there at most once; beyond
/// that its sound waits in its own queue, which drops the oldest, for the next packet, and
/// what it is told is left to the session's task.
const LINES_MAX: usize = 16 * 1024;

/// One thread for each processor. They belong to the process, as the processors do, and
/// sleep while nobody listens.
static WRITERS: LazyLock<Vec<Writer>> = LazyLock::new(|| {
    let count = thread::available_parallelism().map_or(1, usize::from);
    (0..count).filter_map(Writer::start).collect()
});

struct Writer {
    lines: Arc<ArrayQueue<Arc<Line>>>,
    thread: Thread,
}

/// Asks for a line's turn. False when there are too many lines, or no thread.
pub(super) fn turn(line: &Arc<Line>) -> bool {
    let writers = &*WRITERS;
    if writers.is_empty() {
        return false;
    }
    // A line keeps to its thread: which one its address decides, as good as any.
    let number = (Arc::as_ptr(line).addr() / size_of::<Line>()) % writers.len();
    let writer = &writers[number];
    let is_taken = writer.lines.push(Arc::clone(line)).is_ok();
    writer.thread.unpark();
    is_taken
}

impl Writer {
    fn start(number: usize) -> Option<Self> {
        let lines = Arc::new(ArrayQueue::new(LINES_MAX));
        let queue = Arc::clone(&lines);
        let thread = thread::Builder::new()
            .name(format!("websocket-{number}"))
            .spawn(move || run(&queue));
        match thread {
            Ok(handle) => Some(Self {
                lines,
                thread: handle.thread().clone(),
            }),
            Err(error) => {
                tracing::error!(%error, "a thread for WebSocket listeners cannot be started");
                None
            }
        }
    }
}

fn run(lines: &ArrayQueue<Arc<Line>>) {
    // Lines to come back to. All wait for the same time, so they are in order.
    let mut put_off: VecDeque<(Instant, Arc<Line>)> = VecDeque::new();
    loop {
        while let Some(line) = lines.pop() {
            if let Some(due) = line.serve() {
                put_off.push_back((due, line));
            }
        }
        let now = Instant::now();
        while let Some((_, line)) = put_off.pop_front_if(|(due, _)| *due <= now) {
            line.serve_put_off();
        }
        // Whoever brings a packet to many listeners goes on first where it shares the
        // processor: one wake-up a packet, not one a listener.
        thread::yield_now();
        if !lines.is_empty() {
            continue;
        }
        match put_off.front() {
            None => thread::park(),
            Some((due, _)) => thread::park_timeout(due.saturating_duration_since(Instant::now())),
        }
    }
}
