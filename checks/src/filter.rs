//! Filters of system calls, such as sandboxes have.

use std::io::{Error, Result};

/// Has the kernel answer these calls with an error in the calling thread, and in all threads and
/// programs that it starts from now on. With the error zero, a call does nothing, and seems to
/// succeed.
///
/// # Errors
///
/// If the system has no such filters.
pub fn answer(calls: &[libc::c_long], error: u16) -> Result<()> {
    let statement = |code, k, jt| libc::sock_filter {
        code: code as u16,
        jt,
        jf: 0,
        k,
    };
    // The number of the call is the first word of what the filter sees. Only the native calls'
    // numbers matter here.
    let load = statement(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0, 0);
    let compare = |(past, call): (usize, &libc::c_long)| {
        // To the last statement, past the other comparisons and the one that allows.
        let jump = (calls.len() - past) as u8;
        statement(
            libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K,
            *call as u32,
            jump,
        )
    };
    let end = |action| statement(libc::BPF_RET | libc::BPF_K, action, 0);
    let mut filter = vec![load];
    filter.extend(calls.iter().enumerate().map(compare));
    filter.push(end(libc::SECCOMP_RET_ALLOW));
    filter.push(end(libc::SECCOMP_RET_ERRNO | u32::from(error)));
    let program = libc::sock_fprog {
        len: filter.len() as u16,
        filter: filter.as_mut_ptr(),
    };
    // SAFETY: the calls take numbers, and a program that lives longer than the call that copies it.
    let is_set = unsafe {
        libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0
            && libc::prctl(
                libc::PR_SET_SECCOMP,
                libc::SECCOMP_MODE_FILTER,
                &raw const program,
            ) == 0
    };
    if is_set {
        Ok(())
    } else {
        Err(Error::last_os_error())
    }
}
