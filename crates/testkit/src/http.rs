//! A small blocking HTTP/1.1 client for the steps of a journey. Load is the judge's, not this one's.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpStream},
    os::unix::net::UnixStream,
    path::Path,
    time::Duration,
};

use serde_json::Value;

/// Between two bytes.
const SILENCE_MAX: Duration = Duration::from_secs(30);
/// Bound: the longest answer that a journey reads.
const ANSWER_BYTES_MAX: u64 = 64 << 20;

/// One answer, whole.
#[derive(Clone, Debug)]
pub struct Answer {
    pub status: u16,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Answer {
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// # Panics
    /// When the body is no JSON.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("no JSON ({error}): {}", self.text()))
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(found, _)| found == name).map(|(_, value)| value.as_str())
    }
}

/// Why there was no answer.
pub type Error = std::io::Error;

/// Asks over TCP, on a connection of its own. `head` holds further header lines without line ends.
///
/// # Errors
/// Refused, reset, silent for 30 s, or not HTTP.
pub fn ask(
    to: SocketAddr,
    host: &str,
    method: &str,
    path: &str,
    head: &[&str],
    body: &[u8],
) -> Result<Answer, Error> {
    let stream = TcpStream::connect_timeout(&to, SILENCE_MAX)?;
    stream.set_read_timeout(Some(SILENCE_MAX))?;
    exchange(stream, host, method, path, head, body)
}

/// The same over a unix socket.
///
/// # Errors
/// As [`ask`].
pub fn ask_unix(socket: &Path, method: &str, path: &str, body: &[u8]) -> Result<Answer, Error> {
    ask_unix_with(socket, method, path, &["content-type: application/json"], body)
}

/// The same with further header lines.
///
/// # Errors
/// As [`ask`].
pub fn ask_unix_with(
    socket: &Path,
    method: &str,
    path: &str,
    head: &[&str],
    body: &[u8],
) -> Result<Answer, Error> {
    let stream = UnixStream::connect(socket)?;
    stream.set_read_timeout(Some(SILENCE_MAX))?;
    exchange(stream, "localhost", method, path, head, body)
}

/// A GET whose answer is read line by line as it comes, until `each` has had enough or it ends.
///
/// # Errors
/// As [`ask`]; also when the answer breaks off, after the lines that came before.
pub fn lines(
    to: SocketAddr,
    host: &str,
    path: &str,
    head: &[&str],
    mut each: impl FnMut(&str) -> bool,
) -> Result<u16, Error> {
    let mut stream = TcpStream::connect_timeout(&to, SILENCE_MAX)?;
    stream.set_read_timeout(Some(SILENCE_MAX))?;
    write_head(&mut stream, host, "GET", path, head, 0)?;
    let mut from = BufReader::new(stream);
    let answer = read_head(&mut from)?;
    let mut rest = Vec::new();
    loop {
        let size = line(&mut from)?;
        let size = chunk_size(&size)?;
        take(&mut from, size, &mut rest)?;
        line(&mut from)?;
        while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
            let whole: Vec<u8> = rest.drain(..=end).collect();
            if !each(String::from_utf8_lossy(&whole).trim_end()) {
                return Ok(answer.status);
            }
        }
        if size == 0 {
            return Ok(answer.status);
        }
    }
}

fn exchange(
    mut stream: impl Read + Write,
    host: &str,
    method: &str,
    path: &str,
    head: &[&str],
    body: &[u8],
) -> Result<Answer, Error> {
    write_head(&mut stream, host, method, path, head, body.len())?;
    stream.write_all(body)?;
    read(BufReader::new(stream))
}

fn write_head(
    stream: &mut impl Write,
    host: &str,
    method: &str,
    path: &str,
    head: &[&str],
    body_bytes: usize,
) -> Result<(), Error> {
    let mut request = format!("{method} {path} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n");
    request.push_str(&format!("content-length: {body_bytes}\r\n"));
    head.iter().for_each(|line| request.push_str(&format!("{line}\r\n")));
    request.push_str("\r\n");
    stream.write_all(request.as_bytes())
}

fn read(mut from: impl BufRead) -> Result<Answer, Error> {
    let mut answer = read_head(&mut from)?;
    answer.body = body(&mut from, &answer)?;
    Ok(answer)
}

fn read_head(from: &mut impl BufRead) -> Result<Answer, Error> {
    let first = line(from)?;
    let status = first.split(' ').nth(1).and_then(|status| status.parse().ok());
    let status = status.ok_or_else(|| Error::other(format!("no HTTP answer: {first:?}")))?;
    let mut headers = Vec::new();
    loop {
        let line = line(from)?;
        if line.is_empty() {
            return Ok(Answer { status, headers, body: Vec::new() });
        }
        let (name, value) = line.split_once(':').unwrap_or((&line, ""));
        headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
    }
}

fn body(from: &mut impl BufRead, answer: &Answer) -> Result<Vec<u8>, Error> {
    let mut body = Vec::new();
    if answer.header("transfer-encoding").is_some_and(|coding| coding.eq_ignore_ascii_case("chunked")) {
        loop {
            let size = line(from)?;
            let size = chunk_size(&size)?;
            take(from, size, &mut body)?;
            line(from)?;
            if size == 0 {
                return Ok(body);
            }
        }
    }
    match answer.header("content-length").map(str::parse) {
        Some(Ok(length)) => take(from, length, &mut body)?,
        _ => drop(from.take(ANSWER_BYTES_MAX).read_to_end(&mut body)?),
    }
    Ok(body)
}

fn chunk_size(line: &str) -> Result<u64, Error> {
    let digits = line.split(';').next().unwrap_or_default().trim();
    u64::from_str_radix(digits, 16).map_err(|error| Error::other(format!("chunk size {digits:?}: {error}")))
}

fn take(from: &mut impl BufRead, bytes: u64, into: &mut Vec<u8>) -> Result<(), Error> {
    let got = from.take(bytes.min(ANSWER_BYTES_MAX)).read_to_end(into)?;
    if got as u64 == bytes { Ok(()) } else { Err(Error::other(format!("{got} of {bytes} bytes"))) }
}

fn line(from: &mut impl BufRead) -> Result<String, Error> {
    let mut line = String::new();
    if from.read_line(&mut line)? == 0 {
        return Err(Error::other("the answer ended early"));
    }
    Ok(line.trim_end_matches(['\r', '\n']).to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chunked_counted_and_open_ended_bodies_are_read() {
        let chunked =
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2;x=y\r\nde\r\n0\r\n\r\n";
        assert_eq!(read(chunked.as_bytes()).expect("an answer").text(), "abcde");
        let counted = "HTTP/1.1 404 Not Found\r\nContent-Length: 4\r\n\r\ngone and more";
        let answer = read(counted.as_bytes()).expect("an answer");
        assert_eq!((answer.status, answer.text().as_str()), (404, "gone"));
        assert_eq!(read("HTTP/1.1 200 OK\r\n\r\nall".as_bytes()).expect("an answer").text(), "all");
        assert!(read("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nall".as_bytes()).is_err());
        assert!(read("".as_bytes()).is_err());
    }
}
