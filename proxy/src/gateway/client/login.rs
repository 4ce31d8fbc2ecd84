//! From authenticated to ready: the database, the start-up settings, and what the client is told of its session.

use std::borrow::Cow;
use std::sync::Arc;

use bytes::BytesMut;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use super::lease::no_connection;
use super::{Client, Who};
use crate::gateway::door::{ClientIo, Greeted, Peer};
use crate::gateway::state::{Beginning, Database, Gateway, Greeting, Route};
use crate::gateway::{console, insights};
use crate::policy;
use crate::session::own;
use crate::session::settings::{Settings, of_text, quote_literal, replay, right_side};
use crate::session::{Seed, Session, failure};
use crate::sql::{Access, SetValue};
use crate::upstream::Connection;
use crate::wire::backend::{self, Fields, Report, Severity, TransactionStatus};
use crate::wire::frame;
use crate::wire::frontend::put_query;
use crate::wire::quantity::spelled;
use crate::wire::sqlstate::SqlState;

/// Makes a client of somebody who has proved who they are; on refusal says why and returns `None`.
pub(super) async fn log_in<S>(greeted: Box<Greeted<S>>, peer: Peer, gateway: Arc<Gateway>) -> Option<Box<Client<S>>>
where
    S: AsyncRead + AsyncWrite + Unpin + Send,
{
    let place = gateway.sessions.enter(&greeted.user, &greeted.database, &peer.to_string());
    if greeted.database == console::DATABASE {
        if gateway.config.may_administer(&greeted.user) {
            console::serve(*greeted, place, gateway).await;
        } else {
            let Greeted { io, output, user, .. } = *greeted;
            turn_away(io, output, not_an_administrator(&user)).await;
        }
        return None;
    }
    let Greeted { io, input, mut output, user, database, parameters, .. } = *greeted;
    let door = Arrival { gateway: &gateway, user: &user, database: &database, parameters: &parameters };
    let (database, route, beginning) = match door.admit().await {
        Ok(admitted) => admitted,
        Err(report) => {
            turn_away(io, output, *report).await;
            return None;
        }
    };
    output.reserve(beginning.words.len() + LAST_WORDS_BYTES);
    output.extend_from_slice(&beginning.words);
    backend::put_backend_key(&mut output, place.key.process_id, place.key.secret);
    backend::put_ready(&mut output, TransactionStatus::Idle);
    let session = Session::new(Arc::clone(&beginning.origin));
    Some(Box::new(Client {
        io,
        input,
        wanted: 0,
        output,
        is_held: false,
        is_unflushed: false,
        discarding: 0,
        session,
        database,
        route,
        place,
        who: Who { user, peer },
        gateway,
        upstream: None,
        cancelling: None,
        repeated: false,
        is_parting: false,
        batch: super::parting::Batch::default(),
        waits_for_reader: false,
        ticket: None,
    }))
}

/// Says why there is no session, and closes.
async fn turn_away<S>(mut io: ClientIo<S>, mut output: BytesMut, report: Report)
where
    S: AsyncRead + AsyncWrite + Unpin + Send,
{
    Report { severity: Severity::Fatal, ..report }.put(&mut output);
    // Who has left already misses nothing.
    let _gone = io.write_all(&output).await;
    let _gone = io.shutdown().await;
}

fn not_an_administrator(user: &str) -> Report {
    let message = format!("permission denied for database \"{}\"", console::DATABASE);
    Report::error(SqlState::INSUFFICIENT_PRIVILEGE, message)
        .detail(format!("User \"{user}\" is not listed in admin.users."))
}

/// Somebody who asks for a session.
struct Arrival<'a> {
    gateway: &'a Arc<Gateway>,
    user: &'a str,
    database: &'a str,
    parameters: &'a [(String, String)],
}

type Admitted = (Arc<Database>, Arc<Route>, Arc<Beginning>);

/// BackendKeyData and ReadyForQuery.
const LAST_WORDS_BYTES: usize = 13 + 6;

