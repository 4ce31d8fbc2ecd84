// The summary as text, JSON and one HTML file that fetches nothing.
import { BUCKETS, endedWhileIdle } from "./doors.js";
import { plannedSeconds } from "./shapes.js";
import { chart, escaped } from "./svg.js";

// A gateway holds a rate when 95 of 100 answers come within this and fewer than one in 100 fails.
const HELD_P95_MS = 250;

const WHAT = ["hot", "cold", "adhoc", "come", "write", "write-sql", "search", "list", "compare"];

export function summary(scenario, data) {
  const figures = collect(scenario, data.metrics, data.state);
  const folder = __ENV.OUT || ".";
  return {
    stdout: text(figures),
    [`${folder}/${scenario}.txt`]: text(figures),
    [`${folder}/${scenario}.json`]: JSON.stringify(figures, null, 1),
    [`${folder}/${scenario}.svg`]: picture(figures),
    [`${folder}/${scenario}.html`]: page(figures),
  };
}

function collect(scenario, metrics, state) {
  const values = (name) => (metrics[name] ? metrics[name].values : {});
  const count = (name) => values(name).count || 0;
  const rows = WHAT.map((what) => {
    const { count: asked = 0, med = 0, max = 0, "p(95)": p95 = 0, "p(99)": p99 = 0 } = values(`took{what:${what}}`);
    const failed = values(`failed{what:${what}}`);
    return { what, ok: asked, failed: failed.passes || 0, p50: med, p95, p99, max };
  });
  const piece = plannedSeconds(scenario) / BUCKETS;
  const pieces = Array.from({ length: BUCKETS }, (_, bucket) => {
    const { count: asked = 0, med = 0, "p(95)": p95 = 0, "p(99)": p99 = 0 } = values(`took{bucket:${bucket}}`);
    const failed = values(`failed{bucket:${bucket}}`).passes || 0;
    return { at_s: (bucket + 0.5) * piece, ok_per_s: asked / piece, failed_per_s: failed / piece, p50: med, p95, p99 };
  });
  // Aborted: what was planned after that did not happen.
  while (pieces.length > 1 && pieces[pieces.length - 1].ok_per_s === 0) pieces.pop();
  const held = pieces.filter((piece) => piece.p95 < HELD_P95_MS && piece.failed_per_s < 0.01 * piece.ok_per_s).map((piece) => piece.ok_per_s);
  const crossed = [];
  for (const [name, metric] of Object.entries(metrics)) {
    for (const [expression, { ok }] of Object.entries(metric.thresholds || {})) if (!ok) crossed.push(`${name} ${expression}`);
  }
  return {
    scenario,
    seconds: (state.testRunDurationMs || 0) / 1000,
    ok: rows.reduce((sum, row) => sum + row.ok, 0),
    failed: rows.reduce((sum, row) => sum + row.failed, 0),
    held_per_s: Math.max(0, ...held),
    dropped: count("dropped_iterations"),
    attacks: { tried: count("attacks_tried"), through: count("attacks_through"), unknown: count("attacks_unknown") },
    compared: { answers: count("compared"), differing: count("differing"), skipped: count("compare_skipped") },
    ended_while_idle: endedWhileIdle(),
    rows, pieces, crossed,
  };
}

const ms = (value) => value.toFixed(value < 10 ? 2 : value < 100 ? 1 : 0);
const HEADS = ["what", "answered", "failed", "p50 ms", "p95 ms", "p99 ms", "max ms"];
const cells = (row) => [row.what, String(row.ok), String(row.failed), ms(row.p50), ms(row.p95), ms(row.p99), ms(row.max)];

function sentences({ seconds, ok, failed, dropped, held_per_s, attacks, compared }) {
  return [
    `${ok} answered in ${seconds.toFixed(0)} s (${(ok / Math.max(1, seconds)).toFixed(0)}/s), ${failed} failed, ${dropped} not begun in time`,
    `the most that was held, with a p95 under ${HELD_P95_MS} ms: ${held_per_s.toFixed(0)}/s`,
    `${attacks.tried} attacks, ${attacks.through} got through, ${attacks.unknown} without an answer`,
    `${compared.answers} answers compared with PostgreSQL's own, ${compared.differing} differ, ${compared.skipped} undecided because of a write in between`,
  ];
}

function text(figures) {
  const table = [HEADS, ...figures.rows.map(cells)];
  const widths = HEADS.map((_, column) => Math.max(...table.map((row) => row[column].length)));
  const lines = table.map((row) => `  ${row.map((cell, column) => (column ? cell.padStart(widths[column]) : cell.padEnd(widths[0]))).join("  ")}`);
  const crossed = figures.crossed.map((threshold) => `  CROSSED ${threshold}`);
  return `\n${figures.scenario}\n${lines.join("\n")}\n${sentences(figures).map((line) => `  ${line}`).join("\n")}\n${crossed.join("\n")}\n`;
}

function picture({ scenario, pieces }) {
  const times = pieces.map((piece) => piece.at_s);
  const line = (name, color, field) => ({ name, color, points: pieces.map((piece, i) => [times[i], piece[field]]) });
  return chart({
    title: scenario,
    x: "s",
    panels: [
      { title: "answered and failed, each second", lines: [line("answered", "#0a7a3a", "ok_per_s"), line("failed", "#c02020", "failed_per_s")] },
      { title: "time to the answer, ms", log: true, lines: [line("p50", "#7aa6d8", "p50"), line("p95", "#3b6fb0", "p95"), line("p99", "#1b3a66", "p99")] },
    ],
  });
}

const STYLE = `body{font:15px/1.45 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#1c2530}
table{border-collapse:collapse;margin:1rem 0}td,th{padding:.25rem .8rem;border-bottom:1px solid #dde3ea;text-align:right}
td:first-child,th:first-child{text-align:left}.bad{color:#c02020;font-weight:600}.good{color:#0a7a3a;font-weight:600}svg{max-width:100%;height:auto}`;

function page(figures) {
  const row = (list, tag) => `<tr>${list.map((cell) => `<${tag}>${escaped(cell)}</${tag}>`).join("")}</tr>`;
  const verdict = figures.crossed.length
    ? `<p class="bad">${figures.crossed.length} thresholds crossed</p><ul>${figures.crossed.map((one) => `<li>${escaped(one)}</li>`).join("")}</ul>`
    : '<p class="good">All thresholds held.</p>';
  return `<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Vitrine under load: ${escaped(figures.scenario)}</title><style>${STYLE}</style></head>
<body><h1>Vitrine under load: ${escaped(figures.scenario)}</h1>${verdict}
${sentences(figures).map((line) => `<p>${escaped(line)}.</p>`).join("")}
<table><thead>${row(HEADS, "th")}</thead><tbody>${figures.rows.map((one) => row(cells(one), "td")).join("")}</tbody></table>
${picture(figures)}</body></html>`;
}
