//! Names of people, calls and sessions.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;
use uuid::Uuid;

macro_rules! uuid_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub Uuid);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl FromStr for $name {
            type Err = uuid::Error;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                text.parse().map(Self)
            }
        }
    };
}

uuid_id! {
    /// One call, from the first ring to its receipt. A version 7 UUID: sorts by time.
    CallId
}
uuid_id! {
    /// One client's session, which outlives its sockets. A version 4 UUID: knowing it is what lets a
    /// client resume, so it must not be guessable.
    SessionId
}
uuid_id! {
    /// One spending that is no call: a gift, a chargeback.
    SpendId
}
uuid_id! {
    /// One room of many. A version 7 UUID.
    GroupId
}
uuid_id! {
    /// One person's place in a [`GroupId`], over all connections that it is taken by.
    MemberId
}
uuid_id! {
    /// One run of a billing meter, new at each start. The owner of leases.
    MeterId
}

impl MeterId {
    /// The meter of a database that no other shares, as a lock on its file makes sure: the same at
    /// each start, so that it finds its own leases. Two meters of this id would both hold a shard.
    pub const ALONE: Self = Self(Uuid::nil());
}

/// A person, as the operator's own system names them: the `sub` of their token.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct UserId(String);

/// Why a text is no [`UserId`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a user id is 1 to 64 of the characters A-Z a-z 0-9 . _ - : @")]
pub struct UserIdError;

impl UserId {
    /// Longest id, in bytes. Longer would cost memory in every table that is keyed by it.
    pub const LEN_MAX: usize = 64;

    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for UserId {
    type Error = UserIdError;

    fn try_from(text: String) -> Result<Self, UserIdError> {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"._-:@".contains(&byte);
        let fits = (1..=Self::LEN_MAX).contains(&text.len());
        if fits && text.bytes().all(allowed) { Ok(Self(text)) } else { Err(UserIdError) }
    }
}

impl FromStr for UserId {
    type Err = UserIdError;

    fn from_str(text: &str) -> Result<Self, UserIdError> {
        text.to_owned().try_into()
    }
}

impl From<UserId> for String {
    fn from(id: UserId) -> Self {
        id.0
    }
}

impl fmt::Display for UserId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn user_ids_are_short_and_plain() {
        for good in ["a", "meera", "user:42", "a.b-c_d@e", &"x".repeat(64)] {
            assert!(good.parse::<UserId>().is_ok(), "{good}");
        }
        for bad in ["", "a b", "é", "a/b", "a\n", &"x".repeat(65)] {
            assert_eq!(bad.parse::<UserId>(), Err(UserIdError), "{bad}");
        }
    }
}
