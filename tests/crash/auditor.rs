//! Holds the ledger against what the clients were told and what they saw. Its arithmetic is its
//! own: it shares no line with what it audits.

use crate::book::{Promise, Story};
use crate::ledger::{Bill, Ledger};
use std::collections::BTreeMap;
use std::fmt;
use units::CallId;

/// How far the relay's count may be ahead of the fan's own, who counts the same packets later
/// (loadtest has the same allowance, and the reason).
const AHEAD_MS: u64 = loadtest::audit::AHEAD_MAX.0;

/// What must never be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Crime {
    /// Somebody was told of coins, or coins were taken, that the ledger does not have.
    Lost,
    /// The same was taken, posted or credited more than once.
    Twice,
    Negative,
    /// The fan pays for media that did not reach them.
    AboveEvidence,
    /// What two places say differs in another way.
    Differs,
    /// A call that has no end.
    Open,
}

impl Crime {
    pub(crate) const ALL: [Self; 6] =
        [Self::Lost, Self::Twice, Self::Negative, Self::AboveEvidence, Self::Differs, Self::Open];
}

/// What is wrong, and with which call or user.
#[derive(Clone, Debug, Default)]
pub(crate) struct Verdict {
    pub(crate) crimes: Vec<(Crime, String, Option<CallId>)>,
    pub(crate) charged: u64,
    pub(crate) credited: u64,
}

impl Verdict {
    fn find(&mut self, crime: Crime, call: Option<CallId>, what: String) {
        self.crimes.push((crime, what, call));
    }

    fn check(
        &mut self,
        right: bool,
        crime: Crime,
        call: Option<CallId>,
        what: impl FnOnce() -> String,
    ) {
        if !right {
            self.find(crime, call, what());
        }
    }

    pub(crate) fn count(&self, crime: Crime) -> usize {
        self.crimes.iter().filter(|(found, ..)| *found == crime).count()
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (crime, what, _) in &self.crimes {
            writeln!(f, "{crime:?}: {what}")?;
        }
        write!(
            f,
            "lost {}, twice {}, negative {}, above evidence {}, differing {}, open {}",
            self.count(Crime::Lost),
            self.count(Crime::Twice),
            self.count(Crime::Negative),
            self.count(Crime::AboveEvidence),
            self.count(Crime::Differs),
            self.count(Crime::Open)
        )
    }
}

/// Everything that is wrong.
pub(crate) fn audit(
    stories: &BTreeMap<CallId, Story>,
    promises: &BTreeMap<String, Promise>,
    ledger: &Ledger,
) -> Verdict {
    let mut verdict = Verdict::default();
    credits(&mut verdict, promises, ledger);
    for (call, bill) in &ledger.calls {
        settled(&mut verdict, *call, bill, ledger);
        match stories.get(call) {
            Some(story) => told(&mut verdict, *call, bill, story),
            // The answer to the ring was lost: nobody was ever connected.
            None => verdict.check(taken(bill) == 0, Crime::AboveEvidence, Some(*call), || {
                format!("call {call}, which no client knows of, cost {}", taken(bill))
            }),
        }
    }
    for (call, story) in stories.iter().filter(|(call, _)| !ledger.calls.contains_key(call)) {
        let silent = story.told == 0 && story.receipts.is_empty();
        verdict.check(silent, Crime::Lost, Some(*call), || {
            format!("call {call}, of which {} were told, is not in the ledger", story.told)
        });
    }
    wallets(&mut verdict, ledger);
    verdict.check(ledger.live == 0, Crime::Open, None, || format!("{} live calls", ledger.live));
    verdict
}

/// Calls that do not have exactly one signed receipt.
pub(crate) fn without_one_receipt(ledger: &Ledger) -> Vec<CallId> {
    let wrong = ledger.calls.iter().filter(|(_, bill)| bill.documents != 1);
    wrong.map(|(call, _)| *call).collect()
}

fn taken(bill: &Bill) -> u64 {
    u64::try_from(bill.paid + bill.promo).unwrap_or(0)
}

