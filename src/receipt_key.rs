//! `[receipts]`, and the key that signs them: where it comes from. It is never shown or logged.

use crate::config::Mode;
use billing_core::receipt::{PublicKey, SigningKey, sign};
use rustls_pki_types::PrivatePkcs8KeyDer;
use rustls_pki_types::pem::PemObject as _;
use serde::Deserialize;
use service_kit::entropy;
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use store::Sign;

/// How receipts are signed, and by which key they are proven.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Receipts {
    /// The private key. Without it receipts are not signed, but for the demo, which makes its own.
    pub(crate) key_file: Option<PathBuf>,
    /// The public key, for a signaling process that does not have the private one.
    pub(crate) public_key: Option<String>,
}

impl Receipts {
    /// The key that signs; `folder` is where the demo keeps its own.
    ///
    /// # Errors
    /// If there should be one, but is not.
    pub(crate) fn signing_key(
        &self,
        mode: Mode,
        folder: &Path,
    ) -> Result<Option<SigningKey>, ReceiptKeyError> {
        match (&self.key_file, mode) {
            (Some(path), _) => of_file(path).map(Some),
            (None, Mode::Demo) => of_demo(folder).map(Some),
            (None, Mode::Production) => Ok(None),
        }
    }

    /// The key to publish: that of the signing key, or the one that was set.
    ///
    /// # Errors
    /// If what was set is no key, or another one.
    pub(crate) fn published(
        &self,
        signing: Option<&SigningKey>,
    ) -> Result<Option<PublicKey>, ReceiptKeyError> {
        let set = match &self.public_key {
            Some(text) => Some(text.parse().map_err(|_| ReceiptKeyError::NotPublic)?),
            None => None,
        };
        match (signing.map(SigningKey::public), set) {
            (Some(own), Some(set)) if own != set => Err(ReceiptKeyError::AnotherKey(own)),
            (own, set) => Ok(own.or(set)),
        }
    }
}

/// What a store signs receipts with.
pub(crate) fn signer(key: SigningKey) -> Sign {
    Arc::new(move |receipt, evidence| sign(receipt, evidence, &key))
}

/// Why there is no key.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ReceiptKeyError {
    #[error("can't read the key of receipts, {path}")]
    Unreadable { path: PathBuf, source: io::Error },
    #[error(
        "{0} is no key of receipts: it holds an Ed25519 private key in PKCS#8 form, PEM or DER \
         (openssl genpkey -algorithm ed25519 -out FILE makes one), or its seed of 32 bytes"
    )]
    NoKey(PathBuf),
    #[error(
        "receipts.public_key must be 64 lower-case hexadecimal digits: coinline receipt key prints it"
    )]
    NotPublic,
    #[error("receipts.public_key is not that of receipts.key_file, {0}")]
    AnotherKey(PublicKey),
}

/// The key in a file: PKCS#8 as PEM or DER, or a seed of 32 bytes.
///
/// # Errors
/// If the file can't be read or holds something else.
pub(crate) fn of_file(path: &Path) -> Result<SigningKey, ReceiptKeyError> {
    let unreadable = |source| ReceiptKeyError::Unreadable { path: path.to_owned(), source };
    let content = std::fs::read(path).map_err(unreadable)?;
    if let Ok(seed) = <&[u8; 32]>::try_from(content.as_slice()) {
        return Ok(SigningKey::from_seed(seed));
    }
    let key = match PrivatePkcs8KeyDer::from_pem_slice(&content) {
        Ok(der) => SigningKey::from_pkcs8(der.secret_pkcs8_der()),
        Err(_) => SigningKey::from_pkcs8(&content),
    };
    key.map_err(|_| ReceiptKeyError::NoKey(path.to_owned()))
}

/// The demo's own key, drawn at the first start and kept beside its database, so that receipts of
/// earlier starts are still proven by it.
///
/// # Errors
/// If the file can't be read or written.
pub(crate) fn of_demo(folder: &Path) -> Result<SigningKey, ReceiptKeyError> {
    let path = folder.join("demo-receipt-key");
    let mut options = std::fs::File::options();
    let unreadable = |source| ReceiptKeyError::Unreadable { path: path.clone(), source };
    match options.write(true).create_new(true).mode(0o600).open(&path) {
        Ok(mut file) => {
            let seed: [u8; 32] = entropy::bytes();
            file.write_all(&seed).map_err(unreadable)?;
        }
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        Err(error) => return Err(unreadable(error)),
    }
    of_file(&path)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The same key in each form; RFC 8032, section 7.1, test 1.
    const PUBLIC: &str = "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a";
    const PEM: &str = "-----BEGIN PRIVATE KEY-----\n\
        MC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMcrn9g\n\
        -----END PRIVATE KEY-----\n";

    fn key_of(content: &[u8]) -> Result<String, ReceiptKeyError> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), content).unwrap();
        of_file(file.path()).map(|key| key.public().to_string())
    }

    #[test]
    fn a_key_file_is_pem_or_der_or_a_seed() {
        let der = PrivatePkcs8KeyDer::from_pem_slice(PEM.as_bytes()).unwrap();
        let der = der.secret_pkcs8_der();
        for content in [PEM.as_bytes(), der, &der[16..]] {
            assert_eq!(key_of(content).unwrap(), PUBLIC);
        }
        for content in [&b""[..], b"secret", &[7; 31], &[7; 33], &PEM.as_bytes()[..60]] {
            assert!(matches!(key_of(content), Err(ReceiptKeyError::NoKey(_))));
        }
        let missing = of_file(Path::new("/nowhere/key"));
        assert!(matches!(missing, Err(ReceiptKeyError::Unreadable { .. })));
    }

    #[test]
    fn the_published_key_is_that_of_the_signing_key() {
        let own = SigningKey::from_seed(&[7; 32]);
        let set = |key: Option<&str>| Receipts {
            public_key: key.map(str::to_owned),
            ..Receipts::default()
        };
        let digits = own.public().to_string();
        assert_eq!(set(None).published(None).unwrap(), None);
        assert_eq!(set(None).published(Some(&own)).unwrap(), Some(own.public()));
        assert_eq!(set(Some(&digits)).published(None).unwrap(), Some(own.public()));
        assert_eq!(set(Some(&digits)).published(Some(&own)).unwrap(), Some(own.public()));
        let other = set(Some(PUBLIC)).published(Some(&own));
        assert!(matches!(other, Err(ReceiptKeyError::AnotherKey(_))));
        assert!(matches!(set(Some("key")).published(None), Err(ReceiptKeyError::NotPublic)));
    }

    #[test]
    fn the_demos_key_is_drawn_once_and_for_its_owner_alone() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().unwrap();
        let [first, again] = [(); 2].map(|()| of_demo(folder.path()).unwrap().public());
        assert_eq!(first, again);
        let mode = folder.path().join("demo-receipt-key").metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        assert_ne!(first, of_demo(tempfile::tempdir().unwrap().path()).unwrap().public());
    }
}
