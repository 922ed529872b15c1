//! What media time costs: rates, meters, splits and postings without I/O.
