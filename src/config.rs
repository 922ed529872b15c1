//! The configuration: one TOML file, overridden by `COINLINE__SECTION__KEY`.
//!
//! Unknown keys are errors. Secrets come from a file or the environment, never from the TOML.

mod links;
mod store;
mod turn;

pub(crate) use links::{Links, LinksError, Operations};
pub(crate) use store::{Database, Store, StoreError};

pub(crate) use turn::{Turn, TurnError};

use crate::cli::ServeOptions;
use crate::receipt_key::Receipts;
use billing_core::{CreditRules, ShareTiers};
use figment::Figment;
use figment::providers::{Env, Format, Toml};
use protocol::token::{SECRET_BYTES_MIN, SecretTooShort, TokenKey};
use serde::Deserialize;
use service_kit::telemetry::LogFormat;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

/// Everything that can be set.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Config {
    pub(crate) mode: Mode,
    #[serde(default)]
    pub(crate) log: Log,
    #[serde(default)]
    pub(crate) auth: Auth,
    #[serde(default)]
    pub(crate) store: Store,
    #[serde(default)]
    pub(crate) receipts: Receipts,
    #[serde(default)]
    pub(crate) links: Links,
    #[serde(default)]
    pub(crate) operations: Operations,
    #[serde(default)]
    pub(crate) signaling: signaling::Config,
    #[serde(default)]
    pub(crate) turn: Turn,
    #[serde(default)]
    pub(crate) media_relay: media_relay::Config,
    #[serde(default)]
    pub(crate) billing_meter: billing_meter::Config,
    /// Hosts' shares by the month's gross; absent: the meter's one share.
    #[serde(default)]
    pub(crate) shares: Option<ShareTiers>,
    /// What fans get back without asking.
    #[serde(default)]
    pub(crate) credits: CreditRules,
    #[serde(default)]
    pub(crate) demo: Option<signaling::Demo>,
}

/// Play or earnest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Mode {
    /// Play money, ready-made people whose tokens anybody may fetch; loopback only.
    Demo,
    /// Real people and secrets.
    Production,
}

/// Log lines on standard error.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Log {
    pub(crate) filter: String,
    pub(crate) format: LogFormat,
}

impl Default for Log {
    fn default() -> Self {
        Self { filter: "info".to_owned(), format: LogFormat::Text }
    }
}

/// The key that signs access tokens.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Auth {
    /// The key's name: the `iss` of tokens.
    pub(crate) key: String,
    /// A file whose content, without surrounding white space, is the secret.
    pub(crate) secret_file: Option<PathBuf>,
    /// The secret itself: only by `COINLINE__AUTH__SECRET`.
    secret: Option<String>,
}

impl std::fmt::Debug for Auth {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Auth").field("key", &self.key).finish_non_exhaustive()
    }
}

/// Why the server does not start with this configuration.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConfigError {
    #[error("can't read the configuration file {0}")]
    Missing(PathBuf),
    #[error("the configuration is not valid")]
    Invalid(#[from] Box<figment::Error>),
    #[error("the log filter is not valid")]
    Log(#[from] service_kit::telemetry::FilterError),
    #[error(
        "auth.secret must not stand in the configuration file; use auth.secret_file or COINLINE__AUTH__SECRET"
    )]
    SecretInFile,
    #[error(
        "links.secret must not stand in the configuration file; use links.secret_file or COINLINE__LINKS__SECRET"
    )]
    LinkSecretInFile,
    #[error(
        "turn.secret must not stand in the configuration file; use turn.secret_file or COINLINE__TURN__SECRET"
    )]
    TurnSecretInFile,
    #[error(transparent)]
    Turn(#[from] TurnError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Links(#[from] LinksError),
    #[error("production needs auth.key, the name of the API key")]
    NoKey,
    #[error(
        "production needs a secret of at least {SECRET_BYTES_MIN} bytes: set auth.secret_file or \
         COINLINE__AUTH__SECRET (openssl rand -base64 48 makes one)"
    )]
    NoSecret,
    #[error("can't read auth.secret_file {path}")]
    SecretFile { path: PathBuf, source: std::io::Error },
    #[error("the secret is not usable")]
    Secret(#[from] SecretTooShort),
    #[error("[demo] has no place in production: anybody may fetch demo people's tokens")]
    DemoInProduction,
    #[error(
        "demo mode listens on loopback only, since anybody may fetch demo people's tokens: {0} is \
         not loopback. For other machines, set mode = \"production\" and real secrets"
    )]
    DemoNotLoopback(SocketAddr),
}

impl Config {
    /// The configuration of `file`, or the demo's, with the environment's overrides; `listen`
    /// replaces where signaling listens.
    ///
    /// # Errors
    /// [`ConfigError`], naming the setting.
    pub(crate) fn load(
        file: Option<&Path>,
        listen: Option<SocketAddr>,
    ) -> Result<Self, ConfigError> {
        let figment = match file {
            Some(path) if !path.is_file() => return Err(ConfigError::Missing(path.to_owned())),
            Some(path) => Figment::from(Toml::file_exact(path)),
            None => Figment::from(Toml::string("mode = \"demo\"")),
        };
        if figment.contains("auth.secret") {
            return Err(ConfigError::SecretInFile);
        }
        if figment.contains("links.secret") {
            return Err(ConfigError::LinkSecretInFile);
        }
        if figment.contains("turn.secret") {
            return Err(ConfigError::TurnSecretInFile);
        }
        let mut config: Self =
            figment.merge(Env::prefixed("COINLINE__").split("__")).extract().map_err(Box::new)?;
        if let Some(listen) = listen {
            config.signaling.listen = listen;
        }
        // What hosts are told before the meter's first quote is the meter's own setting.
        config.signaling.host_share_bps = config.billing_meter.host_share_bps;
        config.check()?;
        Ok(config)
    }

