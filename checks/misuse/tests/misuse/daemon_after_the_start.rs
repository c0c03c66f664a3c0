//! Whether a thread is a daemon is settled before it starts (CPython's
//! test_daemonize_active_thread).
fn main() {
    tk_thread::spawn(|| ()).set_daemon(true);
}
