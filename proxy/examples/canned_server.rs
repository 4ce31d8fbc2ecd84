//! The ceiling of an answer from memory: a server that looks nothing up and answers every question with the same row.
//! For `loadtests/bench`; takes the port to listen on and the number of threads.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::as_conversions,
    reason = "a yardstick: it is given good input and may fail on other"
)]

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// RowDescription of one int4 called abalance.
const COLUMNS: &[u8] = b"T\0\0\0\x21\0\x01abalance\0\0\0\0\0\0\0\0\0\0\x17\0\x04\xff\xff\xff\xff\0\0";
const ROW: &[u8] = b"D\0\0\0\x0b\0\x01\0\0\0\x010C\0\0\0\x0dSELECT 1\0";
const READY: &[u8] = b"Z\0\0\0\x05I";

fn main() {
    let mut arguments = std::env::args().skip(1).map(|text| text.parse::<u16>().unwrap());
    let (port, threads) = (arguments.next().unwrap(), arguments.next().unwrap_or(1));
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    let runtime = builder.worker_threads(usize::from(threads)).enable_all().build().unwrap();
    runtime.block_on(async move {
        let listener = TcpListener::bind(("127.0.0.1", port)).await.unwrap();
        loop {
            let (socket, _) = listener.accept().await.unwrap();
            socket.set_nodelay(true).unwrap();
            tokio::spawn(async move {
                // Clients come and go as they like.
                let _gone = serve(socket).await;
            });
        }
    });
}

async fn serve(mut socket: TcpStream) -> std::io::Result<()> {
    let (mut input, mut output) = (Vec::with_capacity(8192), Vec::with_capacity(8192));
    let mut chunk = [0; 8192];
    let mut started = false;
    loop {
        let count = socket.read(&mut chunk).await?;
        if count == 0 {
            return Ok(());
        }
        input.extend_from_slice(&chunk[..count]);
        let mut at = 0;
        loop {
            let rest = &input[at..];
            let header = if started { 5 } else { 4 };
            if rest.len() < header {
                break;
            }
            let length = u32::from_be_bytes(rest[header - 4..header].try_into().unwrap()) as usize;
            let total = length + header - 4;
            if rest.len() < total {
                break;
            }
            if started {
                answer(rest[0], &mut output);
            } else {
                started = true;
                output.extend_from_slice(b"R\0\0\0\x08\0\0\0\0S\0\0\0\x19client_encoding\0UTF8\0");
                output.extend_from_slice(READY);
            }
            at += total;
        }
        input.drain(..at);
        socket.write_all(&output).await?;
        output.clear();
    }
}

fn answer(tag: u8, output: &mut Vec<u8>) {
    match tag {
        b'Q' => [COLUMNS, ROW, READY].iter().for_each(|part| output.extend_from_slice(part)),
        b'P' => output.extend_from_slice(b"1\0\0\0\x04"),
        b'B' => output.extend_from_slice(b"2\0\0\0\x04"),
        b'D' => output.extend_from_slice(COLUMNS),
        b'E' => output.extend_from_slice(ROW),
        b'S' => output.extend_from_slice(READY),
        _ => {}
    }
}