/// Each acknowledged credit once; none that nobody asked for.
fn credits(verdict: &mut Verdict, promises: &BTreeMap<String, Promise>, ledger: &Ledger) {
    for (id, promise) in promises {
        let found = ledger.credits.iter().filter(|credit| credit.id == *id);
        let right = |credit: &&crate::ledger::Credit| {
            credit.user == promise.user.as_str()
                && u64::try_from(credit.amount) == Ok(promise.micro)
        };
        let (all, exact) = (found.clone().count(), found.filter(right).count());
        verdict.check(exact == all, Crime::Differs, None, || format!("credit {id} is another one"));
        verdict.check(all <= 1, Crime::Twice, None, || format!("credit {id} is there {all} times"));
        verdict.check(all >= 1 || !promise.acknowledged, Crime::Lost, None, || {
            format!("credit {id} was acknowledged and is not there")
        });
    }
    for credit in &ledger.credits {
        let known = promises.contains_key(&credit.id) || credit.kind == "refund";
        verdict.check(known, Crime::Twice, None, || format!("nobody asked for {credit:?}"));
        let entry = format!("credit:{}", credit.id);
        let posted: i64 = posted(ledger, |name| name == entry);
        verdict.check(posted >= credit.amount, Crime::Lost, None, || {
            format!("only {posted} of {credit:?} were posted")
        });
        verdict.check(posted <= credit.amount, Crime::Twice, None, || {
            format!("{posted} were posted of {credit:?}")
        });
        verdict.credited += u64::try_from(credit.amount).unwrap_or(0);
    }
}

fn posted(ledger: &Ledger, entry: impl Fn(&str) -> bool) -> i64 {
    let rows = ledger.postings.iter().filter(|row| entry(&row.entry));
    rows.map(|row| row.amount).sum()
}

/// One end, one bill, one set of postings.
fn settled(verdict: &mut Verdict, call: CallId, bill: &Bill, ledger: &Ledger) {
    let (of, charged) = (Some(call), bill.paid + bill.promo);
    verdict.charged += taken(bill);
    verdict.check(bill.reason.is_some(), Crime::Open, of, || format!("call {call} is open"));
    verdict.check(bill.paid >= 0 && bill.promo >= 0, Crime::Negative, of, || {
        format!("call {call} cost {} + {}", bill.paid, bill.promo)
    });
    let prefix = format!("call:{call}:");
    let rows: Vec<_> =
        ledger.postings.iter().filter(|row| row.entry.starts_with(&prefix)).collect();
    let all: i64 = rows.iter().map(|row| row.amount).sum();
    verdict.check(all >= charged, Crime::Lost, of, || format!("{all} of {charged} were posted"));
    verdict.check(all <= charged, Crime::Twice, of, || format!("{all} were posted of {charged}"));
    let earnings = format!("host:earnings:{}", bill.host);
    let earned: i64 = rows.iter().filter(|row| row.to == earnings).map(|row| row.amount).sum();
    let right = bill.paid * bill.share_bps / 10_000 + bill.promo * bill.share_bps / 10_000;
    verdict.check(earned == right, Crime::Differs, of, || {
        format!("the host of call {call} got {earned} instead of {right}")
    });
    let fans = [format!("fan:paid:{}", bill.fan), format!("fan:promo:{}", bill.fan)];
    let strangers = rows.iter().filter(|row| !fans.contains(&row.from)).count();
    verdict.check(strangers == 0, Crime::Differs, of, || {
        format!("{strangers} rows of call {call} take from somebody else")
    });
}