impl Arrival<'_> {
    async fn admit(&self) -> Result<Admitted, Box<Report>> {
        let (database, route) = self.place()?;
        // A role may have been given other settings.
        route.renew_after(database.freshness.plans_moved());
        let fresh = greeting(&route).await?;
        let asked = self.asked(&route);
        let beginning = match Self::known(&asked, (&database, &route), &fresh) {
            Some(known) => known,
            None => self.begin(asked, (&database, &route), fresh).await?,
        };
        Ok((database, route, beginning))
    }

    /// What a beginning is known by: in the store a user's is nobody else's.
    fn asked(&self, route: &Route) -> Asked<'_> {
        if route.access() == Access::Read {
            return Cow::Borrowed(self.parameters);
        }
        let mut asked = self.parameters.to_vec();
        asked.push((ACTOR.to_owned(), self.user.to_owned()));
        Cow::Owned(asked)
    }

    /// What others began with who asked for the very same, while policy, catalog and upstream are what they were.
    fn known(
        asked: &Asked<'_>,
        (database, route): (&Database, &Route),
        fresh: &Arc<Greeting>,
    ) -> Option<Arc<Beginning>> {
        let known = Arc::clone(route.beginnings.lock().get(&**asked)?);
        (known.versions == database.versions() && Arc::ptr_eq(&known.fresh, fresh)).then_some(known)
    }

    async fn begin(
        &self,
        asked: Asked<'_>,
        (database, route): (&Database, &Arc<Route>),
        fresh: Arc<Greeting>,
    ) -> Result<Arc<Beginning>, Box<Report>> {
        let versions = database.versions();
        let mut settings = self.settings(database, route)?;
        if route.access() == Access::Store {
            // Who writes, for its histories: replayed with the client's settings on whichever connection serves it.
            settings.insert(ACTOR.to_owned(), quote_literal(self.user));
        }
        let greeting = self.greeting_under(route, &settings, &fresh).await?;
        let mut words = BytesMut::new();
        for (name, value) in greeting.parameters.iter() {
            backend::put_parameter_status(&mut words, name, value);
        }
        let own = own::split(&mut settings);
        if route.access() == Access::Read {
            // What names stand for is what they are reviewed as, whatever the role or the server is given for new sessions:
            // it is said on every connection that serves this one.
            let path = || of_text("search_path", &greeting.facts.search_path);
            settings.entry("search_path".to_owned()).or_insert_with(path);
        }
        let seed = Seed {
            access: route.access(),
            database: Arc::clone(&database.name),
            role: greeting.facts.role.as_str().into(),
            default_search_path: greeting.facts.search_path.as_str().into(),
            settings: Arc::new(settings),
            own: Arc::new(own),
            staleness_max: spelled(u64::try_from(database.freshness.bound().as_millis()).unwrap_or(u64::MAX)).into(),
            memory_in_blocks: self.gateway.config.cache.in_transactions,
            binds_numbers: self.gateway.config.pool.bind_numbers && route.access() == Access::Read,
            limits: self.gateway.limits.session,
        };
        let beginning = Arc::new(Beginning { versions, fresh, origin: Arc::new(seed.into()), words: words.freeze() });
        let mut known = route.beginnings.lock();
        if known.len() >= GREETINGS_MAX {
            known.clear();
        }
        known.insert(asked.into_owned(), Arc::clone(&beginning));
        Ok(beginning)
    }

    /// The database and the way to it. The insight store has a name of its own, which no customer database can have.
    fn place(&self) -> Result<(Arc<Database>, Arc<Route>), Box<Report>> {
        let unknown = || {
            let message = format!("database \"{}\" does not exist", self.database);
            Box::new(Report::fatal(SqlState::INVALID_CATALOG_NAME, message))
        };
        if self.database == insights::DATABASE {
            let store = self.gateway.insights.load_full().ok_or_else(unknown)?;
            return Ok((Arc::clone(&store.database), store.route(self.user)?));
        }
        let database = self.gateway.databases.load().get(self.database).cloned().ok_or_else(unknown)?;
        let route = Arc::clone(database.route(self.user));
        Ok((database, route))
    }

    /// The start-up parameters, each reviewed as the SET it stands for.
    fn settings(&self, database: &Database, route: &Route) -> Result<Settings, Box<Report>> {
        let mut settings = Settings::new();
        let rules = database.policy.load();
        for (name, value) in self.parameters {
            let name = name.to_lowercase();
            let values = match name.as_str() {
                "search_path" => crate::session::scope::split_names(value),
                // psql in a terminal without a locale. It means bytes as the server has them: those are UTF8 here.
                "client_encoding" if value.eq_ignore_ascii_case("SQL_ASCII") => vec!["UTF8".to_owned()],
                _ => vec![value.clone()],
            };
            let value = SetValue::List(values);
            policy::review_parameter(&name, &value, &rules, route.access())
                .map_err(|denial| Box::new(Report { position: None, ..failure::denied(&denial, "") }))?;
            if let Some(value) = right_side(&value) {
                settings.insert(name, value);
            }
        }
        Ok(settings)
    }

    /// What a session with these settings is told. PostgreSQL itself is asked what it makes of them, once for each
    /// distinct set: a bad value is its error, and `DateStyle` comes back as it spells it.
    async fn greeting_under(
        &self,
        route: &Arc<Route>,
        settings: &Settings,
        fresh: &Arc<Greeting>,
    ) -> Result<Arc<Greeting>, Box<Report>> {
        let mut settings = settings.clone();
        own::split(&mut settings);
        let settings = &settings;
        if settings.keys().all(|name| name == "application_name" || name == ACTOR) {
            let mut greeting = (**fresh).clone();
            if let Some((_, name)) =
                self.parameters.iter().find(|(name, _)| name.eq_ignore_ascii_case("application_name"))
            {
                greeting.parameters.set("application_name".to_owned(), ascii(name));
            }
            return Ok(Arc::new(greeting));
        }
        if let Some(known) = route.greetings.lock().get(settings) {
            return Ok(Arc::clone(known));
        }
        let wanted = Arc::new(settings.clone());
        let mut lease = route.pool.lease(Some(&wanted)).await.map_err(|error| Box::new(no_connection(&error)))?;
        let sql = replay(&lease.settings, settings);
        if !sql.is_empty() {
            run_own(&mut lease, &sql).await?;
            lease.settings = wanted;
        }
        let greeting = Arc::new(Greeting { parameters: lease.parameters.clone(), facts: Arc::clone(&lease.facts) });
        lease.release();
        let mut known = route.greetings.lock();
        if known.len() >= GREETINGS_MAX {
            known.clear();
        }
        known.insert(settings.clone(), Arc::clone(&greeting));
        Ok(greeting)
    }
}

