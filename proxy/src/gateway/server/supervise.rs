//! The end of life: signals, handover, drain, reload.

use super::drain::Drain;
use super::prepare::prepare;
use super::process::control::{self, Request};
use super::process::run_dir::RunDir;
use super::{Gateway, RunArgs, ServeError, Server};
use crate::config::ListenAddress;
use crate::gateway::bell::{DRAIN, LEAVE, Sessions};
use async_trait::async_trait;
use pingora_core::server::{ExecutionPhase, ShutdownSignal, ShutdownSignalWatch};
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::{Mutex, broadcast, mpsc};
use tokio::time::timeout;

/// What SIGHUP does: reads everything again, or says why the old state stays.
pub type Reload = Box<dyn Fn(&Gateway) + Send>;

/// Watches over the process until it ends.
pub(super) struct Supervisor {
    gateway: Arc<Gateway>,
    drain: Arc<Drain>,
    run_dir: RunDir,
    reload: Reload,
    runtime: tokio::runtime::Runtime,
    requests: mpsc::Receiver<Request>,
}

impl Supervisor {
    pub(super) fn new(
        gateway: Arc<Gateway>,
        drain: Arc<Drain>,
        run_dir: RunDir,
        reload: Reload,
    ) -> Result<Self, ServeError> {
        let failed = |what| move |source| ServeError::Process { what, source };
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(failed("cannot start the supervisor"))?;
        let (asked, requests) = mpsc::channel(16);
        {
            let _inside = runtime.enter();
            let listener = control::listen(&run_dir).map_err(failed("cannot listen at the control socket"))?;
            runtime.spawn(control::receive(listener, asked));
        }
        Ok(Self { gateway, drain, run_dir, reload, runtime, requests })
    }

    pub(super) fn run_dir(&self) -> &RunDir {
        &self.run_dir
    }

    /// Gets everything ready that clients will need.
    pub(super) fn prepare(&self, taking_over: bool) -> Result<(), ServeError> {
        self.runtime.block_on(prepare(&self.gateway, taking_over))
    }

    /// Runs something to its end before the server begins.
    pub(super) fn run<T>(&self, what: impl Future<Output = T>) -> T {
        self.runtime.block_on(what)
    }

    /// Runs the server on a thread of its own and returns when the process should end: pingora itself would sleep its
    /// whole grace period, and then drop sessions that still work.
    pub(super) fn supervise(mut self, server: Server) -> Result<(), ServeError> {
        let failed = |what| move |source| ServeError::Process { what, source };
        let (orders, received) = mpsc::channel(1);
        let phases = server.watch_execution_phase();
        let watch = Orders(Mutex::new(received));
        std::thread::Builder::new()
            .name("pingora".to_owned())
            .spawn(move || server.run(RunArgs { shutdown_signal: Box::new(watch) }))
            .map_err(failed("cannot start a thread"))?;
        self.run_dir.claim(self.gateway.config.listens_at()).map_err(failed("cannot write the process id"))?;
        let requests = std::mem::replace(&mut self.requests, mpsc::channel(1).1);
        let life = async { Life::new(&self, orders, phases, requests) };
        let mut life = self.runtime.block_on(life).map_err(failed("cannot listen to signals"))?;
        tracing::info!(
            event = "started",
            listen = %listed(&self.gateway.config.listen),
            admin = %listed(&self.gateway.config.admin.listen),
            insights = %listed(&self.gateway.config.insights_http.listen),
            mode = self.gateway.config.mode.word(),
            "vitrine serves"
        );
        self.runtime.block_on(life.live());
        drop(life);
        self.run_dir.release();
        tracing::info!(event = "ended", sessions = self.drain.sessions(), "vitrine ends");
        Ok(())
    }
}

/// pingora asks here what to do; the supervisor decides.
struct Orders(Mutex<mpsc::Receiver<ShutdownSignal>>);

