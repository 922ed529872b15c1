//! The key that signs receipts: where it comes from. It is never shown or logged.

use billing_core::receipt::SigningKey;
use rustls_pki_types::PrivatePkcs8KeyDer;
use rustls_pki_types::pem::PemObject as _;
use service_kit::entropy;
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

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
