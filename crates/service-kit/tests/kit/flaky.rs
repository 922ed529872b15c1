//! A network between two processes: TCP connections that break at random, or stand still.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

pub(crate) struct Proxy {
    pub(crate) address: SocketAddr,
    cuts: Arc<AtomicU64>,
    frozen: watch::Sender<bool>,
    task: JoinHandle<()>,
}

impl Proxy {
    /// Cuts each connection after 1 to 120 ms.
    pub(crate) async fn start(to: SocketAddr) -> Self {
        Self::new(to, true).await
    }

    /// Cuts none.
    pub(crate) async fn start_calm(to: SocketAddr) -> Self {
        Self::new(to, false).await
    }

    async fn new(to: SocketAddr, cutting: bool) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let cuts = Arc::new(AtomicU64::new(0));
        let (frozen, freeze) = watch::channel(false);
        let counted = Arc::clone(&cuts);
        let task = tokio::spawn(async move {
            let mut random: u64 = 0x9E37_79B9_7F4A_7C15;
            loop {
                let (inner, _) = listener.accept().await.unwrap();
                let Ok(outer) = TcpStream::connect(to).await else { continue };
                random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                let life = cutting.then(|| Duration::from_millis(1 + (random >> 33) % 120));
                let (counted, freeze) = (Arc::clone(&counted), freeze.clone());
                tokio::spawn(async move {
                    carry(inner, outer, life, freeze).await;
                    counted.fetch_add(1, Ordering::Relaxed);
                });
            }
        });
        Self { address, cuts, frozen, task }
    }

    /// How many connections have ended.
    pub(crate) fn cuts(&self) -> u64 {
        self.cuts.load(Ordering::Relaxed)
    }

    /// Nothing is carried any more, and nobody is told.
    pub(crate) fn freeze(&self) {
        self.frozen.send_replace(true);
    }

    pub(crate) fn thaw(&self) {
        self.frozen.send_replace(false);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn carry(
    inner: TcpStream,
    outer: TcpStream,
    life: Option<Duration>,
    freeze: watch::Receiver<bool>,
) {
    let (mut inner_read, mut inner_write) = inner.into_split();
    let (mut outer_read, mut outer_write) = outer.into_split();
    let there = copy(&mut inner_read, &mut outer_write, freeze.clone());
    let back = copy(&mut outer_read, &mut inner_write, freeze);
    let end = async {
        match life {
            Some(life) => tokio::time::sleep(life).await,
            None => std::future::pending().await,
        }
    };
    tokio::select! {
        () = there => {}
        () = back => {}
        () = end => {}
    }
}

async fn copy(
    from: &mut tokio::net::tcp::OwnedReadHalf,
    to: &mut tokio::net::tcp::OwnedWriteHalf,
    mut freeze: watch::Receiver<bool>,
) {
    let mut buffer = vec![0; 16 * 1024];
    loop {
        if freeze.wait_for(|frozen| !frozen).await.is_err() {
            return;
        }
        let Ok(len @ 1..) = from.read(&mut buffer).await else { return };
        if to.write_all(&buffer[..len]).await.is_err() {
            return;
        }
    }
}
