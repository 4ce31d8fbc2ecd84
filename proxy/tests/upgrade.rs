//! A new process takes the sockets of the running one: no connection is refused, nothing under way is lost.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::as_conversions,
    clippy::wildcard_enum_match_arm,
    reason = "a test says what is wrong by failing"
)]

mod gateway_process;

use gateway_process::{GatewayProcess, http};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

#[test]
fn a_new_process_takes_over_under_load() {
    let mut old = GatewayProcess::start(&[("VITRINE_SERVER_UPGRADE_LINGER_MS", "3000")]);
    let stop = AtomicBool::new(false);
    let (connections, failures) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let address = old.listen.clone();
    let mut long = TcpStream::connect(&old.listen).unwrap();
    let _new = std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                while !stop.load(Ordering::Relaxed) {
                    let answered = TcpStream::connect(&address).and_then(|stream| echo(stream, b"hello"));
                    if let Err(error) = answered {
                        println!("{error:?}");
                        failures.fetch_add(1, Ordering::Relaxed);
                    }
                    connections.fetch_add(1, Ordering::Relaxed);
                    // Not to run out of local ports, which the other side of a closed connection keeps for a minute.
                    std::thread::sleep(Duration::from_millis(1));
                }
            });
        }
        let new = old.upgrade("second.log");
        echo(long.try_clone().unwrap(), b"still here").unwrap();
        assert!(http(&new.admin, "/livez").0 == 200);
        assert_eq!(old_ends(&mut old).code(), Some(0));
        echo(TcpStream::connect(&address).unwrap(), b"the new one").unwrap();
        assert_eq!(long.read(&mut [0; 1]).unwrap(), 0);
        stop.store(true, Ordering::Relaxed);
        new
    });
    println!("{connections:?} connections");
    assert_eq!(failures.load(Ordering::Relaxed), 0);
    assert!(connections.load(Ordering::Relaxed) > 1_000);
}

fn old_ends(old: &mut GatewayProcess) -> std::process::ExitStatus {
    old.wait(Duration::from_secs(40))
}

fn echo(mut stream: TcpStream, text: &[u8]) -> std::io::Result<()> {
    stream.set_read_timeout(Some(Duration::from_secs(10)))?;
    stream.write_all(text)?;
    let mut answer = vec![0; text.len()];
    stream.read_exact(&mut answer)?;
    assert_eq!(answer, text);
    Ok(())
}
