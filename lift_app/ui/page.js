// The page's own small behaviour: clicks in our HTML become one event for the server, the address
// keeps the place, the theme and the phone's tabs. It fetches nothing and owns no data.
(() => {
  const THEME = "lift-theme";
  let send = null;
  let lastMark = null;

  const narrow = () => window.matchMedia("(max-width: 820px)").matches;

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
    const cite = event.target.closest?.('a[href^="#cite-"]');
    const element = cite ?? event.target.closest?.("[data-act]");
    if (!element || element.disabled) return;
    event.preventDefault();
    if (cite) {
      lastMark = "";
      send?.({ act: "cite", cite: cite.getAttribute("href") });
      if (narrow()) showPane("book");
      return;
    }
    const { act, ...data } = element.dataset;
    if (act === "theme") return toggleTheme();
    if (act === "pane") return showPane(data.pane);
    send?.({ act, ...data });
    if (act === "book" && narrow()) showPane("book");
  }

  // Left and right turn the page while nothing else wants the key.
  function key(event) {
    if (event.altKey || event.ctrlKey || event.metaKey || event.shiftKey) return;
    const step = { ArrowLeft: 0, ArrowRight: 1 }[event.key];
    if (step === undefined) return;
    const busy = "input, textarea, select, summary, [role=slider], [contenteditable=true]";
    if (document.activeElement?.matches(busy)) return;
    document.querySelectorAll("#leaf .turner:first-of-type button")[step]?.click();
  }

  function turned(element) {
    const leaf = element.querySelector(".leaf");
    // Before the server has said which book is open, the address is all that knows.
    if (!leaf && lastMark === null) return;
    const place = new URL(window.location.href);
    // `at`, because Gradio reads `page` from an address itself.
    for (const [name, key] of [["book", "book"], ["at", "page"]]) {
      if (leaf) place.searchParams.set(name, leaf.dataset[key]);
      else place.searchParams.delete(name);
    }
    history.replaceState(history.state, "", place);
    const mark = leaf ? `${place.searchParams} ${leaf.dataset.mark ?? ""}` : "";
    if (mark === lastMark) return;
    const first = lastMark === null;
    lastMark = mark;
    const quote = element.querySelector("mark");
    const still = window.matchMedia("(prefers-reduced-motion: reduce)").matches;
    if (quote) quote.scrollIntoView({ block: "center", behavior: still ? "auto" : "smooth" });
    else if (leaf && !first && element.getBoundingClientRect().top < 0) {
      element.scrollIntoView({ block: "start" });
    }
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
    setInterval(unlabel, 1000);
  }

  window.liftPage = {
    connect(trigger) {
      send = trigger;
    },
    turned,
  };
  if (document.body) start();
  else document.addEventListener("DOMContentLoaded", start);
})();
