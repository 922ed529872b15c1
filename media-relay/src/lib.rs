//! Media relay service: one UDP port, ICE-lite, DTLS-SRTP, rooms.
