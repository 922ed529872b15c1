//! A network between page and server that can be cut: TCP only, so that media flows on.

use std::net::SocketAddr;
use std::sync::Arc;
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

pub(crate) struct Proxy {
    pub(crate) url: String,
    up: Arc<watch::Sender<bool>>,
}

impl Proxy {
    /// A proxy in front of `server` (`http://ip:port`).
    pub(crate) async fn start(server: &str) -> Self {
        let target: SocketAddr = server.strip_prefix("http://").unwrap().parse().unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let up = Arc::new(watch::Sender::new(true));
        let switch = Arc::clone(&up);
        tokio::spawn(async move {
            loop {
                let (page, _) = listener.accept().await.unwrap();
                tokio::spawn(carry(page, target, switch.subscribe()));
            }
        });
        Self { url, up }
    }

    /// Breaks every connection and refuses new ones.
    pub(crate) fn cut(&self) {
        self.up.send_replace(false);
    }

    /// Lets connections through again.
    pub(crate) fn mend(&self) {
        self.up.send_replace(true);
    }
}

async fn carry(mut page: TcpStream, target: SocketAddr, mut up: watch::Receiver<bool>) {
    if !*up.borrow() {
        return;
    }
    let Ok(mut server) = TcpStream::connect(target).await else { return };
    tokio::select! {
        _ = copy_bidirectional(&mut page, &mut server) => {}
        _ = up.wait_for(|up| !up) => {}
    }
}
