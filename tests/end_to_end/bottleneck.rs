//! A network between a page and the relay that can become narrow.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::net::UdpSocket;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep_until};

/// How long packets may wait at the narrow place; what would wait longer is dropped.
const WAITS_MAX: Duration = Duration::from_millis(600);

/// Passes datagrams on in both directions; towards the page only as many as fit.
pub(crate) struct Bottleneck {
    pub(crate) port: u16,
    /// In bit/s.
    width: Arc<AtomicU64>,
    relay: watch::Sender<Option<SocketAddr>>,
}

impl Bottleneck {
    /// A wide one, that leads nowhere yet.
    pub(crate) async fn wide() -> Self {
        let socket = Arc::new(UdpSocket::bind("127.0.0.1:0").await.unwrap());
        let port = socket.local_addr().unwrap().port();
        let width = Arc::new(AtomicU64::new(u64::MAX));
        let (relay, leads_to) = watch::channel(None);
        tokio::spawn(pass(socket, Arc::clone(&width), leads_to));
        Self { port, width, relay }
    }

    /// From now on it leads to this address of the relay.
    pub(crate) fn leads_to(&self, relay: &str) {
        self.relay.send_replace(Some(relay.parse().unwrap()));
    }

    pub(crate) fn narrow(&self, bits_per_s: u64) {
        self.width.store(bits_per_s, Ordering::Relaxed);
    }
}

async fn pass(
    page_side: Arc<UdpSocket>,
    width: Arc<AtomicU64>,
    leads_to: watch::Receiver<Option<SocketAddr>>,
) {
    let relay_side = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let (queue, waiting) = mpsc::unbounded_channel();
    tokio::spawn(deliver(Arc::clone(&page_side), waiting));
    let mut page = None;
    let mut free_at = Instant::now();
    let (mut out, mut back) = (vec![0; 2_048], vec![0; 2_048]);
    loop {
        tokio::select! {
            received = page_side.recv_from(&mut out) => {
                let Ok((len, source)) = received else { continue };
                page = Some(source);
                let relay = *leads_to.borrow();
                if let Some(relay) = relay {
                    let _ = relay_side.send_to(&out[..len], relay).await;
                }
            }
            received = relay_side.recv_from(&mut back) => {
                let (Ok((len, _)), Some(page)) = (received, page) else { continue };
                let now = Instant::now();
                let takes = len as u64 * 8_000_000_000 / width.load(Ordering::Relaxed);
                let begins = free_at.max(now);
                if begins - now <= WAITS_MAX {
                    free_at = begins + Duration::from_nanos(takes);
                    let _ = queue.send((free_at, page, back[..len].to_vec()));
                }
            }
        }
    }
}

async fn deliver(
    socket: Arc<UdpSocket>,
    mut waiting: mpsc::UnboundedReceiver<(Instant, SocketAddr, Vec<u8>)>,
) {
    while let Some((at, to, datagram)) = waiting.recv().await {
        sleep_until(at).await;
        let _ = socket.send_to(&datagram, to).await;
    }
}