    /// What the command line says goes before file and environment.
    ///
    /// # Errors
    /// [`ConfigError`], naming the setting.
    pub(crate) fn with(mut self, options: &ServeOptions) -> Result<Self, ConfigError> {
        if let Some(database) = &options.database {
            self.store.database = database.clone().into();
        }
        if let Some(redis) = &options.redis {
            self.store.redis = redis.clone().into();
        }
        self.store.check()?;
        if let Some(part) = options.role {
            self.links.check(part)?;
        }
        Ok(self)
    }

    fn check(&self) -> Result<(), ConfigError> {
        self.turn.check()?;
        match self.mode {
            Mode::Production if self.demo.is_some() => Err(ConfigError::DemoInProduction),
            Mode::Production if self.auth.key.is_empty() => Err(ConfigError::NoKey),
            Mode::Production => Ok(()),
            Mode::Demo => {
                let (links, operations) = (self.links.listen, self.operations.listen);
                let listens = [Some(self.signaling.listen), Some(self.media_relay.listen)];
                let listens = listens.into_iter().chain([links, operations]).flatten();
                match { listens }.find(|address| !address.ip().is_loopback()) {
                    Some(address) => Err(ConfigError::DemoNotLoopback(address)),
                    None => Ok(()),
                }
            }
        }
    }
}

impl Auth {
    /// The key that the configuration names.
    ///
    /// # Errors
    /// [`ConfigError`] if there is no usable secret.
    pub(crate) fn token_key(&self) -> Result<TokenKey, ConfigError> {
        let secret = match (&self.secret, &self.secret_file) {
            (Some(secret), _) => secret.clone(),
            (None, Some(path)) => std::fs::read_to_string(path)
                .map_err(|source| ConfigError::SecretFile { path: path.clone(), source })?,
            (None, None) => return Err(ConfigError::NoSecret),
        };
        Ok(TokenKey::new(&self.key, secret.trim().as_bytes())?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(toml: &str) -> Result<Config, ConfigError> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), toml).unwrap();
        Config::load(Some(file.path()), None)
    }

    #[test]
    fn without_a_file_it_is_the_demo_on_loopback() {
        let config = Config::load(None, None).unwrap();
        assert_eq!(config.mode, Mode::Demo);
        assert!(config.signaling.listen.ip().is_loopback());
    }

    #[test]
    fn the_demo_never_leaves_the_machine() {
        for toml in [
            "mode = \"demo\"\nsignaling.listen = \"0.0.0.0:8080\"",
            "mode = \"demo\"\nmedia_relay.listen = \"192.0.2.1:8081\"",
        ] {
            assert!(matches!(load(toml), Err(ConfigError::DemoNotLoopback(_))), "{toml}");
        }
        let listen = "0.0.0.0:80".parse().unwrap();
        assert!(matches!(Config::load(None, Some(listen)), Err(ConfigError::DemoNotLoopback(_))));
    }

    #[test]
    fn production_starts_only_with_real_secrets() {
        let config = load("mode = \"production\"\nauth.key = \"live\"").unwrap();
        assert!(matches!(config.auth.token_key(), Err(ConfigError::NoSecret)));
        assert!(matches!(load("mode = \"production\""), Err(ConfigError::NoKey)));
        assert!(matches!(
            load("mode = \"production\"\nauth.key = \"k\"\nauth.secret = \"x\""),
            Err(ConfigError::SecretInFile)
        ));
        assert!(matches!(
            load("mode = \"production\"\nauth.key = \"k\"\n[demo]\nusers = []"),
            Err(ConfigError::DemoInProduction)
        ));
        let short = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(short.path(), "too short\n").unwrap();
        let toml = format!(
            "mode = \"production\"\nauth.key = \"k\"\nauth.secret_file = {:?}",
            short.path()
        );
        assert!(matches!(load(&toml).unwrap().auth.token_key(), Err(ConfigError::Secret(_))));
    }

    #[test]
    fn unknown_settings_are_errors_that_name_them() {
        let error = load("mode = \"demo\"\n[signaling]\nlisen = \"127.0.0.1:1\"").unwrap_err();
        let ConfigError::Invalid(cause) = error else { panic!("{error}") };
        assert!(cause.to_string().contains("lisen"), "{cause}");
    }

    #[test]
    fn the_annotated_sample_shows_every_setting_at_its_default() {
        let sample = include_str!("../deploy/coinline.toml");
        let shown: String =
            sample.lines().map(|line| line.trim_start_matches("#: ").to_owned() + "\n").collect();
        let [as_it_stands, shown] = [sample, &shown].map(|toml| load(toml).unwrap());
        assert_eq!(format!("{shown:?}"), format!("{as_it_stands:?}"));
        assert_eq!(shown.mode, Mode::Production);
        // Each field of the services' settings, by its name in their Debug text.
        for field in format!("{:?} {:?}", shown.media_relay, shown.billing_meter)
            .split([' ', '{', ','])
            .filter_map(|word| word.strip_suffix(':'))
        {
            assert!(sample.contains(&format!("#: {field} = ")), "{field} is not shown");
        }
    }
}
