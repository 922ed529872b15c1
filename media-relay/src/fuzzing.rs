//! What must hold of any bytes that a stranger sends: the bodies of the fuzz targets `sdp` and
//! `stun` (`fuzz/`), which the tests play as well.

pub use crate::exchange::fuzzing::stun;
pub use crate::sdp::fuzzing::sdp;

#[cfg(test)]
mod tests {
    use hostile_input::play;

    #[test]
    fn an_offer_is_refused_or_answered_within_bounds_and_line_by_line() {
        play("sdp", 400, super::sdp);
    }

    #[test]
    fn what_claims_to_be_a_check_is_answered_only_if_its_client_made_it_and_by_no_more_bytes() {
        play("stun", 1_500, super::stun);
    }
}
