//! Rows are read back as they were written, and do what the model's do.

use crate::books::{call, call_id, checkpoint, coins, evidence, micro, shard_of, user, wallet};
use crate::ledger;
use billing_core::{
    Account, Change, Credit, CreditKind, End, EndReason, Entry, Payer, Posting, Proven,
    RefundReason, Spend, SpendKind, Spending,
};
use store::ledger::Memory;
use store::{CallRow, CreditRow, Epoch, HostMonth, Ledger, ShardRows, SpendRow, Transaction};
use units::{ElapsedMs, MeterId, MicroCoins, Rate, Rates, ShareBps, SpendId, UnixMs};
use uuid::Uuid;

/// Runs the same steps, each in a transaction, against the model and the database, and compares
/// what each says.
macro_rules! alike {
    ($model:expr, $ledger:expr, $($step:tt)*) => {{
        let expected = {
            let mut tx = $model.begin().await.unwrap();
            let said = alike!(@run tx, $($step)*);
            tx.commit().await.unwrap();
            said
        };
        let found = {
            let mut tx = $ledger.begin().await.unwrap();
            let said = alike!(@run tx, $($step)*);
            tx.commit().await.unwrap();
            said
        };
        assert_eq!(found, expected, "{}", stringify!($($step)*));
        found
    }};
    (@run $tx:ident, |$name:ident| $body:expr) => {{
        let $name = &mut $tx;
        $body
    }};
}

async fn both() -> (Memory, store::Postgres) {
    let (ledger, _) = ledger().await;
    (Memory::default(), ledger)
}

#[tokio::test]
async fn progress_only_grows_and_ends_once() {
    let (model, ledger) = both().await;
    let ended = |charged, posted| {
        let mut row = call(1, "asha");
        row.live.seen_at = UnixMs(900);
        row.live.proven = Proven::video(ElapsedMs(9_000));
        (row.live.charged, row.posted, row.settlements) = (charged, posted, 2);
        row.live.records = 8;
        row.end = Some(End { reason: EndReason::HungUpByFan, at: UnixMs(999) });
        row
    };
    alike!(model, ledger, |tx| {
        tx.insert_call(&call(1, "asha")).await.unwrap();
        tx.insert_call(&call(2, "asha")).await.unwrap();
        tx.insert_call(&call(3, "ravi")).await.unwrap();
    });
    for (at, media, charged) in [
        (200, 5_000, coins(50, 5)),
        (150, 4_000, coins(40, 4)),
        (300, 6_000, coins(60, 4)),
        (300, 6_000, coins(40, 9)),
        (400, 3_000, coins(50, 6)),
    ] {
        alike!(model, ledger, |tx| {
            let rows = [checkpoint(1, media, charged, 0..0), checkpoint(9, 1, charged, 0..0)];
            tx.checkpoint(UnixMs(at), &rows).await.unwrap();
            tx.calls(&[call_id(1), call_id(9)]).await.unwrap()
        });
    }
    let rates = |micro| Rates::flat(Rate::per_minute(micro).unwrap());
    for (n, rate) in [(1, 7), (2, 8), (1, 9)] {
        let from = Proven::voice(ElapsedMs(5_000));
        alike!(model, ledger, |tx| {
            let change = Change { n, from, rates: rates(rate) };
            tx.insert_change(call_id(1), &change).await.unwrap();
            tx.calls(&[call_id(1)]).await.unwrap()
        });
    }
    alike!(model, ledger, |tx| {
        let mut open = tx.calls(&[call_id(2)]).await.unwrap().remove(0);
        (open.live.charged, open.posted, open.settlements) = (coins(7, 0), coins(7, 0), 1);
        tx.put_calls(&[ended(coins(50, 5), coins(50, 5)), open]).await.unwrap();
        tx.checkpoint(UnixMs(999), &[checkpoint(1, 99_000, coins(99, 99), 0..0)]).await.unwrap();
        let mut all = tx.open_calls(&[shard_of("asha"), shard_of("ravi")]).await.unwrap();
        all.extend(tx.open_calls_of(&[user("asha"), user("ravi")]).await.unwrap());
        all.extend(tx.open_calls_of(&[user("ravi")]).await.unwrap());
        all.extend(tx.open_calls(&[shard_of("ravi")]).await.unwrap());
        all.sort_by_key(|row| row.live.call);
        all
    });
    let mut tx = ledger.snapshot().await.unwrap();
    let found: Vec<CallRow> = tx.calls(&[call_id(1)]).await.unwrap();
    let mut expected = ended(coins(50, 5), coins(50, 5));
    expected.live.changes.clone_from(&found[0].live.changes);
    assert_eq!((found[0].live.changes.len(), &found[0]), (2, &expected));
}

