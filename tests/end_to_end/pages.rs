//! The pages at phone and desktop size, in both languages: nothing overflows, nothing is unnamed,
//! and their pictures are kept in `target/screens` to be looked at.

use crate::browser::{Window, turn};
use crate::desk::Desk;
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
async fn every_page_fits_phone_and_desktop_in_both_languages() {
    let _turn = turn().await;
    let desk = Desk::open("6.00").await;
    let people = Window::open(&format!("{}/?lang=en", desk.server.url)).await;
    people.until("document.querySelector('[data-testid^=\"person-\"]') !== null").await;
    photograph(&people, "people-en").await;
    people.tap("lang-toggle").await;
    people.until("document.documentElement.dir === 'rtl'").await;
    photograph(&people, "people-ar").await;
    people.close().await;

    both(&desk.fan, "hosts").await;
    both(&desk.host, "desk").await;
    desk.ring("video").await;
    both(&desk.fan, "ringing").await;
    both(&desk.host, "incoming").await;
    desk.host.tap("accept").await;
    for window in [&desk.fan, &desk.host] {
        window.call_is("live").await;
    }
    desk.fan.until("coinline.session.tick?.proven_ms > 3000").await;
    both(&desk.fan, "call-fan").await;
    both(&desk.host, "call-host").await;
    desk.host.tap("hang-up").await;
    desk.receipt().await;
    both(&desk.fan, "receipt-fan").await;
    both(&desk.host, "receipt-host").await;
    desk.close().await;
}

/// A page in English, then in Arabic, then in English again.
async fn both(window: &Window, name: &str) {
    photograph(window, &format!("{name}-en")).await;
    window.tap("lang-toggle").await;
    window.until("document.documentElement.dir === 'rtl'").await;
    photograph(window, &format!("{name}-ar")).await;
    window.tap("lang-toggle").await;
    window.until("document.documentElement.dir === 'ltr'").await;
}

/// Visible controls that a screen reader could only call "button".
const UNNAMED: &str = "
    [...document.querySelectorAll('button, a[href], input, select, [role=button]')]
        .filter(e => e.checkVisibility())
        .filter(e => !(e.textContent.trim() || e.ariaLabel || e.title || e.labels?.length
            || e.getAttribute('aria-labelledby')))
        .map(e => e.outerHTML.slice(0, 120))
";
