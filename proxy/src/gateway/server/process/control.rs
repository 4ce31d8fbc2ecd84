//! The control socket: what one gateway process may ask another of the same directory.
//!
//! Two things are said on it: "hand over your sockets", and a CancelRequest whose key belongs to the other process,
//! because after a handover clients reach the new process while their query still runs in the old one.

use super::run_dir::RunDir;
use crate::gateway::bell::SessionKey;
use std::path::PathBuf;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::mpsc;
use tokio::time::timeout;

/// The request to hand over; as long as a CancelRequest.
pub(in crate::gateway::server) const HAND_OVER: &[u8; 16] = b"vitrine:handover";

/// A CancelRequest as it travels: length, code, process id, secret.
/// <https://www.postgresql.org/docs/current/protocol-message-formats.html#PROTOCOL-MESSAGE-FORMATS-CANCELREQUEST>
pub(in crate::gateway::server) type CancelBytes = [u8; 16];

/// The session that a request means.
pub(in crate::gateway::server) fn session_key(request: CancelBytes) -> SessionKey {
    let [_, _, _, _, _, _, _, _, a, b, c, d, e, f, g, h] = request;
    SessionKey { process_id: u32::from_be_bytes([a, b, c, d]), secret: u32::from_be_bytes([e, f, g, h]) }
}

/// The request that means this session.
pub(in crate::gateway::server) fn request_for(key: SessionKey) -> CancelBytes {
    let mut request = [0; 16];
    let numbers = CANCEL_PREFIX.into_iter().chain(key.process_id.to_be_bytes()).chain(key.secret.to_be_bytes());
    request.iter_mut().zip(numbers).for_each(|(place, byte)| *place = byte);
    request
}

/// What was asked.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::gateway::server) enum Request {
    /// A new process wants the sockets.
    HandOver,
    /// A cancel request that reached the other process.
    Cancel(CancelBytes),
}

/// Listens at this process's control socket.
pub(in crate::gateway::server) fn listen(run_dir: &RunDir) -> std::io::Result<UnixListener> {
    let path = run_dir.control_socket(std::process::id());
    // Left by a process that had our number before.
    let _left_over = std::fs::remove_file(&path);
    UnixListener::bind(path)
}

/// Takes requests in until nobody wants them. What is malformed or slow is dropped without an answer.
pub(in crate::gateway::server) async fn receive(listener: UnixListener, asked: mpsc::Sender<Request>) {
    while !asked.is_closed() {
        let Ok((stream, _)) = listener.accept().await else {
            // Out of file descriptors: not in a tight loop.
            tokio::time::sleep(Duration::from_millis(100)).await;
            continue;
        };
        let asked = asked.clone();
        tokio::spawn(async move {
            if let Ok(Some(request)) = timeout(TIME_MAX, request(stream)).await {
                let _ended = asked.send(request).await;
            }
        });
    }
}

async fn request(mut stream: UnixStream) -> Option<Request> {
    let mut bytes = [0; 16];
    stream.read_exact(&mut bytes).await.ok()?;
    match bytes {
        bytes if bytes == *HAND_OVER => Some(Request::HandOver),
        bytes if bytes.starts_with(&CANCEL_PREFIX) => Some(Request::Cancel(bytes)),
        _ => None,
    }
}

/// Sends a cancel request to every other process of the directory; sockets that nobody listens at are removed.
pub(in crate::gateway::server) async fn pass_on(others: Vec<PathBuf>, request: &CancelBytes) {
    for path in others {
        match timeout(TIME_MAX, UnixStream::connect(&path)).await {
            Ok(Ok(mut stream)) => {
                let _gone = stream.write_all(request).await;
            }
            Ok(Err(error)) if error.kind() == std::io::ErrorKind::ConnectionRefused => {
                let _gone = std::fs::remove_file(path);
            }
            Ok(Err(_)) | Err(_) => {}
        }
    }
}

const TIME_MAX: Duration = Duration::from_secs(1);

/// Length 16 and the code 80877102.
const CANCEL_PREFIX: [u8; 8] = [0, 0, 0, 16, 0x04, 0xd2, 0x16, 0x2e];

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_cancel_request_reaches_the_other_process() {
        let folder = tempfile::tempdir().unwrap();
        let run_dir = RunDir::open(&folder.path().join("run")).unwrap();
        let other = UnixListener::bind(run_dir.control_socket(1)).unwrap();
        // One more that nobody listens at any more.
        drop(UnixListener::bind(run_dir.control_socket(2)).unwrap());
        let key = SessionKey { process_id: 7, secret: 0x0102_0304 };
        let request = request_for(key);
        assert_eq!(session_key(request), key);
        let (asked, mut requests) = mpsc::channel(1);
        tokio::spawn(receive(other, asked));
        pass_on(run_dir.others(), &request).await;
        assert_eq!(requests.recv().await, Some(Request::Cancel(request)));
        assert!(!run_dir.control_socket(2).exists());
    }
}
