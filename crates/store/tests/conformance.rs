//! One suite for every pair of hot balances and ledger: the same tables, and the same random
//! sequences compared with plain arithmetic.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "conformance/books.rs"]
mod books;
#[path = "conformance/calls.rs"]
mod calls;
#[path = "conformance/coins.rs"]
mod coins;
#[path = "conformance/evidence.rs"]
mod evidence;
#[path = "conformance/owners.rs"]
mod owners;

#[path = "conformance/sequences.rs"]
mod sequences;
#[path = "conformance/servers.rs"]
mod servers;

use books::Pair;

/// Runs every rule against one kind of store: its constructor gives a pair of hot balances and
/// ledger, each usable by several stores at once, and whatever must outlive the test.
macro_rules! conformance {
    ($backend:ident: $new:expr => $($file:ident { $($rule:ident)* })*) => {
        mod $backend {
            $($(#[tokio::test]
            async fn $rule() {
                let (pair, _alive) = $new.await;
                crate::$file::$rule(pair).await;
            })*)*
        }
    };
}

/// Every rule against each back end. One line each.
macro_rules! backends {
    ($($backend:ident: $new:expr;)*) => {
        $(conformance! { $backend: $new =>
            calls {
                a_call_is_opened_once_at_its_terms_and_not_below_the_minimum
                a_charge_is_clamped_to_the_funds_and_never_falls
                a_target_of_a_call_that_is_not_open_is_passed_over
                calls_of_one_wallet_share_its_funds
                promo_coins_go_first
                a_call_is_settled_once
                settlements_on_the_way_post_what_was_charged_so_far
                a_call_is_never_charged_more_than_its_plan_says
                a_change_is_made_once_and_prices_what_follows
            }
            coins {
                a_credit_counts_once_per_id
                a_wallet_never_passes_the_largest_amount
                a_refund_never_exceeds_what_the_call_cost
                what_the_rules_give_back_comes_with_the_bill_and_once
                a_gift_is_all_or_nothing
                a_chargeback_takes_what_is_there_and_the_rest_is_owed
                a_purchase_first_pays_off_what_is_owed
                a_refund_gives_back_the_coins_that_paid
                coins_are_spent_once_per_id
            }
            evidence {
                evidence_that_is_written_again_is_there_once
                evidence_that_was_tampered_with_is_found
                a_signed_receipt_is_written_once
                one_machine_is_durable_with_every_tick
                a_higher_tier_is_posted_once_and_locked_by_the_next_call
                a_gift_is_shared_as_the_month_has_it
            }
            owners {
                a_shard_has_one_owner_at_a_time
                who_leaves_is_no_owner_any_more
                calls_of_shards_that_their_holder_does_not_know_are_told_again
                an_earlier_owner_is_fenced_off
                a_later_owner_goes_on_where_the_ledger_is
                what_was_under_way_is_driven_on_by_the_next_owner
            }
        })*
    };
}

backends! {
    memory: crate::Pair::memory();
    sqlite: crate::Pair::sqlite();
    redis: crate::Pair::redis(test_servers::Engine::Redis);
    valkey: crate::Pair::redis(test_servers::Engine::Valkey);
    redis_cluster: crate::Pair::redis_cluster();
    postgres: crate::Pair::postgres();
}
