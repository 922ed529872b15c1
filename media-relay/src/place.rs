//! Whom a connection is for.

use media_core::LegKey;
use units::{CallId, GroupId, MemberId};

/// Whom a connection is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// One side of a call.
    Call(LegKey),
    /// One member of a room of many.
    Group(GroupId, MemberId),
}

/// What is being served: what ends if serving it panics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Served {
    Call(CallId),
    Group(GroupId),
}

impl Place {
    /// What it is part of.
    pub(crate) const fn served(self) -> Served {
        match self {
            Self::Call(key) => Served::Call(key.call),
            Self::Group(group, _) => Served::Group(group),
        }
    }
}
