// Before the first paint: light or dark, as chosen here or as the system has it.
(function () {
  "use strict";
  const root = document.documentElement;
  const system = window.matchMedia("(prefers-color-scheme: dark)");

  function chosen() {
    try {
      return localStorage.getItem("theme");
    } catch {
      return null;
    }
  }

  function show() {
    root.setAttribute("data-bs-theme", chosen() || (system.matches ? "dark" : "light"));
  }

  show();
  system.addEventListener("change", show);

  // Paper is white.
  window.addEventListener("beforeprint", function () { root.setAttribute("data-bs-theme", "light"); });
  window.addEventListener("afterprint", show);

  document.addEventListener("click", function (event) {
    if (!event.target.closest("[data-theme-switch]")) return;
    const next = root.getAttribute("data-bs-theme") === "dark" ? "light" : "dark";
    try {
      localStorage.setItem("theme", next);
    } catch {
      // Without storage the choice lasts as long as the page.
    }
    root.setAttribute("data-bs-theme", next);
  });
})();
