//! Signed receipts over HTTP: a call's own, for its fan and its host, and the key that proves them.

use crate::hub::Message;
use crate::problem::Problem;
use crate::routes::{Desk, ask_meter, bearer};
use axum::Json;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use std::sync::Arc;
use units::CallId;

/// What checks the signature of every receipt.
#[derive(Debug, Serialize)]
pub(crate) struct PublishedKey {
    algorithm: &'static str,
    /// 64 hexadecimal digits.
    key: String,
}

/// `GET /v1/receipts/key`
///
/// # Errors
/// 404 if receipts are not signed here.
pub(crate) async fn key(State(desk): State<Arc<Desk>>) -> Result<Json<PublishedKey>, Problem> {
    let key = desk.receipt_key.clone().ok_or_else(Problem::not_found)?;
    Ok(Json(PublishedKey { algorithm: "Ed25519", key }))
}

/// `GET /v1/receipts/{call}`: the document to the byte, as a file to keep.
///
/// # Errors
/// 401 without a good token; 404 for whoever was not in the call, as if there were none.
pub(crate) async fn document(
    State(desk): State<Arc<Desk>>,
    Path(call): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let token = bearer(&headers).unwrap_or_default();
    let claims = desk.token_key.verify(token).map_err(Problem::unauthorised)?;
    let call: CallId = call.parse().map_err(|_| Problem::not_found())?;
    let document = ask_meter(&desk, |answer| Message::Document { call, answer }).await?;
    let own = document.filter(|own| own.fan == claims.sub || own.host == claims.sub);
    let text = own.ok_or_else(Problem::not_found)?.text;
    let headers = [
        (header::CONTENT_TYPE, "application/json".to_owned()),
        (header::CONTENT_DISPOSITION, format!("attachment; filename=\"receipt-{call}.json\"")),
        // It never changes, but is nobody else's business.
        (header::CACHE_CONTROL, "private, no-store".to_owned()),
    ];
    Ok((headers, text).into_response())
}
