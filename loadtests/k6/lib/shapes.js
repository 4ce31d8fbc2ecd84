// How much, for how long, and what must hold. Rates are iterations a second; LOADTEST_RATE multiplies them, LOADTEST_SCALE
// the durations, LOADTEST_SLACK the times that are allowed (for machines that others work on too).

const scaled = (name) => Number(__ENV[name] || 1);
const [RATE, SCALE, SLACK] = [scaled("LOADTEST_RATE"), scaled("LOADTEST_SCALE"), scaled("LOADTEST_SLACK")];

const rate = (perSecond) => Math.max(1, Math.round(perSecond * RATE));
// What breaks takes its time: such a run is never shortened.
const seconds = (duration, name = "") => Math.max(1, Math.round(duration * (name.startsWith("fault") ? 1 : SCALE)));

// [seconds, iterations a second at its end], beginning at `from`.
const SHAPES = {
  smoke: { users: 4, from: 20, stages: [[25, 20]] },
  average: { users: 20, from: 20, stages: [[10, 150], [100, 150], [10, 20]] },
  stress: { users: 60, from: 50, stages: [[15, 150], [30, 300], [30, 450], [30, 600], [15, 50]] },
  spike: { users: 80, from: 50, stages: [[15, 50], [3, 700], [15, 700], [3, 50], [24, 50]] },
  soak: { users: 20, from: 100, stages: [[10, 100], [1780, 100], [10, 20]] },
  breakpoint: { users: 200, from: 50, stages: [[180, 2000]] },
  // Something breaks ten seconds after the start: see ../harness/faults.py.
  fault: { users: 30, from: 40, stages: [[40, 40]] },
  "fault-tool-gone": { users: 60, from: 40, stages: [[60, 40]] },
};

const found = (name) => SHAPES[name] || (name.startsWith("fault-") ? SHAPES.fault : undefined);

// p95 and p99 in ms of each thing that is done, and the share that may fail.
const CALM = { hot: [25, 80], cold: [40, 120], adhoc: [80, 250], come: [60, 200], write: [80, 250], "write-sql": [60, 200], search: [80, 250], list: [60, 200], compare: [60, 200] };
const LIMITS = {
  smoke: { times: 2, failed: 0 },
  average: { times: 1, failed: 0.001 },
  stress: { times: 6, failed: 0.01 },
  spike: { times: 10, failed: 0.02 },
  soak: { times: 1, failed: 0.001 },
};

export function shape(name) {
  const wanted = found(name);
  if (!wanted) throw new Error(`no scenario ${name}; there are ${Object.keys(SHAPES).join(", ")}`);
  const stages = wanted.stages.map(([duration, target]) => ({ duration: `${seconds(duration, name)}s`, target: rate(target) }));
  return { users: wanted.users, from: rate(wanted.from), stages };
}

// k6's scenarios: the mix in the shape that was asked for, and beside it those who attack, compare and write.
export function scenarios(name) {
  const { users, from, stages } = shape(name);
  const duration = `${plannedSeconds(name)}s`;
  const steady = (exec, perSecond, vus) => ({ executor: "constant-arrival-rate", exec, rate: perSecond, duration, preAllocatedVUs: vus, gracefulStop: "15s" });
  return {
    mixed: { executor: "ramping-arrival-rate", exec: "mixed", startRate: from, stages, preAllocatedVUs: users, maxVUs: users * 4, gracefulStop: "15s" },
    attackers: steady("attackers", 8, 4),
    comparing: steady("comparing", 6, 3),
    customer: steady("customer", 4, 2),
  };
}

export function plannedSeconds(name) {
  return found(name).stages.reduce((sum, [duration]) => sum + seconds(duration, name), 0);
}

export function thresholds(name, buckets) {
  const all = {
    attacks_through: ["count==0"],
    attacks_tried: ["count>0"],
    compared: ["count>0"],
    differing: ["count==0"],
    script_errors: ["count==0"],
  };
  // Named so that their figures come out piece by piece; they can't fail.
  for (let bucket = 0; bucket < buckets; bucket += 1) {
    all[`took{bucket:${bucket}}`] = ["max>=0"];
    all[`failed{bucket:${bucket}}`] = ["rate>=0"];
  }
  const limits = LIMITS[name];
  for (const [what, [p95, p99]] of Object.entries(CALM)) {
    const times = limits && [`p(95)<${p95 * limits.times * SLACK}`, `p(99)<${p99 * limits.times * SLACK}`];
    all[`took{what:${what}}`] = times || ["max>=0"];
    all[`failed{what:${what}}`] = limits ? [`rate<=${limits.failed}`] : ["rate>=0"];
  }
  if (limits) all.attacks_unknown = ["count==0"];
  if (name === "breakpoint") {
    // It ends where the gateway no longer keeps up: that is its result.
    all.failed = [{ threshold: "rate<0.05", abortOnFail: true, delayAbortEval: "5s" }];
    all.dropped_iterations = [{ threshold: "rate<20", abortOnFail: true, delayAbortEval: "10s" }];
  }
  return all;
}
