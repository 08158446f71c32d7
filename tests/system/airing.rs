//! What the tests of stations with a playlist share.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::path::Path;
use std::sync::{Arc, Mutex};

use media::measure::deinterleave;
use serde_json::Value;
use tempfile::TempDir;

use crate::harness::Heard;
use crate::tone::write_wav;

/// A receiver of webhooks.
pub(crate) struct Hook {
    url: String,
    told: Arc<Mutex<Vec<Value>>>,
}

impl Hook {
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        let told = Arc::<Mutex<Vec<Value>>>::default();
        let heard = Arc::clone(&told);
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let heard = Arc::clone(&heard);
                std::thread::spawn(move || {
                    let mut reader = BufReader::new(stream);
                    while let Some(event) = next_event(&mut reader) {
                        heard.lock().unwrap().push(event);
                        let answer = b"HTTP/1.1 204 No Content\r\n\r\n";
                        reader.get_mut().write_all(answer).unwrap();
                    }
                });
            }
        });
        Self { url, told }
    }

    pub(crate) fn settings(&self) -> String {
        let url = &self.url;
        format!("[[webhooks]]\nurl = '{url}'\nsecret = 'sixteen characters'\n")
    }

    /// What was told of that kind.
    pub(crate) fn told(&self, event: &str) -> Vec<Value> {
        let told = self.told.lock().unwrap();
        let kind = |told: &&Value| told["event"] == event;
        told.iter().filter(kind).cloned().collect()
    }
}

fn next_event(reader: &mut impl BufRead) -> Option<Value> {
    let mut length = 0;
    loop {
        let mut line = String::new();
        reader
            .read_line(&mut line)
            .ok()
            .filter(|count| *count > 0)?;
        let line = line.trim().to_ascii_lowercase();
        if let Some(value) = line.strip_prefix("content-length:") {
            length = value.trim().parse().ok()?;
        }
        if line.is_empty() {
            break;
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    serde_json::from_slice(&body).ok()
}

/// A folder of tones, each of a whole number of periods.
pub(crate) fn tones(files: &[(&str, f64)], seconds: f64) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, freq) in files {
        write_wav(&folder.path().join(name), *freq, seconds);
    }
    folder
}

pub(crate) fn station(folder: &Path, more: &str) -> String {
    let folder = folder.display();
    format!(
        "[[stations]]\nid = 'tone'\nname = 'Tone FM'\n\
         [stations.fallback]\nplaylist = '{folder}'\nshuffle = false\n{more}\n"
    )
}

/// Which of these frequencies each tenth of a second holds; 0 for neither alone.
pub(crate) fn heard_freqs(sound: &[f32], freqs: &[f64]) -> Vec<f64> {
    let left = deinterleave(sound, 2, 0);
    let windows = left.chunks_exact(4_800).map(|window| {
        let power: f64 = window.iter().map(|&sample| f64::from(sample).powi(2)).sum();
        let share = |freq: f64| {
            let (mut re, mut im) = (0.0, 0.0);
            for (n, &sample) in window.iter().enumerate() {
                let angle = std::f64::consts::TAU * freq * n as f64 / 48_000.0;
                re += f64::from(sample) * angle.cos();
                im += f64::from(sample) * angle.sin();
            }
            (re * re + im * im) * 2.0 / 4_800.0 / power
        };
        let is_heard = |freq: &&f64| power > 4_800.0 * 0.01 && share(**freq) > 0.95;
        freqs.iter().find(is_heard).copied().unwrap_or(0.0)
    });
    windows.collect()
}

/// The same without repetitions, and without the moments between.
pub(crate) fn course(sound: &[f32], freqs: &[f64]) -> Vec<f64> {
    let mut course = heard_freqs(sound, freqs);
    course.retain(|&freq| freq > 0.0);
    course.dedup();
    course
}

/// Neither a reconnect nor a lost packet, nor an interruption that was told.
pub(crate) fn assert_unbroken(heard: &Heard) {
    assert_eq!(heard.number("reconnects"), 0.0, "{:#}", heard.stats);
    assert_eq!(heard.number("lost"), 0.0, "{:#}", heard.stats);
    let unbroken = heard.events().iter().all(|event| *event == "tuned");
    assert!(unbroken, "{:#}", heard.stats);
}
