//! The DTLS server of one leg, as far as SRTP needs it: handshake, fingerprint, keys (RFC 5764).
//!
//! Pure: the `dimpl` crate speaks DTLS; this decides whom to believe. Keys are handed out only
//! after the client's certificate was found to match the fingerprint in its offer; there is no
//! switch to turn that off. DTLS 1.2 only: there the server chooses the SRTP profile, and chooses
//! AES-GCM; `dimpl`'s 1.3 takes the client's first, which in Chromium is the slow AES-CM.

use crate::sdp::{Fingerprint, HashAlgorithm};
use aws_lc_rs::digest;
use dimpl::certificate::{
    calculate_fingerprint, format_fingerprint, generate_self_signed_certificate,
};
use dimpl::{Config, Dtls, DtlsCertificate, Output};
use media_core::SrtpProfile;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// First retransmission of a lost handshake flight. Less repairs a lossy join sooner; much less
/// repeats flights on slow paths for nothing.
const FLIGHT_START_RTO: Duration = Duration::from_millis(250);

/// Largest output of `dimpl`: our flights are below its MTU of 1,150 bytes; what may be larger is
/// a client's certificate, and a browser's has about 300 bytes.
const OUTPUT_BYTES_MAX: usize = 2_048;

/// Our certificate and DTLS settings: one for the process, since making one costs more than a
/// handshake. Clones are the same certificate.
#[derive(Clone)]
pub(crate) struct Identity {
    certificate: DtlsCertificate,
    config: Arc<Config>,
    fingerprint: String,
}

/// No certificate could be made.
#[derive(Debug, thiserror::Error)]
#[error("no DTLS certificate: {0}")]
pub struct IdentityError(String);

impl Identity {
    /// A fresh self-signed certificate.
    ///
    /// # Errors
    /// [`IdentityError`] if the crypto library makes none.
    pub(crate) fn generate() -> Result<Self, IdentityError> {
        let certificate =
            generate_self_signed_certificate().map_err(|error| IdentityError(error.to_string()))?;
        // A ClientHello is read only from an address that has proven itself by STUN, so the
        // cookie's round trip would prove nothing new.
        let config = Config::builder()
            .use_server_cookie(false)
            .flight_start_rto(FLIGHT_START_RTO)
            .build()
            .map_err(|error| IdentityError(error.to_string()))?;
        let fingerprint = format_fingerprint(&calculate_fingerprint(&certificate.certificate));
        Ok(Self { certificate, config: Arc::new(config), fingerprint })
    }

    /// SHA-256 of the certificate, as SDP writes it.
    pub(crate) fn fingerprint(&self) -> &str {
        &self.fingerprint
    }
}

/// The DTLS server of one leg.
pub(crate) struct DtlsServer {
    dtls: Dtls,
    expected: Fingerprint,
    believed: bool,
    next_wake: Instant,
}

/// What SRTP starts from.
pub(crate) struct Keys {
    pub(crate) profile: SrtpProfile,
    /// RFC 5764 section 4.2.
    pub(crate) material: Vec<u8>,
}

/// Why a DTLS connection is over.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum DtlsEnd {
    #[error("the client closed it")]
    Closed,
    #[error("the client's certificate is not the one in its offer")]
    WrongCertificate,
    #[error("{0}")]
    Failed(String),
}

impl DtlsServer {
    /// Waits for a client whose certificate hashes to `expected`.
    ///
    /// # Errors
    /// [`DtlsEnd::Failed`] if `dimpl` can't start.
    pub(crate) fn new(
        identity: &Identity,
        expected: Fingerprint,
        now: Instant,
    ) -> Result<Self, DtlsEnd> {
        let (config, certificate) = (identity.config.clone(), identity.certificate.clone());
        let mut dtls = Dtls::new_12(config, certificate, now);
        dtls.set_active(false);
        let mut server = Self { dtls, expected, believed: false, next_wake: now };
        server.wake(now, |_| {})?;
        Ok(server)
    }

    /// When [`DtlsServer::wake`] wants to be called at the latest.
    pub(crate) const fn next_wake(&self) -> Instant {
        self.next_wake
    }

    /// Takes a datagram. `send` gets what must go out.
    ///
    /// # Errors
    /// Why the connection is over.
    pub(crate) fn receive(
        &mut self,
        now: Instant,
        datagram: &[u8],
        send: impl FnMut(&[u8]),
    ) -> Result<Option<Keys>, DtlsEnd> {
        self.dtls.handle_timeout(now).map_err(failed)?;
        self.dtls.handle_packet(datagram).map_err(failed)?;
        self.drain(send)
    }

    /// Repeats what was lost.
    ///
    /// # Errors
    /// Why the connection is over.
    pub(crate) fn wake(
        &mut self,
        now: Instant,
        send: impl FnMut(&[u8]),
    ) -> Result<Option<Keys>, DtlsEnd> {
        self.dtls.handle_timeout(now).map_err(failed)?;
        self.drain(send)
    }

