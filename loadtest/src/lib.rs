//! Real calls from headless WebRTC peers, and an audit of every bill.
