//! Which worker has which call or room of many, and the way of each message to it.

use crate::orders::{Desk, Order};
use protocol::service::{RelayCommand, RelayLimit};
use uuid::Uuid;

/// All workers' desks. Dropped, it ends them.
#[derive(Debug)]
pub(crate) struct Dispatcher(Vec<Desk>);

impl Dispatcher {
    /// One desk per worker, in their order.
    pub(crate) const fn new(desks: Vec<Desk>) -> Self {
        Self(desks)
    }

    /// Passes a command on to whom it concerns.
    pub(crate) fn command(&self, command: RelayCommand) {
        match &command {
            RelayCommand::OpenRoom { call, .. }
            | RelayCommand::Admit { call, .. }
            | RelayCommand::CloseRoom { call } => self.to(call.0, Order::Command(command)),
            RelayCommand::Group { group, .. } => self.to(group.0, Order::Command(command)),
            RelayCommand::CloseAll => {
                self.to_all(|| Order::Command(RelayCommand::CloseAll));
            }
        }
    }

    /// Passes a limit on.
    pub(crate) fn limit(&self, limit: RelayLimit) {
        self.to(limit.call.0, Order::Limit(limit));
    }

    /// Tells every worker to close its rooms and end.
    pub(crate) fn stop(&self) {
        self.to_all(|| Order::Stop);
    }

    /// Ends every worker at once.
    pub(crate) fn dismiss(&mut self) {
        self.0.clear();
    }

    fn to(&self, room: Uuid, order: Order) {
        if let Some(desk) = self.0.get(worker_of(room, self.0.len())) {
            desk.give(order);
        }
    }

    fn to_all(&self, order: impl Fn() -> Order) {
        for desk in &self.0 {
            desk.give(order());
        }
    }
}

/// Which of so many workers has a call or a room of many: always the same one. Below 2^32 workers.
fn worker_of(room: Uuid, workers: usize) -> usize {
    let (high, low) = room.as_u64_pair();
    // Ids of one moment differ in few bits. Multiplied by 2^64 over the golden ratio they are spread
    // over all that are left of it (Knuth, The Art of Computer Programming 3, section 6.4).
    let spread = (high ^ low).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 32;
    let worker = (spread * workers as u64) >> 32;
    usize::try_from(worker).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::orders::queue;
    use protocol::service::GroupCommand;
    use service_kit::entropy;
    use units::{ElapsedMs, GroupId};

    #[test]
    fn calls_are_spread_evenly_whatever_their_ids_are_like() {
        let random = |_| entropy::call_id().0;
        let successive = |number: u16| Uuid::from_u128(u128::from(number));
        let of_one_moment = |number: u16| Uuid::from_u128(u128::from(number) << 80);
        let kinds: [&dyn Fn(u16) -> Uuid; 3] = [&random, &successive, &of_one_moment];
        for workers in [1, 2, 3, 16] {
            for (kind, id) in kinds.iter().enumerate() {
                let mut calls = vec![0; workers];
                for number in 0..16_000 {
                    calls[worker_of(id(number), workers)] += 1;
                }
                let fair = 16_000 / workers;
                let most = fair + fair / 4;
                assert!(calls.iter().all(|count| *count <= most), "{workers} {kind}: {calls:?}");
            }
        }
    }

    #[test]
    fn all_that_is_said_about_a_call_goes_to_one_worker() {
        let (desks, workers): (Vec<_>, Vec<_>) = (0..4).map(|_| queue().unwrap()).unzip();
        let dispatcher = Dispatcher::new(desks);
        for _ in 0..100 {
            let call = entropy::call_id();
            let funded_ms = ElapsedMs(1);
            dispatcher.command(RelayCommand::OpenRoom { call, funded_ms });
            dispatcher.limit(RelayLimit { call, funded_ms });
            dispatcher.command(RelayCommand::CloseRoom { call });
            let (group, command) = (GroupId(call.0), GroupCommand::Open);
            dispatcher.command(RelayCommand::Group { group, command });
            let told = workers.iter().map(|orders| std::iter::from_fn(|| orders.take().ok()));
            let told: Vec<_> = told.map(Iterator::count).collect();
            assert_eq!(told.iter().filter(|count| **count == 4).count(), 1, "{told:?}");
            assert_eq!(told.iter().sum::<usize>(), 4);
        }
        dispatcher.command(RelayCommand::CloseAll);
        dispatcher.stop();
        for orders in &workers {
            assert!(matches!(orders.take(), Ok(Order::Command(RelayCommand::CloseAll))));
            assert!(matches!(orders.take(), Ok(Order::Stop)));
        }
    }
}
