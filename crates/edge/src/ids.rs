//! Request ids: ULIDs from a store of random bytes, so that a request costs no system call.

use http::HeaderValue;
use ulid::Ulid;

const STORE: usize = 1280;
const EACH: usize = 10;

#[derive(Debug)]
pub(crate) struct RequestIds {
    random: [u8; STORE],
    used: usize,
}

impl Default for RequestIds {
    fn default() -> Self {
        Self { random: [0; STORE], used: STORE }
    }
}

impl RequestIds {
    /// The id of a request that came at `unix_ms`.
    pub(crate) fn next(&mut self, unix_ms: u64) -> HeaderValue {
        if self.used + EACH > STORE {
            // Without entropy (never on a running Linux) ids repeat; requests still go on.
            let _ = machine::entropy::fill(&mut self.random);
            self.used = 0;
        }
        let mut random = [0; 16];
        random[6..].copy_from_slice(&self.random[self.used..self.used + EACH]);
        self.used += EACH;
        let id = Ulid::from_parts(unix_ms, u128::from_be_bytes(random));
        let mut text = [0; ulid::ULID_LEN];
        let text = id.array_to_str(&mut text);
        HeaderValue::from_str(text).unwrap_or(HeaderValue::from_static("0"))
    }
}
