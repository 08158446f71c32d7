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
    // A value seldom begins where a line does: its last byte may be in one more.
    let last = size_of_val(value).saturating_sub(1);
    for offset in (0..last).step_by(LINE_BYTES) {
        line(start.wrapping_add(offset));
    }
    line(start.wrapping_add(last));
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
    use super::prefetch;

    #[test]
    fn values_of_any_size_are_left_as_they_are() {
        for len in [0, 1, 63, 64, 65, 1000] {
            let bytes = vec![7_u8; len];
            prefetch(&bytes[..]);
            assert!(bytes.iter().all(|byte| *byte == 7), "{len} bytes");
        }
        prefetch(&());
        let object: Box<dyn Fn() -> u8> = Box::new(|| 7);
        prefetch(&*object);
        assert_eq!(object(), 7);
    }
}
