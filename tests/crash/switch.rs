//! An address that leads to one server and then to another, as a failover's does. Connections that
//! stand go on leading where they lead until they are cut.

use std::net::Ipv4Addr;
use std::sync::Arc;
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// Where new connections lead, and which of the older ones are cut.
#[derive(Clone, Copy)]
struct Course {
    to: u16,
    cut: Cut,
}

#[derive(Clone, Copy)]
enum Cut {
    Nobody,
    Only(usize),
    Before(usize),
}

pub(crate) struct Switch {
    pub(crate) url: String,
    course: Arc<watch::Sender<Course>>,
    accepted: watch::Receiver<usize>,
}

impl Switch {
    /// An address in front of the server at that port of loopback.
    pub(crate) async fn to(port: u16) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let url = format!("redis://{}", listener.local_addr().unwrap());
        let course = Arc::new(watch::Sender::new(Course { to: port, cut: Cut::Nobody }));
        let (count, accepted) = watch::channel(0);
        let switch = Arc::clone(&course);
        tokio::spawn(async move {
            for n in 0.. {
                let (client, _) = listener.accept().await.unwrap();
                count.send_replace(n + 1);
                tokio::spawn(carry(n, client, switch.subscribe()));
            }
        });
        Self { url, course, accepted }
    }

    /// Leads to another server from now on, and the second of its connections breaks.
    pub(crate) fn lead_second_to(&self, port: u16) {
        self.course.send_replace(Course { to: port, cut: Cut::Only(1) });
    }

    /// Every connection that stands breaks.
    pub(crate) fn cut_all(&self) {
        let before = *self.accepted.borrow();
        self.course.send_modify(|course| course.cut = Cut::Before(before));
    }
}

async fn carry(n: usize, mut client: TcpStream, mut course: watch::Receiver<Course>) {
    let port = course.borrow().to;
    let Ok(mut server) = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await else { return };
    let is_cut = |course: &Course| match course.cut {
        Cut::Nobody => false,
        Cut::Only(which) => n == which,
        Cut::Before(first) => n < first,
    };
    tokio::select! {
        _ = copy_bidirectional(&mut client, &mut server) => {}
        _ = course.wait_for(is_cut) => {}
    }
}
