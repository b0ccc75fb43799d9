// The page's own small behaviour: clicks and small forms in our HTML become one event for the
// server, the theme, the phone's tabs. It fetches nothing and owns no data; pages are `leaf.js`'s.
(() => {
  const THEME = "lift-theme";
  let trigger = null;
  let acts = 0;

  const narrow = () => window.matchMedia("(max-width: 1000px)").matches; // not all panes fit

  // Acts may overtake each other on their way; their order tells the server which is the last.
  function send(data) {
    acts += 1;
    trigger?.({ ...data, order: acts });
  }

  function showPane(pane) {
    const room = document.querySelector("#room");
    if (room) room.dataset.pane = pane;
    for (const tab of document.querySelectorAll("#panes [data-pane]")) {
      tab.toggleAttribute("aria-current", tab.dataset.pane === pane);
    }
  }

  function setTheme(theme) {
    document.body.classList.toggle("dark", theme === "dark");
    document.documentElement.style.colorScheme = theme;
  }

  function toggleTheme() {
    const theme = document.body.classList.contains("dark") ? "light" : "dark";
    setTheme(theme);
    try {
      localStorage.setItem(THEME, theme);
    } catch {
      // Storage may be forbidden; the choice then lasts as long as the page.
    }
  }

  function startTheme() {
    let theme = null;
    try {
      theme = localStorage.getItem(THEME);
    } catch {
      theme = null;
    }
    const dark = window.matchMedia("(prefers-color-scheme: dark)").matches;
    setTheme(theme ?? (dark ? "dark" : "light"));
  }

  function click(event) {
    const copied = event.target.closest?.('a[href^="#copy-"]');
    if (copied) {
      event.preventDefault();
      return copy(copied);
    }
    const saw = event.target.closest?.('a[href^="#saw-"]');
    if (saw) {
      event.preventDefault();
      return send({ act: "saw", saw: saw.getAttribute("href") });
    }
    const cite = event.target.closest?.('a[href^="#cite-"]');
    const element = cite ?? event.target.closest?.("[data-act]");
    if (!element || element.disabled) return;
    event.preventDefault();
    if (cite) {
      window.liftLeaf.markAgain();
      send({ act: "cite", cite: cite.getAttribute("href") });
      if (narrow()) showPane("book");
      return;
    }
    const { act, ...data } = element.dataset;
    if (act === "theme") return toggleTheme();
    // A double click is one act, or it would open a thing and close it; pages may turn as fast.
    if (event.detail > 1 && act !== "turn") return;
    if (act === "pane") return showPane(data.pane);
    if (act === "quote") return quote(element);
    if (act === "focus") return askNow();
    if (act === "start") return ask(element.textContent);
    if (act === "show") window.liftLeaf.markAgain();
    if (element.matches(".cell") && narrow()) showPane("book");
    if (act === "turn") return turn(data);
    send({ act, ...data });
    if (act === "settings" || act === "replay") window.liftPage.show("book");
    if (act === "book" && narrow()) showPane("book");
  }

  function turn(data) {
    const of = document.querySelector("#leaf .leaf")?.dataset.book;
    const how = window.liftLeaf.turn(data.page);
    if (how) send({ act: "turn", ...data, of, shown: how === "shown" });
  }

  function submit(event) {
    const form = event.target.closest?.("form[data-form]");
    if (!form) return;
    event.preventDefault();
    send({ act: form.dataset.form, value: form.elements.value.value });
  }

  // The small cross of a search field empties it without a submit.
  function emptied(event) {
    if (event.target.matches?.(".finder input") && !event.target.value) {
      send({ act: "find", value: "" });
    }
  }

  // The strip is one stop for the Tab key; arrows move along it.
  function walk(cell, event) {
    const cells = [...cell.parentElement.children];
    const at = cells.indexOf(cell);
    const wanted = { ArrowLeft: at - 1, ArrowRight: at + 1, Home: 0, End: cells.length - 1 };
    const next = cells[wanted[event.key]];
    if (!next) return;
    event.preventDefault();
    for (const one of cells) one.tabIndex = one === next ? 0 : -1;
    next.focus();
  }

  // Left and right turn the page while nothing else wants the key.
  function key(event) {
    if (event.target.matches?.(".cell")) return walk(event.target, event);
    if (event.altKey || event.ctrlKey || event.metaKey || event.shiftKey) return;
    const step = { ArrowLeft: 0, ArrowRight: 1 }[event.key];
    if (step === undefined) return;
    const busy = "input, textarea, select, summary, [role=slider], [contenteditable=true]";
    if (document.activeElement?.matches(busy)) return;
    document.querySelectorAll("#leaf .turner:first-of-type button")[step]?.click();
  }

  // The button stands beside a selection in the page, and nowhere else.
  function selected() {
    const button = document.querySelector("#ask-selection");
    if (!button) return;
    const selection = window.getSelection();
    const text = selection.toString().replace(/\u00ad\s*/g, "").replace(/\s+/g, " ").trim();
    const inPage = selection.rangeCount && selection.anchorNode?.parentElement?.closest("#leaf");
    if (!inPage || text.length < 3) {
      button.hidden = true;
      return;
    }
    const box = selection.getRangeAt(0).getBoundingClientRect();
    button.hidden = false;
    button.dataset.text = text.length > 300 ? `${text.slice(0, 300)} …` : text;
    const top = box.bottom + 8 + button.offsetHeight;
    button.style.top = `${Math.max(8, top > innerHeight - 60 ? box.top - 44 : box.bottom + 8)}px`;
    const left = box.left + box.width / 2 - button.offsetWidth / 2;
    button.style.left = `${Math.min(Math.max(8, left), innerWidth - button.offsetWidth - 8)}px`;
  }

  // The question begins with the passage; what is asked about it is the reader's.
  function quote(button) {
    const box = document.querySelector("#question textarea");
    if (!box) return;
    const { before, after, text } = button.dataset;
    box.value = `${before}${text}${after}`;
    box.dispatchEvent(new Event("input", { bubbles: true }));
    button.hidden = true;
    window.getSelection().removeAllRanges();
    if (narrow()) showPane("chat");
    box.focus();
    box.setSelectionRange(box.value.length, box.value.length);
  }

  function askNow() {
    if (narrow()) showPane("chat");
    document.querySelector("#question textarea")?.focus();
  }

  function ask(question) {
    const box = document.querySelector("#question textarea");
    if (!box) return;
    box.value = question;
    box.dispatchEvent(new Event("input", { bubbles: true }));
    // Gradio takes the value over before it hears of the click.
    setTimeout(() => document.querySelector("#send")?.click(), 60);
  }

  // An answer with its citations, as text.
  async function copy(link) {
    const message = link.closest(".message") ?? link.parentElement.parentElement;
    const parts = [message.querySelector(".said")?.innerText];
    for (const cite of message.querySelectorAll("a.cite")) {
      const [quote, source] = [".quote", ".source"].map((part) => cite.querySelector(part));
      parts.push(`${quote.innerText} (${source.innerText})`);
    }
    try {
      await navigator.clipboard.writeText(parts.filter(Boolean).join("\n\n"));
      say(document.querySelector("#spoken")?.dataset.copied ?? "");
    } catch {
      // A page that is not served securely may not write; the text can still be selected.
    }
  }

  function say(text) {
    const spoken = document.querySelector("#spoken");
    if (!spoken) return;
    spoken.textContent = text;
    setTimeout(() => (spoken.textContent = ""), 3000);
  }

  // What is drawn anew loses the focus; it goes to the same button of the new drawing.
  const name = (element) =>
    ["place", "book", "cell", "view", "chat"].map((key) => element.dataset[key]).find(Boolean) ??
    element.getAttribute("aria-label") ??
    element.dataset.act;
  let focused = null;

  function remember(event) {
    const part = event.target.closest?.("#shelf, #leaf, #strip, #found, #about, #chats, #lift, #steps");
    focused = part ? { part: part.id, name: name(event.target), tag: event.target.tagName } : null;
  }

  // The list of chats stays open when it is drawn anew.
  let listed = false;

  function unfold(event) {
    if (event.target.matches?.("details.chats") && event.target.isConnected) {
      listed = event.target.open;
    }
  }

  function refocus() {
    const list = document.querySelector("details.chats:not([open])");
    if (listed && list) list.open = true;
    if (!focused || document.activeElement !== document.body) return;
    const all = document.querySelectorAll(`#${focused.part} ${focused.tag}`);
    const same = [...all].find((element) => name(element) === focused.name);
    same?.focus({ preventScroll: true });
  }

  // Gradio labels each message with its raw HTML; without the label its text is read instead.
  function unlabel() {
    for (const message of document.querySelectorAll("#chat [data-testid][aria-label]")) {
      message.removeAttribute("aria-label");
    }
  }

  function start() {
    startTheme();
    document.addEventListener("click", click);
    document.addEventListener("keydown", key);
    document.addEventListener("submit", submit);
    document.addEventListener("search", emptied, true);
    document.addEventListener("selectionchange", selected);
    document.addEventListener("focusin", remember);
    document.addEventListener("toggle", unfold, true);
    document.addEventListener("pointerdown", () => (focused = null));
    new MutationObserver(refocus).observe(document.body, { childList: true, subtree: true });
    setInterval(unlabel, 1000);
  }

  // Numbers of draws, as they come; one that comes after a later one has put back what that changed.
  let newest = 0;
  let late = Infinity;

  window.liftPage = {
    drawn(number) {
      if (!number) return;
      if (number < newest) late = Math.min(late, number);
      else newest = number;
    },
    receipt() {
      const had = late < newest ? `${newest} ${late}` : `${newest}`;
      late = Infinity;
      return had;
    },
    connect(to) {
      trigger = to;
    },
    show(pane) {
      if (narrow()) showPane(pane);
      document.querySelector("#book-pane")?.scrollTo({ top: 0 });
    },
  };
  if (document.body) start();
  else document.addEventListener("DOMContentLoaded", start);
})();
