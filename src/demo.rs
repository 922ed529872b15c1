//! The people of the demo, and how they are told to the newcomer.

use protocol::token::{Role, TokenKey};
use service_kit::entropy;
use signaling::{Demo, DemoUser};
use std::fmt::Write as _;
use std::io::{self, Write as _};
use std::net::SocketAddr;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use units::MicroCoins;

/// The demo's own secret, drawn at the first start and kept beside its database, so that pages
/// stay signed in over restarts and no two machines share one.
///
/// # Errors
/// If the file can't be read or written.
pub(crate) fn token_key(folder: &Path) -> io::Result<TokenKey> {
    let path = folder.join("demo-secret");
    let mut options = std::fs::File::options();
    match options.write(true).create_new(true).mode(0o600).open(&path) {
        Ok(mut file) => {
            let secret: [u8; 32] = entropy::bytes();
            file.write_all(&secret)?;
        }
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        Err(error) => return Err(error),
    }
    TokenKey::new("demo", &std::fs::read(&path)?).map_err(io::Error::other)
}

/// Two hosts and three fans, one of them nearly broke.
pub(crate) fn people() -> Demo {
    let person = |id: &str, name: &str, role, coins| DemoUser {
        id: id.parse().expect("plain ids"),
        name: name.to_owned(),
        role,
        coins: MicroCoins::coins(coins),
    };
    Demo {
        users: vec![
            person("meera", "Meera", Role::Host, 0),
            person("layla", "Layla", Role::Host, 0),
            person("asha", "Asha", Role::Fan, 100),
            person("omar", "Omar", Role::Fan, 25),
            person("lina", "Lina", Role::Fan, 2),
        ],
    }
}

/// What the terminal shows when the demo is up; `database` keeps the balances, if that is known.
pub(crate) fn greeting(demo: &Demo, at: SocketAddr, database: Option<&str>) -> String {
    let mut text = format!(
        "Coinline {} - DEMO. Only this machine can connect; the coins are play money.\n\n\
         Open a host and a fan in two browser windows:\n\n",
        env!("CARGO_PKG_VERSION")
    );
    for user in &demo.users {
        let (role, owns) = match user.role {
            Role::Host => ("host", "earns".to_owned()),
            Role::Fan => ("fan", format!("starts with {} coins", user.coins)),
        };
        let link = format!("http://{at}/?as={}", user.id);
        // Writing to a String can't fail.
        let _ = writeln!(text, "  {role:<5} {:<8} {link:<36} {owns}", user.name);
    }
    let kept = database.map_or_else(String::new, |name| format!(" Balances are kept in {name}."));
    let _ = write!(
        text,
        "\nAs a host, go online at a price; as a fan, call.{kept}\nStop with Ctrl-C.\n"
    );
    text
}
