// Is what the gateway answers, from memory or not, what PostgreSQL says? Asked on two connections, one of them straight
// to PostgreSQL, while the customer's application writes.
import crypto from "k6/crypto";
import { Counter } from "k6/metrics";
import { BOARD, BOARD_JOINED, COLD, HOT } from "./reads.js";
import { question } from "./adhoc.js";
import { bucket, door, measured, note, plain } from "./doors.js";

const compared = new Counter("compared");
const differing = new Counter("differing");
// Something was written in between: nothing can be said.
const skipped = new Counter("compare_skipped");

const STALENESS_MAX_MS = Number(__ENV.STALENESS_MAX_MS || 5000);

let doors = null;

export function compare(random) {
  if (!doors) {
    const exact = door(`${__ENV.GATEWAY_URL} vitrine.max_staleness='0'`);
    doors = { gateway: door(__ENV.GATEWAY_URL), exact, direct: door(__ENV.DIRECT_URL) };
  }
  const ways = { still: 5, board: 2, exactBoard: 2, sameSnapshot: 2 };
  ({ still, board, exactBoard, sameSnapshot })[random.weighted(ways)](random);
}

function judge(kind, same, text) {
  compared.add(1, { kind, bucket: bucket() });
  if (same) return;
  differing.add(1, { kind });
  note({ note: "differs", kind, text: text().slice(0, 1500) });
}

function from(what, connection, sql, ...args) {
  return measured(what, () => connection.query(sql, ...args));
}

// Tables that nobody writes: twice through the gateway, so that the second comes from memory where it may.
function still(random) {
  const cold = random.one(COLD);
  const id = random.integer(1, cold.to);
  const questions = { hot: [random.one(HOT)], cold: [cold.sql, id], adhoc: [question(random)] };
  const [sql, ...args] = questions[random.weighted({ hot: 3, cold: 1, adhoc: 2 })];
  const first = from("compare", doors.gateway, sql, ...args);
  const second = first && from("compare", doors.gateway, sql, ...args);
  const told = second && from("compare", doors.gateway, "SHOW vitrine.last_query");
  const direct = told && from("direct", doors.direct, sql, ...args);
  if (!direct) return;
  const hit = String(Object.values(told[0])[0]).startsWith("hit");
  const [one, two, three] = [plain(first), plain(second), plain(direct)];
  judge(hit ? "still, from memory" : "still", one === three && two === three, () => `${sql}\nfirst  ${one}\nsecond ${two}\ndirect ${three}`);
}

// What stands on the board follows from its version: every row, whatever the age of the answer.
function sound(rows) {
  const version = rows.length ? Number(rows[0].version) : -1;
  return rows.length === 20 && rows.every((row) => Number(row.version) === version && row.value === crypto.md5(`${row.id}:${version}`, "hex"));
}

// With the staleness that is promised to everybody.
function board() {
  const before = from("direct", doors.direct, "SELECT clock_timestamp()::text AS at");
  const rows = before && from("compare", doors.gateway, BOARD);
  if (!rows) return;
  const version = rows.length ? Number(rows[0].version) : -1;
  // Stale beyond the promise: the next version was there long before the question.
  const late = from("direct", doors.direct,
    "SELECT count(*)::int AS late FROM pulse.written WHERE version > $1::bigint AND at < $2::timestamptz - ($3 * interval '1 ms')",
    version, before[0].at, STALENESS_MAX_MS + 1000);
  if (!late) return;
  judge("board", sound(rows) && Number(late[0].late) === 0, () => `${late[0].late} later versions were there: ${plain(rows)}`);
}

// Nothing older than the question.
function exactBoard() {
  const newest = "SELECT max(version)::int AS version FROM pulse.board";
  const before = from("direct", doors.direct, newest);
  const rows = before && from("compare", doors.exact, BOARD);
  const after = rows && from("direct", doors.direct, newest);
  if (!after) return;
  const version = rows.length ? Number(rows[0].version) : -1;
  const within = Number(before[0].version) <= version && version <= Number(after[0].version);
  judge("board, nothing older", sound(rows) && within, () => `${before[0].version} to ${after[0].version}: ${plain(rows)}`);
}

// The whole answer, where nothing at all was written in between.
function sameSnapshot() {
  const snapshot = "SELECT pg_current_snapshot()::text AS snapshot";
  const before = from("direct", doors.direct, snapshot);
  const answer = before && from("compare", doors.exact, BOARD_JOINED);
  const direct = answer && from("direct", doors.direct, BOARD_JOINED);
  const after = direct && from("direct", doors.direct, snapshot);
  if (!after) return;
  if (before[0].snapshot !== after[0].snapshot) {
    skipped.add(1);
    return;
  }
  judge("same snapshot", plain(answer) === plain(direct), () => `gateway ${plain(answer)}\ndirect  ${plain(direct)}`);
}

let writer = null;

// The customer's own application, straight to PostgreSQL: one version after the other.
export function pulse() {
  writer = writer || door(__ENV.WRITER_URL);
  measured("customer-writes", () => writer.exec("SELECT pulse.beat()"));
}
