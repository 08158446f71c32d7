//! The names the module exports.
//!
//! Players live in a table and are known by number, so no pointer comes in from outside and
//! nothing here can be misused to reach memory. The only unsafe construct is the attribute
//! that exports a function under its own name: it could clash with a symbol of another crate,
//! which the prefix `skywave_` rules out.
//!
//! Time is in microseconds as a double, of one monotonic clock; any other value of it, like
//! NaN or below zero, counts as 0. A number that is no player's answers 0, -1 or nothing.
#![allow(unsafe_code)]

use std::cell::RefCell;
use std::time::Duration;

use wire::audio::DATAGRAM_BYTES_MAX;

use crate::player::{FRAMES_MAX, Player, STATS_LEN, Status, state_code};

/// Rises when an export or a layout changes incompatibly.
const ABI_VERSION: u32 = 4;

/// Players at once.
const PLAYERS_MAX: usize = 64;

thread_local! {
    static PLAYERS: RefCell<Vec<Option<Box<Player>>>> = const { RefCell::new(Vec::new()) };
}

fn with<T>(player: u32, otherwise: T, run: impl FnOnce(&mut Player) -> T) -> T {
    PLAYERS.with_borrow_mut(|players| {
        let index = (player as usize).wrapping_sub(1);
        match players.get_mut(index).and_then(Option::as_deref_mut) {
            Some(player) => run(player),
            None => otherwise,
        }
    })
}

/// Makes the heap as large as it will have to be. The decoder asks for scratch memory while
/// it decodes and gives it back; taken from here it costs little, but growing the module's
/// memory on the audio thread would cost a page fault and detach every view of it.
fn reserve_heap() {
    drop(std::hint::black_box(vec![0u8; HEAP_BYTES]));
}

/// Above what a player's decoder needs at its peak: 120 ms of stereo, several times over.
const HEAP_BYTES: usize = 512 * 1024;

fn time(micros: f64) -> Duration {
    // The cast saturates, and NaN becomes 0.
    Duration::from_micros(micros as u64)
}

/// An address within the module's memory.
fn address<T>(slice: &[T]) -> usize {
    slice.as_ptr() as usize
}

/// The version of this interface: 4.
#[unsafe(no_mangle)]
pub extern "C" fn skywave_abi_version() -> u32 {
    ABI_VERSION
}

/// Makes a player for an audio context of `output_rate` Hz; 0 when there are 64 already.
#[unsafe(no_mangle)]
pub extern "C" fn skywave_create(output_rate: f64) -> u32 {
    PLAYERS.with_borrow_mut(|players| {
        let index = match players.iter().position(Option::is_none) {
            Some(free) => free,
            None if players.len() < PLAYERS_MAX => {
                players.push(None);
                players.len() - 1
            }
            None => return 0,
        };
        players[index] = Some(Box::new(Player::new(output_rate as u32)));
        reserve_heap();
        index as u32 + 1
    })
}

/// Ends a player; its addresses are no longer valid.
#[unsafe(no_mangle)]
pub extern "C" fn skywave_destroy(player: u32) {
    PLAYERS.with_borrow_mut(|players| {
        if let Some(place) = players.get_mut((player as usize).wrapping_sub(1)) {
            *place = None;
        }
    });
}

/// Address of the input buffer.
#[unsafe(no_mangle)]
pub extern "C" fn skywave_input(player: u32) -> usize {
    with(player, 0, |player| address(player.input()))
}

/// Bytes of the input buffer: 1,200, the largest datagram.
#[unsafe(no_mangle)]
pub extern "C" fn skywave_input_bytes() -> usize {
    DATAGRAM_BYTES_MAX
}

/// Handles the datagram in the first `length` bytes of the input buffer; see [`Status`].
#[unsafe(no_mangle)]
pub extern "C" fn skywave_datagram(player: u32, length: u32, now_us: f64) -> i32 {
    let malformed = Status::Malformed as i32;
    with(player, malformed, |player| {
        player.datagram(length as usize, time(now_us)) as i32
    })
}

/// Makes `frames` sample frames, at most [`skywave_frames_max`]; answers how many.
#[unsafe(no_mangle)]
pub extern "C" fn skywave_process(player: u32, frames: u32, now_us: f64) -> u32 {
    with(player, 0, |player| {
        player.process(frames as usize, time(now_us)) as u32
    })
}

/// The most sample frames of one `process`: 4,096.
#[unsafe(no_mangle)]
pub extern "C" fn skywave_frames_max() -> usize {
    FRAMES_MAX
}

/// Address of the left channel: 32-bit floats.
#[unsafe(no_mangle)]
pub extern "C" fn skywave_left(player: u32) -> usize {
    with(player, 0, |player| address(player.output()[0]))
}

/// Address of the right channel: 32-bit floats.
#[unsafe(no_mangle)]
pub extern "C" fn skywave_right(player: u32) -> usize {
    with(player, 0, |player| address(player.output()[1]))
}

/// Listens to this track, 0 to any. Another one than before fades out and begins anew.
#[unsafe(no_mangle)]
pub extern "C" fn skywave_set_track(player: u32, track: u32) {
    with(player, (), |player| player.set_track(u64::from(track)));
}

