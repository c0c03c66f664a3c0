//! The page, asked by a client that speaks plain HTTP, and by one that does not.

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use serde_json::Value;
use tk_core::__private::slots;
use tk_core::{Slot, ThreadRecord, thread_at};
use tk_event::Event;
use tk_testing::{OnDrop, start_parked, until};
use tk_watch::page::{Options, Page, serve};

/// The tests look at the threads of their page, so one page is served at a time.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Sends this and reads the answer to its end.
fn exchange(page: &Page, request: &[u8]) -> io::Result<String> {
    let mut stream = TcpStream::connect(page.address())?;
    stream.write_all(request)?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    Ok(String::from_utf8_lossy(&answer).into_owned())
}

fn ask(page: &Page, method: &str, path: &str) -> (String, String) {
    let request = format!("{method} {path} HTTP/1.1\r\nHost: localhost\r\n\r\n");
    let answer = exchange(page, request.as_bytes()).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head.to_owned(), body.to_owned())
}

fn state(page: &Page) -> Value {
    let (head, body) = ask(page, "GET", "/state.json");
    assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{head}");
    serde_json::from_str(&body).unwrap()
}

/// The threads that serve pages.
fn records_of_pages() -> impl Iterator<Item = ThreadRecord> {
    let slots = (1..=slots()).filter_map(|number| Slot::new(number.try_into().unwrap()));
    let records = slots.filter_map(thread_at);
    records.filter(|record| record.is_alive() && record.name().starts_with("tk-watch page"))
}

fn threads_of_pages() -> usize {
    records_of_pages().count()
}

#[test]
fn the_state_has_threads_whatever_they_are_called_and_the_page_does_not() {
    let _alone = alone();
    let page = serve("127.0.0.1:0").unwrap();
    let event = Event::new();
    std::thread::scope(|s| {
        const NAME: &str = "<script>alert(\"1\")</script>\n\u{202e}";
        let _set = OnDrop(|| event.set());
        let waiter = start_parked(s, "event", || {
            tk_core::current().set_name(NAME);
            event.wait();
        });
        let state = state(&page);
        let threads = state["snapshot"]["threads"].as_array().unwrap();
        let id = waiter.record.id().get();
        let thread = threads.iter().find(|thread| thread["id"] == id).unwrap();
        assert_eq!(thread["wait"]["kind"], "event");
        assert_eq!(thread["name"], NAME);
        // The page's own threads are left out.
        assert_eq!(threads_of_pages(), 4);
        let is_own = |thread: &Value| thread["name"].as_str().unwrap().contains("tk-watch");
        assert!(!threads.iter().any(is_own));
        assert_eq!(state["profile_is_on"], true);
    });
    let (head, body) = ask(&page, "GET", "/");
    assert!(head.contains("Content-Security-Policy: default-src 'none'"));
    assert!(body.starts_with("<!DOCTYPE html>") && !body.contains("alert"));
}

#[test]
fn all_paths_are_answered_and_a_head_has_no_body() {
    let _alone = alone();
    let page = serve("[::1]:0").or_else(|_| serve("127.0.0.1:0")).unwrap();
    for path in ["/", "/?x=1", "/state.json", "/profile.pb", "/trace.json"] {
        let (head, body) = ask(&page, "GET", path);
        assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{head}");
        assert!(!body.is_empty());
        let (head, body) = ask(&page, "HEAD", path);
        assert!(head.starts_with("HTTP/1.1 200 OK\r\n") && body.is_empty());
        assert!(!head.contains("Content-Length: 0"));
    }
    let (head, body) = ask(&page, "GET", "/trace.json");
    assert!(head.contains("attachment; filename=\"trace.json\""));
    let trace: Value = serde_json::from_str(&body).unwrap();
    assert!(trace["traceEvents"].is_array());
    assert!(
        ask(&page, "GET", "/../etc/passwd")
            .0
            .starts_with("HTTP/1.1 404 ")
    );
}

#[test]
fn wrong_methods_hosts_and_nonsense_are_refused() {
    let _alone = alone();
    let page = serve("127.0.0.1:0").unwrap();
    let refused = |request: &str, status: &str| {
        let answer = exchange(&page, request.as_bytes()).unwrap();
        assert!(
            answer.starts_with(&format!("HTTP/1.1 {status} ")),
            "{request:?}: {answer}"
        );
        answer
    };
    for method in ["POST", "PUT", "DELETE", "OPTIONS", "PATCH"] {
        let answer = refused(
            &format!("{method} / HTTP/1.1\r\nHost: localhost\r\n\r\n"),
            "405",
        );
        assert!(answer.contains("\r\nAllow: GET, HEAD\r\n"));
    }
    refused("GET / HTTP/1.1\r\nHost: evil.example\r\n\r\n", "403");
    refused("GET / HTTP/1.1\r\n\r\n", "400");
    refused("\0\0\0\0\r\n\r\n", "400");
    refused(&"x".repeat(8192), "431");
    refused(
        &format!("GET / HTTP/1.1\r\n{}", "a: b\r\n".repeat(100)),
        "431",
    );
    let named = Options::new()
        .host("build-box")
        .serve("127.0.0.1:0")
        .unwrap();
    let answer = exchange(&named, b"HEAD / HTTP/1.1\r\nHost: build-box:80\r\n\r\n").unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 "));
}