#[async_trait]
impl ShutdownSignalWatch for Orders {
    async fn recv(&self) -> ShutdownSignal {
        self.0.lock().await.recv().await.unwrap_or(ShutdownSignal::FastShutdown)
    }
}

/// The signals and what they set in motion.
struct Life<'a> {
    supervisor: &'a Supervisor,
    orders: mpsc::Sender<ShutdownSignal>,
    phases: broadcast::Receiver<ExecutionPhase>,
    requests: mpsc::Receiver<Request>,
    terminate: Signal,
    interrupt: Signal,
    quit: Signal,
    hangup: Signal,
}

/// Something that happened to the process.
enum Event {
    Terminate,
    Interrupt,
    HandOver,
    Reload,
    Cancel(control::CancelBytes),
    ServerEnded,
}

impl<'a> Life<'a> {
    fn new(
        supervisor: &'a Supervisor,
        orders: mpsc::Sender<ShutdownSignal>,
        phases: broadcast::Receiver<ExecutionPhase>,
        requests: mpsc::Receiver<Request>,
    ) -> io::Result<Self> {
        Ok(Self {
            supervisor,
            orders,
            phases,
            requests,
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            quit: signal(SignalKind::quit())?,
            hangup: signal(SignalKind::hangup())?,
        })
    }

    /// Until the process should end.
    async fn live(&mut self) {
        loop {
            match self.next().await {
                Event::Terminate => return self.terminate().await,
                Event::Interrupt | Event::ServerEnded => return,
                Event::Reload => (self.supervisor.reload)(&self.supervisor.gateway),
                Event::Cancel(request) => self.cancel(request),
                Event::HandOver if self.supervisor.run_dir.upgrade_socket().exists() => return self.hand_over().await,
                // pingora would end this process all the same, and nobody would serve.
                Event::HandOver => tracing::error!("asked to hand over, but no new process waits: serving on"),
            }
        }
    }

    async fn next(&mut self) -> Event {
        loop {
            tokio::select! {
                _ = self.terminate.recv() => return Event::Terminate,
                _ = self.interrupt.recv() => return Event::Interrupt,
                _ = self.quit.recv() => return Event::HandOver,
                _ = self.hangup.recv() => return Event::Reload,
                Some(request) = self.requests.recv() => match request {
                    Request::HandOver => return Event::HandOver,
                    Request::Cancel(request) => return Event::Cancel(request),
                },
                phase = self.phases.recv() => {
                    if matches!(phase, Ok(ExecutionPhase::Terminated) | Err(broadcast::error::RecvError::Closed)) {
                        return Event::ServerEnded;
                    }
                }
            }
        }
    }

    /// Stops listening, lets every session finish its transaction, and ends with the last one or with the time.
    async fn terminate(&mut self) {
        let bound = self.supervisor.gateway.config.server.shutdown_timeout_ms.duration();
        tracing::info!(event = "terminate", sessions = self.supervisor.drain.sessions(), "stopping");
        self.supervisor.drain.announce();
        let _ended = self.orders.send(ShutdownSignal::GracefulTerminate).await;
        self.listeners_closed().await;
        self.drained(bound).await;
        let config = &self.supervisor.gateway.config;
        for address in config.listen.iter().chain(&config.insights_http.listen) {
            if let ListenAddress::Unix(path) = address {
                let _gone = std::fs::remove_file(path);
            }
        }
    }

    /// Gives the sockets to the new process; sessions go on here until they leave or their time is over.
    async fn hand_over(&mut self) {
        let config = &self.supervisor.gateway.config.server;
        let (linger, bound) = (config.upgrade_linger_ms.duration(), config.shutdown_timeout_ms.duration());
        tracing::info!(
            event = "handover",
            sessions = self.supervisor.drain.sessions(),
            "handing over to a new process"
        );
        let _ended = self.orders.send(ShutdownSignal::GracefulUpgrade).await;
        self.listeners_closed().await;
        self.supervisor.drain.announce();
        let (drain, gateway) = (Arc::clone(&self.supervisor.drain), Arc::clone(&self.supervisor.gateway));
        if self.unless_interrupted(leave_in_turn(&drain, &gateway.sessions, linger)).await == Some(true) {
            return;
        }
        self.drained(bound).await;
    }

