//! What must hold of any bytes that a stranger sends: the bodies of the fuzz targets `rtp`, `rtcp`
//! and `srtp` (`fuzz/`), which the tests play as well.

mod rtcp;
mod rtp;
mod srtp;

pub use rtcp::rtcp;
pub use rtp::rtp;
pub use srtp::srtp;

#[cfg(test)]
mod tests {
    use hostile_input::play;

    /// Mutations of each entry: a second of all of them, without optimisation.
    const MUTATIONS: u32 = 3_000;

    #[test]
    fn rtp_is_read_within_its_bounds_and_reads_back_as_it_was_written() {
        play("rtp", MUTATIONS, super::rtp);
    }

    #[test]
    fn rtcp_is_read_within_its_bounds_and_reads_back_as_it_was_written() {
        play("rtcp", MUTATIONS, super::rtcp);
    }

    #[test]
    fn what_a_client_seals_costs_no_more_than_its_limits_and_harms_no_other_side() {
        play("srtp", 300, super::srtp);
    }
}
