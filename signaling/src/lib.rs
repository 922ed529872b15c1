//! Signaling service: WebSocket, REST, and the web client it serves.
