//! Fresh ids and random numbers, for shells to pass into cores.
#![expect(clippy::disallowed_methods, reason = "the one place that reads the random source")]

use units::{CallId, GroupId, MemberId, SessionId};
use uuid::Uuid;

/// A new call's id: sorts by time.
#[must_use]
pub fn call_id() -> CallId {
    CallId(Uuid::now_v7())
}

/// A new room of many's id: sorts by time.
#[must_use]
pub fn group_id() -> GroupId {
    GroupId(Uuid::now_v7())
}

/// A new member's id: sorts by time.
#[must_use]
pub fn member_id() -> MemberId {
    MemberId(Uuid::now_v7())
}

/// A new session's id: unguessable.
#[must_use]
pub fn session_id() -> SessionId {
    SessionId(uuid::Builder::from_random_bytes(rand::random()).into_uuid())
}

/// Random bytes of the operating system's quality.
#[must_use]
pub fn bytes<const N: usize>() -> [u8; N] {
    rand::random()
}
