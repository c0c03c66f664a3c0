//! The response to a request.

use std::io::{self, Write};
use std::net::{Shutdown, TcpStream};
use std::time::{Duration, Instant};

use super::request::{self, Refused, Request};
use crate::{dump, json, profile, trace};

const PAGE: &str = include_str!("page.html");

/// The page may run its own script, use its own style, and ask this server. The hashes are those of
/// the script and the style in `page.html`. If they are wrong, a test prints the right ones.
const POLICY: &str = "default-src 'none'; connect-src 'self'; img-src 'none'; base-uri 'none'; \
    form-action 'none'; frame-ancestors 'none'; \
    script-src 'sha256-ENZMFHphFP3VzWmOHNbGDp7Iw8neXnQV80i0wxBVdnE='; \
    style-src 'sha256-GVTdV7xJgLfJD+A0fk1mKCMQ/4l6cK9F3ttqSYFI01g='";

/// How long a client may take to accept the response.
const PATIENCE: Duration = Duration::from_secs(60);
/// How long, and how much, is read of a body that nobody wants, so that the client reads the
/// response before the connection is reset.
const LINGER: Duration = Duration::from_millis(500);
const MOST_LINGERING_BYTES: usize = 1 << 20;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Status {
    Ok,
    BadRequest,
    Forbidden,
    NotFound,
    MethodNotAllowed,
    TooLarge,
    Failed,
}

impl Status {
    fn line(self) -> &'static str {
        match self {
            Status::Ok => "200 OK",
            Status::BadRequest => "400 Bad Request",
            Status::Forbidden => "403 Forbidden",
            Status::NotFound => "404 Not Found",
            Status::MethodNotAllowed => "405 Method Not Allowed",
            Status::TooLarge => "431 Request Header Fields Too Large",
            Status::Failed => "500 Internal Server Error",
        }
    }

    /// The text for a client that is refused.
    fn text(self) -> &'static str {
        match self {
            Status::Ok => "",
            Status::BadRequest => "This is not a request in HTTP/1.1 with one Host.\n",
            Status::Forbidden => {
                "The page is not served under this name. \
                 Use localhost or an IP address, or tk_watch::page::Options::host.\n"
            }
            Status::NotFound => "There is no such page. See /.\n",
            Status::MethodNotAllowed => "Only GET and HEAD are answered.\n",
            Status::TooLarge => "The request is too large.\n",
            Status::Failed => "The answer could not be made.\n",
        }
    }
}

struct Response {
    status: Status,
    kind: &'static str,
    /// The name of the file, if the response is to be saved.
    file: Option<&'static str>,
    body: Vec<u8>,
}

impl Response {
    fn new(kind: &'static str, body: impl Into<Vec<u8>>) -> Response {
        Response {
            status: Status::Ok,
            kind,
            file: None,
            body: body.into(),
        }
    }

    fn refusal(status: Status) -> Response {
        Response {
            status,
            ..Response::new("text/plain; charset=utf-8", status.text())
        }
    }
}

/// Reads a request and answers it. An error means that the client has gone.
pub(super) fn respond(stream: &TcpStream, hosts: &[String]) {
    let (response, is_head) = match request::read(stream, hosts) {
        Ok(request) => (response_to(&request), request.is_head),
        Err(Refused::With(status)) => (Response::refusal(status), false),
        Err(Refused::Silent) => return,
    };
    if send(stream, &response, is_head).is_ok() {
        linger(stream);
    }
}

fn response_to(request: &Request) -> Response {
    let made = match &*request.path {
        "/" => Ok(Response::new("text/html; charset=utf-8", PAGE)),
        "/state.json" => state().map(|body| Response::new("application/json", body)),
        "/profile.pb" => written(|out| profile::read().write_pprof(out))
            .map(|body| saved("application/octet-stream", "waits.pb", body)),
        "/trace.json" => written(|out| trace::write_to(out))
            .map(|body| saved("application/json", "trace.json", body)),
        _ => return Response::refusal(Status::NotFound),
    };
    made.unwrap_or_else(|_| Response::refusal(Status::Failed))
}

fn saved(kind: &'static str, file: &'static str, body: Vec<u8>) -> Response {
    Response {
        file: Some(file),
        ..Response::new(kind, body)
    }
}

fn written(write: impl FnOnce(&mut Vec<u8>) -> io::Result<()>) -> io::Result<Vec<u8>> {
    let mut body = Vec::new();
    write(&mut body)?;
    Ok(body)
}

