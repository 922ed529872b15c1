//! HTTP errors as `application/problem+json` (RFC 9457) with our `code`.

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use protocol::ErrorCode;
use serde::Serialize;

/// An HTTP request that was not carried out.
#[derive(Debug)]
pub(crate) struct Problem {
    status: StatusCode,
    code: ErrorCode,
    detail: Option<String>,
}

/// RFC 9457's members and ours. The type is `about:blank`, which the RFC means when it is absent.
#[derive(Serialize)]
struct Body {
    title: &'static str,
    status: u16,
    code: ErrorCode,
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<String>,
}

impl Problem {
    pub(crate) fn new(status: StatusCode, code: ErrorCode) -> Self {
        Self { status, code, detail: None }
    }

    /// A request that can't be read, and why.
    pub(crate) fn malformed(detail: impl Into<String>) -> Self {
        let (status, code) = (StatusCode::BAD_REQUEST, ErrorCode::ProtocolMalformed);
        Self { status, code, detail: Some(detail.into()) }
    }

    pub(crate) fn not_found() -> Self {
        Self::new(StatusCode::NOT_FOUND, ErrorCode::HttpNotFound)
    }

    /// A request that is not for this server to carry out, and why.
    pub(crate) fn forbidden(detail: impl Into<String>) -> Self {
        let (status, code) = (StatusCode::FORBIDDEN, ErrorCode::AuthForbidden);
        Self { status, code, detail: Some(detail.into()) }
    }

    pub(crate) fn unauthorised(code: ErrorCode) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, code)
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let Self { status, code, detail } = self;
        let title = code.message();
        let body = Json(Body { title, status: status.as_u16(), code, detail });
        let mut response = (status, body).into_response();
        let media_type = HeaderValue::from_static("application/problem+json");
        response.headers_mut().insert(header::CONTENT_TYPE, media_type);
        if status == StatusCode::UNAUTHORIZED {
            let scheme = HeaderValue::from_static("Bearer");
            response.headers_mut().insert(header::WWW_AUTHENTICATE, scheme);
        }
        response
    }
}
