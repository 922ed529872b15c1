//! The web client, embedded in the executable. Debug builds read it from disk at each request.

use crate::problem::Problem;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use rust_embed::RustEmbed;
use std::fmt::Write as _;

#[derive(RustEmbed)]
#[folder = "web/"]
#[exclude = "tests/*"]
#[exclude = "*.md"]
#[exclude = "package.json"]
struct Web;

/// The file at `path`; pages stand at addresses without `.html`.
pub(crate) fn serve(path: &str, asked: &HeaderMap) -> Response {
    let path = match path.trim_start_matches('/') {
        "" => "index.html",
        "receipt" => "receipt.html",
        path => path,
    };
    let Some(file) = Web::get(path) else { return Problem::not_found().into_response() };
    let tag =
        file.metadata.sha256_hash().iter().take(16).fold(String::from("\""), |mut tag, byte| {
            write!(tag, "{byte:02x}").expect("a String takes anything");
            tag
        }) + "\"";
    // Revalidated each time: a page never mixes modules of two versions.
    let headers = [(header::CACHE_CONTROL, "no-cache".to_owned()), (header::ETAG, tag.clone())];
    if asked.get(header::IF_NONE_MATCH).is_some_and(|known| known.as_bytes() == tag.as_bytes()) {
        return (StatusCode::NOT_MODIFIED, headers).into_response();
    }
    let media_type = [(header::CONTENT_TYPE, media_type(path))];
    (headers, media_type, file.data).into_response()
}

fn media_type(path: &str) -> String {
    let guessed = mime_guess::from_path(path).first_or_octet_stream();
    let text = guessed.type_() == mime_guess::mime::TEXT;
    if text { format!("{}; charset=utf-8", guessed.essence_str()) } else { guessed.to_string() }
}

#[cfg(test)]
mod tests {
    use super::media_type;

    #[test]
    fn scripts_and_pages_are_what_browsers_want() {
        for (path, expected) in [
            ("index.html", "text/html; charset=utf-8"),
            ("client.js", "text/javascript; charset=utf-8"),
            ("style.css", "text/css; charset=utf-8"),
            ("icon.svg", "image/svg+xml"),
            ("ring.mp3", "audio/mpeg"),
            ("unknown", "application/octet-stream"),
        ] {
            assert_eq!(media_type(path), expected);
        }
    }
}
