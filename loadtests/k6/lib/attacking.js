// Makes the attempts of attacks.js, and judges them.
import http from "k6/http";
import exec from "k6/execution";
import { Counter } from "k6/metrics";
import { CUSTOMER, LOGINS, STORE, disguised } from "./attacks.js";
import { bucket, door, note, outcome } from "./doors.js";
import { call } from "./store.js";

const tried = new Counter("attacks_tried");
const through = new Counter("attacks_through");
// Neither refused nor through: the connection broke.
const unknown = new Counter("attacks_unknown");

// The run against which the check itself is checked gives the attacker another way in.
const CUSTOMER_URL = __ENV.ATTACK_URL || __ENV.GATEWAY_URL;

const WAYS = [
  ...CUSTOMER.map((steps) => ({ way: "customer", steps })),
  ...STORE.map((steps) => ({ way: "store", steps })),
  ...LOGINS.map((parameter) => ({ way: "login", steps: [parameter] })),
  ...["no key", "wrong key", "read key writes", "rival read", "rival superseded", "rival searched", "sql in a filter", "wrong method"].map(
    (steps) => ({ way: "http", steps: [steps] }),
  ),
];

export const ATTACKS = WAYS.length;

// One attempt: the next of all in turn, so that each is tried before one is tried again.
export function attack(random) {
  const attempt = WAYS[exec.scenario.iterationInTest % WAYS.length];
  const tags = { way: attempt.way, bucket: bucket() };
  tried.add(1, tags);
  const became = attempt.way === "http" ? overHttp(attempt.steps[0], random) : overSql(attempt, random);
  note({ note: "attack", way: attempt.way, outcome: became });
  if (became === "through") {
    through.add(1, tags);
    note({ note: "through", way: attempt.way, text: attempt.steps.join("; ") });
  } else if (!/^[0-9A-Z]{5}$|^[0-9]{3}$|^nothing$/.test(became)) {
    unknown.add(1, tags);
  }
}

function overSql(attempt, random) {
  const urls = { customer: CUSTOMER_URL, store: __ENV.STORE_URL, login: `${CUSTOMER_URL} ${attempt.steps[0]}` };
  // A connection of its own: whatever it did to its session is gone with it.
  const way = door(urls[attempt.way]);
  try {
    const steps = attempt.way === "login" ? ["SELECT 1"] : attempt.steps.map((step) => disguised(step, random));
    for (const step of steps) way.exec(step);
    return "through";
  } catch (error) {
    return outcome(error);
  } finally {
    way.close();
  }
}

// The status of the refusal; `nothing` where an answer without anything in it is right.
function overHttp(name, random) {
  const insight = { kind: "load", title: "planted", payload: { token: `planted-${random.integer(0, 999999)}`, number: 1 } };
  const rival = `/v1/insights/${__ENV.RIVAL_INSIGHT}`;
  const key = `vtr_${random.integer(1000, 9999)}_${random.integer(1, 999999999)}`;
  const ways = {
    "no key": () => call("GET", "/v1/insights", null, { key: null }),
    // Few: whoever guesses too often is made to wait, which is right and not the question here.
    "wrong key": () => call("GET", "/v1/insights", null, { key }),
    "read key writes": () => call("POST", "/v1/insights", insight, { key: __ENV.READ_KEY }),
    "rival read": () => call("GET", rival),
    "rival superseded": () => call("POST", `${rival}/supersede`, { title: "taken" }),
    "rival searched": () => call("GET", "/v1/search?query=secret%20of%20the%20rival"),
    "sql in a filter": () => call("GET", `/v1/insights?key=${encodeURIComponent("x' OR tenant = 'rival'; DELETE FROM insights; --")}`),
    "wrong method": () => http.del(`${__ENV.HTTP_URL}/v1/insights`, null, { headers: { Authorization: `Bearer ${__ENV.KEY}` } }),
  };
  const response = ways[name]();
  if (response.status === 0) return "no answer";
  if (response.status >= 400) return String(response.status);
  const items = response.json("items");
  return Array.isArray(items) && items.length === 0 ? "nothing" : "through";
}
