//! What goes wrong on the way between a peer and the relay.

use std::num::NonZeroU64;

/// What a peer suffers. Only packets of media are hit, and always the same ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Trouble {
    None,
    /// Its DTLS handshake ends late: it neither opens nor sends anything, until it has missed two
    /// pictures.
    KeysComeLate,
    /// Every so many packets one from the relay is lost.
    LosesIncoming(NonZeroU64),
    /// Every so many packets one to the relay is lost.
    LosesOutgoing(NonZeroU64),
}

/// A peer's wire: its trouble, and how much has passed.
pub(crate) struct Wire {
    trouble: Trouble,
    incoming: u64,
    outgoing: u64,
}

/// Packets of one picture.
const PICTURE_PACKETS: u64 = 3;

/// Longer packets are of a picture, shorter ones of sound.
const SOUND_BYTES_MAX: usize = 500;

impl Wire {
    pub(crate) const fn new(trouble: Trouble) -> Self {
        Self { trouble, incoming: 0, outgoing: 0 }
    }

    /// Whether a datagram from the relay arrives.
    pub(crate) fn arrives(&mut self, datagram: &[u8]) -> bool {
        match self.trouble {
            Trouble::KeysComeLate if is_srtp(datagram) => {
                self.incoming += u64::from(datagram.len() > SOUND_BYTES_MAX);
                if self.incoming == PICTURE_PACKETS * 2 {
                    self.trouble = Trouble::None;
                }
                false
            }
            Trouble::LosesIncoming(every) if is_media(datagram) => {
                self.incoming += 1;
                self.incoming % every != 0
            }
            Trouble::None
            | Trouble::KeysComeLate
            | Trouble::LosesIncoming(_)
            | Trouble::LosesOutgoing(_) => true,
        }
    }

    /// Whether a datagram to the relay leaves.
    pub(crate) fn leaves(&mut self, datagram: &[u8]) -> bool {
        match self.trouble {
            Trouble::KeysComeLate => !is_srtp(datagram),
            Trouble::LosesOutgoing(every) if is_media(datagram) => {
                self.outgoing += 1;
                self.outgoing % every != 0
            }
            Trouble::None | Trouble::LosesIncoming(_) | Trouble::LosesOutgoing(_) => true,
        }
    }
}

/// RFC 7983 section 7.
fn is_srtp(datagram: &[u8]) -> bool {
    matches!(datagram.first(), Some(128..=191))
}

/// SRTP that is no SRTCP (RFC 5761 section 4).
fn is_media(datagram: &[u8]) -> bool {
    is_srtp(datagram) && !matches!(datagram.get(1), Some(192..=223))
}
