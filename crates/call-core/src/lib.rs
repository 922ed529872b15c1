//! Who talks to whom: sessions, presence and calls as one machine without I/O.
