// Load on a gateway over both of its doors, with attacks in it, and every answer that can be compared compared.
// SCENARIO is one of those in lib/shapes.js. `run` beside this file starts what it needs and looks at the end.
import exec from "k6/execution";
import { sleep } from "k6";
import { question } from "./lib/adhoc.js";
import { attack } from "./lib/attacking.js";
import { compare, pulse } from "./lib/comparing.js";
import { BUCKETS, door, guarded, measured } from "./lib/doors.js";
import { Random } from "./lib/random.js";
import { COLD, HOT } from "./lib/reads.js";
import { summary } from "./lib/report.js";
import { scenarios, thresholds } from "./lib/shapes.js";
import { list, prepareStore, search, write, writeSql } from "./lib/store.js";

const SCENARIO = __ENV.SCENARIO || "smoke";

export const options = {
  scenarios: scenarios(SCENARIO),
  thresholds: thresholds(SCENARIO, BUCKETS),
  summaryTrendStats: ["count", "avg", "min", "med", "p(95)", "p(99)", "max"],
  insecureSkipTLSVerify: true,
  setupTimeout: "60s",
  systemTags: ["name", "status", "scenario"],
};

// Out of a hundred.
const MIX = { hot: 38, cold: 18, adhoc: 20, come: 3, write: 7, writeSql: 3, search: 7, list: 4 };

let gateway = null;

// Its own for each virtual user and iteration: the same seed asks the same.
const random = () => new Random(Number(__ENV.SEED || 1) * 2654435761 + exec.vu.idInTest * 65537 + exec.vu.iterationInInstance * 257);

function ask(what, sql, ...args) {
  gateway = gateway || door(__ENV.GATEWAY_URL);
  if (!measured(what, () => gateway.query(sql, ...args))) sleep(0.1);
}

const ACTS = {
  hot: (r) => ask("hot", r.one(HOT)),
  cold: (r) => {
    const cold = r.one(COLD);
    ask("cold", cold.sql, r.integer(1, cold.to));
  },
  adhoc: (r) => ask("adhoc", question(r)),
  // Comes, asks, goes.
  come: (r) => {
    const passing = door(__ENV.GATEWAY_URL);
    if (!measured("come", () => passing.query(r.one(HOT)))) sleep(0.1);
    passing.close();
  },
  write,
  writeSql,
  search,
  list,
};

export function setup() {
  prepareStore();
}

export const mixed = guarded(() => {
  const r = random();
  ACTS[r.weighted(MIX)](r);
});

export const attackers = guarded(() => attack(random()));

export const comparing = guarded(() => compare(random()));

export const customer = guarded(() => pulse());

export const handleSummary = (data) => summary(SCENARIO, data);
