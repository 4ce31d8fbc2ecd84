//! NDJSON, line by line as it comes. What is wrong is collected with its lines; nothing of a bulk write is kept then.

use std::collections::VecDeque;
use std::time::Duration;

use bytes::{Bytes, BytesMut};

use super::body::Pieces;
use crate::http::problem::{Fault, Problem};
use crate::model::NewInsight;

/// Faults that are told at once.
const FAULTS_MAX: usize = 100;
/// After the first fault: how long and how far the rest is looked through for more.
const LOOK_ON_TIME_MAX: Duration = Duration::from_secs(5);
const LOOK_ON_BYTES_MAX: u64 = 64 << 20;

/// Bounds of a bulk write.
#[derive(Debug, Clone, Copy)]
pub(in crate::http) struct Bounds {
    pub(in crate::http) bytes_max: u64,
    pub(in crate::http) line_bytes_max: usize,
    pub(in crate::http) depth_max: usize,
}

/// Where lines come from.
pub(in crate::http) enum Source {
    /// As they arrive.
    Body(Pieces),
    /// Read before.
    Kept(VecDeque<Bytes>),
}

/// Lines of a body.
pub(in crate::http) struct Lines {
    source: Source,
    bounds: Bounds,
    buffer: BytesMut,
    /// How much of the buffer is known to have no line end.
    searched: usize,
    bytes: u64,
    line: u64,
    ended: bool,
    ended_with_blank: bool,
}

impl Lines {
    /// Lines from a source.
    pub(in crate::http) fn new(source: Source, bounds: Bounds) -> Self {
        Self {
            source,
            bounds,
            buffer: BytesMut::new(),
            searched: 0,
            bytes: 0,
            line: 0,
            ended: false,
            ended_with_blank: false,
        }
    }

    /// The next insight; None at the end. After a problem there is nothing more to come.
    pub(in crate::http) async fn next(&mut self) -> Result<Option<NewInsight>, Problem> {
        let Some(line) = self.next_line().await? else { return Ok(None) };
        match self.read(&line) {
            Ok(insight) => Ok(Some(insight)),
            Err(faults) => Err(self.look_on(faults).await),
        }
    }

    fn read(&self, line: &[u8]) -> Result<NewInsight, Vec<Fault>> {
        let parsed = super::parse::<NewInsight>(line, self.bounds.depth_max);
        parsed.map_err(|problem| problem.into_faults_of_line(self.line))
    }

    /// One thing is wrong: what else is, as far as that can be said in a moment?
    async fn look_on(&mut self, mut faults: Vec<Fault>) -> Problem {
        let until = tokio::time::Instant::now() + LOOK_ON_TIME_MAX;
        let bytes_max = self.bytes.saturating_add(LOOK_ON_BYTES_MAX);
        let mut whole = true;
        loop {
            if faults.len() >= FAULTS_MAX || self.bytes > bytes_max {
                whole = false;
                break;
            }
            match tokio::time::timeout_at(until, self.next_line()).await {
                Ok(Ok(Some(line))) => faults.extend(self.read(&line).err().unwrap_or_default()),
                Ok(Ok(None)) => break,
                Ok(Err(_)) | Err(_) => {
                    whole = false;
                    break;
                }
            }
        }
        faults.truncate(FAULTS_MAX);
        let rest = if whole { "" } else { "; later lines were not looked at" };
        Problem::invalid(faults).detail(format!("lines do not fit, nothing was written{rest}"))
    }

    async fn next_line(&mut self) -> Result<Option<Bytes>, Problem> {
        loop {
            if let Some(line) = self.buffered_line()? {
                return Ok(Some(line));
            }
            if self.ended {
                return Ok(None);
            }
            let piece = match &mut self.source {
                Source::Body(pieces) => pieces.next().await?,
                Source::Kept(pieces) => pieces.pop_front(),
            };
            let Some(piece) = piece else {
                self.ended = true;
                continue;
            };
            self.bytes = self.bytes.saturating_add(u64::try_from(piece.len()).unwrap_or(u64::MAX));
            if self.bytes > self.bounds.bytes_max {
                return Err(Problem::too_large(format!(
                    "a bulk write has at most {} bytes; nothing was written",
                    self.bounds.bytes_max
                )));
            }
            self.buffer.extend_from_slice(&piece);
        }
    }