#[tokio::test]
async fn evidence_is_written_once_however_often_it_comes() {
    let (model, ledger) = both().await;
    alike!(model, ledger, |tx| {
        tx.insert_call(&call(1, "asha")).await.unwrap();
        tx.insert_call(&call(2, "asha")).await.unwrap();
    });
    for (one, two) in [
        (0..3, 0..0),
        (3..5, 0..2),
        // Sent again, and with more behind it.
        (3..5, 2..3),
        (3..9, 3..4),
        (0..2, 0..5),
        (9..10, 5..6),
    ] {
        alike!(model, ledger, |tx| {
            let rows = [
                checkpoint(1, 1, coins(0, 0), one.clone()),
                checkpoint(2, 1, coins(0, 0), two.clone()),
                checkpoint(3, 1, coins(0, 0), 0..4),
            ];
            tx.checkpoint(UnixMs(1), &rows).await.unwrap();
            let found = tx.evidence(&[call_id(1), call_id(2)]).await.unwrap();
            let found: Vec<_> = found.into_values().flatten().collect();
            found
        });
    }
    let mut tx = ledger.begin().await.unwrap();
    let kept = tx.evidence(&[call_id(1), call_id(3)]).await.unwrap();
    assert_eq!(kept[&call_id(1)], (0..10).map(evidence).collect::<Vec<_>>());
    assert_eq!(kept.get(&call_id(3)), None);
    assert_eq!(tx.calls(&[call_id(1)]).await.unwrap()[0].live.records, 10);
    tx.insert_documents(&[(call_id(1), "{\"a\":  1}".to_owned())]).await.unwrap();
    tx.insert_documents(&[(call_id(1), "another".to_owned())]).await.unwrap();
    let document = tx.document(call_id(1)).await.unwrap();
    assert_eq!(document.as_deref(), Some("{\"a\":  1}"), "byte by byte the first");
    assert_eq!(tx.document(call_id(2)).await.unwrap(), None);
}

fn credits() -> [CreditRow; 4] {
    let credit = |id: &str, amount, kind, coins| CreditRow {
        credit: Credit { id: id.to_owned(), user: user("asha"), amount, kind, at: UnixMs(5) },
        coins,
    };
    let refund = |payer, reason| CreditKind::Refund { call: call_id(1), payer, reason };
    [
        credit("order-1", MicroCoins::MAX, CreditKind::Purchase, coins(7, 0)),
        credit("gift", micro(8), CreditKind::Promo, coins(0, 8)),
        credit("back-1", micro(30), refund(Payer::Both, RefundReason::PictureFrozen), coins(21, 9)),
        credit("back-2", micro(12), refund(Payer::Host, RefundReason::Support), coins(12, 0)),
    ]
}

fn spends() -> [SpendRow; 4] {
    let share = ShareBps::new(8_000).unwrap();
    let row = |n, kind, outcome| SpendRow {
        spend: Spend {
            id: SpendId(Uuid::from_u128(n)),
            fan: user("asha"),
            amount: micro(50),
            kind,
            at: UnixMs(6),
        },
        outcome,
    };
    let gift = SpendKind::Gift { host: user("meera"), host_share: share };
    let taken = Spending::Taken { coins: coins(20, 10), funds: MicroCoins::ZERO };
    [
        row(1, gift.clone(), None),
        row(2, gift, Some(Spending::NoFunds)),
        row(3, SpendKind::Chargeback, Some(taken)),
        row(4, SpendKind::Chargeback, None),
    ]
}

