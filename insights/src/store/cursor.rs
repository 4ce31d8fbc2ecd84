//! Cursors of lists: where a page ended, opaque to clients.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::model::{Cursor, Page, PageRequest};
use crate::service::{Error, Result};

const LIMIT_DEFAULT: u32 = 50;
const LIMIT_MAX: u32 = 1_000;

/// The form of what is inside. Another one is refused, not guessed at.
const VERSION: &str = "1";

/// Rows asked for: one more than the page has, so that the last page knows that it is the last.
pub(super) fn limit(page: &PageRequest) -> Result<i32> {
    bounded(page.limit, LIMIT_DEFAULT).map(|limit| limit + 1)
}

/// A limit within its bounds.
pub(super) fn bounded(limit: Option<u32>, default: u32) -> Result<i32> {
    let limit = limit.unwrap_or(default);
    let fits = i32::try_from(limit).ok().filter(|_| (1..=LIMIT_MAX).contains(&limit));
    fits.ok_or_else(|| Error::Invalid(format!("limit is not 1 to {LIMIT_MAX}")))
}

/// Makes the page of one row more than it has; `key` says where a row stands in the list's order.
pub(super) fn page<T>(mut items: Vec<T>, limit: i32, list: &str, key: impl Fn(&T) -> Vec<String>) -> Page<T> {
    let size = usize::try_from(limit - 1).unwrap_or_default();
    let more = items.len() > size;
    items.truncate(size);
    let next = items.last().filter(|_| more).map(|last| encode(list, &key(last)));
    Page { items, next }
}

fn encode(list: &str, key: &[String]) -> Cursor {
    let mut parts = vec![VERSION, list];
    parts.extend(key.iter().map(String::as_str));
    Cursor(URL_SAFE_NO_PAD.encode(serde_json::Value::from(parts).to_string()))
}

/// The key that a cursor of `list` stands at; None for the first page.
pub(super) fn after(page: &PageRequest, list: &str, keys: usize) -> Result<Option<Vec<String>>> {
    let Some(Cursor(text)) = &page.after else { return Ok(None) };
    let read = || {
        let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
        let parts: Vec<String> = serde_json::from_slice(&bytes).ok()?;
        let (head, key) = parts.split_at_checked(2)?;
        (head == [VERSION, list] && key.len() == keys).then(|| key.to_vec())
    };
    read().map(Some).ok_or_else(bad)
}

/// What stands in a cursor is not of its type.
pub(super) fn bad() -> Error {
    Error::Invalid("the cursor is not one of this list".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_leads_on_in_its_own_list_only() {
        let rows = page(vec!["a", "b", "c"], 3, "names", |name| vec![(*name).to_owned()]);
        assert_eq!(rows.items, ["a", "b"]);
        let request = PageRequest { limit: None, after: rows.next };
        assert_eq!(after(&request, "names", 1).unwrap(), Some(vec!["b".to_owned()]));
        for (list, keys) in [("others", 1), ("names", 2)] {
            assert!(matches!(after(&request, list, keys), Err(Error::Invalid(_))));
        }
        for text in ["", "x", "W10", "bm90IGpzb24"] {
            let request = PageRequest { limit: None, after: Some(Cursor(text.to_owned())) };
            assert!(matches!(after(&request, "names", 1), Err(Error::Invalid(_))), "{text}");
        }
        assert!(page(vec!["a"], 3, "names", |_| Vec::new()).next.is_none());
        assert!(bounded(Some(0), 10).is_err() && bounded(Some(1_001), 10).is_err());
    }
}
