//! Why a group can't do what it is told.

use crate::SrtpError;

/// A refusal; nothing has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GroupError {
    #[error("there is no such group")]
    NoGroup,
    #[error("nobody sits there")]
    NoMember,
    #[error("that connection has no such line")]
    NoLine,
    #[error("that client does not send on this line")]
    NotSent,
    #[error("that client does not receive on this line")]
    NotReceived,
    #[error("the lines have different codecs")]
    OtherCodec,
    #[error("there is no room for more")]
    Full,
    #[error("the keys are of no use: {0}")]
    Keys(#[from] SrtpError),
}

impl GroupError {
    /// A word for programs; it never changes.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::NoGroup => "group.unknown",
            Self::NoMember => "group.no_member",
            Self::NoLine => "group.no_line",
            Self::NotSent => "group.not_sent",
            Self::NotReceived => "group.not_received",
            Self::OtherCodec => "group.other_codec",
            Self::Full => "group.full",
            Self::Keys(_) => "group.keys",
        }
    }
}
