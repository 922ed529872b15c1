//! What must hold of any text that a client or a broken peer sends: the body of the fuzz target
//! `messages` (`fuzz/`), which the tests play as well.

use crate::client::{Request, RequestBody, ServerFrame};
use crate::service::{MediaReport, MeterCommand, MeterEvent, RelayCommand, RelayEvent, RelayLimit};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::fmt::Debug;

/// What a message may be longer than its text was, in bytes: fields that may be left out.
const DEFAULTS_BYTES_MAX: usize = 1_024;

/// Reads bytes as each kind of message; what can be read is printed, no longer than it was but for
/// its defaults, and reads back the same.
///
/// # Panics
/// If that does not hold.
pub fn messages(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    same::<Request>(text);
    same::<ServerFrame>(text);
    same::<RelayCommand>(text);
    same::<RelayEvent>(text);
    same::<RelayLimit>(text);
    same::<MediaReport>(text);
    same::<MeterCommand>(text);
    same::<MeterEvent>(text);
    if let Ok(request) = serde_json::from_str::<Request>(text) {
        let shown = serde_json::to_value(&request).expect("a message can be printed");
        let name = shown["type"].as_str().expect("a request has a type");
        assert!(RequestBody::TYPES.contains(&name), "{name}");
    }
}

fn same<T: Serialize + DeserializeOwned + PartialEq + Debug>(text: &str) {
    let Ok(message) = serde_json::from_str::<T>(text) else { return };
    let printed = serde_json::to_string(&message).expect("a message can be printed");
    let most = text.len() + DEFAULTS_BYTES_MAX;
    assert!(printed.len() <= most, "{} bytes of {}", printed.len(), text.len());
    let read: T = serde_json::from_str(&printed).expect("what is printed can be read");
    assert_eq!(read, message);
}

#[cfg(test)]
mod tests {
    use hostile_input::play;

    #[test]
    fn what_can_be_read_is_printed_no_longer_and_reads_back_the_same() {
        play("messages", 600, super::messages);
    }
}
