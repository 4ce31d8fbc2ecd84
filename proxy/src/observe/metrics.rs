//! The gateway's counters, by name.

use super::counter::{Counter, Gauge, Histogram};
use super::prometheus::Exposition;
use crate::sql::Rule;
use std::time::Duration;

/// Every counter. Adding to one takes no lock and allocates nothing, so a session may do it for each message.
#[derive(Debug)]
pub struct Metrics {
    /// Connections accepted from clients.
    pub clients_accepted: Counter,
    /// Clients connected now.
    pub clients: Gauge,
    /// Clients refused because `limits.clients_max` was reached.
    pub clients_refused: Counter,
    /// Failed logins.
    pub logins_failed: Counter,
    /// Cancel requests received.
    pub cancels: Counter,
    /// Statements that were permitted.
    pub statements_permitted: Counter,
    /// Statements whose verdict was known and needed no second reading.
    pub verdicts_remembered: Counter,
    /// Statements on which the two readers disagreed: a fault of a reader or an attack, worth an alert either way.
    pub readers_disagree: Counter,
    /// Bytes received from clients.
    pub client_bytes_in: Counter,
    /// Bytes sent to clients.
    pub client_bytes_out: Counter,
    /// Rows sent to clients.
    pub rows: Counter,
    /// Errors that PostgreSQL answered with.
    pub upstream_errors: Counter,
    /// From sending a statement upstream to the end of its answer.
    pub statement_time: Histogram,
    /// Configuration reloads that took effect.
    pub reloads: Counter,
    /// Configuration reloads that were refused because of a mistake.
    pub reloads_refused: Counter,
    denials: Vec<(Rule, Counter)>,
}

impl Default for Metrics {
    fn default() -> Self {
        Self {
            clients_accepted: Counter::default(),
            clients: Gauge::default(),
            clients_refused: Counter::default(),
            logins_failed: Counter::default(),
            cancels: Counter::default(),
            statements_permitted: Counter::default(),
            verdicts_remembered: Counter::default(),
            readers_disagree: Counter::default(),
            client_bytes_in: Counter::default(),
            client_bytes_out: Counter::default(),
            rows: Counter::default(),
            upstream_errors: Counter::default(),
            statement_time: Histogram::default(),
            reloads: Counter::default(),
            reloads_refused: Counter::default(),
            denials: Rule::ALL.iter().map(|rule| (*rule, Counter::default())).collect(),
        }
    }
}

/// One pool as it stands when the metrics are read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PoolGauges {
    /// The database clients ask for.
    pub database: String,
    /// The role upstream.
    pub role: String,
    /// Connections in use.
    pub busy: usize,
    /// Connections ready for use.
    pub idle: usize,
    /// Clients that wait for one.
    pub waiting: usize,
    /// Most connections the pool may have.
    pub size: usize,
    /// Connections opened so far.
    pub connects: u64,
    /// Attempts that failed.
    pub connects_failed: u64,
    /// Connections destroyed because nobody vouched for them, or found dead.
    pub destroyed: u64,
    /// Times somebody had to wait.
    pub waits: u64,
    /// How long the first in the line has waited.
    pub oldest_wait: Duration,
}

impl Metrics {
    /// Counts a refusal under its rule.
    pub fn denied(&self, rule: Rule) {
        if rule == Rule::ReadersDisagree {
            self.readers_disagree.increment();
        }
        if let Some((_, counter)) = self.denials.iter().find(|(known, _)| *known == rule) {
            counter.increment();
        }
    }

    /// How often `rule` refused.
    #[must_use]
    pub fn denials_of(&self, rule: Rule) -> u64 {
        self.denials.iter().find(|(known, _)| *known == rule).map_or(0, |(_, counter)| counter.total())
    }

    /// Refusals by all rules.
    #[must_use]
    pub fn denials(&self) -> u64 {
        self.denials.iter().map(|(_, counter)| counter.total()).sum()
    }