/// A client that sends gigabytes gets its answer, and then no more attention.
#[test]
fn a_body_without_an_end_is_not_read() {
    let _alone = alone();
    let page = serve("127.0.0.1:0").unwrap();
    let mut stream = TcpStream::connect(page.address()).unwrap();
    let head = "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9000000000\r\n\r\n";
    stream.write_all(head.as_bytes()).unwrap();
    let mut first = [0; 12];
    stream.read_exact(&mut first).unwrap();
    assert_eq!(&first, b"HTTP/1.1 405");
    let piece = vec![0; 1 << 20];
    let mut sent = 0;
    while sent < 1 << 30 && stream.write_all(&piece).is_ok() {
        sent += piece.len();
    }
    assert!(sent < 1 << 28, "{sent} bytes were taken");
    assert!(ask(&page, "HEAD", "/").0.starts_with("HTTP/1.1 200 "));
}

/// Clients that say nothing occupy their thread for some seconds only.
#[test]
fn silent_clients_do_not_keep_others_out() {
    let _alone = alone();
    let page = serve("127.0.0.1:0").unwrap();
    let silent: Vec<_> = (0..14)
        .map(|_| TcpStream::connect(page.address()).unwrap())
        .collect();
    for half_open in &silent[..10] {
        half_open.shutdown(Shutdown::Write).unwrap();
    }
    assert!(ask(&page, "HEAD", "/").0.starts_with("HTTP/1.1 200 "));
}

#[test]
fn the_drop_ends_the_threads_and_frees_the_port_also_while_clients_are_connected() {
    let _alone = alone();
    let is_quick = |_| {
        let page = serve("127.0.0.1:0").unwrap();
        let address = page.address();
        let silent: Vec<_> = (0..6)
            .map(|_| TcpStream::connect(address).unwrap())
            .collect();
        let start = Instant::now();
        drop(page);
        let took = start.elapsed();
        assert_eq!(threads_of_pages(), 0);
        drop(silent);
        until("the port is free", || TcpListener::bind(address).is_ok());
        assert!(!tk_watch::profile::is_on() && !tk_watch::trace::is_on());
        took < Duration::from_secs(2)
    };
    // A drop that waits for the clients takes three seconds each time. A busy machine may hold up
    // one or two.
    assert!((0..5).any(is_quick));
}

#[test]
fn an_address_that_is_taken_or_can_be_reached_from_elsewhere_is_an_error() {
    let _alone = alone();
    let page = serve("127.0.0.1:0").unwrap();
    let error = serve(page.address()).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::AddrInUse);
    let error = serve("0.0.0.0:0").unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::PermissionDenied);
    assert!(serve("nonsense").is_err());
    let remote = Options::new().allow_remote().serve("0.0.0.0:0").unwrap();
    let local = SocketAddr::from(([127, 0, 0, 1], remote.address().port()));
    assert!(TcpStream::connect(local).is_ok());
}

#[test]
fn the_profile_and_the_trace_are_on_until_the_last_page_ends() {
    let _alone = alone();
    let is_on = || (tk_watch::profile::is_on(), tk_watch::trace::is_on());
    let pages = [(); 2].map(|()| serve("127.0.0.1:0").unwrap());
    let [first, second] = pages;
    drop(first);
    assert_eq!(is_on(), (true, true));
    drop(second);
    assert_eq!(is_on(), (false, false));

    // A profile that the program has started goes on.
    tk_watch::profile::start();
    drop(serve("127.0.0.1:0").unwrap());
    assert_eq!(is_on(), (true, false));
    tk_watch::profile::stop();
}

#[cfg(target_os = "linux")]
#[test]
fn a_signal_in_a_thread_of_the_page_ends_no_request() {
    use signal_hook::consts::SIGUSR1;

    let _alone = alone();
    let handled = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&handled);
    let count = move || _ = count.fetch_add(1, Relaxed);
    // SAFETY: the handler only counts.
    unsafe { signal_hook::low_level::register(SIGUSR1, count) }.unwrap();

    let page = serve("127.0.0.1:0").unwrap();
    let mut stream = TcpStream::connect(page.address()).unwrap();
    stream.write_all(b"HEAD / HTTP/1.1\r\n").unwrap();
    let ids: Vec<_> = records_of_pages().filter_map(|it| it.native_id()).collect();
    for round in 1..=20 {
        for id in &ids {
            // SAFETY: it sends a signal to a thread of this process.
            let sent = unsafe { libc::syscall(libc::SYS_tgkill, std::process::id(), *id, SIGUSR1) };
            assert_eq!(sent, 0);
        }
        until("the signals are there", || {
            handled.load(Relaxed) >= round * ids.len()
        });
    }
    stream.write_all(b"Host: localhost\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
}

#[cfg(unix)]
#[test]
fn the_child_of_a_fork_can_drop_the_page_and_the_parent_still_serves_it() {
    let _alone = alone();
    let mut page = Some(serve("127.0.0.1:0").unwrap());
    tk_testing::fork(|| drop(page.take()));
    assert!(
        ask(page.as_ref().unwrap(), "HEAD", "/")
            .0
            .starts_with("HTTP/1.1 200 ")
    );
}