/// What the clients know of a bill.
fn told(verdict: &mut Verdict, call: CallId, bill: &Bill, story: &Story) {
    let (of, charged) = (Some(call), taken(bill));
    verdict.check(charged >= story.told, Crime::Lost, of, || {
        format!("call {call}: told {}, billed {charged}", story.told)
    });
    let names = (story.fan.as_str(), story.host.as_str());
    verdict.check((bill.fan.as_str(), bill.host.as_str()) == names, Crime::Differs, of, || {
        format!("call {call} is between other people")
    });
    for receipt in &story.receipts {
        let shown = receipt.charged_micro.micro();
        verdict.check(shown == charged, Crime::Differs, of, || {
            format!("call {call}: a receipt says {shown}, the ledger {charged}")
        });
    }
    // charged <= rate x media / 60,000, without a division. Both ends of the media were with this
    // process: the packets of each may have waited for as long as it stood still.
    let media_ms = story.received_ms.map_or(0, |ms| ms + AHEAD_MS + 2 * story.stalled_ms);
    let (cost, most) =
        (u128::from(charged) * 60_000, u128::from(story.per_minute) * u128::from(media_ms));
    verdict.check(cost <= most, Crime::AboveEvidence, of, || {
        format!("call {call}: {charged} at {} for {:?} ms", story.per_minute, story.received_ms)
    });
}

