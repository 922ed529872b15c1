//! The steps that most tests share: two people, a price, a call.

use crate::browser::Window;
use crate::proxy::Proxy;
use crate::server::Server;
use serde_json::Value;

pub(crate) const HOST: &str = "meera";
pub(crate) const FAN: &str = "asha";

/// A server, a host who is online at 6.00 per minute, and a fan who sees them.
pub(crate) struct Desk {
    pub(crate) server: Server,
    /// The fan's way to the server.
    pub(crate) proxy: Proxy,
    pub(crate) fan: Window,
    pub(crate) host: Window,
}

impl Desk {
    pub(crate) async fn open(coins: &str) -> Self {
        Self::arrange("en", coins, 60_000, "").await
    }

    /// With more settings of the server.
    pub(crate) async fn open_with(coins: &str, settings: &str) -> Self {
        Self::arrange("en", coins, 60_000, settings).await
    }

    pub(crate) async fn open_ringing(coins: &str, ring_ms: u64) -> Self {
        Self::arrange("en", coins, ring_ms, "").await
    }

    pub(crate) async fn open_speaking(language: &str, coins: &str) -> Self {
        Self::arrange(language, coins, 60_000, "").await
    }

    async fn arrange(language: &str, coins: &str, ring_ms: u64, settings: &str) -> Self {
        let people = [(HOST, "host", "0"), (FAN, "fan", coins)];
        let server = Server::start_with(&people, ring_ms, settings).await;
        let proxy = Proxy::start(&server.url).await;
        let host = Window::open(&format!("{}/?as={HOST}&lang={language}", server.url)).await;
        let fan = Window::open(&format!("{}/?as={FAN}&lang={language}", proxy.url)).await;
        host.fill("price-voice", "6.00").await;
        host.fill("price-video", "6.00").await;
        host.tap("go-online").await;
        host.until("document.querySelector('[data-testid=\"go-offline\"]')?.checkVisibility()")
            .await;
        Self { server, proxy, fan, host }
    }

    /// The fan rings.
    pub(crate) async fn ring(&self, medium: &str) {
        self.fan.tap(&format!("call-{medium}-{HOST}")).await;
        self.fan.tap("quote-confirm").await;
        self.fan.call_is("ringing").await;
        self.host.until(&format!("{} !== null", crate::browser::element("incoming"))).await;
    }

    /// The fan rings, the host accepts, media flows both ways.
    pub(crate) async fn call(&self, medium: &str) {
        self.ring(medium).await;
        for window in [&self.fan, &self.host] {
            assert!(window.value::<bool>(WATCH_MEDIA).await);
        }
        self.host.tap("accept").await;
        for window in [&self.fan, &self.host] {
            window.call_is("live").await;
        }
    }

    /// The receipts that both pages show: micro-coins charged, the host's and the platform's part,
    /// proven milliseconds.
    pub(crate) async fn receipt(&self) -> Bill {
        let fan = Bill::shown_by(&self.fan).await;
        assert_eq!(fan, Bill::shown_by(&self.host).await, "two receipts of one call");
        assert_eq!(fan.charged, fan.host + fan.platform);
        fan
    }

    /// Closes the windows, stops the server in good order and checks its books. What is left is
    /// the server's data folder.
    pub(crate) async fn close(mut self) -> Server {
        self.fan.close().await;
        self.host.close().await;
        assert!(self.server.stop().success());
        crate::books::balance(&self.server.database()).await;
        self.server
    }
}

/// A bill in micro-coins and milliseconds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Bill {
    pub(crate) reason: String,
    pub(crate) proven_ms: u64,
    pub(crate) charged: u64,
    pub(crate) host: u64,
    pub(crate) platform: u64,
}

impl Bill {
    async fn shown_by(window: &Window) -> Self {
        window.until(&format!("{} !== null", crate::browser::element("receipt"))).await;
        // After a crash the end may be known before the bill is.
        window.until("coinline.session.ended?.receipt != null").await;
        let receipt: Value = window.value("coinline.session.ended.receipt").await;
        let number = |key: &str| receipt[key].as_u64().unwrap_or_else(|| panic!("{receipt}"));
        Self {
            reason: receipt["reason"].as_str().unwrap().to_owned(),
            proven_ms: number("proven_ms"),
            charged: number("charged_micro"),
            host: number("host_micro"),
            platform: number("platform_micro"),
        }
    }
}

/// Notes when audio of the other side began and was last seen to arrive, and for how long there was
/// none in between. A look that came late finds the packets that came meanwhile: that is no gap.
const WATCH_MEDIA: &str = "
    (() => {
        const seen = window.__media = { first: null, last: null, packets: 0, silent: 0 };
        const look = async () => {
            const { in_audio } = await coinline.stats();
            const news = (in_audio?.packets ?? 0) - seen.packets;
            if (news > 0) {
                const now = performance.now();
                const since = now - (seen.last ?? now);
                if (since > 600 && news * 40 < since) seen.silent += since;
                seen.packets += news;
                seen.last = now;
                seen.first ??= now;
            }
            setTimeout(look, 20);
        };
        look();
        return true;
    })()
";

/// For how many milliseconds the page had the other side's audio ([`Desk::call`] began to watch).
pub(crate) async fn heard_ms(window: &Window) -> f64 {
    window.value("__media.last - __media.first - __media.silent").await
}
