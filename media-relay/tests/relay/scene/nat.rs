//! A network between a client and the relay that can change the client's address.

use std::net::SocketAddr;
use std::sync::Arc;
use tokio::net::UdpSocket;
use tokio::sync::{mpsc, oneshot};

/// Passes datagrams on in both directions, under an address of its own.
pub(crate) struct Nat {
    pub(crate) inside: SocketAddr,
    rebind: mpsc::UnboundedSender<oneshot::Sender<()>>,
}

impl Nat {
    pub(crate) async fn new(relay: SocketAddr) -> Self {
        let inside = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let address = inside.local_addr().unwrap();
        let (rebind, orders) = mpsc::unbounded_channel();
        tokio::spawn(pass(Arc::new(inside), relay, orders));
        Self { inside: address, rebind }
    }

    /// From now on the relay sees another port; the earlier one is dead.
    pub(crate) async fn rebind(&self) {
        let (done, wait) = oneshot::channel();
        self.rebind.send(done).unwrap();
        wait.await.unwrap();
    }
}

async fn pass(
    inside: Arc<UdpSocket>,
    relay: SocketAddr,
    mut orders: mpsc::UnboundedReceiver<oneshot::Sender<()>>,
) {
    let mut outside = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let mut client = None;
    let (mut from_client, mut from_relay) = (vec![0; 2_048], vec![0; 2_048]);
    loop {
        tokio::select! {
            order = orders.recv() => {
                let Some(done) = order else { return };
                outside = UdpSocket::bind("127.0.0.1:0").await.unwrap();
                done.send(()).unwrap();
            }
            received = inside.recv_from(&mut from_client) => {
                let (len, source) = received.unwrap();
                client = Some(source);
                outside.send_to(&from_client[..len], relay).await.unwrap();
            }
            received = outside.recv_from(&mut from_relay) => {
                let (len, _) = received.unwrap();
                if let Some(client) = client {
                    inside.send_to(&from_relay[..len], client).await.unwrap();
                }
            }
        }
    }
}