/// Credits = spent + funds, by the rows and by the totals.
fn wallets(verdict: &mut Verdict, ledger: &Ledger) {
    for (user, wallet) in &ledger.wallets {
        let funds = wallet.credited - wallet.settled;
        verdict.check(funds >= 0, Crime::Negative, None, || format!("{user} has {funds}"));
        let credited: i64 = ledger
            .credits
            .iter()
            .filter(|credit| credit.user == *user)
            .map(|credit| credit.amount)
            .sum();
        verdict.check(wallet.credited >= credited, Crime::Lost, None, || {
            format!("{user} was credited {credited}, the wallet says {}", wallet.credited)
        });
        verdict.check(wallet.credited <= credited, Crime::Twice, None, || {
            format!("{user} was credited {credited}, the wallet says {}", wallet.credited)
        });
        let bills = ledger.calls.values().filter(|bill| bill.fan == *user);
        let spent: i64 = bills.map(|bill| bill.paid + bill.promo).sum();
        verdict.check(wallet.settled <= spent, Crime::Twice, None, || {
            format!("{user} was billed {spent}, the wallet paid {}", wallet.settled)
        });
        verdict.check(wallet.settled >= spent, Crime::Lost, None, || {
            format!("{user} was billed {spent}, the wallet paid {}", wallet.settled)
        });
        let accounts = [format!("fan:paid:{user}"), format!("fan:promo:{user}")];
        let on_account: i64 = ledger
            .postings
            .iter()
            .map(|row| match (accounts.contains(&row.to), accounts.contains(&row.from)) {
                (true, false) => row.amount,
                (false, true) => -row.amount,
                (true, true) | (false, false) => 0,
            })
            .sum();
        verdict.check(on_account == funds, Crime::Differs, None, || {
            format!("{user} has {funds}, and {on_account} by the rows")
        });
    }
    let unknown = ledger.credits.iter().filter(|credit| !ledger.wallets.contains_key(&credit.user));
    for credit in unknown {
        verdict.find(Crime::Lost, None, format!("{credit:?} has no wallet"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::{Credit, Posting, Wallet};

    const CALL: &str = "0193a1b2-0000-7000-8000-000000000001";

    struct World {
        stories: BTreeMap<CallId, Story>,
        promises: BTreeMap<String, Promise>,
        ledger: Ledger,
    }

    /// One call of 10 s at 6 coins per minute, out of 2 coins.
    fn right() -> World {
        let call: CallId = CALL.parse().unwrap();
        let (fan, host) = ("fan".parse().unwrap(), "host".parse().unwrap());
        let posting = |entry: &str, from: &str, to: &str, amount| Posting {
            entry: entry.to_owned(),
            from: from.to_owned(),
            to: to.to_owned(),
            amount,
        };
        let story = Story {
            fan,
            host,
            per_minute: 6_000_000,
            told: 900_000,
            received_ms: Some(10_000),
            stalled_ms: 0,
            receipts: Vec::new(),
            reason: None,
            lines: String::new(),
        };
        let bill = Bill {
            fan: "fan".to_owned(),
            host: "host".to_owned(),
            paid: 1_000_000,
            promo: 0,
            share_bps: 7_000,
            reason: Some("hung_up_by_fan".to_owned()),
            documents: 1,
        };
        let (id, user, kind) = ("a".to_owned(), "fan".to_owned(), "purchase".to_owned());
        let promise = Promise {
            user: "fan".parse().unwrap(),
            micro: 2_000_000,
            acknowledged: true,
            asked: 2,
        };
        let entry = format!("call:{CALL}:0");
        World {
            stories: [(call, story)].into(),
            promises: [(id.clone(), promise)].into(),
            ledger: Ledger {
                calls: [(call, bill)].into(),
                credits: vec![Credit { id, user: user.clone(), amount: 2_000_000, kind }],
                wallets: [(user, Wallet { credited: 2_000_000, settled: 1_000_000 })].into(),
                postings: vec![
                    posting("credit:a", "psp:clearing", "fan:paid:fan", 2_000_000),
                    posting(&entry, "fan:paid:fan", "host:earnings:host", 700_000),
                    posting(&entry, "fan:paid:fan", "platform:fee", 300_000),
                ],
                live: 0,
            },
        }
    }

    /// What is found after one change, each kind once.
    fn found(change: impl FnOnce(&mut World)) -> Vec<Crime> {
        let mut world = right();
        change(&mut world);
        let verdict = audit(&world.stories, &world.promises, &world.ledger);
        let kinds: std::collections::BTreeSet<Crime> =
            verdict.crimes.iter().map(|(crime, ..)| *crime).collect();
        kinds.into_iter().collect()
    }

    fn bill(world: &mut World) -> &mut Bill {
        world.ledger.calls.values_mut().next().unwrap()
    }

    fn story(world: &mut World) -> &mut Story {
        world.stories.values_mut().next().unwrap()
    }

    fn wallet(world: &mut World) -> &mut Wallet {
        world.ledger.wallets.values_mut().next().unwrap()
    }

    #[test]
    fn the_auditor_finds_each_crime() {
        use Crime::{AboveEvidence, Differs, Lost, Negative, Open, Twice};
        assert_eq!(found(|_| {}), []);
        assert_eq!(found(|world| story(world).told = 1_000_000), []);
        assert_eq!(found(|world| story(world).told = 1_000_001), [Lost]);
        assert_eq!(found(|world| story(world).received_ms = Some(9_750)), []);
        assert_eq!(found(|world| story(world).received_ms = Some(9_749)), [AboveEvidence]);
        assert_eq!(found(|world| story(world).received_ms = None), [AboveEvidence]);
        assert_eq!(found(|world| world.stories.clear()), [AboveEvidence]);
        assert_eq!(found(|world| world.ledger.credits.clear()), [Lost, Twice]);
        assert_eq!(found(|world| world.promises.clear()), [Twice]);
        assert_eq!(found(|world| world.promises.get_mut("a").unwrap().micro = 1), [Differs]);
        assert_eq!(found(|world| bill(world).reason = None), [Open]);
        assert_eq!(found(|world| world.ledger.live = 1), [Open]);
        assert_eq!(found(|world| wallet(world).settled = 2_000_001), [Twice, Negative, Differs]);
        assert_eq!(found(|world| wallet(world).settled = 0), [Lost, Differs]);
        assert_eq!(found(|world| wallet(world).credited = 1), [Lost, Negative, Differs]);
        let again = |n: usize| {
            move |world: &mut World| {
                let row = world.ledger.postings[n].clone();
                world.ledger.postings.push(row);
            }
        };
        assert_eq!(found(again(0)), [Twice, Differs]);
        assert_eq!(found(again(1)), [Twice, Differs]);
        assert_eq!(found(again(2)), [Twice, Differs]);
        assert_eq!(found(|world| drop(world.ledger.postings.remove(1))), [Lost, Differs]);
        assert_eq!(found(|world| world.ledger.postings[1].amount = 699_999), [Lost, Differs]);
        assert_eq!(found(|world| bill(world).host = "other".to_owned()), [Differs]);
        assert_eq!(found(|world| world.ledger.postings[1].from = "x".to_owned()), [Differs]);
        assert_eq!(found(|world| world.ledger.calls.clear()), [Lost, Twice]);
        assert_eq!(without_one_receipt(&right().ledger), []);
    }
}
