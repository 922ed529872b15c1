//! Reads what a client sends.

use call_core::Refusal;
use protocol::client::{FRAME_BYTES_MAX, Request, RequestBody};
use serde_json::Value;

/// Longest `detail` sent back, in characters. serde quotes the client's own text in its messages;
/// a sentence is enough to find the mistake.
const DETAIL_CHARS_MAX: usize = 200;

/// A frame that is no request.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Unreadable {
    /// The request's number, if that much could be read.
    pub(crate) id: Option<u64>,
    pub(crate) refusal: Refusal,
    pub(crate) detail: Option<String>,
}

/// Reads a text frame.
///
/// # Errors
/// [`Unreadable`], saying what is wrong with it.
pub(crate) fn request(text: &str) -> Result<Request, Unreadable> {
    if text.len() > FRAME_BYTES_MAX {
        return Err(Unreadable { id: None, refusal: Refusal::TooLarge, detail: None });
    }
    let read = serde_json::from_str(text).map_err(|error| {
        let frame: Value = serde_json::from_str(text).unwrap_or_default();
        let known = |name: &str| RequestBody::TYPES.contains(&name);
        let refusal = match frame["type"].as_str() {
            Some(name) if !known(name) => Refusal::UnknownType,
            Some(_) | None => Refusal::Malformed,
        };
        let detail = error.to_string().chars().take(DETAIL_CHARS_MAX).collect();
        let id = frame["id"].as_u64().filter(|id| *id > 0);
        Unreadable { id, refusal, detail: Some(detail) }
    });
    match read {
        Ok(Request { id: 0, .. }) => {
            let detail = Some("request numbers begin at 1".to_owned());
            Err(Unreadable { id: None, refusal: Refusal::Malformed, detail })
        }
        read => read,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wrong_with_a_frame_is_said() {
        let deep = "[".repeat(10_000);
        let large = format!(r#"{{"id": 1, "type": "{}"}}"#, "x".repeat(FRAME_BYTES_MAX));
        for (text, id, refusal) in [
            ("", None, Refusal::Malformed),
            ("null", None, Refusal::Malformed),
            ("[1, 2]", None, Refusal::Malformed),
            (deep.as_str(), None, Refusal::Malformed),
            (r#"{"id": 5}"#, Some(5), Refusal::Malformed),
            (r#"{"type": "ping"}"#, None, Refusal::Malformed),
            (r#"{"id": -1, "type": "ping"}"#, None, Refusal::Malformed),
            (r#"{"id": 0, "type": "ping"}"#, None, Refusal::Malformed),
            (r#"{"id": 0, "type": "fly"}"#, None, Refusal::UnknownType),
            (r#"{"id": 5, "type": "fly"}"#, Some(5), Refusal::UnknownType),
            (r#"{"id": 5, "type": "call.accept"}"#, Some(5), Refusal::Malformed),
            (r#"{"id": 5, "type": "call.accept", "call": "x"}"#, Some(5), Refusal::Malformed),
            (
                r#"{"id": 5, "type": "quote.ask", "host": "a b", "medium": "voice"}"#,
                Some(5),
                Refusal::Malformed,
            ),
            (large.as_str(), None, Refusal::TooLarge),
        ] {
            let unreadable = request(text).unwrap_err();
            assert_eq!((unreadable.id, unreadable.refusal), (id, refusal), "{text:.80}");
        }
        assert!(request(r#"{"id": 5, "type": "ping", "added_later": 1}"#).is_ok());
    }

    #[test]
    fn a_client_is_not_sent_its_own_text_at_length() {
        let text =
            format!(r#"{{"id": 1, "type": "call.accept", "call": "{}"}}"#, "x".repeat(5_000));
        let detail = request(&text).unwrap_err().detail.unwrap();
        assert!(detail.chars().count() <= DETAIL_CHARS_MAX);
    }
}
