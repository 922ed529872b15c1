//! Rows are positive, their keys unique, and steps add up to the whole.

use super::*;
use crate::RefundReason;
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use units::UnixMs;
use uuid::Uuid;

fn micro(micro: u64) -> MicroCoins {
    MicroCoins::new(micro).unwrap()
}

fn coins((paid, promo): (u64, u64)) -> Coins {
    Coins { paid: micro(paid), promo: micro(promo) }
}

fn people() -> (UserId, UserId) {
    ("fan".parse().unwrap(), "host".parse().unwrap())
}

fn share(bps: u16) -> ShareBps {
    ShareBps::new(bps).unwrap()
}

/// The change of each account, whose sum is 0, after rows with positive amounts and unique keys.
fn booked(rows: &[Posting]) -> BTreeMap<String, i128> {
    let mut accounts = BTreeMap::new();
    for row in rows {
        assert!(row.amount > MicroCoins::ZERO, "{row:?}");
        assert_ne!(row.from, row.to, "{row:?}");
        *accounts.entry(row.from.to_string()).or_default() -= i128::from(row.amount.micro());
        *accounts.entry(row.to.to_string()).or_default() += i128::from(row.amount.micro());
    }
    let keys: BTreeSet<_> = rows.iter().map(|row| (row.entry.to_string(), row.n)).collect();
    assert_eq!(keys.len(), rows.len(), "a key twice");
    assert_eq!(accounts.values().sum::<i128>(), 0);
    accounts
}

/// `account amount` of each account that changed.
fn told(rows: &[Posting]) -> String {
    let accounts = booked(rows);
    let one = |(account, amount): (&String, &i128)| format!("{account} {amount}");
    accounts.iter().map(one).collect::<Vec<_>>().join(", ")
}

fn credit(kind: CreditKind) -> Credit {
    let (fan, _) = people();
    Credit { id: "order-1".to_owned(), user: fan, amount: micro(1_001), kind, at: UnixMs(0) }
}

#[test]
fn each_credit_comes_from_whoever_carries_it() {
    let (_, host) = people();
    let call = CallId(Uuid::nil());
    let refund = |payer| CreditKind::Refund { call, payer, reason: RefundReason::Support };
    for (kind, given, refunded, expected) in [
        (CreditKind::Purchase, (1_001, 0), None, "fan:paid:fan 1001, psp:clearing -1001"),
        (
            CreditKind::Purchase,
            (701, 0),
            None,
            "fan:paid:fan 701, fan:receivable:fan 300, psp:clearing -1001",
        ),
        (CreditKind::Purchase, (0, 0), None, "fan:receivable:fan 1001, psp:clearing -1001"),
        (CreditKind::Promo, (0, 1_001), None, "fan:promo:fan 1001, platform:promo_expense -1001"),
        (
            refund(Payer::Platform),
            (1_001, 0),
            Some(7_000),
            "fan:paid:fan 1001, platform:absorbed -1001",
        ),
        (
            refund(Payer::Host),
            (1, 1_000),
            Some(7_000),
            "fan:paid:fan 1, fan:promo:fan 1000, host:earnings:host -1001",
        ),
        (
            refund(Payer::Both),
            (1_001, 0),
            Some(7_000),
            "fan:paid:fan 1001, host:earnings:host -700, platform:fee -301",
        ),
        // Each kind by itself, as it was charged: 7.7 and 693.
        (
            refund(Payer::Both),
            (11, 990),
            Some(7_000),
            "fan:paid:fan 11, fan:promo:fan 990, host:earnings:host -700, platform:fee -301",
        ),
        (
            refund(Payer::Both),
            (1_001, 0),
            Some(10_000),
            "fan:paid:fan 1001, host:earnings:host -1001",
        ),
        (refund(Payer::Both), (1_001, 0), Some(0), "fan:paid:fan 1001, platform:fee -1001"),
    ] {
        let refunded = refunded.map(|bps| (&host, share(bps)));
        let rows = credit_postings(&credit(kind.clone()), coins(given), refunded);
        assert_eq!(told(&rows), expected, "{kind:?}");
        assert!(rows.iter().all(|row| row.entry.to_string() == "credit:order-1"));
        let places: BTreeMap<u32, ()> = rows.iter().map(|row| (row.n, ())).collect();
        assert_eq!(places.len(), rows.len(), "{rows:?}");
    }
    let nothing = Credit { amount: MicroCoins::ZERO, ..credit(CreditKind::Purchase) };
    assert_eq!(credit_postings(&nothing, Coins::ZERO, None), []);
}

