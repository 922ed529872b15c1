//! What each answer needs that nobody may guess or meet twice.

use crate::ice::Credentials;
use crate::sdp::Ssrcs;
use service_kit::entropy;

/// Random values for one answer.
pub(crate) struct Fresh {
    pub(crate) session_id: u64,
    pub(crate) credentials: Credentials,
    pub(crate) ssrcs: Ssrcs,
}

/// Our user fragment's length in characters of 6 bits. It is all that a stranger would have to
/// guess to make us compute an HMAC.
const UFRAG_LEN: usize = 16;

/// Our password's length: 144 bits, of the 128 that RFC 8445 section 5.3 asks for.
const PWD_LEN: usize = 24;

impl Fresh {
    /// Draws them from the operating system.
    pub(crate) fn draw() -> Self {
        let credentials =
            Credentials { ufrag: ice_text::<UFRAG_LEN>(), pwd: ice_text::<PWD_LEN>() };
        // RFC 8866 section 5.2 wants at most 63 bits.
        let session_id = u64::from_be_bytes(entropy::bytes()) >> 1;
        let ssrcs = Ssrcs::drawn(u32::from_be_bytes(entropy::bytes()));
        Self { session_id, credentials, ssrcs }
    }
}

/// Random ice-chars (RFC 8839 section 5.4).
fn ice_text<const N: usize>() -> String {
    const ICE_CHARS: &[u8; 64] =
        b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let pick = |byte: u8| char::from(ICE_CHARS[usize::from(byte & 63)]);
    entropy::bytes::<N>().into_iter().map(pick).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_answers_share_credentials() {
        let (one, other) = (Fresh::draw(), Fresh::draw());
        assert_eq!((one.credentials.ufrag.len(), one.credentials.pwd.len()), (UFRAG_LEN, PWD_LEN));
        assert_ne!(one.credentials.ufrag, other.credentials.ufrag);
        assert_ne!(one.credentials.pwd, other.credentials.pwd);
    }
}
