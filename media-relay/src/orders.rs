//! What a worker is told: a queue, and a bell that ends its wait.

use protocol::service::{RelayCommand, RelayLimit};
use rustix::event::{EventfdFlags, eventfd};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, TryRecvError, channel};

/// What a worker can be told.
#[derive(Debug)]
pub(crate) enum Order {
    Command(RelayCommand),
    Limit(RelayLimit),
    /// Close all rooms, and end with the last of them.
    Stop,
}

/// Where orders are given. Dropped, it ends the worker at once.
#[derive(Debug)]
pub(crate) struct Desk {
    orders: Option<Sender<Order>>,
    bell: Arc<OwnedFd>,
}

/// Where a worker takes them.
#[derive(Debug)]
pub(crate) struct Orders {
    orders: Receiver<Order>,
    bell: Arc<OwnedFd>,
}

/// The two ends of a worker's queue.
///
/// # Errors
/// The system gives no more file descriptors.
pub(crate) fn queue() -> io::Result<(Desk, Orders)> {
    let bell = Arc::new(eventfd(0, EventfdFlags::NONBLOCK | EventfdFlags::CLOEXEC)?);
    let (sender, receiver) = channel();
    let desk = Desk { orders: Some(sender), bell: Arc::clone(&bell) };
    Ok((desk, Orders { orders: receiver, bell }))
}

impl Desk {
    /// Gives an order. To a worker that has ended it is lost.
    pub(crate) fn give(&self, order: Order) {
        if let Some(orders) = &self.orders {
            let _ = orders.send(order);
        }
        self.ring();
    }

    fn ring(&self) {
        // It fails only while it is ringing already, after 2^64 - 2 times.
        let _ = rustix::io::write(&self.bell, &1_u64.to_ne_bytes());
    }
}

impl Drop for Desk {
    fn drop(&mut self) {
        self.orders = None;
        self.ring();
    }
}

impl Orders {
    /// Readable while it rings.
    pub(crate) fn bell(&self) -> BorrowedFd<'_> {
        self.bell.as_fd()
    }

    /// Stops the bell. What is ordered from now on rings again.
    pub(crate) fn hush(&self) {
        // It fails only if it did not ring.
        let _ = rustix::io::read(&self.bell, &mut [0; 8]);
    }

    /// The next order, if there is one.
    ///
    /// # Errors
    /// None waits, or the desk is gone.
    pub(crate) fn take(&self) -> Result<Order, TryRecvError> {
        self.orders.try_recv()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::event::{PollFd, PollFlags, Timespec, poll};

    fn rings(orders: &Orders) -> bool {
        let bell = orders.bell();
        let mut fds = [PollFd::new(&bell, PollFlags::IN)];
        poll(&mut fds, Some(&Timespec { tv_sec: 0, tv_nsec: 0 })).unwrap() == 1
    }

    #[test]
    fn the_bell_rings_for_each_order_until_hushed_and_when_the_desk_is_gone() {
        let (desk, orders) = queue().unwrap();
        assert!(!rings(&orders));
        desk.give(Order::Stop);
        desk.give(Order::Command(RelayCommand::CloseAll));
        assert!(rings(&orders));
        orders.hush();
        assert!(!rings(&orders));
        assert!(matches!(orders.take(), Ok(Order::Stop)));
        assert!(matches!(orders.take(), Ok(Order::Command(RelayCommand::CloseAll))));
        assert!(matches!(orders.take(), Err(TryRecvError::Empty)));
        drop(desk);
        assert!(rings(&orders));
        assert!(matches!(orders.take(), Err(TryRecvError::Disconnected)));
    }
}
