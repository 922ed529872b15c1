//! What one client may make the relay read, answer and remember before its media is opened. Behind
//! that stand the limits of the packet path (`media_core::Limits`); how many legs there may be and
//! how long one may take to connect is configured (`media_relay.legs_max`, `join_timeout_ms`).

/// Longest offer in bytes. A browser's is about 7 kB; more would let a client make us read more.
pub(crate) const OFFER_BYTES_MAX: usize = 64 * 1_024;

/// Most m-lines. A call has two; room for what else an application negotiates on the side.
pub(crate) const SECTIONS_MAX: usize = 16;

/// Most payload types that one m-line can offer: they have seven bits.
pub(crate) const FORMATS_MAX: usize = 128;

/// Most addresses that one client may have verified at once; the one checked longest ago makes
/// room. A phone on Wi-Fi and mobile data, both IP versions, checking two of our addresses, has
/// eight. More would only help someone who fills tables.
pub(crate) const ADDRESSES_MAX: usize = 8;

/// Bytes per second of a client's own checks. Browsers make at most 21 a second of about 100 bytes;
/// each costs us two HMACs and an answer. Less would slow joins on lossy paths down.
pub(crate) const CHECK_BYTES_PER_S: u64 = 16 * 1_024;

/// Bytes of checks at once: several seconds of them, when a network has come back.
pub(crate) const CHECK_BURST_BYTES: u64 = 64 * 1_024;

/// Bytes per second of DTLS from a client's address. A handshake takes about 3 kB, and whoever
/// forges that address pays from the same purse, which therefore is not that of the checks: those
/// keep the leg alive. More would let a stalled handshake burn processor time.
pub(crate) const DTLS_BYTES_PER_S: u64 = 16 * 1_024;

/// Bytes of DTLS at once: a handshake whose flights were all repeated, many times over.
pub(crate) const DTLS_BURST_BYTES: u64 = 64 * 1_024;
