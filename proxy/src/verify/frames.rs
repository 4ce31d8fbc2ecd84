//! Raw frontend messages, written down: `P('a' 00 'SELECT 1' 00 00 00) S()`. A body is quoted text (`''` is a quote) and
//! hexadecimal bytes; `Q[9](…)` says 9 in the length field instead of the truth.

/// The bytes of messages written so.
///
/// # Errors
/// What is wrong with the notation.
pub(super) fn read(text: &str) -> Result<Vec<u8>, String> {
    let mut out = Vec::new();
    let mut rest = text.trim_start();
    while let Some(tag) = rest.chars().next() {
        let tag = u8::try_from(tag).map_err(|_| format!("no message type: {tag}"))?;
        rest = rest.get(1..).unwrap_or_default();
        let mut claimed = None;
        if let Some((length, after)) = rest.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
            claimed = Some(length.parse::<u32>().map_err(|_| format!("no length: {length}"))?);
            rest = after;
        }
        let (body, after) = body(rest.strip_prefix('(').ok_or("no body")?)?;
        put(&mut out, tag, claimed, &body);
        rest = after.trim_start();
    }
    Ok(out)
}

/// A FunctionCall with text arguments and a text result.
pub(super) fn function_call(function: u32, arguments: &[&str]) -> Vec<u8> {
    let mut body = function.to_be_bytes().to_vec();
    body.extend([0, 0]);
    body.extend(u16::try_from(arguments.len()).unwrap_or(u16::MAX).to_be_bytes());
    for argument in arguments {
        body.extend(u32::try_from(argument.len()).unwrap_or(u32::MAX).to_be_bytes());
        body.extend(argument.bytes());
    }
    body.extend([0, 0]);
    let mut out = Vec::new();
    put(&mut out, b'F', None, &body);
    out
}

fn put(out: &mut Vec<u8>, tag: u8, claimed: Option<u32>, body: &[u8]) {
    let length = claimed.unwrap_or_else(|| u32::try_from(body.len() + 4).unwrap_or(u32::MAX));
    out.push(tag);
    out.extend(length.to_be_bytes());
    out.extend(body);
}

/// Everything up to the closing parenthesis, and what follows it.
fn body(text: &str) -> Result<(Vec<u8>, &str), String> {
    let mut bytes = Vec::new();
    let mut rest = text.trim_start();
    loop {
        if let Some(after) = rest.strip_prefix(')') {
            return Ok((bytes, after));
        }
        if let Some(mut quoted) = rest.strip_prefix('\'') {
            loop {
                let (piece, after) = quoted.split_once('\'').ok_or("an open quote")?;
                bytes.extend(piece.bytes());
                match after.strip_prefix('\'') {
                    Some(after) => {
                        bytes.push(b'\'');
                        quoted = after;
                    }
                    None => {
                        rest = after.trim_start();
                        break;
                    }
                }
            }
        } else {
            let digits = rest.get(..2).ok_or("an open parenthesis")?;
            bytes.push(u8::from_str_radix(digits, 16).map_err(|_| format!("no byte: {digits}"))?);
            rest = rest.get(2..).unwrap_or_default().trim_start();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_notation_becomes_bytes() {
        assert_eq!(read("Q('it''s' 00) S()").unwrap(), b"Q\0\0\0\x09it's\0S\0\0\0\x04");
        assert_eq!(read("Q[4294967295](ff)").unwrap(), b"Q\xff\xff\xff\xff\xff");
        assert!(read("Q('x").is_err() && read("Q(zz)").is_err() && read("Q").is_err());
        assert_eq!(function_call(1, &["a"]), b"F\0\0\0\x13\0\0\0\x01\0\0\0\x01\0\0\0\x01a\0\0");
    }
}
