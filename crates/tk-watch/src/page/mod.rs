//! A page that shows the program in a browser: its threads, the wait graph, the contention profile,
//! and a trace to download. Needs the feature `page`.
//!
//! ```
//! let page = tk_watch::page::serve("127.0.0.1:0")?;
//! println!("open http://{}", page.address());
//! # Ok::<(), std::io::Error>(())
//! ```
//!
//! The page is one file without resources from elsewhere, and is renewed each second. While it is
//! served, the [profile] and the [trace] are on, unless [`Options::observe`] turns them off.
//!
//! | path | contents |
//! |---|---|
//! | `/` | the page |
//! | `/state.json` | a [snapshot](crate::dump()), the profile, and what is on |
//! | `/profile.pb` | the profile for pprof |
//! | `/trace.json` | the trace for Perfetto |
//!
//! # Who can see it
//!
//! The page shows names of threads and objects, source lines and addresses, and changes nothing. By
//! default it is served to this machine only: every program and user of the machine can read it. To
//! see it from elsewhere, forward a port (`ssh -L 8080:localhost:PORT`), or take the risk with
//! [`Options::allow_remote`].
//!
//! A web site that is open in the same browser can't read it: the server sends nothing that allows
//! that, and answers only requests whose `Host` is `localhost`, an IP address, or a name given by
//! [`Options::host`], because another name may belong to a site that resolves to this machine (DNS
//! rebinding).
//!
//! # Limits
//!
//! Four threads serve four connections at a time; more wait in the system's queue. A request must
//! arrive within three seconds and in eight kilobytes. Its body is not read. A response must be
//! taken within a minute. A connection serves one request.
//!
//! Dumps leave these threads out, and so does the page. They never wait for a lock that the program
//! holds, so the page works however the program hangs.

mod connection;
mod request;
mod response;

use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream, ToSocketAddrs};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::*};
use std::thread::JoinHandle;
use std::time::Duration;

use tk_core::__private::RegistrationExt;
use tk_core::__private::fork::{Inherit, Mutex, generation};
use tk_core::Registration;

use crate::{profile, trace};
use connection::Connection;

const THREADS: usize = 4;

/// How and to whom a page is served.
///
/// ```
/// let page = tk_watch::page::Options::new().observe(false).serve("127.0.0.1:0")?;
/// assert!(page.address().ip().is_loopback());
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Options {
    is_remote_allowed: bool,
    hosts: Vec<String>,
    observes: bool,
}

impl Default for Options {
    fn default() -> Options {
        Options::new()
    }
}

impl Options {
    /// The defaults: for this machine only, with a profile and a trace.
    pub fn new() -> Options {
        Options {
            is_remote_allowed: false,
            hosts: Vec::new(),
            observes: true,
        }
    }

    /// Allows an address that other machines can reach. There is no password and no encryption.
    #[must_use]
    pub fn allow_remote(mut self) -> Options {
        self.is_remote_allowed = true;
        self
    }

    /// Adds a name under which the page may be asked for, in addition to `localhost` and IP
    /// addresses.
    #[must_use]
    pub fn host(mut self, name: impl Into<String>) -> Options {
        self.hosts.push(name.into());
        self
    }

    /// Sets whether the profile and the trace are on while the page is served.
    #[must_use]
    pub fn observe(mut self, observe: bool) -> Options {
        self.observes = observe;
        self
    }

    /// Serves the page at this address until the result is dropped. The port 0 lets the system
    /// choose one.
    ///
    /// # Errors
    ///
    /// If the address is not of this machine, or is taken. With the kind
    /// [`PermissionDenied`](io::ErrorKind::PermissionDenied), if other machines can reach the
    /// address, and that is not [allowed](Options::allow_remote). If no thread can be started.
    pub fn serve(&self, address: impl ToSocketAddrs) -> io::Result<Page> {
        let addresses: Vec<SocketAddr> = address.to_socket_addrs()?.collect();
        let is_local = |address: &SocketAddr| address.ip().to_canonical().is_loopback();
        if !self.is_remote_allowed && !addresses.iter().all(is_local) {
            return Err(io::Error::new(
                io::ErrorKind::PermissionDenied,
                "other machines can reach this address: see tk_watch::page::Options::allow_remote",
            ));
        }
        let listener = TcpListener::bind(&*addresses)?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared {
            listener,
            hosts: self.hosts.clone(),
            is_closed: AtomicBool::new(false),
            connections: Default::default(),
        });
        let mut page = Page {
            address,
            shared: Arc::clone(&shared),
            threads: Vec::new(),
            generation: generation(),
            observes: false,
        };
        for number in 0..THREADS {
            let shared = Arc::clone(&shared);
            // If a thread can't be started, the drop of `page` ends the others.
            page.threads.push(start(number, shared)?);
        }
        if self.observes {
            page.observes = true;
            start_observing();
        }
        Ok(page)
    }
}

