//! What must hold of any text that a peer of a link sends: the body of the fuzz target `link`
//! (`fuzz/`), which the tests play as well.

use super::conversation::{End, read_frame};
use super::handshake::Name;
use serde_json::Value;

/// Reads bytes as a frame. What can be read reads the same again from its own parts; messages of an
/// unknown kind are left out and no others; anything else is garbage or a refusal.
///
/// # Panics
/// If that does not hold.
pub fn link(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let peer = Name::try_from("peer".to_owned()).expect("a short plain name");
    let (ack, messages) = match read_frame::<Value>(text, "fuzz", &peer) {
        Ok(frame) => frame,
        Err(end) => {
            assert!(matches!(end, End::Garbage | End::RefusesUs(_)), "{end}");
            return;
        }
    };
    assert!(messages.len() <= text.len() / 3, "{} messages", messages.len());
    let all: Option<Vec<_>> =
        messages.iter().map(|(n, message)| Some((n, message.as_ref()?))).collect();
    let all = all.expect("every message is some value");
    let again = serde_json::json!({ "ack": ack, "messages": all }).to_string();
    let (same_ack, same) =
        read_frame::<Value>(&again, "fuzz", &peer).expect("what is ours can be read");
    assert_eq!((same_ack, same.len()), (ack, messages.len()));
    // No message of ours has a fraction, which a JSON reader may round.
    assert!(messages.iter().flat_map(|(_, value)| value).any(has_fraction) || same == messages);
    // As a service that knows numbers alone would read it.
    let (_, numbers) = read_frame::<i64>(text, "fuzz", &peer).expect("the frame is the same");
    for ((n, number), (of, value)) in numbers.iter().zip(&messages) {
        assert_eq!((n, *number), (of, value.as_ref().and_then(Value::as_i64)));
    }
    assert_eq!(numbers.len(), messages.len());
}

fn has_fraction(value: &Value) -> bool {
    match value {
        Value::Number(number) => number.is_f64(),
        Value::Array(values) => values.iter().any(has_fraction),
        Value::Object(fields) => fields.values().any(has_fraction),
        Value::Null | Value::Bool(_) | Value::String(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use hostile_input::play;

    #[test]
    fn a_frame_is_read_message_by_message_or_is_garbage() {
        play("link", 1_000, super::link);
    }
}
