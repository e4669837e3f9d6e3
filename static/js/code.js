// The four boxes of an activation code: pasting a whole SMS fills them, a full box leads to the next.
(function () {
  "use strict";
  const ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
  const boxes = Array.from(document.querySelectorAll("[data-code-box]"));
  if (!boxes.length) return;

  function canonical(text) {
    return text.toUpperCase().replace(/O/g, "0").replace(/[IL]/g, "1");
  }

  // Between groups: programs that write mails and messages make other dashes of a hyphen.
  const SEPARATORS = /[\s\u00ad\u2010-\u2015\u2212\ufe58\ufe63\uff0d-]+/g;
  function symbolsOf(text) {
    return canonical(text.replace(SEPARATORS, ""));
  }

  // The code within a text such as "Twój kod: 2F57-3P3V-…": the last sixteen symbols that stand together.
  const CODE = /^(?:[\s\S]*[^0-9A-Za-z])?((?:[0-9A-Za-z]{4}-?){3}[0-9A-Za-z]{4})(?![0-9A-Za-z])/;
  function found(text) {
    const match = CODE.exec(text.replace(SEPARATORS, "-"));
    return symbolsOf(match ? match[1] : text);
  }

  function fill(start, symbols) {
    let rest = symbols;
    for (let i = start; i < boxes.length && rest; i += 1) {
      boxes[i].value = rest.slice(0, 4);
      rest = rest.slice(4);
      boxes[Math.min(i + (boxes[i].value.length === 4 ? 1 : 0), boxes.length - 1)].focus();
    }
    check();
  }

  // Luhn mod 32 over the alphabet: the last of 16 symbols checks the 15 before it.
  function luhn(code) {
    let sum = 0;
    for (let i = 0; i < code.length; i += 1) {
      let value = ALPHABET.indexOf(code[code.length - 1 - i]);
      if (value < 0) return false;
      if (i % 2 === 1) value = Math.floor((value * 2) / 32) + ((value * 2) % 32);
      sum += value;
    }
    return sum % 32 === 0;
  }

  const warning = document.getElementById("code-mistyped");
  function check() {
    const code = symbolsOf(boxes.map(function (box) { return box.value; }).join(""));
    const wrong = code.length === 16 && !luhn(code);
    warning.hidden = !wrong;
    boxes.forEach(function (box) { box.setAttribute("aria-invalid", wrong ? "true" : "false"); });
  }

  boxes.forEach(function (box, index) {
    box.addEventListener("paste", function (event) {
      const text = event.clipboardData.getData("text");
      const symbols = found(text);
      if (symbols.length > 4) {
        event.preventDefault();
        fill(symbols.length >= 16 ? 0 : index, symbols.slice(0, 16));
      }
    });
    box.addEventListener("input", function () {
      const symbols = symbolsOf(box.value);
      // The portal itself knows spaces and hyphens alone.
      if (box.value.search(SEPARATORS) >= 0) box.value = symbols;
      if (symbols.length > 4) {
        fill(index, symbols);
      } else if (symbols.length === 4 && index + 1 < boxes.length && document.activeElement === box) {
        boxes[index + 1].focus();
      }
      check();
    });
    box.addEventListener("keydown", function (event) {
      if (event.key === "Backspace" && box.value === "" && index > 0) boxes[index - 1].focus();
    });
  });
})();
