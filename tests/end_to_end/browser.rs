//! A headless Chromium of its own with one page, driven over its DevTools protocol.

use chromiumoxide::browser::{Browser, BrowserConfig};
use chromiumoxide::cdp::browser_protocol::emulation::SetDeviceMetricsOverrideParams;
use chromiumoxide::cdp::browser_protocol::page::CaptureScreenshotFormat;
use chromiumoxide::page::{Page, ScreenshotParams};
use futures::StreamExt;
use serde::de::DeserializeOwned;
use serde_json::json;
use std::path::Path;
use std::sync::LazyLock;
use std::time::{Duration, Instant};
use tempfile::TempDir;
use tokio::sync::{Mutex, MutexGuard};

/// How long anything on a page may take on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// Two browsers with cameras are all that two cores carry: one test at a time.
static TURN: LazyLock<Mutex<()>> = LazyLock::new(Mutex::default);

pub(crate) async fn turn() -> MutexGuard<'static, ()> {
    TURN.lock().await
}

pub(crate) struct Window {
    browser: Browser,
    pub(crate) page: Page,
    _profile: TempDir,
}

impl Window {
    /// A window whose fake camera and microphone are allowed without a question.
    pub(crate) async fn open(url: &str) -> Self {
        Self::launch(url, "use-fake-ui-for-media-stream").await
    }

    /// A window whose user says no to every question.
    pub(crate) async fn open_forbidding_devices(url: &str) -> Self {
        Self::launch(url, "deny-permission-prompts").await
    }

    async fn launch(url: &str, permission: &str) -> Self {
        let profile = tempfile::tempdir().unwrap();
        // Names without dashes: the builder adds them.
        let config = BrowserConfig::builder()
            .no_sandbox()
            .new_headless_mode()
            .user_data_dir(profile.path())
            .window_size(1280, 800)
            .args([
                "allow-loopback-in-peer-connection",
                "autoplay-policy=no-user-gesture-required",
                "disable-background-networking",
                "disable-background-timer-throttling",
                "disable-component-update",
                "disable-dev-shm-usage",
                "disable-gpu",
                "disable-quic",
                "disable-renderer-backgrounding",
                "disable-sync",
                "lang=en-US",
                "no-first-run",
                "use-fake-device-for-media-stream",
                permission,
            ])
            .build()
            .unwrap();
        let (browser, mut events) = Browser::launch(config).await.unwrap();
        tokio::spawn(async move { while events.next().await.is_some() {} });
        let page = browser.new_page("about:blank").await.unwrap();
        page.evaluate_on_new_document(WATCH_ERRORS).await.unwrap();
        page.goto(url).await.unwrap();
        Self { browser, page, _profile: profile }
    }

    /// The value of an expression, promises awaited.
    pub(crate) async fn value<T: DeserializeOwned>(&self, expression: &str) -> T {
        let result = self.page.evaluate(expression).await;
        let result = result.unwrap_or_else(|error| panic!("{expression}: {error}"));
        result.into_value().unwrap_or_else(|error| panic!("{expression}: {error}"))
    }

    /// Waits until an expression is true.
    pub(crate) async fn until(&self, expression: &str) {
        self.until_within(expression, PATIENCE).await;
    }

    /// Waits until an expression is true, but not forever.
    pub(crate) async fn until_within(&self, expression: &str, patience: Duration) {
        let deadline = Instant::now() + patience;
        // `find` may see the page in the middle of a reload, when there is nothing to evaluate in.
        while !self
            .page
            .evaluate(format!("Promise.resolve({expression}).then(Boolean)"))
            .await
            .ok()
            .and_then(|result| result.into_value::<bool>().ok())
            .unwrap_or(false)
        {
            if Instant::now() > deadline {
                let text: String = self.value("document.body.innerText").await;
                panic!("never came true: {expression}\n--- the page shows ---\n{text}");
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Waits for an element of the page by its `data-testid`, and taps it like a person.
    pub(crate) async fn tap(&self, id: &str) {
        // A sheet that still rises carries its buttons away from under the pointer.
        let at_rest = format!(
            "(async e => {{
                if (!e?.checkVisibility() || e.disabled) return false;
                const moves = (a) => a.effect?.target?.contains(e)
                    && a.effect.getComputedTiming().endTime !== Infinity;
                await Promise.all(document.getAnimations().filter(moves).map((a) => a.finished));
                return true;
            }})({})",
            element(id)
        );
        self.until(&at_rest).await;
        self.page.find_element(selector(id)).await.unwrap().click().await.unwrap();
    }

    /// Replaces the text of a field.
    pub(crate) async fn fill(&self, id: &str, text: &str) {
        self.until(&format!("{} !== null", element(id))).await;
        let script = format!(
            "(e => {{ e.value = {}; for (const t of ['input', 'change']) \
             e.dispatchEvent(new Event(t, {{bubbles: true}})); return true }})({})",
            json!(text),
            element(id)
        );
        assert!(self.value::<bool>(&script).await);
    }

    /// Waits until an element's text holds `part`.
    pub(crate) async fn shows(&self, id: &str, part: &str) {
        self.until(&format!("{}?.textContent.includes({})", element(id), json!(part))).await;
    }

    /// Waits for a state of the call.
    pub(crate) async fn call_is(&self, state: &str) {
        self.until(&format!("{}?.dataset.state === {}", element("call-state"), json!(state))).await;
    }

    /// Whether the page has such an element now.
    pub(crate) async fn has(&self, id: &str) -> bool {
        self.value(&format!("!!{}?.checkVisibility()", element(id))).await
    }

    /// Errors that reached nobody but the console.
    pub(crate) async fn errors(&self) -> Vec<String> {
        self.value("window.__errors ?? []").await
    }

    pub(crate) async fn resize(&self, width: i64, height: i64, mobile: bool) {
        let metrics = SetDeviceMetricsOverrideParams::new(width, height, 1.0, mobile);
        self.page.execute(metrics).await.unwrap();
    }

    pub(crate) async fn photograph(&self, file: &Path) {
        let format = ScreenshotParams::builder().format(CaptureScreenshotFormat::Png).build();
        self.page.save_screenshot(format, file).await.unwrap();
    }

    pub(crate) async fn close(mut self) {
        let errors = self.errors().await;
        self.browser.close().await.unwrap();
        self.browser.wait().await.unwrap();
        assert!(errors.is_empty(), "uncaught on the page: {errors:?}");
    }
}

/// Collects what a page throws and nobody catches.
const WATCH_ERRORS: &str = "
    window.__errors = [];
    addEventListener('error', e => __errors.push(String(e.message)));
    addEventListener('unhandledrejection', e => __errors.push(String(e.reason)));
";

fn selector(id: &str) -> String {
    format!("[data-testid=\"{id}\"]")
}

/// A JavaScript expression for an element by its `data-testid`.
pub(crate) fn element(id: &str) -> String {
    format!("document.querySelector('[data-testid=\"{id}\"]')")
}
