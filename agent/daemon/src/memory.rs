//! Memory that is not needed any more.
//!
//! Owns the calls that give it back. Reading the configuration of thousands of servers takes several times what is kept of it, and the C
//! library keeps what was freed in the middle of its heap for good unless it is told to look.

#![allow(unsafe_code)]

/// From how many bytes on a block is mapped by itself, so that it goes back to the kernel when it is freed.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
const ALONE: libc::c_int = 512 * 1024;

/// Lets large blocks always go back when they are freed. Otherwise the C library learns from the first that is freed to keep the next ones of that
/// size, and a daemon that writes a text of ten megabytes now and then has several of them for good.
pub(crate) fn keep_small() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    // SAFETY: mallopt(3) takes two numbers and changes a setting of the allocator under its own locks.
    let _whether_taken = unsafe { libc::mallopt(libc::M_MMAP_THRESHOLD, ALONE) };
}

/// Gives freed memory back to the kernel. Worth it after something large was dropped, not in between: it walks the whole heap.
pub fn give_back() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    // SAFETY: malloc_trim(3) takes a number, touches only free memory under the allocator's own locks, and may be called at any time.
    let _whether_any = unsafe { libc::malloc_trim(0) };
}