/// Listens to this track, which is on the media time of the one before: it follows without a
/// seam.
#[unsafe(no_mangle)]
pub extern "C" fn skywave_change_track(player: u32, track: u32) {
    with(player, (), |player| player.change_track(u64::from(track)));
}

/// Forgets the stream, as after a pause: the next packet begins anew.
#[unsafe(no_mangle)]
pub extern "C" fn skywave_restart(player: u32) {
    with(player, (), Player::restart);
}

/// Server time less `now_us` of the other calls, in microseconds; NaN when not known.
#[unsafe(no_mangle)]
pub extern "C" fn skywave_set_clock_offset(player: u32, offset_us: f64) {
    let offset = offset_us.is_finite().then_some(offset_us as i64);
    with(player, (), |player| {
        player.receiver().set_clock_offset(offset);
    });
}

/// Less delay or fewer faults: 0 interactive, 1 live (as it begins), 2 safe.
#[unsafe(no_mangle)]
pub extern "C" fn skywave_set_latency(player: u32, profile: u32) {
    with(player, (), |player| player.set_latency(profile));
}

/// Whether datagrams are bundles of packets from now on: 0 no (as it begins), else yes.
#[unsafe(no_mangle)]
pub extern "C" fn skywave_set_bundled(player: u32, bundled: u32) {
    with(player, (), |player| player.set_bundled(bundled != 0));
}

/// How many bytes repair may cost: 0 nothing, 1 economy, 2 auto (as it begins), 3 robust.
#[unsafe(no_mangle)]
pub extern "C" fn skywave_set_repair(player: u32, repair: u32) {
    with(player, (), |player| player.set_repair(repair));
}

/// The round trip to the relay in microseconds; NaN when not known.
#[unsafe(no_mangle)]
pub extern "C" fn skywave_set_round_trip(player: u32, round_trip_us: f64) {
    let round_trip = round_trip_us.is_finite().then(|| time(round_trip_us));
    with(player, (), |player| {
        player.receiver().set_round_trip(round_trip);
    });
}

/// Writes the request for what is missing now to the request buffer; answers its length in
/// bytes, 0 when nothing is to be asked.
#[unsafe(no_mangle)]
pub extern "C" fn skywave_poll_request(player: u32, now_us: f64) -> u32 {
    with(player, 0, |player| player.poll_request(time(now_us)) as u32)
}

/// Address of the request buffer: a datagram of at most 262 bytes.
#[unsafe(no_mangle)]
pub extern "C" fn skywave_request(player: u32) -> usize {
    with(player, 0, |player| address(player.request()))
}

/// The level of redundancy that would serve best: 0, 1 or 2.
#[unsafe(no_mangle)]
pub extern "C" fn skywave_redundancy_wanted(player: u32) -> u32 {
    with(player, 0, |player| player.redundancy_wanted().into())
}

/// Media time (samples at 48 kHz) of the next sample; -1 in silence.
#[unsafe(no_mangle)]
pub extern "C" fn skywave_position(player: u32) -> f64 {
    with(player, -1.0, |player| player.position())
}

/// 0 buffering, 1 playing, 2 interrupted.
#[unsafe(no_mangle)]
pub extern "C" fn skywave_state(player: u32) -> u32 {
    with(player, 0, |player| {
        state_code(player.receiver().state()) as u32
    })
}

/// Brings the block of statistics up to date and answers its address.
#[unsafe(no_mangle)]
pub extern "C" fn skywave_stats(player: u32) -> usize {
    with(player, 0, |player| address(player.refresh_stats()))
}

/// Doubles in the block of statistics: 25.
#[unsafe(no_mangle)]
pub extern "C" fn skywave_stats_len() -> usize {
    STATS_LEN
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wrong_numbers_answer_without_harm() {
        for player in [0, 7, u32::MAX] {
            assert_eq!(skywave_input(player), 0);
            assert_eq!(skywave_process(player, 128, 0.0), 0);
            assert_eq!(skywave_datagram(player, 10, 0.0), -1);
            assert_eq!(skywave_position(player), -1.0);
            assert_eq!(skywave_poll_request(player, 0.0), 0);
            assert_eq!(skywave_redundancy_wanted(player), 0);
            skywave_set_repair(player, 7);
            skywave_set_latency(player, 7);
            skywave_set_bundled(player, 7);
            skywave_set_round_trip(player, f64::NAN);
            skywave_destroy(player);
        }
        let player = skywave_create(f64::NAN);
        assert_eq!(skywave_process(player, u32::MAX, f64::NAN), 4096);
        assert_eq!(skywave_datagram(player, u32::MAX, -5.0), -1);
        skywave_destroy(player);
        assert_eq!(skywave_process(player, 128, 0.0), 0);
    }

    #[test]
    fn players_are_bounded_and_their_numbers_used_again() {
        let players: Vec<u32> = (0..64).map(|_| skywave_create(48_000.0)).collect();
        assert_eq!(skywave_create(48_000.0), 0);
        skywave_destroy(players[9]);
        assert_eq!(skywave_create(48_000.0), players[9]);
        for player in players {
            skywave_destroy(player);
        }
    }
}