#[test]
fn a_chargeback_takes_what_is_there_and_the_rest_is_owed() {
    let (fan, _) = people();
    for (taken, expected) in [
        ((1_000, 0), "fan:paid:fan -1000, psp:clearing 1000"),
        (
            (600, 300),
            "fan:paid:fan -600, fan:promo:fan -300, fan:receivable:fan -100, psp:clearing 1000",
        ),
        ((0, 0), "fan:receivable:fan -1000, psp:clearing 1000"),
    ] {
        let rows = chargeback_postings(SpendId(Uuid::nil()), &fan, micro(1_000), coins(taken));
        assert_eq!(told(&rows), expected);
    }
}

#[test]
fn a_month_moves_the_platforms_part_to_the_host() {
    let (_, host) = people();
    let rows = month_postings(&host, "2026-11", 2, micro(5));
    assert_eq!(told(&rows), "host:earnings:host 5, platform:fee -5");
    assert_eq!((rows[0].entry.to_string().as_str(), rows[0].n), ("month:host:2026-11:2", 0));
    assert_eq!(month_postings(&host, "2026-11", 3, MicroCoins::ZERO), []);
}

proptest! {
    /// Steps of a charge, whichever coins grow in each, book what the whole at once would.
    #[test]
    fn any_steps_of_a_charge_add_up_to_the_whole(
        bps in 0_u16..=10_000,
        steps in proptest::collection::vec((0_u64..50_000, 0_u64..50_000), 0..12),
    ) {
        let (fan, host) = people();
        let call = CallId(Uuid::nil());
        let (mut rows, mut before) = (Vec::new(), Coins::ZERO);
        for (k, step) in (0..).zip(steps) {
            let after = before.checked_add(coins(step)).unwrap();
            let entry = Entry::Call(call, k);
            let booked = charge_postings(&entry, &fan, &host, share(bps), (before, after));
            prop_assert_eq!(
                &booked, &charge_postings(&entry, &fan, &host, share(bps), (before, after))
            );
            rows.extend(booked);
            // A step that goes back books nothing.
            prop_assert_eq!(
                charge_postings(&entry, &fan, &host, share(bps), (after, before)), vec![]
            );
            before = after;
        }
        let entry = Entry::Call(call, 0);
        let whole = charge_postings(&entry, &fan, &host, share(bps), (Coins::ZERO, before));
        let (steps, whole) = (booked(&rows), booked(&whole));
        let changed = |accounts: BTreeMap<String, i128>| {
            accounts.into_iter().filter(|(_, amount)| *amount != 0).collect::<BTreeMap<_, _>>()
        };
        let whole = changed(whole);
        prop_assert_eq!(&changed(steps), &whole);
        let split = Split::of_coins(before, share(bps));
        let of = |account: &str| whole.get(account).copied().unwrap_or_default();
        prop_assert_eq!(of("host:earnings:host"), i128::from(split.host.micro()));
        prop_assert_eq!(of("platform:fee"), i128::from(split.platform.micro()));
        prop_assert_eq!(of("fan:paid:fan"), -i128::from(before.paid.micro()));
        prop_assert_eq!(of("fan:promo:fan"), -i128::from(before.promo.micro()));
    }

    #[test]
    fn every_credit_and_chargeback_books_its_amount_once(
        amount in 0_u64..1_000_000, bps in 0_u16..=10_000, kind in 0_u8..5,
        paid in 0_u64..500_000, promo in 0_u64..500_000,
    ) {
        let (fan, host) = people();
        let call = CallId(Uuid::nil());
        let refund = |payer| CreditKind::Refund { call, payer, reason: RefundReason::Support };
        let kind = match kind {
            0 => CreditKind::Purchase,
            1 => CreditKind::Promo,
            2 => refund(Payer::Platform),
            3 => refund(Payer::Host),
            _ => refund(Payer::Both),
        };
        let given = match kind {
            CreditKind::Purchase => coins((amount / 3, 0)),
            CreditKind::Promo => coins((0, amount)),
            CreditKind::Refund { .. } => coins((amount / 3, amount - amount / 3)),
        };
        let credit = Credit { amount: micro(amount), ..credit(kind) };
        let rows = credit_postings(&credit, given, Some((&host, share(bps))));
        booked(&rows);
        prop_assert_eq!(rows.iter().map(|row| row.amount.micro()).sum::<u64>(), amount);
        let taken = coins((paid, promo));
        let whole = micro(paid + promo + amount);
        let rows = chargeback_postings(SpendId(Uuid::nil()), &fan, whole, taken);
        booked(&rows);
        prop_assert_eq!(rows.iter().map(|row| row.amount.micro()).sum::<u64>(), whole.micro());
    }
}
