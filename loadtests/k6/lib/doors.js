// Connections, and what becomes of a question: answered, refused with a SQLSTATE, or lost.
import sql from "k6/x/sql";
import driver, { ended, now as clock } from "k6/x/sql/driver/postgres";
import exec from "k6/execution";
import { Counter, Rate, Trend } from "k6/metrics";
import { plannedSeconds } from "./shapes.js";

// Milliseconds; Grafana's driver has no clock, and the one of JavaScript here is a coarse one.
export const now = clock || Date.now;

// The time that a run is planned for is cut into so many pieces, for the pictures.
export const BUCKETS = 24;
const PLANNED_MS = plannedSeconds(__ENV.SCENARIO || "smoke") * 1000;

// Connections that the gateway ended while nothing was asked of them, where the driver can tell.
export const endedWhileIdle = () => (ended ? ended() : 0);

// What is not the load, but looks at it.
const BESIDE = ["compare", "direct", "customer-writes"];

export const took = new Trend("took", true);
export const failed = new Rate("failed");
const broken = new Counter("script_errors");

export function elapsed() {
  return exec.instance.currentTestRunDuration;
}

export function bucket() {
  return String(Math.min(BUCKETS - 1, Math.floor((elapsed() / PLANNED_MS) * BUCKETS)));
}

// A line for the ledger, which the harness reads when the run is over: one JSON each.
export function note(line) {
  console.log(JSON.stringify({ at: Date.now(), ...line }));
}

// One connection, made when first needed, made again when lost. Each virtual user has its own.
export function door(url) {
  return sql.open(driver, url, { maxOpenConns: 1, maxIdleConns: 1 });
}

// An answer as something that can be compared: Go hands the columns of a row over in any order.
export const plain = (rows) => JSON.stringify(rows.map((row) => Object.keys(row).sort().map((name) => [name, row[name]])));

// The code that PostgreSQL or the gateway gave, or what else became of it.
export function outcome(error) {
  const text = String(error.message || error);
  const code = text.match(/\(([0-9A-Z]{5})\)\s*$/);
  if (code) return code[1];
  if (/connection refused/.test(text)) return "connection refused";
  if (/i\/o timeout|deadline exceeded|timed out/.test(text)) return "no answer in time";
  if (/EOF|reset by peer|broken pipe|connection lost|closed network|bad connection/.test(text)) return "connection lost";
  return "something else";
}

// Measures one thing that is done and keeps what became of it. `act` throws when it is not well; its result is returned,
// or null when it failed.
export function measured(what, act) {
  // The piece of time in which it was answered, not the one in which it was asked.
  const tags = () => (BESIDE.includes(what) ? { what } : { what, bucket: bucket() });
  const began = now();
  try {
    const result = act();
    took.add(now() - began, tags());
    failed.add(false, tags());
    return result;
  } catch (error) {
    const became = error.status !== undefined ? error.status : outcome(error);
    failed.add(true, tags());
    note({ note: "not", what, outcome: String(became), text: String(error.message || error).slice(0, 200) });
    return null;
  }
}

// k6 goes on when an iteration throws, and ends well: a mistake in these scripts must not look like a quiet run.
export function guarded(act) {
  return () => {
    try {
      act();
    } catch (error) {
      broken.add(1);
      note({ note: "script error", text: `${error.message || error} ${error.stack || ""}` });
    }
  };
}
