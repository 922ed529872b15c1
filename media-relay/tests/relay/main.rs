//! The relay as other services and clients meet it: real sockets, and clients of another stack.

mod calls;
mod scene;
mod strangers;