/// Serves the page at this address, for this machine only, with the default [`Options`].
///
/// # Errors
///
/// As [`Options::serve`].
///
/// ```
/// let error = tk_watch::page::serve("0.0.0.0:0").unwrap_err();
/// assert_eq!(error.kind(), std::io::ErrorKind::PermissionDenied);
/// ```
pub fn serve(address: impl ToSocketAddrs) -> io::Result<Page> {
    Options::new().serve(address)
}

/// A page that is being served. The drop ends it: connections are cut, and its threads have exited
/// when the drop returns.
///
/// In the child of a fork, the drop does nothing: the page is the parent's.
#[must_use = "the page is served until this is dropped"]
pub struct Page {
    address: SocketAddr,
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
    /// The process that serves it.
    generation: u32,
    /// Whether the profile and the trace are on for the page.
    observes: bool,
}

impl Page {
    /// Returns the address, with the port that the system has chosen.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves the page until the end of the program.
    pub fn keep(self) {
        std::mem::forget(self);
    }
}

impl Drop for Page {
    fn drop(&mut self) {
        if self.generation != generation() {
            // There are no threads to join in this process.
            std::mem::take(&mut self.threads)
                .into_iter()
                .for_each(std::mem::forget);
            return;
        }
        // Release: pairs with the Acquire in `serve_connections`.
        self.shared.is_closed.store(true, Release);
        if self.observes {
            stop_observing();
        }
        for thread in std::mem::take(&mut self.threads) {
            while !thread.is_finished() {
                self.shared.connections.iter().for_each(Connection::cut);
                // A connection wakes a thread that waits for one.
                let _ = TcpStream::connect_timeout(&self.reachable(), Duration::from_millis(50));
                std::thread::yield_now();
            }
            // A panic has been caught.
            let _ = thread.join();
        }
    }
}

impl Page {
    /// The address at which this process reaches the page.
    fn reachable(&self) -> SocketAddr {
        let ip = match self.address.ip() {
            IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
            IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
            ip => ip,
        };
        SocketAddr::new(ip, self.address.port())
    }
}

impl fmt::Debug for Page {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Page")
            .field("address", &self.address)
            .finish_non_exhaustive()
    }
}

/// The pages for which the profile and the trace are on.
struct Observing {
    pages: usize,
    /// Whether the first of them has started the profile, and the trace.
    started: [bool; 2],
}

impl Inherit for Observing {
    /// The pages are the parent's.
    fn inherit(&mut self) {
        *self = Observing::anew();
    }

    fn anew() -> Observing {
        Observing {
            pages: 0,
            started: [false; 2],
        }
    }
}

static OBSERVING: Mutex<Observing> = Mutex::constant(Observing {
    pages: 0,
    started: [false; 2],
});

fn start_observing() {
    let mut observing = OBSERVING.lock();
    if observing.pages == 0 {
        observing.started = [!profile::is_on(), !trace::is_on()];
    }
    observing.pages += 1;
    drop(observing);
    profile::start();
    trace::start();
}

/// Stops what the first page has started, if this is the last one.
fn stop_observing() {
    let mut observing = OBSERVING.lock();
    observing.pages -= 1;
    let is_last = observing.pages == 0;
    let [profile, trace] = observing.started.map(|started| started && is_last);
    drop(observing);
    if profile {
        profile::stop();
    }
    if trace {
        trace::stop();
    }
}

/// The state that the threads of a page share.
struct Shared {
    listener: TcpListener,
    hosts: Vec<String>,
    is_closed: AtomicBool,
    /// The connection of each thread, so that the drop can cut it.
    connections: [Connection; THREADS],
}

fn start(number: usize, shared: Arc<Shared>) -> io::Result<JoinHandle<()>> {
    let name = format!("{} page {}", crate::watcher::NAME, number + 1);
    // Not a thread of the program: by this name, dumps leave it out.
    let registration = Registration::unlisted(name.clone());
    std::thread::Builder::new().name(name).spawn(move || {
        registration.begin();
        serve_connections(&shared, number);
    })
}

fn serve_connections(shared: &Shared, number: usize) {
    loop {
        let accepted = shared.listener.accept();
        // Acquire: pairs with the Release in the drop of `Page`.
        if shared.is_closed.load(Acquire) {
            return;
        }
        match accepted {
            Ok((stream, _)) => {
                let connection = &shared.connections[number];
                connection.serve(stream, |stream| response::respond(stream, &shared.hosts));
            }
            // The connection was reset, or no file descriptor is left: that may pass.
            Err(_) => std::thread::sleep(Duration::from_millis(10)),
        }
    }
}
