//! The process: pingora owns listeners and runtimes; this module owns when they start, drain, hand over and end.
//!
//! ```text
//! serve ── run_dir (private) ── takeover of the old process's sockets (--upgrade)
//!       ── pingora: listeners -> ClientService -> client::serve, AdminService, InsightsService -> HTTP
//!       ── supervise: SIGTERM drain, SIGINT end, SIGQUIT and control socket hand over, SIGHUP reload
//! ```
//! pingora's own end of life does not fit a database gateway (it sleeps its whole grace period even when idle, then
//! drops what is running), so the supervisor decides: sessions are told, and the process ends when the last one is gone.

mod admin;
mod clients;
mod drain;
mod housekeeping;
mod insights;
mod listeners;
mod prepare;
mod process;
mod supervise;

pub use drain::{Drain, SessionSlot};
pub use supervise::Reload;

use super::bell::SessionKey;
use super::state::Gateway;
use crate::config::{Config, ListenAddress};
use pingora_core::server::configuration::{Opt, ServerConf};
use pingora_core::server::{RunArgs, Server};
use pingora_core::services::background::{GenBackgroundService, background_service};
use pingora_core::services::listening::Service;
use process::run_dir::RunDir;
use process::{control, descriptors};
use std::sync::Arc;
use std::time::Duration;
use vitrine_insights::http::Api;

/// Why the gateway did not start.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The private directory cannot be used.
    #[error("server.run_dir {path}: {message}")]
    RunDir {
        /// The directory.
        path: String,
        /// What is wrong with it.
        message: String,
    },
    /// An address cannot be listened at.
    #[error("cannot listen at {address}: {message}")]
    Listen {
        /// The address.
        address: String,
        /// What is wrong with it.
        message: String,
    },
    /// The old process did not hand over.
    #[error("the running gateway does not hand over its sockets: {0}")]
    Takeover(std::io::Error),
    /// The customer role could write, and the posture is strict.
    #[error("the customer role could write, and posture is \"strict\": nothing was started\n\n{0}")]
    Posture(String),
    /// A new process that could not serve leaves the sockets where they are.
    #[error("not ready to take over, the running gateway serves on: {0}")]
    NotReady(String),
    /// The process itself: threads, signals, sockets of the run directory.
    #[error("{what}: {source}")]
    Process {
        /// What was being done.
        what: &'static str,
        /// The cause.
        source: std::io::Error,
    },
}

/// Serves until a signal ends it. With `upgrade`, the sockets come from the gateway that runs in the same directory,
/// if there is one.
///
/// # Errors
/// Nothing was started, or the supervisor could not go on.
pub fn serve(gateway: Arc<Gateway>, reload: Reload, upgrade: bool) -> Result<(), ServeError> {
    descriptors::raise(&gateway.config);
    let run_dir = RunDir::open(&gateway.config.run_dir)?;
    let old = if upgrade { run_dir.running() } else { None };
    if upgrade && old.is_none() {
        tracing::warn!("no gateway runs in {}: starting without one to take over from", run_dir.path().display());
    }
    let inherited = old.as_ref().map_or(&[][..], |old| &old.listens_at);
    let own = gateway.config.listens_at().filter(|address| !inherited.contains(&address.to_string()));
    listeners::check(own)?;
    let drain = Arc::new(Drain::new(gateway.config.limits.clients_max));
    let supervisor = supervise::Supervisor::new(Arc::clone(&gateway), Arc::clone(&drain), run_dir, reload)?;
    supervisor.prepare(old.is_some())?;
    let mut server = Server::new_with_opt_and_conf(
        Opt { upgrade: old.is_some(), ..Opt::default() },
        server_conf(&gateway.config, supervisor.run_dir()),
    );
    server.add_service(client_service(&gateway, &drain));
    let api = Api::new(gateway.config.insights_http.options.clone());
    server.add_service(admin_service(&gateway, &drain, &api));
    server.add_service(housekeeping(&gateway));
    if gateway.config.insights_http.owner.is_some() {
        let opening = insights::Opening::new(Arc::clone(&gateway), api.clone());
        if old.is_some() {
            supervisor.run(opening.before_takeover());
        }
        server.add_service(insights_service(&gateway, &drain, &api));
        server.add_service(background_service("insights", opening));
    }
    if let Some(old) = old {
        supervisor.run_dir().ask_to_hand_over(old);
    }
    // Blocks until the sockets have come, at most some seconds; on failure it ends the process with code 1.
    server.bootstrap();
    supervisor.supervise(server)
}

/// Passes a cancel request on whose key this process did not give out: after a handover, the query it is meant for may
/// still run in the old process.
pub async fn pass_cancel_on(config: &Config, key: SessionKey) {
    if let Ok(run_dir) = RunDir::existing(&config.run_dir) {
        control::pass_on(run_dir.others(), &control::request_for(key)).await;
    }
}

/// pingora's configuration: everything that would end in `/tmp` or in one thread is set.
fn server_conf(config: &Config, run_dir: &RunDir) -> ServerConf {
    // The supervisor ends the process; pingora's own patience must not run out before.
    let patience = config.server.upgrade_linger_ms.duration() + config.server.shutdown_timeout_ms.duration();
    ServerConf {
        pid_file: run_dir.pid_file().display().to_string(),
        upgrade_sock: run_dir.upgrade_socket().display().to_string(),
        threads: threads(config),
        work_stealing: config.server.work_stealing,
        grace_period_seconds: Some((patience + Duration::from_secs(60)).as_secs()),
        ..ServerConf::default()
    }
}

fn threads(config: &Config) -> usize {
    match config.server.threads {
        0 => std::thread::available_parallelism().map_or(1, |cores| cores.get().div_ceil(2)),
        count => count,
    }
}

fn client_service(gateway: &Arc<Gateway>, drain: &Arc<Drain>) -> Service<clients::ClientService> {
    let app = clients::ClientService::new(Arc::clone(gateway), Arc::clone(drain));
    let mut service = Service::new("clients".to_owned(), app);
    add_listeners(&mut service, &gateway.config.listen);
    service
}

fn insights_service(gateway: &Arc<Gateway>, drain: &Arc<Drain>, api: &Api) -> Service<insights::InsightsService> {
    let app = insights::InsightsService::new(Arc::clone(gateway), Arc::clone(drain), api.clone());
    let mut service = Service::new("insights http".to_owned(), app);
    add_listeners(&mut service, &gateway.config.insights_http.listen);
    service
}

fn admin_service(gateway: &Arc<Gateway>, drain: &Arc<Drain>, api: &Api) -> Service<admin::AdminService> {
    let app = admin::AdminService::new(Arc::clone(gateway), Arc::clone(drain), api.metrics());
    let mut service = Service::new("admin".to_owned(), app);
    service.threads = Some(1);
    add_listeners(&mut service, &gateway.config.admin.listen);
    service
}

fn housekeeping(gateway: &Arc<Gateway>) -> GenBackgroundService<housekeeping::Housekeeping> {
    background_service("housekeeping", housekeeping::Housekeeping::new(Arc::clone(gateway)))
}

fn add_listeners<A>(service: &mut Service<A>, addresses: &[ListenAddress]) {
    for address in addresses {
        service.add_listener(listeners::listener(address));
    }
}
