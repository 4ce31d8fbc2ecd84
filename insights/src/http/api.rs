//! The API as a whole: one router for whoever serves it.

use std::sync::Arc;

use axum::Router;
use axum::http::StatusCode;
use axum::middleware::from_fn_with_state;

use super::document;
use super::door::{Admission, admit};
use super::metrics::Metrics;
use super::options::Options;
use super::outer::outer;
use super::problem::Problem;
use super::routes;
use super::state::{Shared, State};
use crate::service::Service;

/// The HTTP API over a store.
#[derive(Clone)]
pub struct Api {
    shared: Shared,
    router: Router,
}

impl Api {
    /// An API whose store is not open yet: every route that needs it answers 503 until [`Self::open`].
    #[must_use]
    pub fn new(options: Options) -> Self {
        let routes = routes::all();
        let shared = Arc::new(State::new(options, document::render(&routes)));
        let mut router = Router::new();
        for route in routes {
            let admission = Admission { shared: Arc::clone(&shared), scope: route.operation.scope, pace: route.pace };
            router = router.route(route.path, route.serve.route_layer(from_fn_with_state(admission, admit)));
        }
        let router = router
            .fallback(async || Problem::not_found("no route has this path; /openapi.json lists all routes"))
            .method_not_allowed_fallback(async || {
                Problem::new(StatusCode::METHOD_NOT_ALLOWED, "method", "the route does not have this method")
            })
            .layer(from_fn_with_state(Arc::clone(&shared), outer))
            .with_state(Arc::clone(&shared));
        Self { shared, router }
    }

    /// From now on requests reach this store.
    pub fn open(&self, service: Arc<dyn Service>) {
        self.shared.open(service);
    }

    /// What a server serves.
    pub fn router(&self) -> Router {
        self.router.clone()
    }

    /// What is counted.
    #[must_use]
    pub fn metrics(&self) -> Arc<Metrics> {
        Arc::clone(&self.shared.metrics)
    }

    /// Ends every change stream, so that connections can close; other requests finish.
    pub fn close(&self) {
        self.shared.close();
    }
}
