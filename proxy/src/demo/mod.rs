//! `vitrine demo`: a private PostgreSQL with a sample customer database and a tool database, the gateway in front of
//! both, and a tour.
//!
//! [`postgres`] is also what every integration test starts its servers with.

mod error;
pub mod evidence;
mod gateway;
pub mod insights;
pub mod postgres;
mod progress;
pub mod sample;
pub mod tour;

use std::sync::Arc;
use std::time::Instant;

use tokio_postgres::{Client, NoTls};

pub use error::DemoError;
use evidence::Evidence;
use gateway::GatewayProcess;
use postgres::{Auth, Options, SUPERUSER, Server};
use progress::Progress;

/// The user of the demo's gateway.
pub const USER: &str = "analyst";
/// The user's password. It opens a gateway to made-up rows, on loopback.
pub const PASSWORD: &str = "look";

/// What to do.
#[derive(Debug, Clone, Copy)]
pub struct Demo {
    /// Port of the gateway on 127.0.0.1.
    pub port: u16,
    /// Ends after the tour.
    pub once: bool,
}

impl Demo {
    /// Starts everything, takes the tour, and serves until Ctrl-C unless it is to end after the tour. True if every
    /// read was answered, every write refused before it reached the database, and nothing changed.
    ///
    /// # Errors
    /// Something could not be started, loaded or connected to.
    pub async fn run(self) -> Result<bool, DemoError> {
        let started = Instant::now();
        let progress = Progress::new(sample::STEPS.len() + 6);
        let (server, reader_password) = start_server(&progress).await?;
        let superuser = connect(&server.socket_url(SUPERUSER, sample::DATABASE)).await?;
        load_sample(&superuser, &progress).await?;
        progress.step("tool database");
        let tool = insights::Tool::make(&server, &reader_password).await?;
        progress.step("evidence of every row, before");
        let before = Evidence::of(&superuser).await?;
        progress.step("gateway");
        let customer_url = server.url_with_password(sample::READER, &reader_password, sample::DATABASE);
        let gateway = GatewayProcess::start(self.port, &customer_url, &tool.url).await?;
        server.watch(gateway.pid());
        progress.finish();
        print_opening(&server, &gateway, started);

        let result = tour::Tour { gateway_url: gateway.url(), server: Arc::clone(&server) }.take().await?;
        let stops = insights::Stops { gateway_url: gateway.url(), address: gateway.insights(), key: tool.key.clone() };
        let kept = stops.take().await?;
        let changes = before.differences(&Evidence::of(&superuser).await?);
        print_closing(&before, &changes, &result);
        drop(superuser);
        if !self.once {
            print_invitation(&gateway, &server, &tool);
            wait_for_the_end(&gateway).await?;
        }
        gateway.stop().await;
        Ok(result.is_clean() && kept && changes.is_empty())
    }
}

async fn start_server(progress: &Progress) -> Result<(Arc<Server>, String), DemoError> {
    progress.step("private PostgreSQL");
    let mut config: Vec<String> = sample::CONFIG.iter().map(|line| (*line).to_owned()).collect();
    // The tour looks into the log whether an attempt got as far as the database.
    config.push("log_statement = 'all'".to_owned());
    let password = format!("{:032x}", rand::random::<u128>());
    let options =
        Options { auth: Auth::Scram, superuser_password: Some(password.clone()), config, ..Options::default() };
    let server = Server::launch(options).await?;
    let superuser = connect(&server.socket_url(SUPERUSER, "postgres")).await?;
    sample::create(&superuser, &password).await?;
    Ok((server, password))
}

async fn load_sample(superuser: &Client, progress: &Progress) -> Result<(), DemoError> {
    for step in sample::STEPS {
        progress.step(step.0);
        sample::load(superuser, step).await?;
    }
    progress.step("statistics");
    sample::settle(superuser).await
}

/// A connection whose driver runs in the background until the client is dropped.
pub(crate) async fn connect(url: &str) -> Result<Client, DemoError> {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await.map_err(DemoError::sql("cannot connect"))?;
    tokio::spawn(connection);
    Ok(client)
}

async fn wait_for_the_end(gateway: &GatewayProcess) -> Result<(), DemoError> {
    let mut terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())
        .map_err(DemoError::io("cannot wait for a signal"))?;
    tokio::select! {
        interrupted = tokio::signal::ctrl_c() => interrupted.map_err(DemoError::io("cannot wait for Ctrl-C")),
        _ = terminate.recv() => Ok(()),
        () = gateway.ended() => Err(DemoError::Gateway { reason: "the gateway ended".to_owned(), log: gateway.log() }),
    }
}

fn print_opening(server: &Server, gateway: &GatewayProcess, started: Instant) {
    println!("PostgreSQL {} on port {}, database `{}`", server.version(), server.port(), sample::DATABASE);
    println!("Vitrine on port {}, ready after {:.1} s", gateway.port(), started.elapsed().as_secs_f64());
}

fn print_closing(before: &Evidence, changes: &[String], result: &tour::Outcome) {
    println!("\nThe customer database, asked directly");
    if changes.is_empty() {
        println!("  nothing changed: {} tables row by row, {} facts in all", before.tables(), before.facts());
    }
    for change in changes {
        println!("  CHANGED {change}");
    }
    println!("\n{result}");
}

fn print_invitation(gateway: &GatewayProcess, server: &Server, tool: &insights::Tool) {
    println!("\nBy hand:  psql '{}'", gateway.url());
    println!("          {}", insights::curl_line(gateway.insights(), &tool.key));
    println!("What reached the database:  {}", server.log_path().display());
    println!("Ctrl-C ends it and removes everything.");
}
