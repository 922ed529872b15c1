//! A client's connection: real ICE checks and a real DTLS handshake, then SRTP keys.

use super::ProcessError;
use super::offer::{Identity, offer};
use aws_lc_rs::hmac;
use dimpl::certificate::{
    calculate_fingerprint, format_fingerprint, generate_self_signed_certificate,
};
use dimpl::{Config, Dtls, DtlsCertificate, Output, SrtpProfile};
use is::stun::{StunMessage, TransId};
use media_core::{Role, SrtpContext};
use rustix::net::sockopt::set_socket_recv_buffer_size_force;
use service_kit::{Clock, entropy};
use std::io::ErrorKind;
use std::net::{SocketAddr, UdpSocket};
use std::time::Duration;
use units::ElapsedMs;

/// How long a connection may take. The server is on this machine.
const CONNECTED_WITHIN: ElapsedMs = ElapsedMs(10_000);

/// How long to wait for a datagram before what was said is said again.
const REPEAT_AFTER: Duration = Duration::from_millis(200);

/// What a client's socket may hold while the client does something else.
const SOCKET_BYTES: usize = 2 * 1_024 * 1_024;

/// Inbound SSRCs, of each kind.
const STREAMS: usize = 8;

/// A client that has made its offer.
pub(super) struct Offered {
    pub(super) offer: String,
    identity: Identity,
    certificate: DtlsCertificate,
    socket: UdpSocket,
}

/// A client that can send and receive SRTP.
pub(super) struct Connection {
    pub(super) socket: UdpSocket,
    pub(super) relay: SocketAddr,
    pub(super) srtp: SrtpContext,
    username: String,
    /// The relay's.
    pwd: String,
}

impl Offered {
    /// A client with a socket of its own.
    ///
    /// # Errors
    /// [`ProcessError`]
    pub(super) fn new(video: bool, direction: &str) -> Result<Self, ProcessError> {
        let socket = UdpSocket::bind("127.0.0.1:0")?;
        // Without the right to, it stays as the system made it.
        let _ = set_socket_recv_buffer_size_force(&socket, SOCKET_BYTES);
        let certificate = generate_self_signed_certificate()
            .map_err(|error| ProcessError::Dtls(error.to_string()))?;
        let text = |bytes: [u8; 24]| bytes.map(|byte| char::from(b'a' + byte % 26));
        let identity = Identity {
            ufrag: text(entropy::bytes())[..8].iter().collect(),
            pwd: text(entropy::bytes()).iter().collect(),
            fingerprint: format_fingerprint(&calculate_fingerprint(&certificate.certificate)),
        };
        let offer = offer(&identity, video, direction);
        Ok(Self { offer, identity, certificate, socket })
    }

    /// Connects as `answer` says; blocks until it is done.
    ///
    /// # Errors
    /// [`ProcessError`]
    pub(super) fn connect(self, clock: &Clock, answer: &str) -> Result<Connection, ProcessError> {
        let attribute = |name: &str| {
            let found = answer.lines().find_map(|line| line.strip_prefix(name));
            found.map(str::to_owned).ok_or_else(|| ProcessError::Answer(answer.to_owned()))
        };
        let candidate = attribute("a=candidate:")?;
        let mut words = candidate.split(' ').skip(4);
        let address = format!("{}:{}", words.next().unwrap_or(""), words.next().unwrap_or(""));
        let relay = address.parse().map_err(|_| ProcessError::Answer(answer.to_owned()))?;
        let username = format!("{}:{}", attribute("a=ice-ufrag:")?, self.identity.ufrag);
        let pwd = attribute("a=ice-pwd:")?;
        self.socket.set_read_timeout(Some(REPEAT_AFTER))?;
        let check = check(&username, &pwd);
        self.socket.send_to(&check, relay)?;

        let deadline = clock.now_us() + CONNECTED_WITHIN;
        let mut dtls = Dtls::new_12(
            Config::default().into(),
            self.certificate,
            clock.instant_at(clock.now_us()),
        );
        dtls.set_active(true);
        let mut keys = None;
        let (mut buffer, mut output) = ([0; 2_048], [0; 4_096]);
        let failed = |error: dimpl::Error| ProcessError::Dtls(error.to_string());
        while keys.is_none() {
            let now = clock.now_us();
            if now > deadline {
                return Err(ProcessError::NotConnected);
            }
            match self.socket.recv_from(&mut buffer) {
                Ok((len, from)) if from == relay && (20..=63).contains(&buffer[0]) => {
                    dtls.handle_packet(&buffer[..len]).map_err(failed)?;
                }
                Ok(_) => {}
                Err(error)
                    if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) =>
                {
                    self.socket.send_to(&check, relay)?;
                }
                Err(error) => return Err(error.into()),
            }
            dtls.handle_timeout(clock.instant_at(now)).map_err(failed)?;
            loop {
                let said = dtls.poll_output(&mut output);
                if let Output::Packet(datagram) = said {
                    self.socket.send_to(datagram, relay)?;
                } else if let Output::KeyingMaterial(material, profile) = said {
                    keys = Some((material.to_vec(), profile));
                } else if matches!(said, Output::Timeout(_)) {
                    break;
                }
            }
        }
        let (material, profile) = keys.ok_or(ProcessError::NotConnected)?;
        if profile != SrtpProfile::AEAD_AES_256_GCM {
            return Err(ProcessError::Dtls(format!("{profile:?} was agreed on")));
        }
        let profile = media_core::SrtpProfile::AeadAes256Gcm;
        let srtp = SrtpContext::new(profile, &material, Role::Client, STREAMS)
            .map_err(|error| ProcessError::Dtls(error.to_string()))?;
        self.socket.set_nonblocking(true)?;
        Ok(Connection { socket: self.socket, relay, srtp, username, pwd })
    }
}

impl Connection {
    /// Shows that it is still there (RFC 7675).
    pub(super) fn consent(&self) -> Result<(), ProcessError> {
        self.socket.send_to(&check(&self.username, &self.pwd), self.relay)?;
        Ok(())
    }
}

/// A check that nominates.
fn check(username: &str, pwd: &str) -> Vec<u8> {
    let message = StunMessage::binding_request(username, TransId::new(), true, 7, 1, true);
    let mut bytes = vec![0; 512];
    let len = message.to_bytes(Some(pwd.as_bytes()), &mut bytes, hmac_sha1);
    bytes.truncate(len.expect("a check is shorter than 512 bytes"));
    bytes
}

fn hmac_sha1(key: &[u8], parts: &[&[u8]]) -> [u8; 20] {
    let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, key);
    let mut context = hmac::Context::with_key(&key);
    parts.iter().for_each(|part| context.update(part));
    context.sign().as_ref().try_into().expect("SHA-1 gives 20 bytes")
}
