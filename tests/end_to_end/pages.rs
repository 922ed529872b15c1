//! The pages at phone and desktop size, in both languages: nothing overflows, nothing is unnamed,
//! and their pictures are kept in `target/screens` to be looked at.

use crate::browser::{Window, turn};
use crate::desk::Desk;
use crate::server::Server;
use std::path::PathBuf;

/// Width, height, whether a phone.
const SIZES: [(&str, i64, i64, bool); 2] =
    [("phone", 390, 844, true), ("desktop", 1280, 800, false)];

/// A page as it is now, at both sizes.
async fn photograph(window: &Window, name: &str) {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("../screens");
    std::fs::create_dir_all(&folder).unwrap();
    for (size, width, height, mobile) in SIZES {
        window.resize(width, height, mobile).await;
        window.until(&format!("innerWidth === {width}")).await;
        let wider: i64 = window.value("document.documentElement.scrollWidth - innerWidth").await;
        assert!(wider <= 0, "{name} is {wider} px too wide for a {size}");
        let unnamed: Vec<String> = window.value(UNNAMED).await;
        assert!(unnamed.is_empty(), "{name}: controls without a name: {unnamed:?}");
        window.photograph(&folder.join(format!("{name}-{size}.png"))).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_page_fits_phone_and_desktop_in_english() {
    every_page_in("en", "ltr").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_page_fits_phone_and_desktop_in_arabic() {
    every_page_in("ar", "rtl").await;
}

/// A whole call as both sides see it.
async fn every_page_in(language: &str, direction: &str) {
    let _turn = turn().await;
    let desk = Desk::open_speaking(language, "6.00").await;
    let people = Window::open(&format!("{}/?lang={language}", desk.server.url)).await;
    people.until("document.querySelector('[data-testid^=\"person-\"]') !== null").await;
    let name = |page: &str| format!("{page}-{language}");
    photograph(&people, &name("people")).await;
    people.close().await;
    for window in [&desk.fan, &desk.host] {
        window.until(&format!("document.documentElement.dir === '{direction}'")).await;
    }

    photograph(&desk.fan, &name("hosts")).await;
    photograph(&desk.host, &name("desk")).await;
    desk.ring("video").await;
    photograph(&desk.fan, &name("ringing")).await;
    photograph(&desk.host, &name("incoming")).await;
    desk.host.tap("accept").await;
    for window in [&desk.fan, &desk.host] {
        window.call_is("live").await;
    }
    desk.fan.until("coinline.session.tick?.proven_ms > 3000").await;
    photograph(&desk.fan, &name("call-fan")).await;
    photograph(&desk.host, &name("call-host")).await;
    desk.host.tap("hang-up").await;
    desk.receipt().await;
    photograph(&desk.fan, &name("receipt-fan")).await;
    photograph(&desk.host, &name("receipt-host")).await;
    desk.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_language_can_be_switched_and_is_remembered() {
    let _turn = turn().await;
    let server = Server::start(&[("asha", "fan", "1.00")], 60_000).await;
    let people = Window::open(&format!("{}/", server.url)).await;
    people.until("document.documentElement.dir === 'ltr'").await;
    people.tap("lang-toggle").await;
    people.until("document.documentElement.dir === 'rtl'").await;
    people.page.reload().await.unwrap();
    people.until("document.documentElement.dir === 'rtl'").await;
    people.close().await;
}

/// Visible controls that a screen reader could only call "button".
const UNNAMED: &str = "
    [...document.querySelectorAll('button, a[href], input, select, [role=button]')]
        .filter(e => e.checkVisibility())
        .filter(e => !(e.textContent.trim() || e.ariaLabel || e.title || e.labels?.length
            || e.getAttribute('aria-labelledby')))
        .map(e => e.outerHTML.slice(0, 120))
";
