//! How a session ends from this side without the loss of a question.
//!
//! The protocol has no word for "ask somebody else": whoever is told 57P01 reads it in place of the answer to what it may
//! have asked just then. So it is said in a silence that is long beside the way of a question, and beside the time for which
//! pools trust an idle connection; or, where there is no such silence, together with an answer, when the client cannot have
//! asked again yet. What was sent all the same meets the last words, not a reset that takes them away.

use std::mem::MaybeUninit;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, ReadBuf};

use super::pump::OUTPUT_BYTES_HIGH;
use super::{Client, ClientIo, End, shutting_down};
use crate::gateway::bell;

/// A client that does not take its last words is not waited for.
const LAST_WORDS_TIME_MAX: Duration = Duration::from_secs(5);
/// A client that was told, and does not hang up, has so long for what it was sending.
const DEAF_TIME_MAX: Duration = Duration::from_secs(3);
/// Of that, nobody sends more.
const DEAF_BYTES_MAX: usize = 1 << 20;

impl<S> Client<S>
where
    S: AsyncRead + AsyncWrite + Unpin + Send,
{
    /// At a boundary of a session that is to end: what has been asked is served still, otherwise it is over.
    pub(super) async fn part(&mut self) -> Result<(), End> {
        let answer_waits = !self.output.is_empty() && self.output.len() < OUTPUT_BYTES_HIGH && self.input.is_empty();
        let in_a_hurry = self.place.bell.rung() & bell::DRAIN != 0;
        if !(in_a_hurry && answer_waits && self.batch.was_the_question()) {
            let quiet = self.gateway.config.server.drain_quiet_ms.duration();
            if let Ok(progress) = tokio::time::timeout(quiet, std::future::poll_fn(|cx| self.pump(cx))).await {
                return self.see(progress);
            }
        }
        // The runtime learns what the system has received before it is asked.
        tokio::task::yield_now().await;
        let looked = std::future::poll_fn(|cx| Poll::Ready(self.poll_read_client(cx)));
        match tokio::task::unconstrained(looked).await {
            Poll::Ready(Ok(true)) => Ok(()),
            Poll::Ready(Ok(false) | Err(_)) => Err(End::Quiet),
            Poll::Pending => Err(End::With(shutting_down())),
        }
    }

    /// Says what is to be said and hangs up. Closed with something unread, a socket would reset the connection, and the
    /// client might find that in place of the last words: what it sends is read until it hangs up too.
    pub(super) async fn leave(&mut self, end: End) {
        let speaks = matches!(end, End::With(_));
        if let End::With(report) = end {
            report.put(&mut self.output);
        }
        let last_words = async {
            self.io.write_all(&self.output).await?;
            self.io.shutdown().await
        };
        let said = tokio::time::timeout(LAST_WORDS_TIME_MAX, last_words).await;
        if speaks && matches!(said, Ok(Ok(()))) {
            let mut read = 0;
            let deaf = std::future::poll_fn(|cx| poll_deaf(&mut self.io, &mut read, cx));
            let _ = tokio::time::timeout(DEAF_TIME_MAX, deaf).await;
        }
    }
}

/// What the client's last messages up to a Sync were for. Some drivers prepare in one such batch and run in the next, some
/// pools ask something short to see whether the connection lives, and then what they came for: to be told between the two
/// would lose the second.
#[derive(Debug, Default)]
pub(super) struct Batch {
    is_over: bool,
    runs: bool,
    is_short: bool,
    another_was_short: bool,
}

/// A text of a question that looks whether the connection lives, with its zero and what else is in a Parse.
const SHORT_BYTES_MAX: usize = 16;

impl Batch {
    /// One more frame of the client.
    pub(super) fn note(&mut self, tag: u8, body_bytes: usize) {
        // The rows of a COPY belong to its Query.
        if matches!(tag, b'd' | b'c' | b'f') {
            return;
        }
        if self.is_over {
            (self.runs, self.is_short) = (false, false);
        }
        self.is_over = matches!(tag, b'S' | b'Q');
        self.runs |= matches!(tag, b'Q' | b'E');
        if matches!(tag, b'Q' | b'P') {
            self.is_short = body_bytes <= SHORT_BYTES_MAX;
        }
    }

    /// It ran something, and not only to see whether the connection lives: that is short, and what follows it is not.
    fn was_the_question(&mut self) -> bool {
        if self.runs && self.is_short && !self.another_was_short {
            self.another_was_short = true;
            return false;
        }
        self.runs
    }
}

/// Reads and forgets, until the end or too much.
fn poll_deaf<S>(io: &mut ClientIo<S>, read: &mut usize, cx: &mut Context<'_>) -> Poll<()>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let mut space = [MaybeUninit::uninit(); 4096];
    while *read < DEAF_BYTES_MAX {
        let mut buffer = ReadBuf::uninit(&mut space);
        if ready!(Pin::new(&mut *io).poll_read(cx, &mut buffer)).is_err() || buffer.filled().is_empty() {
            break;
        }
        *read += buffer.filled().len();
    }
    Poll::Ready(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(batch: &mut Batch, frames: &[(u8, usize)]) -> bool {
        frames.iter().for_each(|&(tag, bytes)| batch.note(tag, bytes));
        batch.was_the_question()
    }

    #[test]
    fn preparing_closing_and_a_look_at_the_connection_are_not_the_question() {
        let mut batch = Batch::default();
        let sync = (b'S', 0);
        assert!(!after(&mut batch, &[(b'P', 40), (b'D', 2), sync]));
        assert!(after(&mut batch, &[(b'B', 20), (b'E', 5), (b'C', 2), sync]));
        assert!(!after(&mut batch, &[(b'C', 2), sync]));
        assert!(after(&mut batch, &[(b'Q', 40)]));
        assert!(after(&mut batch, &[(b'Q', 40), (b'd', 90), (b'c', 0)]));
        assert!(!after(&mut batch, &[(b'Q', 9)]), "SELECT 1");
        assert!(after(&mut batch, &[(b'P', 40), (b'B', 20), (b'E', 5), sync]));
        // Once only: who asks short questions all the time is not looking.
        assert!(after(&mut batch, &[(b'P', 4), (b'B', 20), (b'E', 5), sync]));
        assert!(after(&mut batch, &[(b'Q', 9)]));
    }
}
