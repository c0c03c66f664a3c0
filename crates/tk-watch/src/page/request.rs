//! A request: how it is read, and which ones are refused.

use std::io::{self, Read};
use std::net::{IpAddr, Ipv6Addr, TcpStream};
use std::time::{Duration, Instant};

use super::response::Status;

/// How much of a request is read. The body is not.
const MOST_BYTES: usize = 8192;
const MOST_HEADERS: usize = 64;
/// How long a request may take to arrive.
const PATIENCE: Duration = Duration::from_secs(3);

/// A request that is to be answered.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Request {
    pub(super) path: String,
    /// Whether only the headers are wanted.
    pub(super) is_head: bool,
}

/// Why there is no request.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Refused {
    /// The client has gone, or says nothing.
    Silent,
    With(Status),
}

/// Reads a request up to the end of its headers.
pub(super) fn read(stream: &TcpStream, hosts: &[String]) -> Result<Request, Refused> {
    let deadline = Instant::now() + PATIENCE;
    let mut bytes = [0; MOST_BYTES];
    let mut length = 0;
    loop {
        let read = read_before(stream, &mut bytes[length..], deadline);
        match read {
            Ok(0) | Err(_) => return Err(Refused::Silent),
            Ok(more) => length += more,
        }
        if let Some(request) = parse(&bytes[..length], hosts)? {
            return Ok(request);
        }
        if length == MOST_BYTES {
            return Err(Refused::With(Status::TooLarge));
        }
    }
}

/// Reads once, before the deadline of the whole. A signal does not end it: the system starts no
/// call again that has a time limit, whatever the handler asks for.
pub(super) fn read_before(
    mut stream: &TcpStream,
    bytes: &mut [u8],
    deadline: Instant,
) -> io::Result<usize> {
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(io::ErrorKind::TimedOut.into());
        }
        stream.set_read_timeout(Some(left))?;
        match stream.read(bytes) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            read => return read,
        }
    }
}

/// Parses the beginning of a request. `None`: more is needed.
fn parse(bytes: &[u8], hosts: &[String]) -> Result<Option<Request>, Refused> {
    let mut headers = [httparse::EMPTY_HEADER; MOST_HEADERS];
    let mut request = httparse::Request::new(&mut headers);
    match request.parse(bytes) {
        Ok(httparse::Status::Partial) => return Ok(None),
        Ok(httparse::Status::Complete(_)) => {}
        Err(httparse::Error::TooManyHeaders) => return Err(Refused::With(Status::TooLarge)),
        Err(_) => return Err(Refused::With(Status::BadRequest)),
    }
    let mut named = request
        .headers
        .iter()
        .filter(|header| header.name.eq_ignore_ascii_case("host"));
    // Exactly one, as HTTP/1.1 demands.
    let (Some(host), None) = (named.next(), named.next()) else {
        return Err(Refused::With(Status::BadRequest));
    };
    if !std::str::from_utf8(host.value).is_ok_and(|host| is_allowed(host, hosts)) {
        return Err(Refused::With(Status::Forbidden));
    }
    let is_head = match request.method {
        Some("GET") => false,
        Some("HEAD") => true,
        _ => return Err(Refused::With(Status::MethodNotAllowed)),
    };
    let target = request.path.unwrap_or_default();
    let Some(path) = path_of(target, hosts) else {
        return Err(Refused::With(Status::Forbidden));
    };
    let path = path.to_owned();
    Ok(Some(Request { path, is_head }))
}

/// Returns the path of a target, which may have the absolute form: `http://localhost/threads`.
/// `None` if that names a foreign site.
fn path_of<'a>(target: &'a str, hosts: &[String]) -> Option<&'a str> {
    // A query changes nothing.
    let target = target.split('?').next().unwrap_or_default();
    let absolute = target.split_once("://");
    let Some((scheme, rest)) = absolute.filter(|_| !target.starts_with('/')) else {
        return Some(target);
    };
    let end = rest.find('/').unwrap_or(rest.len());
    let (host, path) = rest.split_at(end);
    let is_ours = scheme.eq_ignore_ascii_case("http") && is_allowed(host, hosts);
    is_ours.then_some(if path.is_empty() { "/" } else { path })
}