/// Returns the data that the page shows, as JSON.
fn state() -> io::Result<Vec<u8>> {
    let start = Instant::now();
    let snapshot = dump();
    let profile = profile::read();
    written(|out| {
        json::object(out, |o| {
            o.object("snapshot", |o| snapshot.fill_json(o))?;
            o.object("profile", |o| profile.fill_json(o))?;
            o.number("profile_is_on", profile::is_on())?;
            o.number("trace_is_on", trace::is_on())?;
            o.number("took_ms", start.elapsed().as_millis())
        })
    })
}

fn send(stream: &TcpStream, response: &Response, is_head: bool) -> io::Result<()> {
    let Response {
        status, kind, body, ..
    } = response;
    let mut head = Vec::new();
    write!(
        head,
        "HTTP/1.1 {}\r\n\
         Content-Type: {kind}\r\n\
         Content-Length: {}\r\n\
         Connection: close\r\n\
         Cache-Control: no-store\r\n\
         Content-Security-Policy: {POLICY}\r\n\
         Cross-Origin-Resource-Policy: same-origin\r\n\
         Referrer-Policy: no-referrer\r\n\
         X-Content-Type-Options: nosniff\r\n\
         X-Frame-Options: DENY\r\n",
        status.line(),
        body.len(),
    )?;
    if let Some(file) = response.file {
        write!(
            head,
            "Content-Disposition: attachment; filename=\"{file}\"\r\n"
        )?;
    }
    if *status == Status::MethodNotAllowed {
        head.extend_from_slice(b"Allow: GET, HEAD\r\n");
    }
    head.extend_from_slice(b"\r\n");
    let deadline = Instant::now() + PATIENCE;
    write_before(stream, &head, deadline)?;
    if is_head {
        return Ok(());
    }
    write_before(stream, body, deadline)
}

fn write_before(mut stream: &TcpStream, mut bytes: &[u8], deadline: Instant) -> io::Result<()> {
    while !bytes.is_empty() {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(io::ErrorKind::TimedOut.into());
        }
        stream.set_write_timeout(Some(left))?;
        match stream.write(bytes) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(written) => bytes = &bytes[written..],
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Ends the connection. If bytes are left unread, a close resets it, and the client may lose the
/// response. So what the client still sends is read for a moment.
fn linger(stream: &TcpStream) {
    if stream.shutdown(Shutdown::Write).is_err() {
        return;
    }
    let deadline = Instant::now() + LINGER;
    let mut bytes = [0; 4096];
    let mut length = 0;
    while length < MOST_LINGERING_BYTES {
        match request::read_before(stream, &mut bytes, deadline) {
            Ok(0) | Err(_) => return,
            Ok(more) => length += more,
        }
    }
}

#[cfg(test)]
mod tests {
    use sha2::{Digest, Sha256};

    use super::*;

    /// The hash of an element's text in the form of a policy.
    fn hash(element: &str) -> String {
        const DIGITS: &[u8; 64] =
            b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
        let (_, rest) = PAGE.split_once(&format!("<{element}>")).unwrap();
        let (text, _) = rest.split_once(&format!("</{element}>")).unwrap();
        let mut base64 = String::new();
        for bytes in Sha256::digest(text).chunks(3) {
            let number = (0..3).fold(0, |n, at| n << 8 | u32::from(*bytes.get(at).unwrap_or(&0)));
            for digit in 0..=bytes.len() {
                base64.push(DIGITS[(number >> (18 - 6 * digit)) as usize % 64].into());
            }
        }
        format!("'sha256-{base64}='")
    }

    #[test]
    fn the_policy_allows_the_script_and_the_style_of_the_page() {
        for element in ["script", "style"] {
            let hash = hash(element);
            assert!(POLICY.contains(&hash), "{element}-src is {hash}");
        }
    }

    /// Names are put into the page as text only, and nothing is loaded from elsewhere.
    #[test]
    fn the_page_makes_no_html_of_text_and_loads_nothing() {
        for word in [
            "innerHTML",
            "outerHTML",
            "insertAdjacentHTML",
            "document.write",
            "eval(",
        ] {
            assert!(!PAGE.contains(word), "{word}");
        }
        let links = PAGE.matches("http").count();
        let of_svg = PAGE.matches("http://www.w3.org/2000/svg").count();
        assert_eq!(links, of_svg);
        assert!(!PAGE.contains("src=") && !PAGE.contains("url(") && !PAGE.contains("@import"));
    }
}
