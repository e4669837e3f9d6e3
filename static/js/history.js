// Draws the chart of a module's use from the table that stands below it.
(function () {
  "use strict";
  const place = document.querySelector("[data-chart]");
  const table = place && document.getElementById(place.dataset.chart);
  if (!table || !window.uPlot) return;

  const language = document.documentElement.lang;
  const rows = Array.from(table.tBodies[0].rows);
  const named = Array.from(table.tHead.rows[0].cells);

  function number(cell) {
    const text = cell.textContent.trim().replace(/\s/g, "").replace(",", ".");
    return text === "" ? null : Number(text);
  }

  function column(name) {
    const at = named.findIndex(function (cell) { return cell.dataset.series === name; });
    return {
      label: named[at].textContent.trim(),
      values: rows.map(function (row) { return number(row.cells[at]); }),
    };
  }

  const times = rows.map(function (row) { return Number(row.dataset.at); });
  const seats = column("seats"), peak = column("peak"), average = column("average");

  // The portal's wall clock was sent as if it were UTC, so that every reader sees the same hours.
  function format(options) {
    const formatter = new Intl.DateTimeFormat(language, Object.assign({ timeZone: "UTC" }, options));
    return function (seconds) { return formatter.format(new Date(seconds * 1000)); };
  }
  const shapes = {
    hour: { day: "numeric", month: "short", hour: "2-digit", minute: "2-digit" },
    day: { day: "numeric", month: "short" },
    month: { month: "short", year: "numeric" },
  };
  const tick = format(shapes[table.dataset.by]);
  const whole = format(Object.assign({ year: "numeric" }, shapes[table.dataset.by]));

  function colour(name) {
    return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  }

  let chart = null;
  function draw() {
    if (chart) chart.destroy();
    const axis = { stroke: colour("--tblr-secondary"), grid: { stroke: colour("--km-bar"), width: 1 } };
    const stepped = window.uPlot.paths.stepped({ align: 1 });
    const series = [
      { label: table.tHead.rows[0].cells[0].textContent.trim(), value: function (u, at) { return at === null ? "–" : whole(at); } },
      { label: peak.label, stroke: colour("--tblr-primary"), fill: colour("--km-chart-fill"), width: 2, paths: stepped, points: { show: false } },
      { label: average.label, stroke: colour("--km-good"), width: 2, points: { show: false } },
    ];
    const data = [times, peak.values, average.values];
    if (seats.values.some(function (value) { return value !== null; })) {
      series.push({ label: seats.label, stroke: colour("--km-bad"), width: 2, dash: [6, 4], paths: stepped, points: { show: false }, spanGaps: true });
      data.push(seats.values);
    }
    chart = new window.uPlot({
      width: place.clientWidth,
      height: 300,
      tzDate: function (seconds) { return window.uPlot.tzDate(new Date(seconds * 1000), "Etc/UTC"); },
      scales: { y: { range: function (u, low, high) { return [0, Math.max(1, high * 1.08)]; } } },
      series: series,
      axes: [
        Object.assign({ values: function (u, splits) { return splits.map(tick); }, space: 90 }, axis),
        Object.assign({ size: 60 }, axis),
      ],
    }, data, place);
  }

  draw();
  new ResizeObserver(function () {
    if (chart && chart.width !== place.clientWidth) chart.setSize({ width: place.clientWidth, height: 300 });
  }).observe(place);
  new MutationObserver(draw).observe(document.documentElement, { attributeFilter: ["data-bs-theme"] });
})();