    /// Writes every counter.
    pub fn expose(&self, out: &mut Exposition) {
        out.counter("vitrine_clients_accepted_total", "Connections accepted from clients.", &self.clients_accepted);
        out.gauge("vitrine_clients", "Clients connected now.", self.clients.value());
        out.counter("vitrine_clients_refused_total", "Clients refused for limits.clients_max.", &self.clients_refused);
        out.counter("vitrine_logins_failed_total", "Failed logins.", &self.logins_failed);
        out.counter("vitrine_cancels_total", "Cancel requests received.", &self.cancels);
        out.family("vitrine_statements_total", "counter", "Statements by verdict.");
        out.sample("vitrine_statements_total", &[("verdict", "permit")], self.statements_permitted.total());
        out.sample("vitrine_statements_total", &[("verdict", "deny")], self.denials());
        out.family("vitrine_denials_total", "counter", "Refused statements by rule.");
        for (rule, counter) in &self.denials {
            out.sample("vitrine_denials_total", &[("rule", rule.name())], counter.total());
        }
        out.counter("vitrine_verdicts_remembered_total", "Verdicts that were known.", &self.verdicts_remembered);
        out.counter("vitrine_readers_disagree_total", "Statements the readers disagree on.", &self.readers_disagree);
        out.counter("vitrine_client_received_bytes_total", "Bytes received from clients.", &self.client_bytes_in);
        out.counter("vitrine_client_sent_bytes_total", "Bytes sent to clients.", &self.client_bytes_out);
        out.counter("vitrine_rows_total", "Rows sent to clients.", &self.rows);
        out.counter("vitrine_upstream_errors_total", "Errors answered by PostgreSQL.", &self.upstream_errors);
        out.histogram("vitrine_statement_seconds", "Time of a statement upstream.", &self.statement_time);
        out.counter("vitrine_reloads_total", "Reloads that took effect.", &self.reloads);
        out.counter("vitrine_reloads_refused_total", "Reloads refused for a mistake.", &self.reloads_refused);
    }
}

impl PoolGauges {
    /// Writes the gauges of every pool.
    pub fn expose(pools: &[Self], out: &mut Exposition) {
        out.family("vitrine_pool_connections", "gauge", "Connections upstream by state.");
        for pool in pools {
            let labels = |state| [("database", pool.database.as_str()), ("role", pool.role.as_str()), ("state", state)];
            out.sample("vitrine_pool_connections", &labels("busy"), pool.busy);
            out.sample("vitrine_pool_connections", &labels("idle"), pool.idle);
        }
        out.family("vitrine_pool_oldest_wait_seconds", "gauge", "How long the first in the line has waited.");
        for pool in pools {
            let labels = [("database", pool.database.as_str()), ("role", pool.role.as_str())];
            out.sample("vitrine_pool_oldest_wait_seconds", &labels, pool.oldest_wait.as_secs_f64());
        }
        type Pick = fn(&PoolGauges) -> u64;
        let picks: [(&str, &str, &str, Pick); 6] = [
            ("vitrine_pool_waiting", "gauge", "Clients that wait for a connection.", |pool| usize_to_u64(pool.waiting)),
            ("vitrine_pool_size", "gauge", "Most connections a pool may have.", |pool| usize_to_u64(pool.size)),
            ("vitrine_pool_waits_total", "counter", "Times a client had to wait.", |pool| pool.waits),
            ("vitrine_upstream_connects_total", "counter", "Connections opened.", |pool| pool.connects),
            ("vitrine_upstream_connects_failed_total", "counter", "Failed attempts.", |pool| pool.connects_failed),
            ("vitrine_upstream_destroyed_total", "counter", "Connections not vouched for.", |pool| pool.destroyed),
        ];
        for (name, kind, meaning, pick) in picks {
            out.family(name, kind, meaning);
            for pool in pools {
                out.sample(name, &[("database", pool.database.as_str()), ("role", pool.role.as_str())], pick(pool));
            }
        }
    }
}

fn usize_to_u64(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_counts_under_its_rule() {
        let metrics = Metrics::default();
        metrics.denied(Rule::Write);
        metrics.denied(Rule::ReadersDisagree);
        assert_eq!((metrics.denials_of(Rule::Write), metrics.denials(), metrics.readers_disagree.total()), (1, 2, 1));
    }
}