    /// A line that has come whole; the last one may lack its end. Blank lines may stand at the end alone, so that the
    /// number of a line is the number of its insight.
    fn buffered_line(&mut self) -> Result<Option<Bytes>, Problem> {
        loop {
            let unseen = self.buffer.get(self.searched..).unwrap_or_default();
            let line = match unseen.iter().position(|byte| *byte == b'\n') {
                Some(at) => {
                    let mut line = self.buffer.split_to(self.searched + at + 1);
                    line.truncate(line.len().saturating_sub(1));
                    line
                }
                None if self.ended && !self.buffer.is_empty() => self.buffer.split(),
                None => {
                    self.searched = self.buffer.len();
                    return self.bounded(self.buffer.len()).map(|()| None);
                }
            };
            self.searched = 0;
            self.line += 1;
            self.bounded(line.len())?;
            if line.iter().all(u8::is_ascii_whitespace) {
                self.ended_with_blank = true;
                continue;
            }
            if self.ended_with_blank {
                return Err(Problem::malformed(format!("line {}: the line before is blank", self.line)));
            }
            return Ok(Some(line.freeze()));
        }
    }

    fn bounded(&self, length: usize) -> Result<(), Problem> {
        if length <= self.bounds.line_bytes_max {
            return Ok(());
        }
        let (line, most) = (self.line.max(1), self.bounds.line_bytes_max);
        Err(Problem::too_large(format!("line {line} or the next: at most {most} bytes; nothing was written")))
    }

    /// The number of the line read last.
    pub(in crate::http) fn line(&self) -> u64 {
        self.line
    }

    /// Reads the rest of the body for a moment, so that a client that only writes gets to the answer.
    pub(in crate::http) async fn discard(self) {
        if let Source::Body(pieces) = self.source {
            pieces.discard().await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(pieces: &[&str]) -> Lines {
        let kept = pieces.iter().map(|piece| Bytes::copy_from_slice(piece.as_bytes())).collect();
        Lines::new(Source::Kept(kept), Bounds { bytes_max: 1_000, line_bytes_max: 200, depth_max: 8 })
    }

    async fn titles(pieces: &[&str]) -> Result<Vec<String>, Problem> {
        let mut lines = lines(pieces);
        let mut titles = Vec::new();
        while let Some(insight) = lines.next().await? {
            titles.push(insight.title);
        }
        Ok(titles)
    }

    #[tokio::test]
    async fn lines_come_whole_however_they_are_cut() {
        let text = "{\"kind\":\"k\",\"title\":\"é1\"}\r\n{\"kind\":\"k\",\"title\":\"2\"}\n\n \n";
        for cut in 1..text.len() {
            let (bytes, mut kept) = (text.as_bytes(), VecDeque::new());
            kept.extend(bytes.chunks(cut).map(Bytes::copy_from_slice));
            let bounds = Bounds { bytes_max: 1_000, line_bytes_max: 200, depth_max: 8 };
            let mut lines = Lines::new(Source::Kept(kept), bounds);
            assert_eq!(lines.next().await.unwrap().unwrap().title, "é1");
            assert_eq!(lines.next().await.unwrap().unwrap().title, "2");
            assert!(lines.next().await.unwrap().is_none());
        }
        assert_eq!(titles(&["{\"kind\":\"k\",\"title\":\"1\"}"]).await.unwrap(), ["1"]);
        assert_eq!(titles(&[]).await.unwrap(), Vec::<String>::new());
    }

    #[tokio::test]
    async fn every_wrong_line_is_named() {
        let good = "{\"kind\":\"k\",\"title\":\"1\"}\n";
        let problem = titles(&[good, "{\"kind\":1}\n", good, "{\n", good, "[[[[[[[[[[\n"]).await.unwrap_err();
        let text = format!("{problem:?}");
        for line in [2, 4, 6] {
            assert!(text.contains(&format!("line: Some({line})")), "{text}");
        }
        assert!(!text.contains("line: Some(3)") && text.contains("/kind"));
    }

    #[tokio::test]
    async fn bounds_hold() {
        let long = "x".repeat(300);
        assert_eq!(titles(&[&long]).await.unwrap_err().status(), 413);
        let many = "{\"kind\":\"k\",\"title\":\"1\"}\n".repeat(60);
        assert_eq!(titles(&[&many]).await.unwrap_err().status(), 413);
        assert_eq!(titles(&["\n", "{}"]).await.unwrap_err().status(), 400);
    }
}
