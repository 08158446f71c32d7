//! Asks the processor to fetch memory that is needed soon.
//!
//! A frame goes to thousands of sessions one after the other, whose keys and state together are
//! more than the nearest caches hold. The processor does not foresee which comes next; whoever
//! has the list of them does.
//!
//! The crate is there for its one `unsafe` block: the standard library's `hint::prefetch_read`
//! is not stable yet, and takes its place when it is.
#![warn(missing_docs)]

/// What is fetched at a time.
const LINE_BYTES: usize = 64;

/// Has all of a value fetched into the nearest cache, without waiting for it.
///
/// The value itself is not read: only its address, and of a trait object its size, must be at
/// hand. What it points to is another value. Costs an instruction for each 64 bytes, and a wait
/// for room when more are asked for than a processor fetches at a time, some dozens. Does nothing
/// on processors other than x86-64.
#[inline(always)]
pub fn prefetch<T: ?Sized>(value: &T) {
    let start = std::ptr::from_ref(value).cast::<u8>();
    offsets(size_of_val(value)).for_each(|offset| line(start.wrapping_add(offset)));
}

/// Where in a value of that size each of its lines is hit, wherever it begins: its last byte may
/// be in one more than its size makes.
#[inline(always)]
fn offsets(bytes: usize) -> impl Iterator<Item = usize> {
    let last = bytes.saturating_sub(1);
    (0..last).step_by(LINE_BYTES).chain([last])
}

#[cfg(all(target_arch = "x86_64", not(miri)))]
#[allow(unsafe_code, reason = "the instruction's function takes an address")]
#[inline(always)]
fn line(address: *const u8) {
    use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
    // SAFETY: a hint. Nothing is read or written that the program could see, and no address
    // is a fault, mapped or not.
    unsafe { _mm_prefetch::<_MM_HINT_T0>(address.cast()) };
}

#[cfg(any(not(target_arch = "x86_64"), miri))]
#[inline(always)]
fn line(_: *const u8) {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_of_a_value_is_fetched_and_no_other() {
        for (start, bytes) in
            (0..LINE_BYTES).flat_map(|start| (1..300).map(move |len| (start, len)))
        {
            let hit = |offset| (start + offset) / LINE_BYTES;
            let mut fetched: Vec<_> = offsets(bytes).map(hit).collect();
            fetched.dedup();
            let all: Vec<_> = (hit(0)..=hit(bytes - 1)).collect();
            assert_eq!(fetched, all, "{bytes} bytes from {start}");
        }
    }

    #[test]
    fn an_objects_size_is_its_values() {
        let text: &dyn std::fmt::Debug = &[7_u8; 200];
        prefetch(text);
        prefetch(&());
        assert_eq!(offsets(size_of_val(text)).last(), Some(199));
    }
}