/// Whether the value of a `Host` header names no foreign site. The port doesn't matter: it may have
/// been forwarded.
fn is_allowed(host: &str, hosts: &[String]) -> bool {
    let host = host.trim();
    if let Some(rest) = host.strip_prefix('[') {
        return rest
            .split_once(']')
            .is_some_and(|(ip, port)| ip.parse::<Ipv6Addr>().is_ok() && is_port(port));
    }
    let name_end = host.find(':').unwrap_or(host.len());
    let (name, port) = host.split_at(name_end);
    let is_named = name.eq_ignore_ascii_case("localhost")
        || name.parse::<IpAddr>().is_ok()
        || hosts.iter().any(|host| host.eq_ignore_ascii_case(name));
    is_named && is_port(port)
}

/// Whether this is nothing, or a colon and a number.
fn is_port(text: &str) -> bool {
    text.is_empty()
        || text
            .strip_prefix(':')
            .is_some_and(|port| port.bytes().all(|byte| byte.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(request: &str) -> Result<Option<Request>, Refused> {
        parse(request.as_bytes(), &["Build-Box".to_owned()])
    }

    #[test]
    fn hosts_of_foreign_sites_are_refused() {
        let answer = |host: &str| parsed(&format!("GET / HTTP/1.1\r\nHost: {host}\r\n\r\n"));
        for host in [
            "localhost",
            "LOCALHOST:80",
            "127.0.0.1:8080",
            "127.0.0.1",
            "[::1]",
            "[::1]:80",
            "192.168.1.7:9",
            "build-box",
            "build-box:1",
        ] {
            assert!(matches!(answer(host), Ok(Some(_))), "{host}");
        }
        for host in [
            "evil.example",
            "localhost.evil.example",
            "127.0.0.1.evil.example",
            "localhost:x",
            "",
            "[::1",
            "[evil]",
            "[::1]evil.example",
            "127.0.0.1:80@evil.example",
            "build-box.",
            "0x7f.1",
            "evil.example:80",
        ] {
            assert_eq!(
                answer(host),
                Err(Refused::With(Status::Forbidden)),
                "{host}"
            );
        }
        for headers in ["", "Host: localhost\r\nhost: localhost\r\n"] {
            let answer = parsed(&format!("GET / HTTP/1.1\r\n{headers}\r\n"));
            assert_eq!(answer, Err(Refused::With(Status::BadRequest)));
        }
    }

    #[test]
    fn a_target_may_name_the_host() {
        let answer = |target| parsed(&format!("GET {target} HTTP/1.1\r\nHost: localhost\r\n\r\n"));
        for (target, path) in [
            ("http://localhost/x", "/x"),
            ("HTTP://127.0.0.1:80/x/y?z=://", "/x/y"),
            ("http://build-box", "/"),
            ("http://[::1]?x", "/"),
            ("/x?http://evil.example/", "/x"),
            ("/x://evil.example/", "/x://evil.example/"),
        ] {
            let path = path.to_owned();
            let is_head = false;
            assert_eq!(
                answer(target),
                Ok(Some(Request { path, is_head })),
                "{target}"
            );
        }
        for target in [
            "http://evil.example/",
            "https://localhost/",
            "http:///",
            "x://localhost",
        ] {
            let refused = Err(Refused::With(Status::Forbidden));
            assert_eq!(answer(target), refused, "{target}");
        }
    }

    #[test]
    fn only_get_and_head_are_answered() {
        let answer = |method| {
            parsed(&format!(
                "{method} /x?y=1 HTTP/1.1\r\nHost: localhost\r\n\r\n"
            ))
        };
        for (method, is_head) in [("GET", false), ("HEAD", true)] {
            let path = "/x".to_owned();
            assert_eq!(answer(method), Ok(Some(Request { path, is_head })));
        }
        for method in ["POST", "PUT", "DELETE", "OPTIONS", "TRACE", "PATCH", "get"] {
            let refused = Err(Refused::With(Status::MethodNotAllowed));
            assert_eq!(answer(method), refused, "{method}");
        }
    }

    #[test]
    fn a_request_may_come_in_pieces_and_may_be_nonsense() {
        let whole = "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n";
        for end in 0..whole.len() {
            assert_eq!(parsed(&whole[..end]), Ok(None));
        }
        for nonsense in [
            "\0\0\0\0",
            "GET\r\n\r\n",
            "GET / HTTP/9\r\n\r\n",
            "\u{16}\u{3}\u{1}",
        ] {
            assert_eq!(
                parsed(nonsense),
                Err(Refused::With(Status::BadRequest)),
                "{nonsense:?}"
            );
        }
        let many = "a: b\r\n".repeat(MOST_HEADERS + 1);
        let answer = parsed(&format!("GET / HTTP/1.1\r\n{many}\r\n"));
        assert_eq!(answer, Err(Refused::With(Status::TooLarge)));
    }
}
