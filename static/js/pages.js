// What makes the pages more comfortable; each of them works without it.
(function () {
  "use strict";

  // --- on a narrow screen the tabs scroll: show the one that is open
  const open = document.querySelector(".tabs [aria-current]");
  function showOpenTab() {
    if (!open) return;
    // The row alone: the page stays where its address, or the focus, has led the reader.
    const row = open.closest("ul"), at = open.getBoundingClientRect(), seen = row.getBoundingClientRect();
    row.scrollLeft += at.left + at.width / 2 - (seen.left + seen.width / 2);
  }
  showOpenTab();
  window.addEventListener("resize", showOpenTab);

  // --- menus: one click outside, or Escape, closes them
  document.addEventListener("click", function (event) {
    document.querySelectorAll("details.menu[open]").forEach(function (menu) {
      if (!menu.contains(event.target)) menu.removeAttribute("open");
    });
  });
  document.addEventListener("keydown", function (event) {
    if (event.key === "Escape") {
      document.querySelectorAll("details.menu[open]").forEach(function (menu) {
        menu.removeAttribute("open");
        menu.querySelector("summary").focus();
      });
    }
    if (event.target.closest("input, textarea, select, [contenteditable]")) return;
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    hear(event);
  });

  // --- keys: "/" searches; "g" and a letter of a tab leads there
  let afterG = 0;
  function hear(event) {
    const search = document.querySelector("[data-search]");
    if (event.key === "/" && search) {
      event.preventDefault();
      search.focus();
    }
    if (event.timeStamp < afterG) {
      const tab = document.querySelector('.tabs [data-letter="' + CSS.escape(event.key) + '"]');
      if (tab) tab.click();
    }
    afterG = event.key === "g" ? event.timeStamp + 1500 : 0;
  }

  // --- times are the portal's; a reader in another zone is told which that is, and his own beside it
  const language = document.documentElement.lang;
  const ownDay = new Intl.DateTimeFormat("sv-SE", { dateStyle: "short", timeStyle: "medium" });
  const ownZone = new Intl.DateTimeFormat(language, { timeZoneName: "short" });

  function portalOffset(time) {
    const found = /([+-])(\d\d):(\d\d)$/.exec(time.dateTime);
    return found ? (found[1] === "-" ? -1 : 1) * (60 * Number(found[2]) + Number(found[3])) : null;
  }

  function nameZones() {
    document.querySelectorAll("time[datetime]:not([data-zone])").forEach(function (time) {
      const at = new Date(time.dateTime), offset = portalOffset(time);
      time.dataset.zone = "";
      if (offset === null || offset === -at.getTimezoneOffset()) return;
      const own = ownZone.formatToParts(at).find(function (part) { return part.type === "timeZoneName"; });
      const exact = time.querySelector(".exact"), zone = document.createElement("span");
      zone.className = "visually-hidden";
      zone.textContent = " " + time.title.split(" ").pop();
      if (exact) exact.append(zone);
      time.title += " = " + ownDay.format(at) + " " + own.value;
    });
  }
  nameZones();
  document.addEventListener("htmx:afterSettle", nameZones);

  // --- filters: as long as this window is open, a tab leads back to the list as it was filtered last;
  // the tab that is open leads to the whole list
  function stored(path, query) {
    try {
      if (query === undefined) return sessionStorage.getItem("filter " + path) || "";
      sessionStorage.setItem("filter " + path, query);
    } catch {
      // Without storage every tab leads to the whole list.
    }
    return "";
  }

  function rememberFilter() {
    if (!document.querySelector("form.list-tools[role=search]")) return;
    const query = new URLSearchParams(window.location.search);
    query.delete("page");
    Array.from(query.entries()).forEach(function (pair) {
      if (!pair[1]) query.delete(pair[0]);
    });
    stored(window.location.pathname, query.toString());
  }

  // A file has the rows that one sees.
  function followFilter() {
    document.querySelectorAll("[data-csv]").forEach(function (link) {
      const query = new URLSearchParams(window.location.search);
      query.delete("page");
      query.set("format", "csv");
      link.search = query.toString();
    });
  }

  rememberFilter();
  document.addEventListener("htmx:pushedIntoHistory", rememberFilter);
  document.addEventListener("htmx:pushedIntoHistory", followFilter);
  document.querySelectorAll(".tabs a:not([aria-current])").forEach(function (tab) {
    const query = stored(tab.pathname);
    if (query) tab.search = query;
  });

  // --- what refreshes itself says so when it no longer can
  function tellWhetherStale(isStale) {
    const note = document.querySelector("[data-stale]");
    if (note) note.firstElementChild.hidden = !isStale;
  }
  ["htmx:sendError", "htmx:responseError"].forEach(function (name) {
    document.addEventListener(name, function () { tellWhetherStale(true); });
  });
  document.addEventListener("htmx:afterOnLoad", function (event) {
    if (event.detail.successful) tellWhetherStale(false);
  });

  // --- passkeys: browsers have them only on pages that nobody can listen to
  if (window.isSecureContext && window.PublicKeyCredential) {
    document.querySelectorAll("[data-passkeys]").forEach(function (place) { place.hidden = false; });
  }
  // allauth's script tells in this way that the browser's dialogue ended without one.
  document.addEventListener("allauth.error", function (event) {
    const place = document.querySelector("[data-passkey-trouble]");
    if (!place) return;
    event.preventDefault();
    place.firstElementChild.hidden = false;
  });

  // --- copying
  function say(button, words) {
    const status = document.getElementById("spoken");
    if (status) status.textContent = words;
    const label = button.querySelector("[data-copy-label]") || button;
    const before = label.textContent;
    label.textContent = words;
    window.setTimeout(function () {
      label.textContent = before;
    }, 2000);
  }

  function select(element) {
    const range = document.createRange();
    range.selectNodeContents(element);
    const selection = window.getSelection();
    selection.removeAllRanges();
    selection.addRange(range);
  }

  function copy(element) {
    if (navigator.clipboard && window.isSecureContext) {
      return navigator.clipboard.writeText(element.textContent.trim());
    }
    // Without TLS a browser offers the old way only.
    select(element);
    return document.execCommand("copy") ? Promise.resolve() : Promise.reject(new Error("copy"));
  }

  document.addEventListener("click", function (event) {
    const button = event.target.closest("[data-copy]");
    if (!button) return;
    const element = document.getElementById(button.dataset.copy);
    copy(element).then(
      function () { say(button, button.dataset.copied); },
      function () { select(element); }
    );
  });

  // --- picking rows of a list
  function picks(form) {
    return Array.from(form.querySelectorAll("[data-pick]"));
  }

  function count(form) {
    const all = picks(form);
    const picked = all.filter(function (box) { return box.checked; });
    // Grouped by modules a lease stands in several rows.
    const leases = new Set(picked.map(function (box) { return box.value; }));
    const whole = form.querySelector("[data-pick-all]");
    if (whole) {
      whole.checked = all.length > 0 && picked.length === all.length;
      whole.indeterminate = picked.length > 0 && picked.length < all.length;
    }
    form.querySelectorAll("[data-picked-count]").forEach(function (place) {
      place.textContent = String(leases.size);
    });
    form.querySelectorAll("[data-needs-pick]").forEach(function (button) {
      button.disabled = picked.length === 0;
    });
  }

  document.addEventListener("change", function (event) {
    const form = event.target.closest("[data-picking]");
    if (!form) return;
    if (event.target.matches("[data-pick-all]")) {
      picks(form).forEach(function (box) { box.checked = event.target.checked; });
    }
    count(form);
  });
  function countAll() {
    document.querySelectorAll("[data-picking]").forEach(count);
  }
  document.addEventListener("htmx:afterSettle", countAll);
  countAll();

  // --- a double click sends a form once: the answer to the second would hide what the first has done
  const TWICE_MILLISECONDS = 3000;
  const sent = new WeakMap();
  document.addEventListener("submit", function (event) {
    if (event.defaultPrevented || event.target.method !== "post") return;
    if (event.timeStamp - sent.get(event.target) < TWICE_MILLISECONDS) event.preventDefault();
    else sent.set(event.target, event.timeStamp);
  });

  // --- confirming by typing a name
  document.querySelectorAll("[data-confirm-with]").forEach(function (field) {
    const button = field.form.querySelector("[data-confirmed]");
    function check() {
      button.disabled = field.value.replace(/\s/g, "") !== field.dataset.confirmWith.replace(/\s/g, "");
    }
    field.addEventListener("input", check);
    check();
  });

  // --- files, chosen or dropped; the browser's own button speaks the browser's language, not the page's
  document.querySelectorAll("[data-drop]").forEach(function (zone) {
    const field = zone.querySelector("input[type=file]");
    const words = zone.querySelector("[data-file-words]"), name = zone.querySelector("[data-file-name]");
    words.hidden = false;
    field.hidden = true;
    zone.querySelector("[data-file-choose]").addEventListener("click", function () { field.click(); });
    field.addEventListener("change", function () {
      if (field.files.length) name.textContent = field.files[0].name;
    });
    ["dragenter", "dragover"].forEach(function (name) {
      zone.addEventListener(name, function (event) {
        event.preventDefault();
        zone.classList.add("over");
      });
    });
    ["dragleave", "drop"].forEach(function (name) {
      zone.addEventListener(name, function () { zone.classList.remove("over"); });
    });
    zone.addEventListener("drop", function (event) {
      event.preventDefault();
      if (!event.dataTransfer.files.length) return;
      field.files = event.dataTransfer.files;
      field.dispatchEvent(new Event("change"));
    });
  });
})();
