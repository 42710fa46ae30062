//! How the allocator gives memory back.

#![expect(unsafe_code, reason = "mallopt has no safe form")]

/// Blocks up to this size are taken from the heap and go back to it, instead of being mapped and unmapped each time.
#[cfg(target_env = "gnu")]
const MAPPED_FROM_BYTES: i32 = 4 << 20;
/// Bound: what may lie free at the heap's end before it is given back to the kernel.
#[cfg(target_env = "gnu")]
const FREE_AT_END_BYTES: i32 = 16 << 20;

/// For a process that takes and frees buffers of some 100 KiB all the time: the pages of freed ones are used again, where
/// the usual settings would give them back and fault them in anew. To be called before other threads are made.
///
/// Of glibc's allocator (mallopt(3)); elsewhere nothing happens.
pub fn keep_freed_pages() {
    #[cfg(target_env = "gnu")]
    for (what, bytes) in
        [(libc::M_MMAP_THRESHOLD, MAPPED_FROM_BYTES), (libc::M_TRIM_THRESHOLD, FREE_AT_END_BYTES)]
    {
        // SAFETY: mallopt takes two numbers and is called by the only thread; an unknown one is refused.
        unsafe { libc::mallopt(what, bytes) };
    }
}