    /// pingora has told its listeners to close. Connections it accepted in that moment get to count themselves.
    async fn listeners_closed(&mut self) {
        let closed = async {
            while !matches!(
                self.phases.recv().await,
                Ok(ExecutionPhase::ShutdownGracePeriod) | Err(broadcast::error::RecvError::Closed)
            ) {}
            tokio::time::sleep(Duration::from_millis(100)).await;
        };
        // Handing over takes pingora five seconds of trying to connect and five more of listening twice.
        if timeout(Duration::from_secs(30), closed).await.is_err() {
            tracing::warn!("the listeners did not close in time");
        }
    }

    /// Tells the sessions to end at their next transaction boundary and waits for them, at most `bound`; SIGINT ends
    /// the wait. Who is still there then is told that it is over now.
    async fn drained(&mut self, bound: Duration) {
        let (drain, gateway) = (Arc::clone(&self.supervisor.drain), Arc::clone(&self.supervisor.gateway));
        gateway.sessions.drain();
        if let Some(Err(_)) = self.unless_interrupted(timeout(bound, gone(&drain, &gateway))).await {
            tracing::warn!(sessions = gateway.sessions.count(), "sessions are cut: the time to finish is over");
            gateway.sessions.end();
            let _gone = timeout(LAST_WORDS_TIME_MAX, drain.empty()).await;
        }
    }

    /// Waits, and meanwhile still listens: SIGINT and SIGTERM end the wait (`None`), cancel requests are served.
    async fn unless_interrupted<T>(&mut self, wait: impl Future<Output = T>) -> Option<T> {
        tokio::pin!(wait);
        loop {
            tokio::select! {
                done = &mut wait => return Some(done),
                event = self.next() => match event {
                    Event::Interrupt | Event::Terminate | Event::ServerEnded => return None,
                    Event::Cancel(request) => self.cancel(request),
                    Event::HandOver | Event::Reload => {}
                },
            }
        }
    }

    fn cancel(&self, request: control::CancelBytes) {
        self.supervisor.gateway.sessions.cancel(control::session_key(request));
    }
}

/// Somewhat more than a session waits for its client to hang up.
const LAST_WORDS_TIME_MAX: Duration = Duration::from_secs(4);

/// After a new process took over. First sessions end in a silence, where a pool looks before it uses a connection again; in
/// the last quarter of `linger` those that are never silent end with an answer. A few at a time are told, so that not all
/// connect again in one moment. True when none is left.
async fn leave_in_turn(drain: &Drain, sessions: &Sessions, linger: Duration) -> bool {
    const TURNS: u32 = 50;
    let telling = async {
        for (what, time) in [(LEAVE, linger * 3 / 4), (DRAIN, linger / 4)] {
            for turns in (1..=TURNS).rev() {
                sessions.ring_part(what, turns);
                tokio::time::sleep(time / TURNS).await;
            }
        }
    };
    tokio::select! {
        () = drain.empty() => true,
        () = telling => false,
    }
}

/// No session is left. A connection that has not logged in yet gets a second: it may be somebody's health check that
/// says nothing until the door's own time is over.
async fn gone(drain: &Drain, gateway: &Gateway) {
    let nobody_logged_in = async {
        loop {
            tokio::time::sleep(Duration::from_secs(1)).await;
            if gateway.sessions.count() == 0 && !drain.is_working() {
                return;
            }
        }
    };
    tokio::select! {
        () = drain.empty() => {}
        () = nobody_logged_in => {}
    }
}

fn listed(addresses: &[ListenAddress]) -> String {
    addresses.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}
