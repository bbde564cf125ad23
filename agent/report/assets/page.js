/* Draws each run's timeline: hashrate above, incidents as spans below, one axis of site time. Loads nothing. */
(() => {
"use strict";

const MIN = 60, HOUR = 3600, DAY = 86400;
const STEPS = [1, 2, 5, 10, 15, 30, MIN, 2 * MIN, 5 * MIN, 10 * MIN, 15 * MIN, 30 * MIN, HOUR, 2 * HOUR, 3 * HOUR, 6 * HOUR,
  12 * HOUR, DAY, 2 * DAY, 4 * DAY, 7 * DAY, 14 * DAY, 30 * DAY, 60 * DAY];
const WORDS = {
  auto_resolved: "auto-resolved", assisted: "assisted", self_recovered: "self-recovered", human_resolved: "resolved by a person",
  open: "open", escalated: "asks a person", suppressed: "suppressed", disturbance: "disturbance, no fault",
};
const RATE_PX = 220;  // height of the upper plot
const MARKS_PX = 9;   // the row of a group in which its faults begin
const GAP_PX = 8;     // between two groups
const NEAR_PX = 4;    // how close to a span or mark the pointer has to be

const colour = name => getComputedStyle(document.documentElement).getPropertyValue("--" + name).trim();

function siteTime(s, step) {
  const sign = s < 0 ? "-" : "";
  s = Math.round(Math.abs(s) * 10) / 10;
  const d = Math.floor(s / DAY), h = Math.floor(s % DAY / HOUR), m = Math.floor(s % HOUR / MIN), rest = Math.round(s % MIN * 10) / 10;
  const parts = [];
  if (d) parts.push(d + " d");
  if (h) parts.push(h + " h");
  if (m && (!d || step < HOUR)) parts.push(m + " m");
  if (rest && !d && (!h || step < MIN)) parts.push(rest + " s");
  return sign + (parts.join(" ") || "0");
}

/* -- the lower plot's rows ---------------------------------------------------------------------------------------- */

function rows(data) {
  const lanes = data.groups.reduce((sum, group) => sum + group.lanes, 0);
  const lanePx = lanes > 40 ? 6 : lanes > 16 ? 8 : 11;
  let top = 4;
  const groups = data.groups.map(group => {
    const marksPx = group.faults.length ? MARKS_PX : 0;
    const px = marksPx + Math.max(group.lanes * lanePx, 16 - marksPx);
    const row = {...group, top, px, marksPx};
    top += px + GAP_PX;
    return row;
  });
  return {groups, lanePx, px: Math.max(top, 28)};
}

function drawSpans(u, layout, siteS) {
  const {ctx, bbox} = u, dpr = devicePixelRatio;
  const x = s => u.valToPos(s, "x", true);
  ctx.save();
  ctx.font = `${(narrow() ? 11 : 12) * dpr}px ${getComputedStyle(document.body).fontFamily}`;
  ctx.textBaseline = "top";
  if (!layout.groups.length) {
    ctx.fillStyle = colour("soft");
    ctx.textAlign = "center";
    ctx.fillText("no incidents", bbox.left + bbox.width / 2, bbox.top + 4 * dpr);
  }
  for (const group of layout.groups) {
    const top = bbox.top + group.top * dpr;
    ctx.fillStyle = colour("soft");
    ctx.textAlign = "right";
    ctx.fillText(group.name === "disturbances" ? "disturb." : group.name, bbox.left - 8 * dpr, top + 1 * dpr);
    ctx.fillStyle = colour("faint");
    ctx.fillRect(bbox.left, top + (group.px + GAP_PX / 2) * dpr, bbox.width, Math.max(1, dpr / 2));
  }
  ctx.beginPath();
  ctx.rect(bbox.left, bbox.top, bbox.width, bbox.height);
  ctx.clip();
  for (const group of layout.groups) {
    drawFaults(ctx, group, bbox.top + group.top * dpr, x, dpr);
    const lanes = bbox.top + (group.top + group.marksPx) * dpr;
    for (const span of group.spans) drawThread(ctx, span, lanes, layout.lanePx, siteS, x, dpr);
    for (const span of group.spans) drawBar(ctx, span, lanes, layout.lanePx, siteS, x, dpr);
  }
  ctx.restore();
}

function drawFaults(ctx, group, top, x, dpr) {
  const half = 3 * dpr;
  // What nobody noticed comes last, and so on top.
  for (const [at, found] of [...group.faults].sort((a, b) => b[1] - a[1])) {
    const left = x(at);
    ctx.fillStyle = colour(found ? "soft" : "escalated");
    ctx.globalAlpha = found ? .55 : 1;
    ctx.beginPath();
    ctx.moveTo(left - half, top);
    ctx.lineTo(left + half, top);
    ctx.lineTo(left, top + 6 * dpr);
    ctx.fill();
  }
  ctx.globalAlpha = 1;
}

// From when a person was asked, nothing happens but waiting: a thread, on which others find room.
function drawThread(ctx, [lane, , end, , escalated, status], top, lanePx, siteS, x, dpr) {
  if (escalated === null) return;
  ctx.fillStyle = colour(status);
  ctx.fillRect(x(escalated), top + (lane + .5) * lanePx * dpr - 1.5 * dpr, x(end ?? siteS) - x(escalated), Math.max(1, dpr));
}

function drawBar(ctx, [lane, start, end, remediated, escalated, status], top, lanePx, siteS, x, dpr) {
  const left = x(start), last = x(end ?? siteS), right = Math.max(escalated === null ? last : x(escalated), left + 2 * dpr);
  const y = top + lane * lanePx * dpr, height = (lanePx - 2) * dpr;
  const mark = (at, name) => {
    ctx.fillStyle = colour(name);
    ctx.fillRect(x(at) - dpr / 2, y - dpr, Math.max(1, 1.5 * dpr), height + 2 * dpr);
  };
  ctx.fillStyle = colour(status);
  if (end === null && escalated === null) {
    // It goes on beyond the end of the run: it fades instead of ending.
    const fade = ctx.createLinearGradient(right - Math.min(40 * dpr, (right - left) / 2), 0, right, 0);
    fade.addColorStop(0, colour(status));
    fade.addColorStop(1, colour(status) + "30");
    ctx.fillStyle = fade;
  }
  ctx.fillRect(left, y, right - left, height);
  const room = right - left > 6 * dpr;
  if (room && remediated !== null) mark(remediated, "ink");
  if (escalated !== null) mark(escalated, "escalated");
  else if (room && end !== null) {
    ctx.fillStyle = "rgb(0 0 0 / .35)";
    ctx.fillRect(right - 2 * dpr, y, 2 * dpr, height);
  }
}

function under(u, layout, siteS, px, py) {
  const near = s => u.valToPos(s, "x");
  for (const group of layout.groups) {
    const y = py - group.top;
    if (y < -2 || y > group.px + 2) continue;
    if (y < group.marksPx) {
      const fault = group.faults.find(([at]) => Math.abs(near(at) - px) <= NEAR_PX);
      if (fault) return `${fault[2]} · ${fault[3]}\nfault began at ${siteTime(fault[0], 1)}${fault[1] ? "" : "\nnobody noticed"}`;
    }
    const lane = Math.floor((y - group.marksPx) / layout.lanePx);
    const at = group.spans.filter(s => s[0] === lane && near(s[1]) - NEAR_PX <= px);
    // A bar is meant before the thread that passes behind it.
    const span = at.find(s => px <= near(s[4] ?? s[2] ?? siteS) + NEAR_PX) ?? at.find(s => px <= near(s[2] ?? siteS) + NEAR_PX);
    if (span) return told(span);
  }
  return "";
}

function told([, start, end, remediated, escalated, status, label, detail]) {
  const lines = [`${label} · ${WORDS[status]}`, detail];
  const from = status === "disturbance" ? "began" : "detected";
  lines.push(`${from} at ${siteTime(start, 1)}${end === null ? ", not over" : `, over after ${siteTime(end - start, 1)}`}`);
  if (remediated !== null) lines.push(`remediation after ${siteTime(remediated - start, 1)}`);
  if (escalated !== null) lines.push(`person asked after ${siteTime(escalated - start, 1)}`);
  return lines.filter(Boolean).join("\n");
}

/* -- plots -------------------------------------------------------------------------------------------------------- */

const narrow = () => innerWidth <= 640;
const gutter = () => narrow() ? 64 : 76;

function axes(unit) {
  const line = {stroke: () => colour("soft"), font: "12px system-ui, sans-serif", grid: {stroke: () => colour("faint"), width: 1},
    ticks: {stroke: () => colour("faint"), width: 1, size: 4}};
  const time = {...line, incrs: STEPS, space: narrow() ? 70 : 90, size: 28, gap: 3,
    values: (u, at, _axis, _space, step) => at.map(s => siteTime(s, step))};
  const left = {...line, size: gutter(), gap: 4};
  return unit === null
    ? [{...time, size: 26, label: "site time", labelSize: 16, labelFont: "12px system-ui, sans-serif", labelGap: 0}, {...left, show: true, splits: () => [], grid: {show: false}, ticks: {show: false}}]
    : [{...time, values: (u, at) => at.map(() => ""), size: 6}, {...left, label: unit, labelSize: 16, labelFont: "12px system-ui, sans-serif", labelGap: 0, size: gutter() - 16}];
}

function hashrateRange(data) {
  const top = Math.max(...data.rate, ...data.target), least = Math.min(...data.low, ...data.target);
  if (!(top > 0)) return [0, 1];
  // A dip below half is read against zero, where a small one would not be seen. Noise is not blown up either.
  const from = least < top / 2 ? 0 : Math.min(least - (top - least) * .12, top * .95);
  return [from, top + (top - from) * .06];
}

function timeline(figure) {
  const data = JSON.parse(figure.querySelector("script").textContent);
  const above = figure.querySelector(".hashrate"), below = figure.querySelector(".spans"), readout = figure.querySelector(".readout");
  const layout = rows(data), plots = [], tip = document.createElement("div");
  tip.className = "tip";
  tip.hidden = true;
  figure.append(tip);
  const key = uPlot.sync(figure.querySelector("script").id);
  const shared = {
    width: figure.clientWidth, legend: {show: false}, pxAlign: 1,
    cursor: {sync: {key: key.key, scales: ["x", null]}, y: false, drag: {x: true, y: false}, points: {size: 6}},
    hooks: {setScale: [(u, scale) => {
      if (scale !== "x") return;
      const {min, max} = u.scales.x;
      for (const other of plots) if (other !== u && (other.scales.x.min !== min || other.scales.x.max !== max)) other.setScale("x", {min, max});
    }]},
  };
  const x = {time: false, range: (u, min, max) => min === max || min === null ? [0, data.site_s] : [Math.max(0, min), Math.min(data.site_s, max)]};
  // Both plots reach from the run's beginning to its end, whatever was sampled in between.
  const ends = list => [null, ...list, null];
  if (data.at.length) {
    plots.push(new uPlot({
      ...shared, height: RATE_PX, padding: [8, 16, 0, 0], scales: {x, y: {range: () => hashrateRange(data)}}, axes: axes(data.unit),
      series: [{},
        {stroke: () => colour("low"), width: 1, points: {show: false}},
        {stroke: () => colour("rate"), width: 1.5, points: {show: false}},
        {stroke: () => colour("target"), width: 1.25, dash: [6, 4], points: {show: false}}],
      bands: [{series: [2, 1], fill: () => colour("low") + "50"}],
      hooks: {...shared.hooks, setCursor: [u => {
        const k = u.cursor.idx;
        const [at, low, rate, target] = k == null ? [] : u.data.map(list => list[k]);
        readout.textContent = at == null || rate == null ? "" :
          `${siteTime(at, 1)}: ${rate} of ${target} ${data.unit}` + (target ? ` (${(100 * rate / target).toFixed(1)} %)` : "") + (low < rate ? `, least ${low}` : "");
      }]},
    }, [[0, ...data.at, data.site_s], ends(data.low), ends(data.rate), ends(data.target)], above));
  } else {
    above.style.minHeight = 0;
    above.textContent = "No hashrate was recorded.";
  }
  plots.push(new uPlot({
    ...shared, height: layout.px + 44, padding: [2, 16, 0, 0], scales: {x, y: {range: [0, 1]}}, axes: axes(null),
    series: [{}, {show: true, paths: () => null, points: {show: false}}],
    hooks: {...shared.hooks, draw: [u => drawSpans(u, layout, data.site_s)]},
  }, [[0, data.site_s], [0, 0]], below));
  const spans = plots[plots.length - 1];
  spans.over.addEventListener("mousemove", event => {
    const box = spans.over.getBoundingClientRect(), own = figure.getBoundingClientRect();
    const left = event.clientX - box.left, top = event.clientY - box.top;
    tip.textContent = under(spans, layout, data.site_s, left, top);
    tip.hidden = !tip.textContent;
    tip.style.left = Math.max(0, Math.min(event.clientX - own.left + 12, own.width - tip.offsetWidth)) + "px";
    tip.style.top = event.clientY - own.top + 16 + "px";
  });
  spans.over.addEventListener("mouseleave", () => { tip.hidden = true; });
  const redraw = (width, rateHeight) => plots.forEach(plot => {
    plot.setSize({width, height: plot === spans ? plot.height : rateHeight});
    plot.redraw(false, true);
  });
  return {figure, redraw};
}

/* -- when they are drawn ------------------------------------------------------------------------------------------ */

const drawn = new Map();
const draw = figure => { if (!drawn.has(figure)) drawn.set(figure, timeline(figure)); };
const redraw = () => drawn.forEach(one => one.redraw(one.figure.clientWidth, RATE_PX));
const figures = [...document.querySelectorAll(".timeline")];
const AT_ONCE = 3;    // what is on the first screens is not waited for; a folder may have many more
const look = new IntersectionObserver(seen => seen.forEach(entry => {
  if (entry.isIntersecting) { look.unobserve(entry.target); draw(entry.target); }
}), {rootMargin: "800px"});
figures.slice(0, AT_ONCE).forEach(draw);
figures.slice(AT_ONCE).forEach(figure => look.observe(figure));

let asked = 0;
addEventListener("resize", () => { cancelAnimationFrame(asked); asked = requestAnimationFrame(redraw); });
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);
addEventListener("beforeprint", () => {
  document.documentElement.dataset.theme = "light";
  figures.forEach(draw);
  drawn.forEach(one => one.redraw(680, RATE_PX * .65));   // A4 or letter between its margins
});
addEventListener("afterprint", () => { delete document.documentElement.dataset.theme; redraw(); });
})();
