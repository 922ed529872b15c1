//! A publisher's packet once opened.

/// What is forwarded of a publisher's packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Media<'a> {
    /// Counts the track's packets over all its sources and rollovers. A new source starts above
    /// every earlier index; the low 16 bits are the source's sequence number.
    pub(crate) index: u64,
    pub(crate) marker: bool,
    pub(crate) timestamp: u32,
    /// RFC 6464: voice activity bit and -dBov.
    pub(crate) audio_level: Option<u8>,
    pub(crate) payload: &'a [u8],
}