/// Start-up parameters, and in the store who asks.
type Asked<'a> = Cow<'a, [(String, String)]>;

/// The setting that names who writes, in the insight store.
const ACTOR: &str = "vitrine.actor";

/// Distinct sets of start-up settings that are remembered.
const GREETINGS_MAX: usize = 256;

/// What a session without settings is told; a connection is made for it where there was none yet.
async fn greeting(route: &Arc<Route>) -> Result<Arc<Greeting>, Box<Report>> {
    route.guard.ready().await;
    // A role that can write by now serves nobody, known greeting or not.
    if let Some(held) = route.pool.held() {
        return Err(Box::new(no_connection(&held)));
    }
    if let Some(known) = route.greeting.load_full() {
        return Ok(known);
    }
    let empty = Arc::new(Settings::new());
    let mut lease = route.pool.lease(Some(&empty)).await.map_err(|error| Box::new(no_connection(&error)))?;
    let sql = replay(&lease.settings, &empty);
    if !sql.is_empty() {
        run_own(&mut lease, &sql).await?;
        lease.settings = empty;
    }
    let greeting = Arc::new(Greeting { parameters: lease.parameters.clone(), facts: Arc::clone(&lease.facts) });
    lease.release();
    route.greeting.store(Some(Arc::clone(&greeting)));
    Ok(greeting)
}

/// Runs the gateway's own text on a connection that serves nobody yet.
async fn run_own(connection: &mut Connection, sql: &str) -> Result<(), Box<Report>> {
    let gone = |_| Box::new(failure::upstream_lost(None));
    let mut request = BytesMut::new();
    put_query(&mut request, sql);
    connection.io.write_all(&request).await.map_err(gone)?;
    connection.io.flush().await.map_err(gone)?;
    let mut failed = None;
    loop {
        while let Some(frame) = next_frame(&mut connection.rx)? {
            match frame.tag {
                b'Z' => return failed.map_or(Ok(()), Err),
                b'E' => failed = Some(report_of(&frame.body)),
                b'S' => {
                    if let Ok((name, value)) = backend::decode_parameter_status(&frame.body) {
                        connection.parameters.set(name.to_owned(), value.to_owned());
                    }
                }
                _ => {}
            }
        }
        if connection.io.read_buf(&mut connection.rx).await.map_err(gone)? == 0 {
            return Err(Box::new(failure::upstream_lost(None)));
        }
    }
}

fn next_frame(rx: &mut BytesMut) -> Result<Option<frame::Frame>, Box<Report>> {
    let header = frame::header(rx).map_err(|_| Box::new(failure::upstream_lost(None)))?;
    Ok(header.and_then(|header| frame::take(rx, header)))
}

fn report_of(body: &[u8]) -> Box<Report> {
    let fields = Fields::decode(body).unwrap_or(Fields(Vec::new()));
    let sqlstate = fields.sqlstate().unwrap_or(SqlState::INTERNAL_ERROR);
    let message = fields.field(b'M').unwrap_or("the customer database refused a setting");
    Box::new(Report {
        detail: fields.field(b'D').map(str::to_owned),
        hint: fields.field(b'H').map(str::to_owned),
        ..Report::error(sqlstate, message)
    })
}

/// `application_name` as PostgreSQL keeps it: 63 bytes, `?` for what is not printable ASCII.
fn ascii(name: &str) -> String {
    name.bytes().take(63).map(|byte| if (32..127).contains(&byte) { char::from(byte) } else { '?' }).collect()
}
