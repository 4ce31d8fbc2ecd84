// The insight store: over HTTP, and over SQL. Whatever it acknowledges is noted, and looked for when the run is over.
import http from "k6/http";
import exec from "k6/execution";
import { sleep } from "k6";
import { door, measured, note } from "./doors.js";

const WAIT = "10s";
const WORDS = ["revenue", "churn", "delivery", "coffee", "returns", "margin", "tickets", "satisfaction", "region", "forecast"];

// One request; `key: null` sends none.
export function call(method, path, body = null, { key = __ENV.KEY, headers = {} } = {}) {
  const all = { "Content-Type": "application/json", ...headers };
  if (key) all.Authorization = `Bearer ${key}`;
  // One name for each route: ids are not names.
  const name = `${method} ${path.replace(/\?.*/, "").replace(/[0-9a-f-]{36}/, "{id}")}`;
  return http.request(method, __ENV.HTTP_URL + path, body && JSON.stringify(body), { headers: all, timeout: WAIT, tags: { name } });
}

// The answer, or an error with the status; 0 is no answer at all.
function answered(response, statuses) {
  if (statuses.includes(response.status)) return response;
  const text = response.error || String(response.body || "");
  throw { status: response.status === 0 ? "no answer" : response.status, message: text };
}

// Once, by whoever starts the run: what the insights are of.
export function prepareStore() {
  const schema = { type: "object", required: ["token"], properties: { token: { type: "string" }, number: { type: "integer" } } };
  // 412: an earlier run made it.
  answered(call("PUT", "/v1/kinds/load", { description: "What the load test finds", schema }, { headers: { "If-None-Match": "*" } }), [200, 201, 412]);
  for (let number = 0; number < 20; number += 1) {
    answered(call("POST", "/v1/insights", insight(`seed-${__ENV.RUN || 0}-${number}`, number)), [201]);
  }
}

function insight(token, number) {
  const [one, other] = [WORDS[number % WORDS.length], WORDS[(number * 7 + 3) % WORDS.length]];
  return {
    kind: "load",
    title: `${one} moves with ${other}, finding ${token}`,
    body: `Where ${one} rose, ${other} followed within ${1 + (number % 9)} weeks.`,
    payload: { token, number },
    confidence: (number % 100) / 100,
    evidence: [{ query_shape: "SELECT month, sum(revenue) FROM analytics.monthly_revenue GROUP BY month", relations: ["analytics.monthly_revenue"], data_as_of: "2026-11-20T12:00:00Z", database: "shop" }],
  };
}

const token = (random) => `${__ENV.RUN || 0}-${exec.vu.idInTest}-${exec.vu.iterationInInstance}-${random.integer(0, 4294967295).toString(36)}`;

let last = null;

// Makes an insight, or a new version of the last one. Whoever has no answer asks again with the same key, as a client
// should: it must not be made twice.
export function write(random) {
  const mine = token(random);
  const supersedes = last !== null && random.chance(0.25);
  const content = insight(mine, random.integer(0, 9999));
  const { kind, ...version } = content;
  const path = supersedes ? `/v1/insights/${last}/supersede` : "/v1/insights";
  const headers = { "Idempotency-Key": `"${mine}"` };
  for (let attempt = 0; attempt < 40; attempt += 1) {
    const response = measured("write", () => answered(call("POST", path, supersedes ? version : content, { headers }), [200, 201]));
    if (response) {
      last = response.json("id");
      note({ note: "ack", door: "http", token: mine });
      return;
    }
    sleep(1);
  }
  // Nobody knows what became of it.
  last = null;
  note({ note: "gave up", token: mine });
}

let storeDoor = null;

// The same over SQL: no key, so nothing is tried again.
export function writeSql(random) {
  storeDoor = storeDoor || door(__ENV.STORE_URL);
  const mine = token(random);
  const content = insight(mine, random.integer(0, 9999));
  const done = measured("write-sql", () => {
    storeDoor.exec(
      "INSERT INTO insights (kind, title, body, payload, confidence) VALUES ('load', $1, $2, $3::jsonb, $4::float8)",
      content.title, content.body, JSON.stringify(content.payload), String(content.confidence),
    );
    return true;
  });
  if (done) note({ note: "ack", door: "sql", token: mine });
  else sleep(0.1);
}

export function search(random) {
  const body = { query: `${random.one(WORDS)} ${random.chance(0.5) ? "or " : ""}${random.one(WORDS)}`, limit: 10, filter: { kind: "load" } };
  const found = measured("search", () => answered(call("POST", "/v1/search", body), [200]));
  if (!found) sleep(0.1);
}

export function list(random) {
  const path = `/v1/insights?kind=load&limit=20&confidence_min=0.${random.integer(10, 90)}`;
  const found = measured("list", () => answered(call("GET", path), [200]));
  if (!found) sleep(0.1);
}
