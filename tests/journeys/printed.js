// What is wrong with this page on paper: what one clicks is there, something is grey or on a dark ground, or a
// table is no table any more or sticks out of the sheet.
() => {
  const wrong = [];

  function isSeen(element) {
    return element.checkVisibility({ visibilityProperty: true }) && element.getClientRects().length > 0;
  }
  function parts(colour) {
    return (colour.match(/[\d.]+/g) || []).map(Number);
  }
  function words(element) {
    return element.textContent.trim().slice(0, 40);
  }

  ["nav", ".btn", "button", "select", "input:not([type=hidden])", ".top", ".footer"].forEach(function (name) {
    const left = Array.from(document.querySelectorAll(name)).filter(isSeen);
    if (left.length) wrong.push(left.length + " of " + name + ": " + words(left[0]));
  });

  document.querySelectorAll("main, main *, .light-strip *, .light-more *").forEach(function (element) {
    if (!isSeen(element) || element.closest("svg, progress") || !words(element)) return;
    const style = getComputedStyle(element), ink = parts(style.color), paper = parts(style.backgroundColor);
    if (Math.max(ink[0], ink[1], ink[2]) > 85) wrong.push("pale: " + words(element));
    if (paper[3] !== 0 && Math.min(paper[0], paper[1], paper[2]) < 215) wrong.push("on a dark ground: " + words(element));
  });

  Array.from(document.querySelectorAll("main table")).filter(isSeen).forEach(function (table) {
    if (getComputedStyle(table).display !== "table") wrong.push("no table");
    if (table.getBoundingClientRect().right > window.innerWidth + 1) wrong.push("sticks out of the sheet");
    const head = table.tHead, row = Array.from(table.tBodies[0].rows).find(function (each) { return each.cells.length > 1; });
    const cells = function (line) { return Array.from(line.cells).filter(isSeen).length; };
    if (head && row && cells(head.rows[0]) !== cells(row)) wrong.push("its head does not fit its columns");
    if (getComputedStyle(table.closest(".card") || table).breakInside === "avoid") wrong.push("leaves a sheet blank");
    if (head && (!isSeen(head) || getComputedStyle(head).display !== "table-header-group")) wrong.push("no head");
  });
  return wrong;
}
