// The page of the book in the browser: it turns at once to a neighbour that was fetched ahead,
// keeps its place in the address, and brings what is marked into sight. It knows nothing of the
// rest of the room; `page.js` asks it to turn and tells the server.
(() => {
  const MOST = 12; // leaves that are kept
  const PAUSE = 80; // milliseconds in which a page is painted before others are fetched
  const PATIENCE = 3000; // milliseconds in which the server answers, or may be asked again
  const leaves = new Map(); // address -> a leaf that is ready to be shown
  const fetching = new Set();
  let asked = -Infinity;
  let lastMark = null;
  let openBook = "";

  const current = () => document.querySelector("#leaf .leaf");
  const address = (leaf, page) => `leaves/${leaf.dataset.book}/${page}?view=${leaf.dataset.view}`;

  function keep(where, leaf) {
    leaves.delete(where);
    leaves.set(where, leaf);
    if (leaves.size > MOST) leaves.delete(leaves.keys().next().value);
  }

  // A leaf is ready once its picture can be painted in the frame in which it is shown.
  async function fetchAhead(where) {
    if (leaves.has(where) || fetching.has(where)) return;
    fetching.add(where);
    try {
      const answer = await fetch(where);
      if (!answer.ok) return;
      const holder = document.createElement("template");
      holder.innerHTML = await answer.text();
      const leaf = document.importNode(holder.content, true).querySelector(".leaf");
      await leaf?.querySelector(".sheet img")?.decode();
      if (leaf) keep(where, leaf);
    } catch {
      // Without it the page turns by the server, as it would have anyway.
    } finally {
      fetching.delete(where);
    }
  }

  async function readAhead(leaf) {
    const [before, after] = [...leaf.querySelectorAll(".turner:first-of-type [data-act=turn]")];
    if (after && !after.disabled) await fetchAhead(address(leaf, after.dataset.page));
    if (before && !before.disabled) await fetchAhead(address(leaf, before.dataset.page));
    const next = Number(after?.dataset.page) + 1;
    if (leaf.isConnected && next <= Number(leaf.dataset.pages)) {
      await fetchAhead(address(leaf, next));
    }
  }

  // Show a page now. "shown": it is there; "asked": the server is to send it; "": wait for that.
  function turn(page) {
    const leaf = current();
    const where = leaf ? address(leaf, page) : "";
    const ready = leaves.get(where);
    if (!ready) {
      if (performance.now() - asked < PATIENCE) return "";
      asked = performance.now();
      return "asked";
    }
    leaves.delete(where);
    const contents = ready.querySelector(".contents");
    if (contents) contents.open = Boolean(leaf.querySelector(".contents")?.open);
    leaf.replaceWith(ready);
    if (!leaf.dataset.mark) keep(address(leaf, leaf.dataset.page), leaf);
    turned(document.querySelector("#leaf"));
    return "shown";
  }

  function keepPlace(leaf) {
    const place = new URL(window.location.href);
    // `at`, because Gradio reads `page` from an address itself.
    for (const [name, key] of [["book", "book"], ["at", "page"]]) {
      if (leaf) place.searchParams.set(name, leaf.dataset[key]);
      else place.searchParams.delete(name);
    }
    history.replaceState(history.state, "", place);
    return place.searchParams;
  }

  // The page has changed: by a turn, or because the server sent another.
  function turned(element) {
    const leaf = element.querySelector(".leaf");
    asked = -Infinity;
    // Before the server has said which book is open, the address is all that knows.
    if (!leaf && lastMark === null) return;
    const place = keepPlace(leaf);
    const book = leaf?.dataset.book ?? "";
    const field = document.querySelector(".finder input");
    if (book !== openBook) {
      leaves.clear();
      if (field) field.value = "";
    }
    openBook = book;
    if (leaf) setTimeout(() => leaf.isConnected && readAhead(leaf), PAUSE);
    const mark = leaf ? `${place} ${leaf.dataset.mark ?? ""}` : "";
    if (mark === lastMark) return;
    const first = lastMark === null;
    lastMark = mark;
    const quote = element.querySelector("mark, .mark");
    const still = window.matchMedia("(prefers-reduced-motion: reduce)").matches;
    if (quote) quote.scrollIntoView({ block: "center", behavior: still ? "auto" : "smooth" });
    else if (leaf && !first && element.getBoundingClientRect().top < 0) {
      element.scrollIntoView({ block: "start" });
    }
  }

  window.liftLeaf = {
    turn,
    turned,
    // What is marked comes into sight once more, though it is marked already.
    markAgain: () => (lastMark = ""),
  };
})();
