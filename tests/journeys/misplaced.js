// What is wrong with the place of things in this window: a page or a list that scrolls sideways, controls that
// are cut off, have no size, or lie behind something else. What the keyboard can scroll may be wider, and so may
// the tabs of a telephone.
() => {
  const wrong = [];
  const page = document.documentElement;
  if (page.scrollWidth > window.innerWidth) wrong.push("the page scrolls sideways: " + page.scrollWidth);

  document.querySelectorAll(".table-responsive:not([tabindex])").forEach(function (list) {
    if (list.scrollWidth > list.clientWidth + 1) wrong.push("a list scrolls sideways: " + list.scrollWidth);
  });
  const tabs = document.querySelector(".tabs ul");
  if (tabs && window.innerWidth > 767 && tabs.scrollWidth > tabs.clientWidth + 1) wrong.push("a tab is cut off");

  function name(element) {
    return element.tagName + " " + (element.innerText || element.name || element.id || "").trim().slice(0, 50);
  }
  function scrolls(element) {
    for (let place = element.parentElement; place && place !== page; place = place.parentElement) {
      if (/auto|scroll/.test(getComputedStyle(place).overflowX)) return true;
    }
    return false;
  }
  function isSeen(element) {
    return element.checkVisibility({ visibilityProperty: true }) && !element.closest(".skip, .visually-hidden");
  }
  function fault(element) {
    element.scrollIntoView({ block: "center", inline: "center", behavior: "instant" });
    const box = element.getClientRects()[0];
    if (!box || box.width < 8 || box.height < 8) return "too small: ";
    if (!scrolls(element) && (box.left < -1 || box.right > window.innerWidth + 1)) return "cut off: ";
    if (element.matches("button, summary, .btn") && element.scrollWidth > element.clientWidth + 1) return "its words are cut: ";
    const top = document.elementFromPoint(box.left + box.width / 2, box.top + box.height / 2);
    const label = top && top.closest("label");
    const reached = top && (element.contains(top) || top.contains(element) || (label && label.control === element));
    return reached ? "" : "hidden behind " + (top ? name(top) : "nothing") + ": ";
  }

  const controls = "a, button, input:not([type=hidden]), select, textarea, summary";
  Array.from(document.querySelectorAll(controls)).filter(isSeen).forEach(function (element) {
    const found = fault(element);
    if (found) wrong.push(found + name(element));
  });
  window.scrollTo(0, 0);
  return wrong;
}
