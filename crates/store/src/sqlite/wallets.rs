//! Wallets, credits and postings.

use super::row::{integer, money, number, parsed};
use crate::Error;
use billing_core::{Credit, Crediting, Posting, credit_posting};
use sqlx::SqliteConnection;
use units::{MicroCoins, UserId};

/// A wallet's totals.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Wallet {
    pub(super) credited: MicroCoins,
    pub(super) spent: MicroCoins,
}

impl Wallet {
    /// What is left. The schema keeps `spent` within `credited`.
    pub(super) const fn funds(self) -> MicroCoins {
        self.credited.saturating_sub(self.spent)
    }
}

pub(super) async fn read(db: &mut SqliteConnection, user: &UserId) -> Result<Wallet, Error> {
    let row = sqlx::query("SELECT credited, spent FROM wallet WHERE user = ?")
        .bind(user.as_str())
        .fetch_optional(db)
        .await?;
    let Some(row) = row else { return Ok(Wallet::default()) };
    Ok(Wallet { credited: money(&row, "credited")?, spent: money(&row, "spent")? })
}

/// Makes sure that there is a row to refer to.
pub(super) async fn ensure(db: &mut SqliteConnection, user: &UserId) -> Result<(), Error> {
    sqlx::query(
        "INSERT INTO wallet (user, credited, spent) VALUES (?, 0, 0) ON CONFLICT DO NOTHING",
    )
    .bind(user.as_str())
    .execute(db)
    .await?;
    Ok(())
}

pub(super) async fn credit(db: &mut SqliteConnection, credit: &Credit) -> Result<Crediting, Error> {
    let known = sqlx::query("SELECT user, amount FROM credit WHERE id = ?")
        .bind(&credit.id)
        .fetch_optional(&mut *db)
        .await?;
    let wallet = read(db, &credit.user).await?;
    if let Some(known) = known {
        let same = parsed::<UserId>(&known, "user")? == credit.user
            && number(&known, "amount")? == credit.amount.micro();
        let repeated = Crediting::Repeated { funds: wallet.funds() };
        return Ok(if same { repeated } else { Crediting::OtherCredit });
    }
    let Some(credited) = wallet.credited.checked_add(credit.amount) else {
        return Ok(Crediting::TooLarge);
    };
    ensure(db, &credit.user).await?;
    sqlx::query("INSERT INTO credit (id, user, amount, at_unix_ms) VALUES (?, ?, ?, ?)")
        .bind(&credit.id)
        .bind(credit.user.as_str())
        .bind(integer(credit.amount.micro()))
        .bind(integer(credit.at.0))
        .execute(&mut *db)
        .await?;
    sqlx::query("UPDATE wallet SET credited = ? WHERE user = ?")
        .bind(integer(credited.micro()))
        .bind(credit.user.as_str())
        .execute(&mut *db)
        .await?;
    post(db, credit_posting(credit)).await?;
    Ok(Crediting::Added { funds: Wallet { credited, ..wallet }.funds() })
}

pub(super) async fn post(
    db: &mut SqliteConnection,
    postings: impl IntoIterator<Item = Posting> + Send,
) -> Result<(), Error> {
    let postings: Vec<Posting> = postings.into_iter().collect();
    for posting in postings {
        sqlx::query(
            "INSERT INTO posting (entry, n, from_account, to_account, amount)
             VALUES (?, ?, ?, ?, ?)",
        )
        .bind(posting.entry.to_string())
        .bind(posting.n)
        .bind(posting.from.to_string())
        .bind(posting.to.to_string())
        .bind(integer(posting.amount.micro()))
        .execute(&mut *db)
        .await?;
    }
    Ok(())
}