fn postings() -> [Posting; 3] {
    let row = |entry, n, from, to| Posting { entry, n, from, to, amount: micro(9) };
    let (fan, host) = (user("asha"), user("meera"));
    let entry = Entry::Call(call_id(1), 0);
    let month = Entry::Month { host: host.clone(), month: "2026-11".to_owned(), k: 0 };
    [
        row(entry.clone(), 0, Account::FanPaid(fan.clone()), Account::HostEarnings(host.clone())),
        row(entry, 1, Account::FanPromo(fan), Account::PlatformFee),
        row(month, 0, Account::PlatformFee, Account::HostEarnings(host)),
    ]
}

#[tokio::test]
async fn all_of_a_shard_is_read_back_as_it_was_written() {
    let (model, ledger) = both().await;
    alike!(model, ledger, |tx| {
        tx.put_wallets(&[wallet("asha", coins(90, 9), coins(8, 7))]).await.unwrap();
        tx.put_wallets(&[wallet("asha", coins(95, 9), coins(9, 7))]).await.unwrap();
        tx.insert_call(&call(1, "asha")).await.unwrap();
        for credit in &credits() {
            tx.insert_credit(credit).await.unwrap();
        }
        for spend in &spends() {
            tx.put_spend(spend).await.unwrap();
        }
        tx.insert_postings(&postings()).await.unwrap();
        let month = |month: &str, gross, adjustments| HostMonth {
            host: user("meera"),
            month: month.to_owned(),
            gross: micro(gross),
            earned: micro(3),
            adjustments,
        };
        tx.put_host_months(&[month("2026-11", 1, 0), month("2026-12", 2, 0)]).await.unwrap();
        tx.put_host_months(&[month("2026-11", 5, 1)]).await.unwrap();
        tx.host_months(&[
            (user("meera"), "2026-11".to_owned()),
            (user("meera"), "2027-01".to_owned()),
            (user("ravi"), "2026-12".to_owned()),
        ])
        .await
        .unwrap()
    });
    alike!(model, ledger, |tx| {
        let mut said = Vec::new();
        for id in ["order-1", "back-2", "none"] {
            said.push(tx.credit(id).await.unwrap());
        }
        let refunds = (tx.refunded(call_id(1)).await.unwrap(), tx.refunded(call_id(2)).await);
        let mut found = Vec::new();
        for n in 1..6 {
            found.push(tx.spend(SpendId(Uuid::from_u128(n))).await.unwrap());
        }
        let pending = tx.pending_spends(&[shard_of("asha")]).await.unwrap();
        (said, refunds.0, refunds.1.unwrap(), found, pending)
    });
    let done = SpendRow { outcome: Some(Spending::NoFunds), ..spends()[0].clone() };
    let shards: Vec<ShardRows> = alike!(model, ledger, |tx| {
        tx.put_spend(&done).await.unwrap();
        vec![
            tx.shard_rows(shard_of("asha")).await.unwrap(),
            tx.shard_rows(shard_of("meera")).await.unwrap(),
            tx.shard_rows(shard_of("ravi")).await.unwrap(),
        ]
    });
    assert_eq!((shards[0].postings.len(), shards[1].postings.len()), (2, 1));
    assert_eq!((shards[1].months.len(), &shards[2]), (2, &ShardRows::default()));
    let mut snapshot = ledger.snapshot().await.unwrap();
    assert_eq!(snapshot.shard_rows(shard_of("asha")).await.unwrap(), shards[0]);
}

#[tokio::test]
async fn what_is_not_committed_has_not_happened() {
    let (ledger, _) = ledger().await;
    let mut tx = ledger.begin().await.unwrap();
    tx.put_wallets(&[wallet("asha", coins(1, 0), coins(0, 0))]).await.unwrap();
    drop(tx);
    let mut tx = ledger.begin().await.unwrap();
    assert_eq!(tx.wallets(&[user("asha")]).await.unwrap(), []);
}

