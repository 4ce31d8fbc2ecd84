// Lines over time as SVG, by hand.

export const escaped = (text) => String(text).replace(/[&<>"]/g, (c) => ({ "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;" })[c]);

const [WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM] = [860, 220, 60, 110, 34, 30];

// panels: [{ title, log, lines: [{ name, color, points: [[x, y], …] }] }], one below the other with the same x.
export function chart({ title, x, panels }) {
  const drawn = panels.map((panel, index) => `<g transform="translate(0 ${30 + index * HEIGHT})">${drawPanel(panel, x)}</g>`);
  const height = 30 + panels.length * HEIGHT + 8;
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" width="${WIDTH}" height="${height}" font-family="system-ui,sans-serif" font-size="12">
<rect width="${WIDTH}" height="${height}" fill="#fff"/><text x="${LEFT}" y="20" font-size="15" font-weight="600">${escaped(title)}</text>${drawn.join("")}</svg>`;
}

function drawPanel({ title, log, lines }, unit) {
  const all = lines.flatMap((line) => line.points);
  const last = Math.max(1, ...all.map(([at]) => at));
  const values = all.map(([, value]) => value).filter((value) => value > 0);
  const [top, bottom] = [Math.max(1, ...values) * 1.1, log ? Math.min(1, ...values) : 0];
  const across = (at) => LEFT + (at / last) * (WIDTH - LEFT - RIGHT);
  const share = (value) => (log ? Math.log(Math.max(value, bottom) / bottom) / Math.log(top / bottom) : value / top);
  const up = (value) => HEIGHT - BOTTOM - share(value) * (HEIGHT - TOP - BOTTOM);
  const grid = ticks(bottom, top, log).map((value) => `<line x1="${LEFT}" x2="${WIDTH - RIGHT}" y1="${up(value).toFixed(1)}" y2="${up(value).toFixed(1)}" stroke="#e3e8ee"/><text x="${LEFT - 8}" y="${(up(value) + 4).toFixed(1)}" text-anchor="end" fill="#556">${value}</text>`);
  const times = [0, 0.25, 0.5, 0.75, 1].map((part) => `<text x="${across(last * part).toFixed(1)}" y="${HEIGHT - 12}" text-anchor="middle" fill="#556">${Math.round(last * part)} ${unit}</text>`);
  const curves = lines.map(({ color, points }) => `<polyline fill="none" stroke="${color}" stroke-width="2" points="${points.map(([at, value]) => `${across(at).toFixed(1)},${up(value).toFixed(1)}`).join(" ")}"/>`);
  const names = lines.map(({ name, color }, index) => `<text x="${WIDTH - RIGHT + 12}" y="${TOP + 12 + index * 18}" fill="${color}" font-weight="600">${escaped(name)}</text>`);
  return `<text x="${LEFT}" y="20" fill="#334">${escaped(title)}</text>${[...grid, ...times, ...curves, ...names].join("")}`;
}

function ticks(bottom, top, log) {
  if (log) {
    const powers = Array.from({ length: 10 }, (_, index) => 10 ** (index - 3));
    return powers.filter((value) => value >= bottom * 0.99 && value <= top);
  }
  const rough = top / 4;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((times) => times * power).find((candidate) => candidate >= rough) || rough;
  return Array.from({ length: 6 }, (_, index) => Number((index * step).toPrecision(6))).filter((value) => value <= top);
}
