//! A thread of a daemon that does not run, while the others do.
//!
//! Owns the one call that can do this: `ptrace`, by which a thread is stopped as by a debugger.

use std::fs;

/// Stops one thread of a process until this is dropped, which the thread that made it must do.
pub struct Stopped(i32);

impl Stopped {
    pub fn new(process: u32, name: &str) -> Self {
        let tasks = fs::read_dir(format!("/proc/{process}/task")).expect("the process runs").flatten();
        let is_called = |task: &fs::DirEntry| {
            fs::read_to_string(task.path().join("comm")).is_ok_and(|comm| comm.trim() == name)
        };
        let task = tasks.into_iter().find(is_called).unwrap_or_else(|| panic!("no thread {name}"));
        let thread: i32 = task.file_name().to_string_lossy().parse().expect("a number");
        request(libc::PTRACE_SEIZE, thread);
        request(libc::PTRACE_INTERRUPT, thread);
        let mut status = 0;
        // SAFETY: the status is valid for writes.
        let stopped = unsafe { libc::waitpid(thread, &raw mut status, libc::__WALL) };
        assert_eq!(stopped, thread, "{}", std::io::Error::last_os_error());
        Self(thread)
    }
}

impl Drop for Stopped {
    fn drop(&mut self) {
        request(libc::PTRACE_DETACH, self.0);
    }
}

fn request(what: libc::c_uint, thread: i32) {
    // SAFETY: none of the requests made here reads or writes through the two pointers.
    let done = unsafe { libc::ptrace(what, thread, 0_usize, 0_usize) };
    assert_eq!(done, 0, "ptrace {what}: {}", std::io::Error::last_os_error());
}
