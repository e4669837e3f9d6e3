// Draws the chart of a module's use from the table that stands below it.
(function () {
  "use strict";
  const place = document.querySelector("[data-chart]");
  const table = place && document.getElementById(place.dataset.chart);
  if (!table || !window.uPlot) return;

  // The day stands before the month, as everywhere on the pages.
  const language = document.documentElement.lang === "en" ? "en-GB" : document.documentElement.lang;
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
  const date = format({ day: "numeric", month: "short" });
  const month = format({ month: "short", year: "numeric" });
  const hour = format({ hour: "2-digit", minute: "2-digit", hourCycle: "h23" });
  const DAY = 86400;
  const ticks = {
    hour: function (seconds) { return seconds % DAY === 0 ? date(seconds) : hour(seconds); },
    day: date,
    month: month,
  };
  const whole = {
    hour: format({ weekday: "short", day: "numeric", month: "short", hour: "2-digit", minute: "2-digit", hourCycle: "h23" }),
    day: format({ weekday: "short", day: "numeric", month: "short", year: "numeric" }),
    month: month,
  };
  const by = table.dataset.by;

  // In the language of the page, as in the table; by itself the chart takes that of the browser.
  const written = new Intl.NumberFormat(language);
  function amount(u, value) { return value === null ? "–" : written.format(value); }

  // A point lasts: the last one too is drawn as long as it lasts.
  const LENGTH = { hour: 3600, day: DAY, month: 30 * DAY };
  times.push(times[times.length - 1] + LENGTH[by]);
  [seats, peak, average].forEach(function (each) {
    each.values.push(each.values[each.values.length - 1]);
  });

  function colour(name) {
    return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  }

  let chart = null;
  function draw() {
    if (chart) chart.destroy();
    const axis = { stroke: colour("--tblr-secondary"), grid: { stroke: colour("--km-bar"), width: 1 } };
    const stepped = window.uPlot.paths.stepped({ align: 1 });
    const series = [
      { label: table.tHead.rows[0].cells[0].textContent.trim(), value: function (u, at) { return at === null ? "–" : whole[by](at); } },
      { label: peak.label, value: amount, stroke: colour("--tblr-primary"), fill: colour("--km-chart-fill"), width: 2, paths: stepped, points: { show: false } },
      { label: average.label, value: amount, stroke: colour("--km-good"), width: 2, paths: stepped, points: { show: false } },
    ];
    const data = [times, peak.values, average.values];
    if (seats.values.some(function (value) { return value !== null; })) {
      series.push({ label: seats.label, value: amount, stroke: colour("--km-bad"), width: 2, dash: [6, 4], paths: stepped, points: { show: false }, spanGaps: true });
      data.push(seats.values);
    }
    chart = new window.uPlot({
      width: place.clientWidth,
      height: 300,
      tzDate: function (seconds) { return window.uPlot.tzDate(new Date(seconds * 1000), "Etc/UTC"); },
      scales: { y: { range: function (u, low, high) { return [0, Math.max(1, high * 1.08)]; } } },
      series: series,
      axes: [
        Object.assign({ values: function (u, splits) { return splits.map(ticks[by]); }, space: 70 }, axis),
        Object.assign({ values: function (u, splits) { return splits.map(written.format); }, size: 60 }, axis),
      ],
    }, data, place);
  }

  // On paper the numbers stand below their chart.
  const numbers = table.closest("details");
  let wasOpen = false;
  window.addEventListener("beforeprint", function () {
    wasOpen = numbers.open;
    numbers.open = true;
  });
  window.addEventListener("afterprint", function () { numbers.open = wasOpen; });

  draw();
  new ResizeObserver(function () {
    if (chart && chart.width !== place.clientWidth) chart.setSize({ width: place.clientWidth, height: 300 });
  }).observe(place);
  new MutationObserver(draw).observe(document.documentElement, { attributeFilter: ["data-bs-theme"] });
})();