#[tokio::test]
async fn a_snapshot_sees_one_moment_and_holds_up_nobody() {
    let (ledger, _) = ledger().await;
    let put = async |paid| {
        let mut tx = ledger.begin().await.unwrap();
        tx.wallets(&[user("asha")]).await.unwrap();
        tx.put_wallets(&[wallet("asha", coins(paid, 0), coins(0, 0))]).await.unwrap();
        tx.commit().await.unwrap();
    };
    put(1).await;
    let mut snapshot = ledger.snapshot().await.unwrap();
    let before = snapshot.wallets(&[user("asha"), user("ravi")]).await.unwrap();
    put(2).await;
    let seen = snapshot.shard_rows(shard_of("asha")).await.unwrap().wallets;
    assert_eq!((seen, before[0].credited), (before.clone(), coins(1, 0)));
    snapshot.put_wallets(&before).await.unwrap_err();
}

/// Ten transactions at once add one each to what they read; nothing may get lost, whether the row
/// was there before or not.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rows_that_are_read_stay_as_they_are_until_the_end() {
    let (ledger, _) = ledger().await;
    let month = ("meera", "2026-11");
    let add = |ledger: store::Postgres| async move {
        let mut tx = ledger.begin().await.unwrap();
        let users = [user("asha"), user("ravi")];
        let known = tx.wallets(&users).await.unwrap();
        let months = tx.host_months(&[(user(month.0), month.1.to_owned())]).await.unwrap();
        let next = |name: &str| {
            let row = known.iter().find(|row| row.user == user(name));
            let paid = row.map_or(0, |row| row.credited.paid.micro()) + 1;
            wallet(name, coins(paid, 0), coins(0, 0))
        };
        tx.put_wallets(&[next("asha"), next("ravi")]).await.unwrap();
        let gross = micro(months.first().map_or(0, |row| row.gross.micro()) + 1);
        let row = HostMonth {
            host: user(month.0),
            month: month.1.to_owned(),
            gross,
            earned: gross,
            adjustments: 0,
        };
        tx.put_host_months(&[row]).await.unwrap();
        tx.commit().await.unwrap();
    };
    let tasks: Vec<_> = (0..10).map(|_| tokio::spawn(add(ledger.clone()))).collect();
    for task in tasks {
        task.await.unwrap();
    }
    let mut tx = ledger.begin().await.unwrap();
    for row in tx.wallets(&[user("asha"), user("ravi")]).await.unwrap() {
        assert_eq!(row.credited, coins(10, 0));
    }
    let months = tx.host_months(&[(user(month.0), month.1.to_owned())]).await.unwrap();
    assert_eq!(months[0].gross, micro(10));
}

#[tokio::test]
async fn a_call_that_is_read_takes_no_checkpoint_until_the_end() {
    let (ledger, _) = ledger().await;
    let mut tx = ledger.begin().await.unwrap();
    tx.insert_call(&call(1, "asha")).await.unwrap();
    tx.commit().await.unwrap();

    let mut reader = ledger.begin().await.unwrap();
    reader.calls(&[call_id(1)]).await.unwrap();
    let mut writer = ledger.begin().await.unwrap();
    let rows = [checkpoint(1, 5, coins(5, 0), 0..0)];
    let write = writer.checkpoint(UnixMs(1), &rows);
    let waited = tokio::time::timeout(std::time::Duration::from_millis(200), write).await;
    assert!(waited.is_err(), "the checkpoint waits");
    drop(reader);
}

#[tokio::test]
async fn epochs_of_the_model_count_alike() {
    let (model, ledger) = both().await;
    let owner = MeterId(Uuid::from_u128(1));
    let ttl = ElapsedMs::from_secs(60);
    let claimed = ledger.claim(owner, 3, ttl).await.unwrap();
    assert_eq!(claimed, model.claim(owner, 3, ttl).await.unwrap());
    assert_eq!(claimed[0].epoch, Epoch(1));
    assert_eq!(ledger.renew(owner, ttl).await.unwrap(), model.renew(owner, ttl).await.unwrap());
}
