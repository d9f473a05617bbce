//! A stand-in for systemd's credential service, on a socket of its own.

use std::io::{Read, Write};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

/// It serves until the test's process ends.
pub(super) struct Service {
    socket: PathBuf,
    _dir: tempfile::TempDir,
}

impl Service {
    pub(super) fn socket(&self) -> &Path {
        &self.socket
    }
}

/// Answers each call with these bytes, then ends the connection.
pub(super) fn answering(answer: impl Fn(&Value) -> Vec<u8> + Send + 'static) -> Service {
    let dir = tempfile::tempdir().expect("a directory");
    let socket = dir.path().join("socket");
    let listener = UnixListener::bind(&socket).expect("bound");
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.expect("a connection");
            let mut call = Vec::new();
            let mut byte = [0];
            while stream.read_exact(&mut byte).is_ok() && byte[0] != 0 {
                call.push(byte[0]);
            }
            let call = serde_json::from_slice(&call).expect("a call is JSON");
            // A caller that has read enough hangs up.
            let _ = stream.write_all(&answer(&call));
        }
    });
    Service { socket, _dir: dir }
}

/// Seals by turning every bit around, with the name in front, as if that were a cipher.
pub(super) fn sealing() -> Service {
    let turned = |bytes: &[u8]| bytes.iter().map(|byte| !byte).collect::<Vec<_>>();
    let text = |value: &Value| value.as_str().expect("text").to_owned();
    answering(move |call| {
        let asked = &call["parameters"];
        assert_eq!(asked["scope"], "user");
        let name = text(&asked["name"]);
        let answer = match call["method"].as_str() {
            Some("io.systemd.Credentials.Encrypt") => {
                let data = STANDARD.decode(text(&asked["data"])).expect("base64");
                json!({"parameters": {"blob": format!("{name}:{}", STANDARD.encode(turned(&data)))}})
            }
            Some("io.systemd.Credentials.Decrypt") => match text(&asked["blob"]).split_once(':') {
                Some((of, data)) if of == name => {
                    let data = STANDARD.decode(data).expect("base64");
                    json!({"parameters": {"data": STANDARD.encode(turned(&data))}})
                }
                _ => json!({"error": "io.systemd.Credentials.NameMismatch", "parameters": {}}),
            },
            other => panic!("no such method: {other:?}"),
        };
        let mut bytes = serde_json::to_vec(&answer).expect("plain data");
        bytes.push(0);
        bytes
    })
}
