//! Connection ids that name the thread owning the connection.
//!
//! A client's address decides which socket of the port gets its packets. When the
//! address changes in mid-session, another thread may receive them: the id tells
//! which thread they belong to, and also that the packet is one of ours at all.
//!
//! Eight bytes: `thread ^ mask`, four random bytes, three bytes of a keyed hash over
//! them, which also gives the mask. On the wire ids of one thread look unrelated.

use std::hash::Hasher;

use quinn_proto::{ConnectionId, ConnectionIdGenerator, InvalidCid};
use rand::{RngCore, SeedableRng, rngs::StdRng};
use rustc_hash::FxHasher;

/// Bytes of every connection id we issue.
pub(crate) const CID_BYTES: usize = 8;

const NONCE: std::ops::Range<usize> = 1..5;

/// The secret shared by all threads of one engine.
#[derive(Debug, Clone, Copy)]
pub(crate) struct CidKey(u64);

impl CidKey {
    pub(crate) fn new(key: u64) -> Self {
        Self(key)
    }

    fn hash(self, nonce: &[u8]) -> [u8; 8] {
        let mut hasher = FxHasher::default();
        hasher.write_u64(self.0);
        hasher.write(nonce);
        hasher.write_u64(self.0.rotate_left(31));
        hasher.finish().to_be_bytes()
    }

    /// The thread an id of ours names; `None` when the id is none of ours.
    pub(crate) fn thread(self, cid: &[u8]) -> Option<u8> {
        let cid: &[u8; CID_BYTES] = cid.try_into().ok()?;
        let hash = self.hash(&cid[NONCE]);
        (cid[5..] == hash[1..4]).then(|| cid[0] ^ hash[0])
    }

    /// The thread a UDP datagram belongs to, read from its first packet's destination
    /// id. `None` for first packets, whose id the client chose, and for rubbish: both
    /// belong to whoever received them.
    pub(crate) fn owner(self, datagram: &[u8]) -> Option<u8> {
        let first = *datagram.first()?;
        let cid = if first & 0x80 == 0 {
            datagram.get(1..=CID_BYTES)?
        } else if usize::from(*datagram.get(5)?) == CID_BYTES {
            datagram.get(6..6 + CID_BYTES)?
        } else {
            return None;
        };
        self.thread(cid)
    }
}

/// Issues the ids of one thread.
pub(crate) struct ThreadCids {
    key: CidKey,
    thread: u8,
    rng: StdRng,
}

impl ThreadCids {
    pub(crate) fn new(key: CidKey, thread: u8, seed: [u8; 32]) -> Self {
        let rng = StdRng::from_seed(seed);
        Self { key, thread, rng }
    }
}

impl ConnectionIdGenerator for ThreadCids {
    fn generate_cid(&mut self) -> ConnectionId {
        let mut cid = [0; CID_BYTES];
        self.rng.fill_bytes(&mut cid[NONCE]);
        let hash = self.key.hash(&cid[NONCE]);
        cid[0] = self.thread ^ hash[0];
        cid[5..].copy_from_slice(&hash[1..4]);
        ConnectionId::new(&cid)
    }

    fn validate(&self, cid: &ConnectionId) -> Result<(), InvalidCid> {
        self.key.thread(cid).map(|_| ()).ok_or(InvalidCid)
    }

    fn cid_len(&self) -> usize {
        CID_BYTES
    }

    fn cid_lifetime(&self) -> Option<std::time::Duration> {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_names_its_thread_and_no_other_key_reads_it() {
        let key = CidKey::new(0x1234_5678_9abc_def0);
        let other = CidKey::new(0x1234_5678_9abc_def1);
        let mut misread = 0;
        for thread in [0, 1, 7, 255] {
            let mut cids = ThreadCids::new(key, thread, [thread; 32]);
            for _ in 0..500 {
                let cid = cids.generate_cid();
                assert_eq!(key.thread(&cid), Some(thread));
                assert!(cids.validate(&cid).is_ok());
                misread += usize::from(other.thread(&cid).is_some());
            }
        }
        assert!(misread < 3, "{misread} of 2,000 ids read with a wrong key");
    }

    #[test]
    fn owners_are_read_from_short_and_long_headers() {
        let key = CidKey::new(5);
        let cid = ThreadCids::new(key, 3, [1; 32]).generate_cid();
        let mut short = vec![0x40];
        short.extend_from_slice(&cid);
        assert_eq!(key.owner(&short), Some(3));
        let mut long = vec![0xe0, 0, 0, 0, 1, 8];
        long.extend_from_slice(&cid);
        assert_eq!(key.owner(&long), Some(3));
        for end in 0..short.len() {
            assert_eq!(key.owner(&short[..end]), None);
        }
        for end in 0..long.len() {
            assert_eq!(key.owner(&long[..end]), None);
        }
        long[5] = 9;
        assert_eq!(key.owner(&long), None);
    }
}