    fn drain(&mut self, mut send: impl FnMut(&[u8])) -> Result<Option<Keys>, DtlsEnd> {
        let mut keys = None;
        let mut buffer = [0; OUTPUT_BYTES_MAX];
        loop {
            match self.dtls.poll_output(&mut buffer) {
                Output::Packet(datagram) => send(datagram),
                Output::PeerCert(der) => {
                    self.believed = self.expected.is_of(der);
                    if !self.believed {
                        return Err(DtlsEnd::WrongCertificate);
                    }
                }
                Output::KeyingMaterial(material, profile) => {
                    if !self.believed {
                        return Err(DtlsEnd::WrongCertificate);
                    }
                    let profile = srtp_profile(profile)
                        .ok_or_else(|| DtlsEnd::Failed(format!("no support for {profile}")))?;
                    keys = Some(Keys { profile, material: material.to_vec() });
                }
                Output::CloseNotify => return Err(DtlsEnd::Closed),
                Output::BufferTooSmall { needed } => {
                    return Err(DtlsEnd::Failed(format!("an output of {needed} bytes")));
                }
                Output::Timeout(at) => {
                    self.next_wake = at;
                    return Ok(keys);
                }
                // Data channels are not negotiated, so application data has no reader.
                Output::Connected | Output::ApplicationData(_) => {}
                // A later version of dimpl may say more than we need to know.
                _ => {}
            }
        }
    }
}

fn failed(error: dimpl::Error) -> DtlsEnd {
    DtlsEnd::Failed(error.to_string())
}

fn srtp_profile(profile: dimpl::SrtpProfile) -> Option<SrtpProfile> {
    match profile {
        dimpl::SrtpProfile::AEAD_AES_256_GCM => Some(SrtpProfile::AeadAes256Gcm),
        dimpl::SrtpProfile::AEAD_AES_128_GCM => Some(SrtpProfile::AeadAes128Gcm),
        dimpl::SrtpProfile::AES128_CM_SHA1_80 => Some(SrtpProfile::Aes128CmSha1_80),
        _ => None,
    }
}

impl Fingerprint {
    /// Whether it is the hash of this certificate.
    fn is_of(&self, der: &[u8]) -> bool {
        let algorithm = match self.algorithm {
            HashAlgorithm::Sha256 => &digest::SHA256,
            HashAlgorithm::Sha384 => &digest::SHA384,
            HashAlgorithm::Sha512 => &digest::SHA512,
        };
        digest::digest(algorithm, der).as_ref() == self.hash
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A handshake over a perfect wire against a client that offered `fingerprint_of(its
    /// certificate)`. Both sides' keying material, or why the server ended it.
    fn handshake(
        fingerprint_of: impl Fn(&[u8]) -> Fingerprint,
    ) -> Result<(Keys, Vec<u8>), DtlsEnd> {
        let now = service_kit::Clock::start().instant_at(units::MonotonicUs(0));
        let client_identity = Identity::generate().unwrap();
        let certificate = client_identity.certificate.clone();
        let expected = fingerprint_of(&certificate.certificate);
        let mut client = Dtls::new_12(client_identity.config.clone(), certificate, now);
        client.set_active(true);
        client.handle_timeout(now).unwrap();
        let mut server = DtlsServer::new(&Identity::generate().unwrap(), expected, now).unwrap();
        let (mut server_keys, mut client_keys) = (None, None);
        for _ in 0..20 {
            let mut buffer = [0; OUTPUT_BYTES_MAX];
            let mut to_client = Vec::new();
            loop {
                let output = client.poll_output(&mut buffer);
                if let Output::Packet(datagram) = output {
                    let sent = |datagram: &[u8]| to_client.push(datagram.to_vec());
                    server_keys = server.receive(now, datagram, sent)?.or(server_keys);
                } else if let Output::KeyingMaterial(material, _) = output {
                    client_keys = Some(material.to_vec());
                } else if matches!(output, Output::Timeout(_)) {
                    break;
                }
            }
            for datagram in to_client {
                client.handle_packet(&datagram).unwrap();
            }
        }
        Ok((server_keys.expect("server keys"), client_keys.expect("client keys")))
    }

    fn hash(
        algorithm: HashAlgorithm,
        digest: &'static digest::Algorithm,
        der: &[u8],
    ) -> Fingerprint {
        Fingerprint { algorithm, hash: digest::digest(digest, der).as_ref().to_vec() }
    }

    #[test]
    fn both_sides_end_on_the_same_gcm_keys() {
        for (algorithm, digest) in [
            (HashAlgorithm::Sha256, &digest::SHA256),
            (HashAlgorithm::Sha384, &digest::SHA384),
            (HashAlgorithm::Sha512, &digest::SHA512),
        ] {
            let (server, client) = handshake(|der| hash(algorithm, digest, der)).unwrap();
            assert_eq!(server.material, client);
            assert_eq!(server.profile, SrtpProfile::AeadAes256Gcm);
        }
    }

    #[test]
    fn a_client_with_another_certificate_gets_no_keys() {
        let ended = handshake(|_| hash(HashAlgorithm::Sha256, &digest::SHA256, b"another"));
        assert_eq!(ended.err(), Some(DtlsEnd::WrongCertificate));
    }
}
