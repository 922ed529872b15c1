//! Who calls whom: fans and hosts that the server knows, with their tokens.

use crate::signaling_client::Endpoint;
use protocol::token::{Role, TokenKey};
use serde::Deserialize;
use service_kit::Clock;
use units::UserId;

/// How long minted tokens are good for. A load test is over long before.
const TOKEN_SECONDS: u64 = 3_600;

/// Where logins come from.
#[derive(Clone)]
pub enum Accounts {
    /// A server in demo mode hands them out.
    Demo,
    /// Signed here, for `fan-1`, `fan-2`, ... and `host-1`, `host-2`, ...
    Minted(TokenKey),
}

/// One user and what they log in with.
#[derive(Clone, Debug)]
pub struct Login {
    pub user: UserId,
    pub token: String,
}

/// The two sides of one call.
#[derive(Clone, Debug)]
pub struct Pair {
    pub fan: Login,
    pub host: Login,
}

/// Why there are not enough logins.
#[derive(Debug, thiserror::Error)]
pub enum AccountError {
    #[error("the server's demo people can't be fetched")]
    Demo(#[from] reqwest::Error),
    #[error(
        "the server has {fans} demo fans and {hosts} demo hosts; {calls} calls need {calls} of each"
    )]
    TooFew { fans: usize, hosts: usize, calls: usize },
}

/// One of `GET /v1/demo/people`.
#[derive(Debug, Deserialize)]
struct Person {
    id: UserId,
    role: Role,
    token: String,
}

#[derive(Debug, Deserialize)]
struct People {
    people: Vec<Person>,
}

/// The user who takes `role` in the `n`th call, counted from 1.
pub(crate) fn user(role: Role, n: usize) -> UserId {
    let name = match role {
        Role::Fan => "fan",
        Role::Host => "host",
    };
    format!("{name}-{n}").parse().expect("a word, a dash and a number are a user id")
}

impl Accounts {
    /// A fan and a host for each of `calls` calls; nobody takes part in two.
    ///
    /// # Errors
    /// A server without demo people, or with too few.
    pub async fn pairs(
        &self,
        server: &Endpoint,
        clock: Clock,
        calls: usize,
    ) -> Result<Vec<Pair>, AccountError> {
        match self {
            Self::Minted(key) => {
                let exp = clock.unix().0 / 1_000 + TOKEN_SECONDS;
                let login = |role, n| {
                    let user = user(role, n);
                    Login { token: key.sign(&user, user.as_str(), role, exp), user }
                };
                let pair = |n| Pair { fan: login(Role::Fan, n), host: login(Role::Host, n) };
                Ok((1..=calls).map(pair).collect())
            }
            Self::Demo => demo_pairs(server, calls).await,
        }
    }
}

async fn demo_pairs(server: &Endpoint, calls: usize) -> Result<Vec<Pair>, AccountError> {
    let answer = reqwest::get(format!("{server}/v1/demo/people")).await?.error_for_status()?;
    let People { people } = answer.json().await?;
    let (fans, hosts): (Vec<_>, Vec<_>) =
        people.into_iter().partition(|person| person.role == Role::Fan);
    if fans.len() < calls || hosts.len() < calls {
        return Err(AccountError::TooFew { fans: fans.len(), hosts: hosts.len(), calls });
    }
    let login = |person: Person| Login { user: person.id, token: person.token };
    let pairs = fans.into_iter().zip(hosts).take(calls);
    Ok(pairs.map(|(fan, host)| Pair { fan: login(fan), host: login(host) }).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn minted_logins_are_different_people_whom_the_secret_vouches_for() {
        let key = TokenKey::new("key", &[7; 32]).unwrap();
        let accounts = Accounts::Minted(key.clone());
        let server = "http://127.0.0.1:1".parse().unwrap();
        let pairs = accounts.pairs(&server, Clock::start(), 2).await.unwrap();
        let people: Vec<_> = pairs
            .iter()
            .flat_map(|pair| [&pair.fan, &pair.host])
            .map(|login| {
                let claims = key.verify(&login.token).unwrap();
                assert_eq!(claims.sub, login.user);
                (login.user.as_str(), claims.coinline.role)
            })
            .collect();
        assert_eq!(
            people,
            [
                ("fan-1", Role::Fan),
                ("host-1", Role::Host),
                ("fan-2", Role::Fan),
                ("host-2", Role::Host)
            ]
        );
    }
}
