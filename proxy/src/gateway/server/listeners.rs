//! Listening sockets.

use super::ServeError;
use crate::config::ListenAddress;
use pingora_core::listeners::{L4BufferSettings, ListenerConfig, TcpSocketOptions};
use pingora_core::protocols::TcpKeepalive;
use std::io;
use std::net::TcpListener;
use std::os::unix::fs::FileTypeExt;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

/// pingora's settings for one address. Unbuffered: a session reads and writes whole buffers of its own, and 64 KiB of
/// pingora's for each client would be most of what an idle one costs.
pub(super) fn listener(address: &ListenAddress) -> ListenerConfig {
    let listener = match address {
        ListenAddress::Tcp(address) => ListenerConfig::tcp(address.to_string()).tcp_socket_options(tcp_options()),
        ListenAddress::Unix(path) => ListenerConfig::uds(path.display().to_string()),
    };
    listener.l4_buffer(L4BufferSettings::unbuffered())
}

/// A client whose machine vanished is noticed within about two minutes, even while it owes no answer.
fn tcp_options() -> TcpSocketOptions {
    let mut options = TcpSocketOptions::default();
    options.tcp_keepalive = Some(TcpKeepalive {
        idle: Duration::from_secs(60),
        interval: Duration::from_secs(15),
        count: 4,
        #[cfg(target_os = "linux")]
        user_timeout: Duration::ZERO,
    });
    options
}

/// Says at once what pingora would say as a panic of one thread half a minute later; and keeps it from removing a file
/// or the socket of somebody else who lives.
pub(super) fn check<'a>(addresses: impl Iterator<Item = &'a ListenAddress>) -> Result<(), ServeError> {
    for address in addresses {
        let checked = match address {
            // std sets SO_REUSEADDR, as pingora does.
            ListenAddress::Tcp(address) => TcpListener::bind(address).map(drop),
            ListenAddress::Unix(path) => check_unix(path),
        };
        checked.map_err(|error| ServeError::Listen { address: address.to_string(), message: error.to_string() })?;
    }
    Ok(())
}

fn check_unix(path: &Path) -> io::Result<()> {
    match std::fs::symlink_metadata(path) {
        Ok(found) if !found.file_type().is_socket() => Err(io::Error::other("something that is not a socket is there")),
        Ok(_) if UnixStream::connect(path).is_ok() => Err(io::Error::other("another program listens there")),
        Ok(_) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let folder = path.parent().unwrap_or(path);
            if folder.is_dir() { Ok(()) } else { Err(io::Error::other("its directory does not exist")) }
        }
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_in_use_or_a_file_in_the_way_is_said_at_once() {
        let taken = TcpListener::bind("127.0.0.1:0").unwrap();
        let taken = ListenAddress::Tcp(taken.local_addr().map(|address| (address, taken)).unwrap().0);
        // The listener is dropped by now: the address is free again.
        check([&taken].into_iter()).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("notes");
        std::fs::write(&file, "keep me").unwrap();
        let error = check([&ListenAddress::Unix(file.clone())].into_iter()).unwrap_err().to_string();
        assert!(error.contains("not a socket"), "{error}");
        assert_eq!(std::fs::read_to_string(&file).unwrap(), "keep me");
        let socket = folder.path().join("s");
        let _living = std::os::unix::net::UnixListener::bind(&socket).unwrap();
        let error = check([&ListenAddress::Unix(socket)].into_iter()).unwrap_err().to_string();
        assert!(error.contains("another program"), "{error}");
    }
}
