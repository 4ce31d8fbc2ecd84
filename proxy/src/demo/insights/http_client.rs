//! HTTP as any client speaks it: one connection for each request.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::Request;
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::TcpStream;

/// Longest time for one answer.
const ANSWER_WITHIN: Duration = Duration::from_secs(30);

/// A client with a key.
#[derive(Debug, Clone)]
pub(super) struct HttpClient {
    pub(super) address: SocketAddr,
    pub(super) key: String,
}

impl HttpClient {
    /// Sends a request and answers status and JSON, or what went wrong.
    pub(super) async fn send(&self, method: &str, path: &str, body: Option<&Value>) -> Result<(u16, Value), String> {
        match tokio::time::timeout(ANSWER_WITHIN, self.exchange(method, path, body)).await {
            Ok(answer) => answer,
            Err(_) => Err("no answer".to_owned()),
        }
    }

    async fn exchange(&self, method: &str, path: &str, body: Option<&Value>) -> Result<(u16, Value), String> {
        let told = |error: &dyn std::error::Error| error.to_string();
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .header("Host", self.address.to_string())
            .header("Authorization", format!("Bearer {}", self.key));
        if body.is_some() {
            request = request.header("Content-Type", "application/json").header("If-None-Match", "*");
        }
        let body = body.map_or_else(Bytes::new, |body| Bytes::from(body.to_string()));
        let request = request.body(Full::new(body)).map_err(|error| told(&error))?;
        let stream = TcpStream::connect(self.address).await.map_err(|error| told(&error))?;
        let (mut sender, connection) =
            hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(|error| told(&error))?;
        tokio::spawn(connection);
        let answer = sender.send_request(request).await.map_err(|error| told(&error))?;
        let status = answer.status().as_u16();
        let bytes = answer.into_body().collect().await.map_err(|error| told(&error))?.to_bytes();
        let json = serde_json::from_slice(&bytes).map_err(|error| told(&error))?;
        Ok((status, json))
    }
}
