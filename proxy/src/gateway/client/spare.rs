//! Buffers that go from one client of a thread to the next: a query allocates none, and an idle client holds none.

use std::cell::RefCell;

use bytes::BytesMut;

/// Buffers kept for each thread.
const KEPT_MAX: usize = 16;
/// Room in a fresh one: a batch of small messages.
const FRESH_BYTES: usize = 4 * 1024;
/// Larger ones are not kept.
const BYTES_MAX: usize = 64 * 1024;

thread_local! {
    static SPARE: RefCell<Vec<BytesMut>> = const { RefCell::new(Vec::new()) };
}

/// Gives `buffer` room where it has none.
pub(super) fn furnish(buffer: &mut BytesMut) {
    if buffer.capacity() == 0 {
        *buffer = SPARE.with_borrow_mut(Vec::pop).unwrap_or_else(|| BytesMut::with_capacity(FRESH_BYTES));
    }
}

/// Takes an emptied buffer's room back. Room that somebody else still reads from is left to them.
pub(super) fn strip(buffer: &mut BytesMut) {
    let mut spare = std::mem::take(buffer);
    spare.clear();
    if spare.capacity() <= BYTES_MAX && spare.try_reclaim(FRESH_BYTES) {
        SPARE.with_borrow_mut(|kept| {
            if kept.len() < KEPT_MAX {
                kept.push(spare);
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn room_comes_back_empty_and_never_while_it_is_read_from() {
        let mut one = BytesMut::new();
        furnish(&mut one);
        one.extend_from_slice(b"SELECT 1");
        let read_from = one.split_to(6).freeze();
        let room = one.as_ptr();
        strip(&mut one);
        assert_eq!(one.capacity(), 0);
        let mut other = BytesMut::new();
        furnish(&mut other);
        assert!(other.is_empty() && other.as_ptr() != room);
        other.extend_from_slice(b"xxxxxxxxxxxxxxxx");
        assert_eq!(&read_from[..], b"SELECT");
        strip(&mut other);
        furnish(&mut one);
        assert!(one.is_empty() && one.capacity() >= FRESH_BYTES);
    }
}
