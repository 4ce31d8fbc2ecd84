//! Statements taken apart where words and signs meet, and put together with pieces of others.

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

pub(crate) struct Mutator {
    random: StdRng,
    texts: Vec<Vec<String>>,
}

impl Mutator {
    pub(crate) fn new(seed: u64, texts: &[String]) -> Self {
        let texts = texts.iter().filter(|text| text.len() < 2_000).map(|text| pieces(text)).collect();
        Self { random: StdRng::seed_from_u64(seed), texts }
    }

    pub(crate) fn next(&mut self) -> String {
        let mut pieces = self.text().clone();
        for _ in 0..self.random.random_range(1..4) {
            let at = self.random.random_range(0..=pieces.len());
            match self.random.random_range(0..5) {
                0 if at < pieces.len() => {
                    pieces.remove(at);
                }
                1 if at < pieces.len() => {
                    let piece = pieces[at].clone();
                    pieces.insert(at, piece);
                }
                2 if at < pieces.len() => pieces[at] = self.piece(),
                3 => {
                    let piece = self.piece();
                    pieces.insert(at, piece);
                }
                _ => {
                    // The rest of another one.
                    let other = self.text().clone();
                    let from = self.random.random_range(0..=other.len());
                    pieces.truncate(at);
                    pieces.extend_from_slice(&other[from..]);
                }
            }
        }
        pieces.concat()
    }

    fn text(&mut self) -> &Vec<String> {
        let at = self.random.random_range(0..self.texts.len());
        &self.texts[at]
    }

    fn piece(&mut self) -> String {
        let text = self.text().clone();
        if text.is_empty() { String::new() } else { text[self.random.random_range(0..text.len())].clone() }
    }
}

fn pieces(text: &str) -> Vec<String> {
    let mut pieces: Vec<String> = Vec::new();
    let mut last = None;
    for character in text.chars() {
        let kind = if character.is_alphanumeric() || "_.'\"".contains(character) {
            0
        } else if character.is_whitespace() {
            1
        } else {
            2
        };
        match pieces.last_mut() {
            Some(piece) if last == Some(kind) && kind != 2 => piece.push(character),
            _ => pieces.push(character.to_string()),
        }
        last = Some(kind);
    }
    pieces
}
